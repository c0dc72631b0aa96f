"""Taking a version folder up: everything that essays of this version share, warmed."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from transformers import AutoTokenizer
from transformers.utils import logging as transformers_logging

from models.contract import Family, ModelInfo, StyleInfo
from models.essay.associations import associations
from models.essay.decoding import Decoding
from models.essay.kernel import Kernel
from models.essay.lexicon import Lexicon
from models.essay.lstm import EssayLSTM
from models.essay.prompt import Encoder, Prompter
from models.essay.table import Table
from models.essay.writer import Tools
from models.registry import Version

STYLES = {
    "argument": "A school essay that takes a side and gives reasons.",
    "reflection": "A personal essay about life, school and choices.",
    "encyclopedia": "A sober article that states facts.",
    "classic": "A nineteenth-century essayist, after Emerson.",
    "speech": "A solemn public address.",
    "plain": "Everyday prose of many kinds.",
    "own": "The manner of the essays this version was last trained on.",
}


def load_version(
    version: Version, device: torch.device, slots: int, decoding: Decoding | None = None
) -> tuple[Table, ModelInfo]:
    """Read a version and warm it; ``decoding`` overrides what its ``generation.json`` says."""
    how = decoding or Decoding.read(version.path)
    cast("Callable[[], None]", transformers_logging.disable_progress_bar)()
    model = EssayLSTM.from_pretrained(version.path)
    tokenizer = AutoTokenizer.from_pretrained(version.path)
    kernel = Kernel(model, device, how.precision)
    lexicon = Lexicon(tokenizer, how.forbidden)
    prompter = Prompter(cast(Encoder, tokenizer))
    known = associations()
    tools = Tools(version.name, lexicon, prompter, known, known.table(lexicon), how)
    taught = version.manifest.get("styles") or [s for s in STYLES if s != "own"]
    info = ModelInfo(
        family=Family.ESSAY,
        version=version.name,
        styles=tuple(StyleInfo(name=s, description=STYLES.get(s, "")) for s in taught),
        default_style=how.style if how.style in taught else str(taught[0]),
        parameters=kernel.parameters,
        licence=str(version.manifest.get("licence", "unknown")),
        device=str(device),
    )
    return Table(kernel, tools, slots), info

"""Taking a version folder up: everything that essays of this version share, warmed."""

from __future__ import annotations

import hashlib
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor
from transformers import AutoTokenizer
from transformers.utils import logging as transformers_logging

from models.contract import Family, ModelInfo, StyleInfo
from models.essay.associations import associations
from models.essay.decoding import Decoding
from models.essay.eightbit import kernel_for
from models.essay.lexicon import Lexicon
from models.essay.lstm import EssayLSTM
from models.essay.prompt import Encoder, Prompter
from models.essay.runs import Runs
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


#: Seconds after which Python code hands the interpreter on while a version is taken up. With the
#: usual 5 ms, each of the hundred small operations of a step would wait that long for its turn.
TURN_SECONDS = 0.0005
LANGUAGES = 4  # vocabularies remembered
_languages: OrderedDict[tuple[str, str], Language] = OrderedDict()


@dataclass(frozen=True)
class Loaded:
    """A version ready to write."""

    table: Table
    info: ModelInfo
    size: int  # bytes


@dataclass(frozen=True)
class Language:
    """What versions with the same vocabulary share: most of the work of taking one up."""

    lexicon: Lexicon
    prompter: Prompter
    directions: Tensor  # of tokens, see Associations.table


def load_version(
    version: Version, device: torch.device, slots: int, decoding: Decoding | None = None
) -> Loaded:
    """Read a version and warm it; ``decoding`` overrides what its ``generation.json`` says."""
    with _short_turns:
        how = decoding or Decoding.read(version.path)
        cast("Callable[[], None]", transformers_logging.disable_progress_bar)()
        kernel = kernel_for(EssayLSTM.from_pretrained(version.path), device, how.precision)
        language = _language(version, how.forbidden)
        read = Runs.read(version.path)
        tools = Tools(
            version.name,
            language.lexicon,
            language.prompter,
            associations(),
            language.directions,
            how,
            read,
        )
        table = Table(kernel, tools, slots)
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
    return Loaded(table, info, table.size + (read.size if read else 0))


def _language(version: Version, forbidden: str) -> Language:
    """Find what is known of a version's vocabulary, or work it out."""
    text = (version.path / "tokenizer.json").read_bytes()
    key = (hashlib.sha256(text).hexdigest(), forbidden)
    if key not in _languages:
        tokenizer = AutoTokenizer.from_pretrained(version.path)
        lexicon = Lexicon(tokenizer, forbidden)
        directions = associations().table(lexicon)
        while len(_languages) >= LANGUAGES:
            _languages.popitem(last=False)
        _languages[key] = Language(lexicon, Prompter(cast(Encoder, tokenizer)), directions)
    return _languages[key]


class _ShortTurns:
    """Lets other threads in often while some thread is busy with Python code."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._usual = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if self._users == 0:
                self._usual = sys.getswitchinterval()
                sys.setswitchinterval(TURN_SECONDS)
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                sys.setswitchinterval(self._usual)


_short_turns = _ShortTurns()

"""A version as a folder that Hugging Face's Auto classes load, with or without this project."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from models.essay import lstm
from models.registry import Registry, RegistryError, Version
from training.runs import write_json

#: What a version has only for this project's own training and serving.
OWN = ("lexicon.json", "generation.json", "metrics.json", "runs.npz")
CODE = "modeling_essay.py"
CARD = """
## Using these files
With this project installed:

```python
import models.essay.lstm  # tells the Auto classes about the model
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("{name}")
tokenizer = AutoTokenizer.from_pretrained("{name}")
```

Anywhere else, add `trust_remote_code=True` to both: `{code}` is the model's whole code.
A text begins after a prefix such as
`<style_argument><mark_5><len_6><topic> school uniforms<text>`.
"""


def export_essay(registry: Registry, ref: str, out: Path) -> Version:
    """Write a version, checked against its manifest, to a new folder; raise RegistryError."""
    version = registry.resolve("essay", ref)
    version.verify()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise RegistryError(f"{out} exists already.")
    out.mkdir(parents=True, exist_ok=True)
    for name in version.manifest["files"]:
        if name not in OWN:
            (out / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(version.path / name, out / name)
    shutil.copyfile(lstm.__file__, out / CODE)
    config = json.loads((out / "config.json").read_text(encoding="utf-8"))
    module = Path(CODE).stem
    config["auto_map"] = {
        "AutoConfig": f"{module}.{lstm.EssayConfig.__name__}",
        "AutoModelForCausalLM": f"{module}.{lstm.EssayLSTM.__name__}",
    }
    write_json(out / "config.json", config)
    reads = json.loads((out / "tokenizer_config.json").read_text(encoding="utf-8"))
    # An LSTM has no attention mask: `generate(**tokenizer(text))` would refuse one.
    reads["model_input_names"] = ["input_ids"]
    write_json(out / "tokenizer_config.json", reads)
    card = out / "README.md"
    told = card.read_text(encoding="utf-8") if card.is_file() else f"# {version.name}\n"
    card.write_text(told + CARD.format(name=out.name, code=CODE), encoding="utf-8")
    return version

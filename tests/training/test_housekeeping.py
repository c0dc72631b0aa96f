"""Export and garbage collection, by their commands."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

import models.essay.lstm  # noqa: F401 - tells the Auto classes about the model
from models.registry import Registry
from training.__main__ import app

FOREIGN = """
import sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained(sys.argv[1], trust_remote_code=True)
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
text = "<topic> cats <text> People"
ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
with torch.no_grad():
    print(float(model(ids).logits.sum()))
print(any(name.startswith("models") for name in sys.modules))
"""


def call(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def exported(tiny_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("export") / "writer"
    code, output = call("export", "essay", "live", "--out", out, "--registry", tiny_registry)
    assert code == 0, output
    return out


def test_an_export_loads_with_the_auto_classes(exported: Path, tiny_registry: Path) -> None:
    model: Any = AutoModelForCausalLM.from_pretrained(exported)
    original = AutoModelForCausalLM.from_pretrained(
        Registry(tiny_registry, None).resolve("essay").path
    )
    ids = torch.arange(40, 60).unsqueeze(0)
    with torch.no_grad():
        assert torch.equal(model(ids).logits, original(ids).logits)
    tokenizer = AutoTokenizer.from_pretrained(exported)
    assert tokenizer.decode(tokenizer.encode(" people", add_special_tokens=False)) == " people"
    given = tokenizer("<topic> cats<text>", return_tensors="pt")
    written = model.generate(**given, max_new_tokens=3, do_sample=False)
    assert isinstance(written, torch.Tensor) and written.shape[1] > 3
    card = (exported / "README.md").read_text()
    assert "trust_remote_code" in card and "<len_6><topic> school uniforms<text>" in card


def test_an_export_needs_nothing_of_this_project(exported: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "HF_MODULES_CACHE": str(tmp_path / "code"), "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", FOREIGN, str(exported)],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    total, ours = done.stdout.split()
    ids = AutoTokenizer.from_pretrained(exported)(
        "<topic> cats <text> People", return_tensors="pt", add_special_tokens=False
    ).input_ids
    with torch.no_grad():
        here = float(AutoModelForCausalLM.from_pretrained(exported)(ids).logits.sum())
    assert float(total) == pytest.approx(here, rel=1e-5)
    assert ours == "False"


def test_an_export_never_overwrites(exported: Path, tiny_registry: Path) -> None:
    code, output = call("export", "essay", "live", "--out", exported, "--registry", tiny_registry)
    assert code == 1 and output.strip() == f"{exported} exists already."
    code, output = call("export", "essay", "nobody", "--out", exported / "new")
    assert code == 1 and output.strip() == "There is no essay model called nobody."


@pytest.fixture
def house(tmp_path: Path) -> Registry:
    """Seven versions: d came from c, which came from b; d is live, e was asked for once."""
    registry = Registry(tmp_path / "registry", None)
    parents = {"d": "c", "c": "b"}
    for name in "abcdefg":
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights").write_text(name)
        created = {"created": f"2026-01-0{ord(name) - 96}"}
        registry.publish("essay", name, tmp_path / name, parent=parents.get(name), facts=created)
    registry.move_alias("essay", "s12.live", "d")
    return registry


def names(registry: Registry) -> str:
    return "".join(version.name for version in registry.versions("essay"))


def test_garbage_is_listed_and_only_then_deleted(house: Registry, tmp_path: Path) -> None:
    (tmp_path / "named").write_text("e\n")
    words = (
        *("gc", "--family", "essay", "--registry", house.writable, "--keep", 1),
        *("--named", tmp_path / "named"),
    )
    code, output = call(*words)
    assert code == 0 and output.splitlines()[-1] == "2 could go (--delete), 5 stay."
    assert names(house) == "abcdefg"
    code, output = call(*words, "--delete")
    assert code == 0 and output.splitlines()[-1] == "2 deleted, 5 stay."
    assert names(house) == "bcdeg"
    assert house.writable is not None
    assert not [p for p in (house.writable / "essay").iterdir() if p.name.startswith(".")]


def test_what_requests_of_the_database_name_stays(house: Registry, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "bot.db") as database:
        database.execute("CREATE TABLE requests (id INTEGER, model_version TEXT)")
        database.executemany("INSERT INTO requests VALUES (?, ?)", [(1, "a"), (2, None)])
    database.close()
    words = ("gc", "--family", "essay", "--registry", house.writable, "--keep", 0, "--delete")
    assert call(*words, "--database", tmp_path / "bot.db")[0] == 0
    assert names(house) == "abcd"
    code, output = call(*words, "--database", tmp_path / "nothing.db")
    assert code == 1 and output.strip() == "unable to open database file"


def test_a_version_in_use_is_never_removed(house: Registry) -> None:
    from models.registry import RegistryError, UnknownVersion

    with pytest.raises(RegistryError, match="essay d is in use"):
        house.remove("essay", "d")
    with pytest.raises(UnknownVersion):
        house.remove("essay", "z")
    assert [v.name for v in house.spare("essay", keep=7)] == []

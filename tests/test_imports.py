"""Who may import whom, read from the syntax tree of every file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("bot", "models", "training", "migrations")

#: Files that may import a library; a name that ends in "/" is a folder.
ALLOWED = {
    "discord": (
        "bot/commands/",
        "bot/buttons.py",
        "bot/cards/",
        "bot/delivery/",
        "bot/app.py",
    ),
    "torch": ("models/", "training/"),
    "sqlalchemy": ("bot/store/", "migrations/"),
    "alembic": ("bot/store/", "migrations/"),
}
#: Both sides of the wire and any other client use these: they stay light.
LIGHT = ("models/contract.py", "models/client.py", "models/registry.py")
HEAVY = ("torch", "transformers", "discord")
#: What the bot may know of the models.
WINDOW = ("models.contract", "models.client", "models.registry")


def files() -> list[str]:
    found = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def imports(file: str, source: str) -> Iterator[str]:
    """Name every module a source imports, wherever in it, relative ones spelled out."""
    package = file.removesuffix(".py").removesuffix("/__init__").split("/")
    if not file.endswith("__init__.py"):
        package = package[:-1]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *filter(None, [node.module])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "importlib.import_module",
            "import_module",
            "__import__",
        ):
            yield from (str(a.value) for a in node.args if isinstance(a, ast.Constant))


def complaints(file: str, source: str) -> list[str]:
    """Say what a file imports that it must not."""
    names = set(imports(file, source))
    top = {name.split(".")[0] for name in names}
    wrong = []
    for library, places in ALLOWED.items():
        if library in top and not file.startswith(places):
            wrong.append(f"{file} imports {library}")
    if file in LIGHT:
        wrong += [f"{file} must stay light but imports {name}" for name in top & set(HEAVY)]
    if file.startswith("bot/"):
        if "training" in top:
            wrong.append(f"{file} imports training")
        own = {name for name in names if name.split(".")[0] == "models"} - {"models"}
        wrong += [
            f"{file} imports {name}"
            for name in own
            if not any(name == door or name.startswith(f"{door}.") for door in WINDOW)
        ]
    if file.startswith("models/"):
        wrong += [f"{file} imports {name}" for name in top & {"bot", "training"}]
    if file.startswith("training/") and "bot" in top:
        wrong.append(f"{file} imports bot")
    return wrong


@pytest.mark.parametrize("file", files())
def test_a_file_imports_only_what_it_may(file: str) -> None:
    assert complaints(file, (ROOT / file).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("bot/worker.py", "import discord"),
        ("bot/worker.py", "def f():\n    from discord.ext import tasks"),
        ("bot/app.py", "import torch.nn"),
        ("bot/app.py", "from models.essay import engine"),
        ("bot/app.py", "from models import service"),
        ("bot/app.py", "import importlib\nimportlib.import_module('training.loop')"),
        ("bot/admission.py", "from sqlalchemy import select"),
        ("models/contract.py", "import torch"),
        ("models/essay/engine.py", "from bot.settings import Settings"),
        ("models/essay/engine.py", "from ...training import loop"),
        ("training/loop.py", "import bot"),
    ],
)
def test_the_rules_notice(file: str, source: str) -> None:
    assert complaints(file, source)


def test_what_may_be_imported_may() -> None:
    assert complaints("bot/app.py", "import discord\nfrom models.client import X") == []
    assert complaints("bot/store/tables.py", "import sqlalchemy as sa\nfrom .. import x") == []
    assert complaints("models/essay/engine.py", "import torch\nfrom .lstm import Y") == []

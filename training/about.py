"""What a model card says of the data it was trained on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
_CODE = ("models/**/*.py", "training/**/*.py", "training/presets/*.toml")


@dataclass(frozen=True)
class About:
    """A licence in a few words, and a text in Markdown."""

    licence: str
    text: str


def read_about(path: Path | None, private: About) -> About:
    """Read a Markdown file whose first line is ``Licence: ...``; without a file, give ``private``.

    Raises ValueError with one plain sentence when the first line is another.
    """
    if path is None:
        return private
    first, _, text = path.read_text(encoding="utf-8").partition("\n")
    if not first.startswith("Licence: "):
        raise ValueError(f"The first line of {path} must be 'Licence: ...'.")
    return About(first.removeprefix("Licence: ").strip(), text.strip())


def made_for(alias: str | None) -> str:
    """Say in a card which alias a version was made for; the usual one needs no word."""
    return "" if alias in (None, "live") else f"It was made for the alias `{alias}`. "


@cache
def code_version() -> str:
    """Name the code that makes a version: a hash of the sources it could depend on."""
    digest = hashlib.sha256()
    for path in sorted(path for pattern in _CODE for path in ROOT.glob(pattern)):
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]

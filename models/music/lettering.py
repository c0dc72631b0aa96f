"""Letters for a cover: a face that has the characters of a text, in a size that fits its place."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from PIL import ImageFont

Face = ImageFont.FreeTypeFont
_NOWHERE = "\uffff"  # no face has it, so this is how a missing character looks


def fitted(text: str, largest: int, smallest: int, room: float) -> tuple[str, Face]:
    """Choose face and size for a line of ``room`` pixels; cut the text when nothing else helps.

    Characters that no face at hand has are left out, so it may come back empty.
    """
    written, points = _written(text), largest
    font = _face(written, points)
    while points > smallest and font.getlength(written) > room:
        points -= 4
        font = _face(written, points)
    while len(written) > 2 and font.getlength(written) > room:
        written = written[:-2] + "…"
    return written, font


def _written(text: str) -> str:
    """Leave out what cannot be drawn."""
    known = _faces(24)
    kept = "".join(c for c in text if c.isspace() or any(_has(face, c) for face in known))
    return " ".join(kept.split())


def _face(text: str, points: int) -> Face:
    """Take the first face that has every character, or else the one that has the most."""
    faces = _faces(points)
    return max(faces, key=lambda face: sum(_has(face, c) for c in text if not c.isspace()))


def _faces(points: int) -> list[Face]:
    """Load Pillow's own face, and a broader one that matplotlib brings along."""
    first = ImageFont.load_default(points)
    assert isinstance(first, Face)
    found = importlib.util.find_spec("matplotlib")
    if found is None or found.origin is None:
        return [first]
    path = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf" / "DejaVuSans.ttf"
    return [first, ImageFont.truetype(str(path), points)] if path.is_file() else [first]


def _has(face: Face, character: str) -> bool:
    drawn, missing = face.getmask(character), face.getmask(_NOWHERE)
    return drawn.size != missing.size or bytes(drawn) != bytes(missing)

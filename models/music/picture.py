"""The piano-roll of a song as a picture: a lane a track, sections above, for a dark chat."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from models.music.pianoroll import DRUMS, TRACKS
from models.music.song import Note, Song

WIDTH = 1200
_SCALE = 2  # drawn larger, then reduced: smooth edges
_LEFT, _RIGHT, _TOP, _GAP = 78, 18, 96, 8
_LANES = {"drums": 138, "bass": 74, "keys": 112, "lead": 104, "pad": 84}
_GROUND, _LANE, _BAND = (30, 31, 34), (40, 42, 46), (52, 54, 60)
_TEXT, _FAINT = (242, 243, 245), (148, 155, 164)
_BAR, _PHRASE = (58, 60, 66), (92, 95, 103)
COLOURS = {
    "drums": (255, 179, 71), "bass": (255, 99, 132), "keys": (79, 195, 247),
    "lead": (190, 242, 100), "pad": (167, 139, 250),
}  # fmt: skip
_SECTION = {
    "intro": (86, 98, 124), "verse": (62, 112, 160), "hook": (196, 92, 84),
    "bridge": (118, 92, 166), "outro": (86, 98, 124),
}  # fmt: skip
Colour = tuple[int, int, int]


def draw(song: Song, title: str) -> bytes:
    """Draw a song as PNG, 1200 pixels wide; the same song gives the same bytes."""
    height = _TOP + sum(h + _GAP for h in _LANES.values()) + 10
    image = Image.new("RGB", (WIDTH * _SCALE, height * _SCALE), _GROUND)
    canvas = _Canvas(ImageDraw.Draw(image), song)
    canvas.heading(title)
    top = _TOP
    for track in TRACKS:
        canvas.lane(track, top, _LANES[track])
        top += _LANES[track] + _GAP
    canvas.sections(top - _GAP)
    small = image.reduce(_SCALE)
    file = io.BytesIO()
    few = small.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    few.save(file, "PNG", compress_level=9)
    return file.getvalue()


class _Canvas:
    """Coordinates in seconds and pixels of the final picture."""

    def __init__(self, pen: ImageDraw.ImageDraw, song: Song) -> None:
        self._pen, self._song = pen, song
        self._seconds = song.seconds + song.bar_seconds * 0.64  # room for the last chord

    def _x(self, seconds: float) -> float:
        return _LEFT + (WIDTH - _LEFT - _RIGHT) * seconds / self._seconds

    def _box(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        colour: Colour,
        round_: float = 0,
    ) -> None:
        box = [v * _SCALE for v in (left, top, max(right, left), max(bottom, top))]
        self._pen.rounded_rectangle(box, round_ * _SCALE, fill=colour)

    def _text(
        self, x: float, y: float, text: str, size: int, colour: Colour, anchor: str = "lm"
    ) -> None:
        at = (x * _SCALE, y * _SCALE)
        self._pen.text(at, text, colour, font=_font(size * _SCALE), anchor=anchor)

    def heading(self, title: str) -> None:
        """Write the title, and the facts on the right."""
        song = self._song
        self._text(20, 32, _fit(title, 24, 640), 24, _TEXT)
        facts = f"{song.style.name}  ·  {song.bpm} bpm  ·  {song.key}  ·  seed {song.seed}"
        self._text(WIDTH - _RIGHT, 32, facts, 17, _FAINT, "rm")

    def lane(self, track: str, top: float, height: float) -> None:
        """Draw a track: ground, bar lines, name, notes."""
        song = self._song
        self._box(_LEFT, top, WIDTH - _RIGHT, top + height, _LANE, 4)
        for bar in range(song.bars + 1):
            x = self._x(bar * song.bar_seconds)
            wide = 0.7 if bar % 4 == 0 else 0.4
            colour = _PHRASE if bar % 4 == 0 else _BAR
            self._box(x - wide / 2, top, x + wide / 2, top + height, colour)
        self._text(_LEFT - 12, top + height / 2, track, 16, COLOURS[track], "rm")
        notes = song.tracks[track]
        rows = _rows(track, notes)
        step = (height - 8) / max(6, len(rows))
        for note in notes:
            self._note(note, track, top + height - 4 - (rows[note.pitch] + 1) * step, step)

    def _note(self, note: Note, track: str, top: float, step: float) -> None:
        left, right = self._x(note.start), self._x(note.end)
        if track == "drums":
            right = left + min(
                6.0, max(2.0, self._x(self._song.bar_seconds / 16) - self._x(0) - 0.6)
            )
        tall = min(step * 0.86, 9.0)
        middle = top + step / 2
        strength = 0.45 + 0.55 * note.velocity / 127
        colour = _mixed(_LANE, COLOURS[track], strength)
        self._box(
            left, middle - tall / 2, max(right - 0.6, left + 1.6), middle + tall / 2, colour, 1.4
        )

    def sections(self, bottom: float) -> None:
        """Draw the band of sections and thin lines where they meet."""
        song = self._song
        for section in song.sections:
            left = self._x(section.first * song.bar_seconds)
            right = self._x((section.last + 1) * song.bar_seconds)
            self._box(left + 1, 60, right - 1, 86, _SECTION[section.name], 4)
            label = _fit(section.name, 15, right - left - 10)
            self._text((left + right) / 2, 73, label, 15, _TEXT, "mm")
            if section.first:
                self._box(left - 0.5, 88, left + 0.5, bottom, _FAINT)


def _rows(track: str, notes: Sequence[Note]) -> Mapping[int, int]:
    """Give each pitch its row from the bottom: the drums that play, others by pitch with room."""
    if track == "drums":
        struck = {n.pitch for n in notes}
        used = [drum.pitch for drum in DRUMS if drum.pitch in struck]
        return {pitch: row for row, pitch in enumerate(used)}
    pitches = [n.pitch for n in notes] or [60]
    low, high = min(pitches), max(pitches)
    spare = max(0, 14 - (high - low)) // 2 + 1
    return {pitch: pitch - low + spare for pitch in range(low - spare, high + spare + 1)}


def _mixed(ground: Colour, colour: Colour, share: float) -> Colour:
    r, g, b = (round(a + (c - a) * share) for a, c in zip(ground, colour, strict=True))
    return r, g, b


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font


def _fit(text: str, size: int, room: float) -> str:
    """Shorten a text to the pixels there are; nothing is better than a lone letter."""
    if _font(size).getlength(text) <= room:
        return text
    while len(text) > 2 and _font(size).getlength(text + "…") > room:
        text = text[:-1]
    return text + "…" if len(text) > 2 and room > 30 else text[:1] if room > 9 else ""

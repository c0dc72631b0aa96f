"""The form of a song: which sections, how long, and who plays in each."""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from models.music.pianoroll import BARS, TRACKS
from models.music.song import Section

NAMES = {"I": "intro", "V": "verse", "H": "hook", "B": "bridge", "O": "outro"}
#: Forms by the number of four-bar phrases; a letter is a phrase, the same letter the same music.
#: From eight phrases on there is always a bridge, and it is followed by the hook or the way out.
FORMS: dict[int, tuple[str, ...]] = {
    1: ("H",),
    2: ("VH", "HH"),
    3: ("VHH", "IVH", "VVH"),
    4: ("IVHH", "VHVH", "VVHH", "VHBH"),
    5: ("IVVHH", "IVHVH", "IVHBH"),
    6: ("IVVHHO", "IVHVHH", "IVHBHO", "VVHHBH"),
    7: ("IVVHHBH", "IVVHVHO", "IVHHBHO"),
    8: ("IVVHHBHO", "IVHVHBHO", "VVHHBVHH"),
    9: ("IVVHHBHHO", "IVVHVHBHO"),
    10: ("IVVHHBBHHO", "IVVHHVBHHO"),
    11: ("IVVHHVVBHHO", "IVVHHVHBHHO"),
    12: ("IVVHHVVHHBHO", "IVVHHVHHBHHO"),
    13: ("IVVHHVVHHBHHO",),
    14: ("IVVHHVVHHBBHHO",),
    15: ("IIVVHHVVHHBBHHO",),
    16: ("IIVVHHVVHHBBHHHO", "IVVVVHHVVHHBBHHO"),
}
LONGEST = BARS * max(FORMS)
#: What drums may be thinned to: the classes that still play.
DRUM_PARTS: dict[str, frozenset[str] | None] = {
    "full": None,
    "hats": frozenset({"closed_hat", "shaker", "percussion", "ride"}),
    "light": frozenset({"closed_hat", "open_hat", "shaker", "percussion", "ride", "clap"}),
    "none": frozenset(),
}
_INTROS = (
    ("none", ("keys", "pad")),
    ("hats", ("keys", "bass")),
    ("none", ("keys", "lead")),
    ("full", ("bass",)),
    ("hats", ("keys", "pad")),
)
_BRIDGES = (
    ("hats", ("keys", "pad", "lead")),
    ("light", ("bass", "pad", "lead")),
    ("none", ("keys", "pad", "bass")),
)
_OUTROS = (("full", ("bass", "keys")), ("hats", ("bass", "keys", "pad")), ("none", ("keys", "pad")))
#: Energy, 0..1, from which everybody plays in a verse, and up to which few do.
_FULL, _CALM = 0.8, 0.35


@dataclass(frozen=True)
class LineUp:
    """Who plays in a section."""

    drums: str  # a key of DRUM_PARTS
    tracks: frozenset[str]  # of the pitched tracks


def plan(bars: int, random: np.random.Generator) -> tuple[Section, ...]:
    """Lay out 4 to 64 bars; bars beyond whole phrases make a short outro."""
    if not BARS <= bars <= LONGEST:
        raise ValueError(f"A beat has between {BARS} and {LONGEST} bars.")
    whole, rest = divmod(bars, BARS)
    forms = FORMS[whole + (rest > 0)]
    if rest:  # the short phrase comes last and is an outro
        ending = tuple(form for form in forms if form.endswith("O"))
        forms = ending or tuple(form + "O" for form in FORMS[whole] if not form.endswith("O"))
    letters = forms[int(random.integers(len(forms)))]
    sections: list[Section] = []
    first = 0
    for letter, same in itertools.groupby(letters):
        length = min(BARS * len([*same]), bars - first)
        sections.append(Section(NAMES[letter], first, length))
        first += length
    return tuple(sections)


def line_ups(
    sections: tuple[Section, ...], leads: float, random: np.random.Generator,
    always: Collection[str] = (), energy: float | None = None,
) -> tuple[LineUp, ...]:  # fmt: skip
    """Decide who plays where; ``leads`` is how often a verse has the lead, 0..1.

    A section that comes back has the same players, a first verse of several may lack the pad.
    Tracks that play ``always`` do so everywhere but in a bridge. With much ``energy`` all play from
    the first verse on, with little the verses have neither pad nor lead and the hooks no pad.
    """
    pitched = frozenset(TRACKS) - {"drums"}
    choices = {
        "intro": _INTROS[int(random.integers(len(_INTROS)))],
        "bridge": _BRIDGES[int(random.integers(len(_BRIDGES)))],
        "outro": _OUTROS[int(random.integers(len(_OUTROS)))],
    }
    verse = pitched if random.random() < leads else pitched - {"lead"}
    thin, hook = verse - {"pad"} if random.random() < 0.5 else verse, pitched
    if energy is not None and energy >= _FULL:
        verse = thin = pitched
    elif energy is not None and energy <= _CALM:
        verse = thin = pitched - {"pad", "lead"}
        hook = pitched - {"pad"}
    ups, verses = [], 0
    for section in sections:
        if section.name == "verse" and len(sections) > 1:
            ups.append(LineUp("full", thin if verses == 0 else verse))
            verses += 1
        elif section.name in choices:
            drums, tracks = choices[section.name]
            ups.append(LineUp(drums, frozenset(tracks)))
        else:
            ups.append(LineUp("full", hook))
    return tuple(
        up if section.name == "bridge" else _with(up, always)
        for up, section in zip(ups, sections, strict=True)
    )


def _with(up: LineUp, tracks: Collection[str]) -> LineUp:
    drums = "full" if "drums" in tracks else up.drums
    return LineUp(drums, up.tracks | (frozenset(tracks) - {"drums"}))

"""A music corpus: phrases from phrase files or from a folder of MIDI files, split by song.

Everything is kept as packed bits: 25,000 phrases take 60 MB.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.music.gan import ENERGIES, SECTIONS, tempo_band
from models.music.pianoroll import (
    BARS,
    CELLS,
    LENGTH,
    MODES,
    REGISTER,
    REGISTERS,
    TRACKS,
    Cells,
    key_shift,
    read_key,
    stack,
)
from training.music.midi import Document, read_folder

PAIRS = "pairs.jsonl"  # in a folder of transcribed songs: originals and who samples them
HELD_OUT_SHARE = 8  # one song group in eight is never trained on
Ints = NDArray[np.int64]


class CorpusError(Exception):
    """A corpus cannot be used; the message is one plain sentence."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """Phrases in order of the documents; one row of every array is one phrase."""

    roll: NDArray[np.uint8]  # [n, 64, 18]: packed bits of 144 cells
    onset: NDArray[np.uint8]
    style: Ints  # index into styles
    tempo: NDArray[np.float64]  # beats a minute
    mode: Ints  # 0 major, 1 minor
    section: Ints  # index into SECTIONS
    energy: Ints
    group: NDArray[np.str_]  # songs that are versions of one another share a group
    song: Ints
    bar: Ints  # where in its song a phrase begins
    styles: tuple[str, ...]
    documents: tuple[tuple[str, str], ...]  # (name, sha256) of each file read
    originals: Mapping[str, int] = field(default_factory=dict)  # group to the track that it samples

    def __len__(self) -> int:
        return len(self.style)

    @property
    def sha256(self) -> str:
        """Hash the documents' hashes, so that a run can say what it was trained on."""
        joined = "".join(sorted(digest for _, digest in self.documents))
        return hashlib.sha256(joined.encode()).hexdigest()

    @property
    def held_out(self) -> NDArray[np.bool_]:
        """Mark the phrases of the song groups that are held out, by a hash of the group's name."""
        groups, index = np.unique(self.group, return_inverse=True)
        chosen = np.array([_bucket(str(name)) == 0 for name in groups])
        if not chosen.any() or chosen.all():  # a small collection: hold out its first song
            chosen = np.arange(len(groups)) == 0
        return chosen[index]

    def part(self, rows: Ints | NDArray[np.bool_]) -> Corpus:
        """Keep some phrases."""
        return Corpus(
            self.roll[rows], self.onset[rows], self.style[rows], self.tempo[rows],
            self.mode[rows], self.section[rows], self.energy[rows], self.group[rows],
            self.song[rows], self.bar[rows], self.styles, self.documents, self.originals,
        )  # fmt: skip

    def apart(self, bars: int) -> tuple[Ints, Ints]:
        """Pair phrases of the same song of which the second begins ``bars`` after the first."""
        place = {(s, b): row for row, (s, b) in enumerate(zip(self.song, self.bar, strict=True))}
        pairs = [(row, place.get((s, b + bars), -1)) for (s, b), row in place.items()]
        found = np.array([pair for pair in pairs if pair[1] >= 0], np.int64).reshape(-1, 2)
        return found[:, 0], found[:, 1]

    def cells(self, rows: Ints | NDArray[np.bool_]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Unpack (roll, onset) of some phrases: 0/1 arrays [rows, 64, 144]."""
        unpacked = [np.unpackbits(bits[rows], axis=-1) for bits in (self.roll, self.onset)]
        return unpacked[0], unpacked[1]

    def active(self, rows: Ints) -> NDArray[np.bool_]:
        """Say which tracks have a note: [rows, 5]."""
        _, onset = self.cells(rows)
        used: Cells = np.any(onset, axis=1)
        return np.stack([used[:, r.columns].any(1) for r in REGISTERS], -1)

    @property
    def tempo_bands(self) -> Ints:
        """Give the tempo band of each phrase."""
        return np.array([tempo_band(bpm) for bpm in self.tempo], np.int64)


def read_corpus(path: Path, styles: Sequence[str] = (), own_style: str = "own") -> Corpus:
    """Read a phrase file, or a folder with phrase files and MIDI files.

    ``styles`` come first in the corpus's style list, so that a model's own numbering holds.
    MIDI files take the style of the folder they lie in if it is one of ``styles``, else
    ``own_style``.
    """
    if not path.exists():
        raise CorpusError(f"There is no music collection at {path}.")
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    parts = [_read_npz(p) for p in files if p.suffix == ".npz" and _has_beats(p)]
    songs = read_folder([p for p in files if p.suffix.lower() in (".mid", ".midi")])
    if songs:
        parts.append(_from_songs(songs, styles, own_style))
    if not parts:
        raise CorpusError(f"There are no songs in {path}: add .mid files or phrase files.")
    corpus = _join(parts, styles)
    if len(corpus) < 16 or len(set(corpus.group.tolist())) < 2:
        raise CorpusError(
            "The collection is too small: it needs two songs and 16 four-bar phrases."
        )
    return replace(corpus, originals=_originals(path, songs))


def _originals(path: Path, songs: Sequence[Document]) -> dict[str, int]:
    """Read which track of a song is the sample that it was made around, where pairs are known."""
    told = path / PAIRS
    if not told.is_file():
        return {}
    tracks: dict[Path, int] = {}
    for line in told.read_text(encoding="utf-8").splitlines():
        try:
            pair = json.loads(line)
            tracks[path / pair["song"]] = TRACKS.index(pair["track"])
        except (ValueError, KeyError, TypeError):  # a pair without a known track says nothing
            continue
    return {song.sha256: tracks[song.path] for song in songs if song.path in tracks}


def _read_npz(path: Path) -> Corpus:
    z = dict(np.load(path, allow_pickle=False))
    events, counts = z["ev"], np.diff(z["ptr"])
    phrase = np.repeat(np.arange(len(counts)), counts)
    track, start, length, pitch = (events[:, i].astype(np.int64) for i in range(4))
    shift = -np.array([key_shift(key) for key in z["key"].tolist()])
    column = _columns(track & 7, pitch, shift[phrase])
    known = column >= 0
    onset, sustain = (np.zeros((len(counts), LENGTH, CELLS), np.bool_) for _ in range(2))
    onset[phrase[known], start[known], column[known]] = True
    for step in range(1, LENGTH):  # a note of n steps goes on for n - 1
        going = known & (length > step) & (start + step < LENGTH)
        sustain[phrase[going], start[going] + step, column[going]] = True
    minor = np.array([read_key(key)[1] == "minor" for key in z["key"].tolist()], np.int64)
    song, bar, density = z["song"], z["bar"].astype(np.int64), onset.sum((1, 2))
    return _build(
        onset, sustain, z["style"].astype(np.int64), z["tempo"].astype(np.float64), minor,
        _sections(song, bar, density), z["song_group"][song], song.astype(np.int64), bar,
        tuple(z["styles"].tolist()), ((path.name, _digest(path)),),
    )  # fmt: skip


def _from_songs(songs: Sequence[Document], styles: Sequence[str], own_style: str) -> Corpus:
    names = list(dict.fromkeys([*styles, own_style]))
    rows: list[tuple[int, int, float, int, int]] = []  # song, style, tempo, mode, bar
    phrases = []
    for number, document in enumerate(songs):
        folder = document.path.parent.name
        style = names.index(folder if folder in names else own_style)
        for place, phrase in enumerate(document.song.phrases):
            if phrase.onset.any():
                phrases.append(phrase)
                minor = MODES.index(document.song.mode)
                rows.append((number, style, document.song.bpm, minor, place * BARS))
    if not phrases:
        raise CorpusError("The MIDI files of the collection hold no notes.")
    roll, onset = stack(phrases)
    song = np.array([row[0] for row in rows], np.int64)
    numbers = np.array([row[1] for row in rows], np.int64)
    minor_keys, bar = (np.array([row[i] for row in rows], np.int64) for i in (3, 4))
    return _build(
        onset, roll, numbers, np.array([row[2] for row in rows]), minor_keys,
        _sections(song, bar, onset.sum((1, 2))),
        np.array([document.sha256 for document in songs])[song], song, bar, tuple(names),
        tuple((document.path.name, document.sha256) for document in songs),
    )  # fmt: skip


def _has_beats(path: Path) -> bool:
    with np.load(path, allow_pickle=False) as z:
        return {"ev", "ptr", "song_group"} <= set(z.files)


def _has_takes(path: Path) -> bool:
    with np.load(path, allow_pickle=False) as z:
        return {"ev", "ptr", "styles"} <= set(z.files) and "song_group" not in z.files


def _join(parts: Sequence[Corpus], styles: Sequence[str]) -> Corpus:
    """Put corpora together; their style numbers become those of the common list."""
    present = {part.styles[i] for part in parts for i in np.unique(part.style).tolist()}
    names = [*styles, *sorted(present - set(styles))]
    numbers = [np.array([names.index(s) if s in names else -1 for s in p.styles]) for p in parts]

    def joined(field: str) -> NDArray[Any]:
        return np.concatenate([getattr(part, field) for part in parts])

    style = np.concatenate([n[p.style] for n, p in zip(numbers, parts, strict=True)])
    before = np.cumsum([0, *(int(part.song.max()) + 1 for part in parts)])
    song = np.concatenate([part.song + first for part, first in zip(parts, before, strict=False)])
    documents = tuple(document for part in parts for document in part.documents)
    return Corpus(
        joined("roll"), joined("onset"), style, joined("tempo"), joined("mode"),
        joined("section"), joined("energy"), joined("group"), song, joined("bar"), tuple(names),
        documents,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class DrumTakes:
    """Drum phrases without a song, to put under other phrases of their style."""

    onset: NDArray[np.bool_]  # [n, 64, drum rows]
    style: Ints


def read_takes(path: Path, styles: Sequence[str]) -> DrumTakes:
    """Read the drum phrase files of a corpus folder; empty if it has none."""
    files = [] if path.is_file() else sorted(path.rglob("*.npz"))
    found, numbers = [], []
    for file in files:
        if not _has_takes(file):
            continue
        z = dict(np.load(file, allow_pickle=False))
        takes = np.repeat(np.arange(len(z["style"])), np.diff(z["ptr"]))
        start, pitch = z["ev"][:, 0].astype(np.int64), z["ev"][:, 1].astype(np.int64)
        row = _columns(np.zeros_like(pitch), pitch, np.zeros_like(pitch))
        onset = np.zeros((len(z["style"]), LENGTH, REGISTER["drums"].size), np.bool_)
        onset[takes[row >= 0], start[row >= 0], row[row >= 0]] = True
        names = z["styles"].tolist()
        number = np.array([styles.index(s) if s in styles else -1 for s in names])[z["style"]]
        known = (number >= 0) & onset.any((1, 2))
        found.append(onset[known])
        numbers.append(number[known])
    if not found:
        return DrumTakes(np.zeros((0, LENGTH, REGISTER["drums"].size), np.bool_), np.zeros(0, int))
    return DrumTakes(np.concatenate(found), np.concatenate(numbers))


def _columns(track: Ints, pitch: Ints, shift: Ints) -> Ints:
    """Find the column of each event, -1 for a drum no class gathers."""
    table = np.full((len(TRACKS), 128 + 12), -1, np.int64)
    for index, register in enumerate(REGISTERS):
        for midi in range(-6, 134):
            row = register.row(midi)
            if row is not None:
                table[index, midi + 6] = register.first + row
    moved = np.where(track == 0, 0, shift)
    return table[track, pitch + moved + 6]


def _build(
    onset: NDArray[np.bool_], sustain: NDArray[np.bool_], style: Ints, tempo: NDArray[np.float64],
    mode: Ints, section: Ints, group: NDArray[np.str_], song: Ints, bar: Ints,
    styles: tuple[str, ...], documents: tuple[tuple[str, str], ...],
) -> Corpus:  # fmt: skip
    roll = onset.copy()
    pitched = slice(REGISTER["drums"].size, CELLS)
    for step in range(1, LENGTH):
        roll[:, step, pitched] |= sustain[:, step, pitched] & roll[:, step - 1, pitched]
    return Corpus(
        np.packbits(roll, axis=-1), np.packbits(onset, axis=-1), style, tempo, mode, section,
        _energies(onset.sum((1, 2)), style), group.astype(np.str_), song, bar, styles, documents,
    )  # fmt: skip


def _energies(density: Ints, style: Ints) -> Ints:
    """Sort phrases into quarters of note count within their style."""
    energy = np.zeros(len(density), np.int64)
    for one in np.unique(style):
        rows = style == one
        edges = np.quantile(density[rows], np.arange(1, ENERGIES) / ENERGIES)
        energy[rows] = np.searchsorted(edges, density[rows], side="left")
    return energy


def _sections(song: Ints, bar: Ints, density: Ints) -> Ints:
    """Guess sections: first phrase intro, last outro, the song's densest third hook, else verse."""
    section = np.full(len(song), SECTIONS.index("verse"), np.int64)
    for one in np.unique(song):
        rows = np.flatnonzero(song == one)
        if len(rows) < 3:
            continue
        rows = rows[np.argsort(bar[rows], kind="stable")]
        section[rows[density[rows] >= np.quantile(density[rows], 2 / 3)]] = SECTIONS.index("hook")
        section[rows[0]], section[rows[-1]] = SECTIONS.index("intro"), SECTIONS.index("outro")
    return section


def _bucket(group: str) -> int:
    return hashlib.sha256(group.encode()).digest()[0] % HELD_OUT_SHARE


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

"""Phrases become a song: material for each section, who plays, fills, an ending, human hands.

Every choice draws from a random stream of its own that is named and seeded, so the same seed is the
same song and a change in one place does not shift the choices of another.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.music import form, harmony, keys
from models.music.fills import fill
from models.music.groove import NAME_OF, PITCH_OF, Stroke, play
from models.music.material import Material, PhraseMaker, Streams, Wish
from models.music.pianoroll import (
    BARS,
    LENGTH,
    STEPS,
    TONES,
    TRACKS,
    Note,
    Phrase,
    key_shift,
    read_key,
)
from models.music.song import Effect, Section, Song
from models.music.styles import Style, Voice, style_of

_FORCE = {"intro": 0.86, "verse": 0.94, "hook": 1.04, "bridge": 0.86, "outro": 0.9}
#: How often a verse has the lead: sung styles leave room for a voice.
_LEADS = {"hiphop": 0.25, "rnb_soul": 0.3, "pop": 0.45, "edm": 0.4}


def choose(wish: Wish) -> tuple[Style, int, str]:
    """Settle style, tempo and key of a wish: what a sample leaves open the seed chooses."""
    style, streams, sample = style_of(wish.style), Streams(wish.seed, wish.style), wish.sample
    low, high = style.bpm
    bpm = wish.bpm or (sample and sample.bpm) or int(streams.of("tempo").integers(low, high + 1))
    random = streams.of("key")
    mode = "minor" if random.random() < style.minor else "major"
    key = wish.key or (sample and sample.key) or keys.spell(int(random.integers(12)), mode)
    return style, bpm, key


@dataclass(frozen=True)
class Score:
    """A written song before hands play it: strokes on the grid, in C major or A minor."""

    style: Style
    bpm: int
    bars: int
    key: str
    sections: tuple[Section, ...]
    strokes: Mapping[str, Sequence[Stroke]]


def write(maker: PhraseMaker, wish: Wish, check: Callable[[], None] = lambda: None) -> Score:
    """Write a song: its sections, who plays, fills and an ending."""
    style, bpm, key = choose(wish)
    mode = read_key(key)[1]
    streams = Streams(wish.seed, wish.style)
    sections = form.plan(wish.bars, streams.of("form"))
    kept = frozenset(wish.sample.tracks if wish.sample else ())
    ups = form.line_ups(sections, _LEADS.get(style.name, 0.7), streams.of("line-ups"), kept,
                       wish.energy)  # fmt: skip
    material = Material(maker, wish, style, bpm, mode)
    strokes: dict[str, list[Stroke]] = {track: [] for track in TRACKS}
    for section, up in zip(sections, ups, strict=True):
        check()
        phrases = material.section(section)
        force = _FORCE[section.name] * _touch(wish.energy)
        _write(strokes, phrases, section, up, mode, kept, force)
    _fill(strokes, sections, ups, style, streams.of("fills"), kept, _touch(wish.energy))
    _end(strokes, wish.bars, style, mode)
    return Score(style, bpm, wish.bars, key, sections, strokes)


def compose(maker: PhraseMaker, wish: Wish, check: Callable[[], None] = lambda: None) -> Song:
    """Write a song and play it; ``check`` is called between steps and may raise to stop."""
    score, streams = write(maker, wish, check), Streams(wish.seed, wish.style)
    style, bpm = score.style, score.bpm
    voices, kit = _cast(style, streams.of("voices"))
    tracks = {}
    for track in TRACKS:
        hand = streams.of("hand", track, wish.variation)
        moved = _transposed(score.strokes[track], track, score.key)
        tracks[track] = play(moved, track, style.feel, bpm, hand)
    return Song(style, bpm, wish.bars, score.key, wish.seed, score.sections, voices, kit, tracks,
                _effects(score.sections, bpm, style, streams.of("effects")))  # fmt: skip


def _write(
    strokes: Mapping[str, list[Stroke]], phrases: Sequence[Phrase], section: Section,
    up: form.LineUp, mode: str, kept: Collection[str], force: float,
) -> None:  # fmt: skip
    """Put a section's phrases on the grid, as far as its players and its bars go.

    The notes of ``kept`` tracks are a sample's: nobody corrects them.
    """
    end = (section.first + section.bars) * STEPS
    for place, phrase in enumerate(phrases):
        at = (section.first + place * BARS) * STEPS
        heard = harmony.chords(phrase, mode)
        written = {track: phrase.notes(track) for track in TRACKS}
        for track in set(TONES) - set(kept):
            written[track] = _corrected(written[track], track, mode, heard)
        for track, notes in _played(written, up).items():
            for note in notes:
                if at + note.start < end:
                    length = min(note.length, LENGTH - note.start, end - at - note.start)
                    strokes[track].append(Stroke(at + note.start, note.pitch, length, force))


def _played(written: Mapping[str, Sequence[Note]], up: form.LineUp) -> dict[str, list[Note]]:
    """Keep what a section's players play; where that is next to nothing, more play."""
    playing = [t for t in TONES if t in up.tracks and written[t]]
    if not playing and up.drums != "full":  # never a silent phrase
        playing = [t for t in TONES if written[t]]
    drums = up.drums
    if drums == "none" and _dying(written, playing):
        playing = [t for t in TONES if t in playing or t == "bass"]
        drums = "hats" if _dying(written, playing) else "none"
    part = form.DRUM_PARTS[drums]
    struck = [n for n in written["drums"] if part is None or NAME_OF[n.pitch] in part]
    return {"drums": struck} | {track: [*written[track]] for track in playing}


def _dying(written: Mapping[str, Sequence[Note]], playing: Collection[str]) -> bool:
    """Say whether a bar of a phrase has less than two moments at which somebody plays."""
    moments = {note.start for track in playing for note in written[track]}
    return any(len(moments & set(range(b, b + STEPS))) < 2 for b in range(0, LENGTH, STEPS))


def _touch(energy: float | None) -> float:
    """Say how hard a song is played: a calm one is touched lightly."""
    return 1.0 if energy is None else 0.8 + 0.3 * energy


def _corrected(
    notes: Sequence[Note], track: str, mode: str, heard: Sequence[harmony.Chord]
) -> list[Note]:
    """Bring a line onto the scale and into the chords that are heard."""
    settled = harmony.settle(keys.snap(notes, mode), track, heard)
    if track == "bass":
        return harmony.ground(settled, heard)
    return harmony.fill_out(settled, track, heard) if track in ("keys", "pad") else settled


def _fill(
    strokes: Mapping[str, list[Stroke]], sections: Sequence[Section],
    ups: Sequence[form.LineUp], style: Style, random: np.random.Generator, kept: Collection[str],
    touch: float,
) -> None:  # fmt: skip
    """Lead into each next section with a fill, and land on it; sampled drums play on."""
    drums = strokes["drums"]
    if "drums" in kept:
        return
    for index, (section, up) in enumerate(zip(sections, ups, strict=True)):
        last = index == len(sections) - 1
        into = "" if last else sections[index + 1].name
        kind = style.fills[int(random.integers(len(style.fills)))]
        steps = 8 if into == "hook" and random.random() < 0.5 else 4
        if section.bars >= 8 and up.drums == "full" and random.random() < 0.6:
            middle = (section.first + section.bars // 2 // BARS * BARS) * STEPS
            answer = _touched(fill("kick_snare", middle - 4, 4, random), touch)
            _replace(drums, answer, middle - 4, middle)
        if up.drums == "none" and into != "hook":
            continue
        end = (section.last + 1) * STEPS
        lead_in = _touched(fill(kind, end - steps, steps, random), touch)
        _replace(drums, lead_in, end - steps, end)
        if kind == "stop":
            _hush(strokes, {"bass", "keys"} - set(kept), end - steps + 1, end)
        if not last:  # also where the drums then rest: a fill asks for its one
            _land(drums, end, style.crash, touch)


def _replace(drums: list[Stroke], new: Sequence[Stroke], start: float, end: float) -> None:
    drums[:] = [s for s in drums if not start <= s.step < end] + list(new)


def _hush(
    strokes: Mapping[str, list[Stroke]], tracks: Collection[str], start: float, end: float
) -> None:
    """Let others stop with the drums."""
    for track in tracks:
        held = [s for s in strokes[track] if not start <= s.step < end]
        strokes[track][:] = [
            replace(s, length=min(s.length, start - s.step))
            if s.step < start < s.step + s.length
            else s
            for s in held
        ]


def _touched(strokes: Sequence[Stroke], touch: float) -> list[Stroke]:
    return [replace(s, force=s.force * touch) for s in strokes]


def _land(drums: list[Stroke], step: float, crash: bool, touch: float) -> None:
    there = {s.pitch for s in drums if s.step == step}
    wanted = ("kick", "crash") if crash else ("kick",)
    drums += [Stroke(step, PITCH_OF[d], 1, touch) for d in wanted if PITCH_OF[d] not in there]


def _end(strokes: Mapping[str, list[Stroke]], bars: int, style: Style, mode: str) -> None:
    """Close on the first beat after the last bar: the home chord, low tonic, kick and cymbal."""
    step = bars * STEPS
    root, third, fifth = keys.tonic_chord(mode)
    playing = {t for t in TRACKS if any(s.step >= step - 4 * STEPS for s in strokes[t])}
    for track, classes in (
        ("bass", (root,)),
        ("keys", (root, third, fifth)),
        ("pad", (root, third, fifth)),
    ):
        if track in playing or track == "bass":
            before = [s.pitch for s in strokes[track][-12:]] or [36]
            aim = round(sum(before) / len(before))
            chord = {keys.near(c, track, aim) for c in classes}
            strokes[track] += [Stroke(step, pitch, 10, 0.95) for pitch in sorted(chord)]
    if "lead" in playing:
        aim = strokes["lead"][-1].pitch
        strokes["lead"].append(Stroke(step, keys.near(root, "lead", aim), 8, 0.9))
    drums = ("kick", "crash") if style.crash else ("kick", "open_hat")
    strokes["drums"].extend(Stroke(step, PITCH_OF[d], 1, 0.95) for d in drums)


def _cast(style: Style, random: np.random.Generator) -> tuple[dict[str, Voice], str]:
    """Choose the kit and who plays each track, no sound twice."""
    kit = style.kits[int(random.integers(len(style.kits)))]
    voices = {"drums": Voice(0)}
    for track in ("bass", "keys", "lead", "pad"):
        offered = [v for v in style.voices(track) if v not in voices.values()] or [
            *style.voices(track)
        ]
        voices[track] = offered[int(random.integers(len(offered)))]
    return voices, kit


def _transposed(strokes: Sequence[Stroke], track: str, key: str) -> list[Stroke]:
    if track == "drums":
        return sorted(strokes)
    shift = key_shift(key)
    moved = {
        (s.step, p): replace(s, pitch=p)
        for s in strokes
        for p in [keys.fold(s.pitch + shift, track)]
    }
    return sorted(moved.values())


def _effects(
    sections: Sequence[Section], bpm: int, style: Style, random: np.random.Generator
) -> tuple[Effect, ...]:
    """Pull towards a hook with a riser, or a cymbal played backwards."""
    bar, found = 240 / bpm, []
    for before, section in itertools.pairwise(sections):
        if section.name == "hook" and before.name != "hook":
            if style.riser:
                found.append(Effect("riser", (section.first - 2) * bar, section.first * bar))
            elif random.random() < 0.5:
                found.append(Effect("reverse", (section.first - 0.5) * bar, section.first * bar))
    return tuple(found)


__all__ = ["PhraseMaker", "Score", "Streams", "Wish", "choose", "compose", "write"]

"""A reader and sampler of SoundFont 2 files (and of SF3, whose samples are Ogg Vorbis).

One note at a time comes out as plain audio: right sample, tuning, loop, volume envelope, filter and
place. The release is left to the caller, who knows when the note ends.
"""

from __future__ import annotations

import itertools
import struct
import subprocess
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from models.music.dsp import RATE, Audio, audio, band, decibels, equalise, pan

# Generators by their number in the specification (SoundFont 2.04, 8.1.2).
_START, _END, _LOOP_START, _LOOP_END, _START_FAR = 0, 1, 2, 3, 4
_CUTOFF, _RESONANCE, _END_FAR, _PAN = 8, 9, 12, 17
_DELAY, _ATTACK, _HOLD, _DECAY, _SUSTAIN = 33, 34, 35, 36, 37
_KEY_HOLD, _KEY_DECAY, _INSTRUMENT, _KEYS, _VELOCITIES = 39, 40, 41, 43, 44
_LOOP_START_FAR, _ATTENUATION, _LOOP_END_FAR, _COARSE, _FINE = 45, 48, 50, 51, 52
_SAMPLE, _MODE, _SCALE, _ROOT = 53, 54, 56, 58
_DEFAULTS = {_CUTOFF: 13500, _SCALE: 100, _ROOT: -1, _DELAY: -12000, _ATTACK: -12000,
             _HOLD: -12000, _DECAY: -12000}  # fmt: skip
#: Never added up from the preset's zones (8.5).
_INSTRUMENT_ONLY = frozenset({
    _START, _END, _LOOP_START, _LOOP_END, _START_FAR, _END_FAR, _LOOP_START_FAR, _LOOP_END_FAR,
    _KEYS, _VELOCITIES, _SAMPLE, _MODE, _ROOT, _INSTRUMENT,
})  # fmt: skip
_BLEND = 400  # most samples over which a loop's end becomes its start
Generators = dict[int, int]
Range = tuple[int, int]


class SoundFontError(Exception):
    """The SoundFont cannot be used; the message is one plain sentence."""


@dataclass(frozen=True)
class Sample:
    """Where a recording lies in the file, and how it is tuned."""

    start: int
    end: int
    loop: Range
    rate: int
    root: int
    cents: int
    packed: bool


@dataclass(frozen=True)
class Zone:
    """One recording as it answers to a range of keys and velocities."""

    keys: Range
    velocities: Range
    sample: int
    generators: Mapping[int, int]

    def get(self, generator: int) -> int:
        """Give a generator's value, the default when the file is silent about it."""
        return self.generators.get(generator, _DEFAULTS.get(generator, 0))

    def answers(self, key: int, velocity: int) -> bool:
        """Say whether the zone sounds for a note."""
        low, high = self.keys
        soft, hard = self.velocities
        return low <= key <= high and soft <= velocity <= hard


class SoundFont:
    """The presets of one bank of a file: 0 is melodic, 128 holds the drum kits."""

    def __init__(self, path: Path, bank: int = 0) -> None:
        try:
            data = path.read_bytes()
            chunks = _chunks(data)
            self._smpl = memoryview(data)[slice(*chunks[b"smpl"])]
            tables = {name: data[slice(*chunks[name])] for name in chunks if len(name) == 4}
            self._samples = [_sample(row) for row in _rows(tables[b"shdr"], "<20s5IBbHH")][:-1]
            self._presets = _presets(tables, bank)
        except (OSError, KeyError, struct.error, IndexError, ValueError) as error:
            raise SoundFontError(f"The SoundFont {path.name} cannot be read.") from error
        self._recording = lru_cache(maxsize=128)(self._read)

    def programmes(self) -> frozenset[int]:
        """Name the General MIDI programmes the file can play."""
        return frozenset(self._presets)

    def tone(self, programme: int, key: int, velocity: int, seconds: float) -> Audio:
        """Play one held note as mono [n] or stereo [2, n]; silence where nothing answers."""
        n = int(seconds * RATE)
        zones = self._presets.get(programme) or self._presets.get(0, [])
        parts = [
            (self._sound(zone, key, n), zone.get(_PAN) / 500)
            for zone in zones
            if zone.answers(key, velocity)
        ]
        if not parts:
            return np.zeros(n, np.float32)
        if all(abs(place) < 0.05 for _, place in parts):
            return audio(np.sum([sound for sound, _ in parts], axis=0))
        placed = [pan(sound, float(np.clip(place, -1, 1))) for sound, place in parts]
        return audio(np.sum(placed, axis=0))

    def _sound(self, zone: Zone, key: int, n: int) -> Audio:
        sample = self._samples[zone.sample]
        recording, loop = self._recording(zone.sample, _loop(zone, sample))
        root = zone.get(_ROOT) if zone.get(_ROOT) >= 0 else sample.root
        cents = (key - root) * zone.get(_SCALE) + 100 * zone.get(_COARSE) + zone.get(_FINE)
        step = sample.rate / RATE * 2 ** ((cents + sample.cents) / 1200)
        first = zone.get(_START) + 32768 * zone.get(_START_FAR)
        last = len(recording) + zone.get(_END) + 32768 * zone.get(_END_FAR) - 3
        place = first + step * np.arange(n)
        if loop is not None:
            low, high = loop
            past = place >= high
            place[past] = low + np.mod(place[past] - low, high - low)
            last = high
        sound = _interpolate(recording, np.minimum(place, last))
        sound[place > last] = 0
        if zone.get(_CUTOFF) < 13400:
            hertz = 8.176 * 2 ** (zone.get(_CUTOFF) / 1200)
            q = max(0.5, decibels(zone.get(_RESONANCE) / 10 - 3.01))
            sound = equalise(sound, band("low", hertz, q=q))
        # 0.4: the scale real files are voiced for, after the EMU hardware.
        gain = decibels(-0.4 * zone.get(_ATTENUATION) / 10)
        return sound * _envelope(zone, key, n) * np.float32(gain)

    def _read(self, index: int, loop: Range | None) -> tuple[Audio, Range | None]:
        """Read a recording; a loop that does not lie in it is none."""
        sample = self._samples[index]
        if sample.packed:
            read = _unpack(bytes(self._smpl[sample.start : sample.end]))
        else:
            raw = np.frombuffer(self._smpl[2 * sample.start : 2 * sample.end + 16], "<i2")
            read = raw.astype(np.float32) / np.float32(32768)
        if loop is None or not 0 <= loop[0] < loop[1] <= len(read):
            return read, None
        return _closed(read, *loop), loop


def _loop(zone: Zone, sample: Sample) -> Range | None:
    if zone.get(_MODE) not in (1, 3):
        return None
    low = sample.loop[0] + zone.get(_LOOP_START) + 32768 * zone.get(_LOOP_START_FAR)
    return low, sample.loop[1] + zone.get(_LOOP_END) + 32768 * zone.get(_LOOP_END_FAR)


def _closed(recording: Audio, low: int, high: int) -> Audio:
    """Let a loop end in what leads up to its start, or its every turn would tick."""
    closed = np.concatenate([recording[:high], recording[low : low + 4]])  # read beyond the end
    n = min(low, (high - low) // 2, _BLEND)
    ease = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, n, dtype=np.float32))
    closed[high - n : high] += ease * (recording[low - n : low] - recording[high - n : high])
    return closed


def _interpolate(x: Audio, place: NDArray[np.float64]) -> Audio:
    """Read between samples with a four-point cubic."""
    whole = place.astype(np.int64)
    t = (place - whole).astype(np.float32)
    before, here, after, later = (x.take(whole + k, mode="clip") for k in (-1, 0, 1, 2))
    a = 0.5 * (later - before) + 1.5 * (here - after)
    b = before - 2.5 * here + 2 * after - 0.5 * later
    c = 0.5 * (after - before)
    read: Audio = ((a * t + b) * t + c) * t + here
    return read


def _envelope(zone: Zone, key: int, n: int) -> Audio:
    """Draw the volume envelope up to the release: a linear rise, then a fall in decibels."""

    def seconds(generator: int, by_key: int = 0) -> float:
        cents = zone.get(generator) + (zone.get(by_key) * (60 - key) if by_key else 0)
        return 0.0 if zone.get(generator) <= -12000 else float(2 ** (cents / 1200))

    delay, attack = seconds(_DELAY), seconds(_ATTACK)
    hold, decay = seconds(_HOLD, _KEY_HOLD), seconds(_DECAY, _KEY_DECAY)
    sustain = min(1000, max(0, zone.get(_SUSTAIN))) / 10
    t = np.arange(n, dtype=np.float32) / RATE - np.float32(delay)
    fallen = np.clip((t - attack - hold) * np.float32(100 / max(decay, 1e-3)), 0, sustain)
    level = 10 ** (-fallen / 20)
    if attack > 0:
        level *= np.clip(t / np.float32(attack), 0, 1)
    drawn: Audio = np.where(t < 0, 0, level).astype(np.float32)
    return drawn


def _unpack(ogg: bytes) -> Audio:
    """Decode an SF3 sample."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", "-", "-f", "f32le",
               "-ac", "1", "-"]  # fmt: skip
    done = subprocess.run(command, input=ogg, capture_output=True, check=False)
    if done.returncode:
        raise SoundFontError("A sample of the SoundFont cannot be decoded.")
    return np.frombuffer(done.stdout, "<f4").astype(np.float32)


# The file


def _chunks(data: bytes) -> dict[bytes, Range]:
    """Find every chunk's bytes inside the RIFF lists."""
    if data[:4] != b"RIFF" or data[8:12] != b"sfbk":
        raise ValueError("no SoundFont")
    found: dict[bytes, Range] = {}
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        if name == b"LIST":
            at += 12
            continue
        found[name] = (at + 8, at + 8 + size)
        at += 8 + size
        if size % 2 and data[at : at + 4] != b"LIST":  # MuseScore writes no padding after samples
            at += 1
    return found


def _rows(table: bytes, layout: str) -> Iterator[tuple[int, ...]]:
    return struct.iter_unpack(
        layout, table[: len(table) // struct.calcsize(layout) * struct.calcsize(layout)]
    )


def _sample(row: tuple[int, ...]) -> Sample:
    _, start, end, loop_start, loop_end, rate, root, cents, _, kind = row
    packed = bool(kind & 0x10)  # SF3: places are bytes, loops count from the sample's start
    loop = (loop_start, loop_end) if packed else (loop_start - start, loop_end - start)
    return Sample(start, end, loop, rate, root if root <= 127 else 60, cents, packed)


def _zones(bags: bytes, generators: bytes) -> list[Generators]:
    """Read every zone's generators as signed values; ranges stay as they are."""
    first = [row[0] for row in _rows(bags, "<HH")]
    rows = [*_rows(generators, "<Hh")]
    return [{row[0]: row[1] for row in rows[a:b]} for a, b in itertools.pairwise(first)]


def _range(generators: Mapping[int, int], which: int) -> Range:
    value = generators.get(which)
    return (0, 127) if value is None else (value & 0xFF, value >> 8 & 0xFF)


def _both(one: Range, other: Range) -> Range:
    return max(one[0], other[0]), min(one[1], other[1])


def _presets(tables: Mapping[bytes, bytes], wanted: int) -> dict[int, list[Zone]]:
    """Flatten a bank's presets and instruments into zones by programme."""
    inst = [row[1] for row in _rows(tables[b"inst"], "<20sH")]
    instrument_zones = _zones(tables[b"ibag"], tables[b"igen"])
    preset_zones = _zones(tables[b"pbag"], tables[b"pgen"])
    headers = [*_rows(tables[b"phdr"], "<20sHHHIII")]
    found: defaultdict[int, list[Zone]] = defaultdict(list)
    for header, after in itertools.pairwise(headers):
        _, programme, bank, first = header[:4]
        if bank != wanted:
            continue
        shared: Generators = {}
        for place, zone in enumerate(preset_zones[first : after[3]]):
            if _INSTRUMENT not in zone:
                shared = zone if place == 0 else shared
                continue
            outer = {**shared, **zone}
            which = zone[_INSTRUMENT]
            found[programme] += _joined(outer, instrument_zones[inst[which] : inst[which + 1]])
    return dict(found)


def _joined(outer: Generators, zones: list[Generators]) -> Iterator[Zone]:
    """Lay a preset's zone over those of its instrument: values add up."""
    shared: Generators = {}
    for place, zone in enumerate(zones):
        if _SAMPLE not in zone:
            shared = zone if place == 0 else shared
            continue
        inner = {**shared, **zone}
        added = {
            name: inner.get(name, _DEFAULTS.get(name, 0)) + value
            for name, value in outer.items()
            if name not in _INSTRUMENT_ONLY
        }
        keys = _both(_range(outer, _KEYS), _range(inner, _KEYS))
        velocities = _both(_range(outer, _VELOCITIES), _range(inner, _VELOCITIES))
        if keys[0] <= keys[1] and velocities[0] <= velocities[1]:
            yield Zone(keys, velocities, zone[_SAMPLE], {**inner, **added})

"""A guard before the MIDI parser: walks a file once, in time that grows with its size alone.

The parser trusts lengths, tempos and counts; a stranger's file may lie about all of them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

LONGEST = 512  # bars of four quarter notes
MOST_NOTES = 20_000
LARGEST = 500_000  # bytes
_MOST_AT_ONCE = 1_000  # messages on one tick of a track: the parser compares them pairwise
_TICKS = 5_000_000  # the parser keeps a number for each
_TEMPOS = range(60_000, 6_000_001)  # microseconds a quarter note: 1000 to 10 beats a minute


class HostileMidi(ValueError):
    """A file that the parser must not see; the message is one plain sentence."""


_BROKEN = "The sample is not a readable MIDI file."
_LONG = f"The sample is too long; it may have at most {LONGEST} bars."
_MANY = f"The sample has too many notes; {MOST_NOTES:,} are the most."


def check(data: bytes) -> None:
    """Raise HostileMidi for a file that is damaged, endless or crowded."""
    if len(data) > LARGEST:
        raise HostileMidi("The sample is too large; a MIDI file may have 500 kB at most.")
    try:
        _walk(data)
    except (IndexError, struct.error) as error:
        raise HostileMidi(_BROKEN) from error


def _walk(data: bytes) -> None:
    name, size, form, tracks, division = struct.unpack_from(">4sIHHh", data)
    if name != b"MThd" or size != 6 or form > 1 or division < 1 or not tracks:
        raise HostileMidi(_BROKEN)
    at, notes = 14, 0
    for _ in range(tracks):
        name, size = struct.unpack_from(">4sI", data, at)
        if name != b"MTrk" or at + 8 + size > len(data):
            raise HostileMidi(_BROKEN)
        found = _Track(data, at + 8, at + 8 + size).walk(min(_TICKS, division * 4 * LONGEST))
        notes += found
        if notes > MOST_NOTES:
            raise HostileMidi(_MANY)
        at += 8 + size


@dataclass
class _Track:
    """One track's bytes and how far they are read."""

    data: bytes
    at: int
    end: int

    def walk(self, ticks: int) -> int:
        """Read every event; give the number of notes."""
        now = notes = together = 0
        status = 0
        while self.at < self.end:
            passed = self._number()
            now, together = now + passed, together + 1 if passed == 0 else 0
            if now > ticks:
                raise HostileMidi(_LONG)
            if together > _MOST_AT_ONCE:
                raise HostileMidi(_MANY)
            if self.data[self.at] >= 0x80:
                first = self._byte()
                if first != 0xFF:  # a system exclusive event ends the running status
                    status = first if first < 0xF0 else 0
            else:
                first = status
            if first >= 0xF0:
                self._other(first)
            elif first < 0x80:
                raise HostileMidi(_BROKEN)
            else:
                size = 1 if first >> 4 in (0xC, 0xD) else 2
                values = self._bytes(size)
                if max(values) > 0x7F:
                    raise HostileMidi(_BROKEN)
                notes += first >> 4 == 9 and values[1] > 0
        if self.at != self.end:
            raise HostileMidi(_BROKEN)
        return notes

    def _other(self, status: int) -> None:
        """Step over a meta event or a system exclusive one; look at tempos."""
        if status not in (0xF0, 0xF7, 0xFF):
            raise HostileMidi(_BROKEN)
        kind = self._byte() if status == 0xFF else -1
        value = self._bytes(self._number())
        if kind == 0x51 and int.from_bytes(value) not in _TEMPOS:
            raise HostileMidi("The sample's tempo is beyond 10 to 1000 beats a minute.")

    def _byte(self) -> int:
        self.at += 1
        return self.data[self.at - 1]

    def _bytes(self, count: int) -> bytes:
        if self.at + count > self.end:
            raise HostileMidi(_BROKEN)
        self.at += count
        return self.data[self.at - count : self.at]

    def _number(self) -> int:
        """Read a number of at most four bytes, seven bits each."""
        value = 0
        for _ in range(4):
            byte = self._byte()
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value
        raise HostileMidi(_BROKEN)

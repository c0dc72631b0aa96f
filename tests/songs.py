"""Songs small enough to be written by hand."""

from __future__ import annotations

import struct


def midi(*pitches: int, velocity: int = 90, ticks: int = 96) -> bytes:
    """Write a MIDI file of notes one after the other, quarter notes unless said otherwise."""
    events = b"".join(bytes([0, 0x90, pitch, velocity, ticks, 0x80, pitch, 0]) for pitch in pitches)
    events += b"\x00\xff\x2f\x00"
    head = b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96)
    return head + b"MTrk" + struct.pack(">I", len(events)) + events

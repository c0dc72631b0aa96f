"""What pitches sound when: basic-pitch's network, run over a whole recording.

The network (Bittner et al. 2022, Apache-2.0; see NOTICE.md) hears two seconds at a time. Windows
are moved on by whole frames, so that every frame of the joined answer lies on one even grid.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from models.music.dsp import Audio
from models.music.transcriber.decoding import RATE

HOP = 256  # samples a frame
FRAME = HOP / RATE  # seconds
LOWEST = 21  # MIDI pitch of the first of 88 columns
PITCHES = 88
_MODEL = Path(__file__).with_name("basic-pitch.onnx")
_WINDOW = 43844  # samples the network hears
_EDGE = 15  # frames at each end of a window that lack context
_STEP = 141  # frames kept of each window
_BATCH = 8
_OUTPUTS = ("StatefulPartitionedCall:1", "StatefulPartitionedCall:2")
_INPUT = "serving_default_input_2:0"


@dataclass(frozen=True, eq=False)
class Pitches:
    """How surely each pitch sounds, and begins, in each frame: [frames, 88], 0..1."""

    sounding: NDArray[np.float32]
    beginning: NDArray[np.float32]

    def __len__(self) -> int:
        return len(self.sounding)


@lru_cache(maxsize=4)
def _session(threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads  # 0: one a core
    options.log_severity_level = 3
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # others work, too
    return onnxruntime.InferenceSession(str(_MODEL), options, providers=["CPUExecutionProvider"])


def hear_pitches(
    sound: Audio, *, threads: int = 0, report: Callable[[float], None] = lambda _: None
) -> Pitches:
    """Run the network over a recording; ``report`` gets the share done and may raise."""
    session = _session(threads)
    frames = len(sound) // HOP + 1
    count = -(-frames // _STEP)
    padded = np.zeros((_EDGE + count * _STEP) * HOP + _WINDOW, np.float32)
    padded[_EDGE * HOP : _EDGE * HOP + len(sound)] = sound
    sounding, beginning = (np.zeros((count * _STEP, PITCHES), np.float32) for _ in range(2))
    for first in range(0, count, _BATCH):
        report(first / count)
        batch = range(first, min(first + _BATCH, count))
        windows = np.stack([padded[i * _STEP * HOP :][:_WINDOW] for i in batch])
        notes, onsets = session.run(_OUTPUTS, {_INPUT: windows[:, :, None]})
        rows = slice(first * _STEP, (first + len(batch)) * _STEP)
        sounding[rows] = notes[:, _EDGE : _EDGE + _STEP].reshape(-1, PITCHES)
        beginning[rows] = onsets[:, _EDGE : _EDGE + _STEP].reshape(-1, PITCHES)
    report(1.0)
    return Pitches(sounding[:frames], beginning[:frames])

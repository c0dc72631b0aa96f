import pytest
import torch

from models.music.pianoroll import BARS, STEPS, TRACKS, Note, Phrase, stack
from models.music.statistics import PAIRS, SIZE, statistics

_COMMON = BARS + STEPS + 2 * len(PAIRS)


def counted(*phrases: Phrase) -> torch.Tensor:
    roll, onset = (torch.from_numpy(plane).float() for plane in stack(phrases))
    return statistics(roll, onset)


def of(figures: torch.Tensor, track: str, first: int, count: int) -> list[float]:
    """Give some of a track's common figures; tracks before it have 12 or 14 more each."""
    at = sum(_COMMON + (12 if t == "drums" else 14) for t in TRACKS[: TRACKS.index(track)])
    found: list[float] = figures[0, at + first : at + first + count].tolist()
    return found


def test_notes_of_each_bar_and_where_they_start() -> None:
    notes = [Note(s, 36, 1) for s in (0, 4, 16, 20, 24, 28)]
    figures = counted(Phrase.from_notes({"bass": notes}))
    assert figures.shape == (1, SIZE)
    assert of(figures, "bass", 0, BARS) == [2 / 8, 4 / 8, 0, 0]
    assert of(figures, "bass", BARS, STEPS)[:5] == [0.5, 0, 0, 0, 0.5]


def test_two_bars_alike_in_notes_or_only_in_rhythm() -> None:
    bar = ((0, 60), (4, 62))
    notes = [Note(16 * b + s, p + (b == 1), 1) for b in (0, 1, 2) for s, p in bar]
    figures = counted(Phrase.from_notes({"lead": notes}))
    alike = dict(zip(PAIRS, of(figures, "lead", BARS + STEPS, 6), strict=True))
    agree = dict(zip(PAIRS, of(figures, "lead", BARS + STEPS + 6, 6), strict=True))
    assert alike[0, 2] == 1 and alike[0, 1] == pytest.approx(1 / 5)
    assert agree[0, 1] == agree[0, 2] == 1
    assert agree[0, 3] == pytest.approx(14 / 16)


def test_tracks_in_the_same_chord_agree() -> None:
    chord = {"keys": [Note(0, p, 64) for p in (60, 64, 67)]}
    near = counted(Phrase.from_notes({**chord, "pad": [Note(0, p, 64) for p in (48, 52, 55)]}))
    far = counted(Phrase.from_notes({**chord, "pad": [Note(0, p, 64) for p in (49, 54, 58)]}))
    keys_pad = 4  # of bass-keys, bass-lead, bass-pad, keys-lead, keys-pad, lead-pad
    assert near[0, SIZE - 6 + keys_pad] > 0.99
    assert far[0, SIZE - 6 + keys_pad] == 0


def test_gradients_reach_the_notes_of_empty_and_full_phrases() -> None:
    for filling in (0.0, 1.0):
        roll = torch.full((2, 64, 144), filling, requires_grad=True)
        onset = torch.full((2, 64, 144), filling, requires_grad=True)
        figures = statistics(roll, onset)
        assert torch.isfinite(figures).all()
        figures.sum().backward()  # type: ignore[no-untyped-call]
        for plane in (roll, onset):  # a cliff would drown every other gradient in the penalty
            assert plane.grad is not None and plane.grad.abs().max() < 20

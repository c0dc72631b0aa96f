import numpy as np
import pytest
import torch

from models.music.codec import CodecConfig
from models.music.gan import GanConfig, Generator
from training.music.adversary import (
    Augmentation,
    Music,
    codec_loss,
    gradient_penalty,
    head_weights,
    pairing_loss,
)


def test_augmentation_turns_whole_bars_and_silences_tracks() -> None:
    torch.manual_seed(0)
    config = GanConfig(codec=CodecConfig(codes=(6, 4, 6, 5, 5), width=16, blocks=1))
    generator = Generator(config)
    codec, roll = generator.codec, (torch.rand(3, 64, 144) < 0.1).float()
    change = Augmentation(torch.ones(3, dtype=torch.long), torch.eye(5)[[0, 0, 0]])
    changed = change.apply(Music(codec.encode(roll, roll), roll, roll), generator)
    assert torch.equal(changed.roll[:, :48, 12:], roll[:, 16:, 12:])
    assert torch.equal(changed.roll[:, 48:, 12:], roll[:, :16, 12:])
    assert changed.onset[..., :12].sum() == 0
    drums = codec.track_codes(changed.codes)[0]
    silence = codec.track_codes(codec.silence())[0].expand_as(drums)
    assert torch.allclose(drums, silence)


def test_augmentations_are_drawn_as_often_as_asked() -> None:
    random = torch.Generator().manual_seed(0)
    never = Augmentation.draw(50, 0.0, 0.0, random)
    assert never.turn.sum() == 0 and never.drop.sum() == 0
    always = Augmentation.draw(400, 1.0, 1.0, random)
    assert always.turn.bincount().tolist() == pytest.approx([100] * 4, abs=35)
    assert (always.drop.sum(1) == 1).all()


def test_pairing_loss_falls_as_the_winner_rises() -> None:
    even = torch.zeros(4, 8)
    weights = torch.full((8,), 1 / 8)
    assert pairing_loss(even, even, weights).item() == pytest.approx(np.log(2))
    assert pairing_loss(even + 2, even, weights) < pairing_loss(even, even, weights)


def test_codec_loss_asks_for_sustain_only_after_sound() -> None:
    roll, starts = torch.zeros(1, 64, 144), torch.zeros(1, 64, 144)
    roll[0, 0:2, 50], starts[0, 0, 50] = 1, 1
    onset = torch.where(starts > 0, 30.0, -30.0)
    sustain = torch.full_like(onset, 30.0)  # wrong everywhere, but asked at two cells only
    assert codec_loss(onset, sustain, roll, starts).item() == pytest.approx(30.0, rel=1e-3)
    sustain[0, 2, 50] = -30.0
    assert codec_loss(onset, sustain, roll, starts).item() == pytest.approx(0.0, abs=1e-3)


def test_gradient_penalty_is_the_squared_slope() -> None:
    shown = Music(*(torch.zeros(2, 3, 4).requires_grad_() for _ in range(3)))
    judged = torch.stack([2 * shown.codes.sum((1, 2)) + 3 * shown.roll.sum((1, 2))] * 8, -1)
    judged = judged + 0 * shown.onset.sum()
    even = torch.full((8,), 1 / 8)
    # Each head weighs an eighth and the sum is scaled by eight heads: eight times the slope.
    assert gradient_penalty(judged, shown, even, 0.0).item() == pytest.approx(12 * 16**2)
    assert gradient_penalty(judged, shown, even, 1.0).item() == pytest.approx(12 * (16**2 + 24**2))


def test_head_weights_sum_to_one() -> None:
    assert head_weights(2.0).sum().item() == pytest.approx(1)
    counting = head_weights(2.0, 1.0)
    assert len(counting) == 9 and counting.sum().item() == pytest.approx(1)
    assert counting[-1] == counting[0]

import torch

from models.music.codec import Codec, CodecConfig, binarise, patches, spread
from models.music.pianoroll import REGISTER

CONFIG = CodecConfig(codes=(6, 4, 6, 5, 5), width=16, blocks=1)


def test_binary_rolls_are_clean_and_pass_gradients() -> None:
    onset = torch.randn(2, 64, 144).requires_grad_()
    sustain = torch.randn(2, 64, 144).requires_grad_()
    roll, starts = binarise(onset, sustain)
    assert set(roll.flatten().tolist()) == {0.0, 1.0} == set(starts.flatten().tolist())
    sounding, begun = roll.bool(), starts.bool()
    assert not (begun & ~sounding).any()
    assert not (sounding[:, 1:] & ~begun[:, 1:] & ~sounding[:, :-1]).any()
    torch.autograd.backward(roll.sum())
    assert onset.grad is not None and sustain.grad is not None
    assert onset.grad.abs().sum() > 0 and sustain.grad.abs().sum() > 0


def test_codes_have_a_unit_of_power_and_decode_to_logits_of_every_cell() -> None:
    torch.manual_seed(0)
    codec = Codec(CONFIG)
    roll = (torch.rand(3, 64, 144) < 0.1).float()
    codes = codec.encode(roll, roll)
    assert codes.shape == (3, 8, CONFIG.size)
    for part in codec.track_codes(codes):
        assert torch.allclose(part.square().mean(-1), torch.ones(3, 8), atol=1e-3)
    onset, sustain = codec.decode(codes)
    assert onset.shape == sustain.shape == roll.shape
    assert (sustain[..., REGISTER["drums"].columns] < -10).all()  # a drum hit has no length


def test_tracks_have_codes_of_their_own() -> None:
    torch.manual_seed(0)
    codec = Codec(CONFIG)
    quiet, bass = torch.zeros(1, 64, 144), torch.zeros(1, 64, 144)
    bass[:, 5, REGISTER["bass"].columns] = 1
    pairs = zip(
        codec.track_codes(codec.encode(quiet, quiet)),
        codec.track_codes(codec.encode(bass, bass)),
        strict=True,
    )
    assert [not torch.equal(*pair) for pair in pairs] == [False, True, False, False, False]


def test_patches_are_half_bars() -> None:
    cells = torch.zeros(1, 64, 144)
    cells[0, 17, 13] = 1  # second step of the second bar, second row of the bass
    cut = patches(cells, 12, 24)
    assert cut.shape == (1, 8, 8 * 24)
    assert cut.nonzero().tolist() == [[0, 2, 24 + 1]]


def test_spread_repeats_a_tracks_value_over_its_cells() -> None:
    over = spread(torch.tensor([[1.0, 2.0, 3.0, 4.0, 5.0]]))
    assert over.shape == (1, 1, 144)
    assert (over[0, 0, REGISTER["lead"].columns] == 4).all()

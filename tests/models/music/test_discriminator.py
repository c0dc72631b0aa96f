import torch

from models.music.codec import CodecConfig
from models.music.discriminator import HEADS, Discriminator, chroma
from models.music.gan import GanConfig, conditions
from models.music.pianoroll import REGISTER, Note, Phrase, stack

CONFIG = GanConfig(
    styles=("hiphop", "rock"), codec=CodecConfig(codes=(6, 4, 6, 5, 5), width=16, blocks=1)
)


def test_chroma_folds_octaves_together() -> None:
    phrase = Phrase.from_notes({"lead": [Note(0, 60, 1), Note(0, 72, 1), Note(2, 67, 1)]})
    folded = chroma(torch.from_numpy(stack([phrase])[0]).float())
    assert folded.shape == (1, 64, 4, 12)
    assert folded[0, 0, 2].tolist() == [1.0] + [0.0] * 11
    assert folded[0, 2, 2].argmax() == 7 and folded[0, 2, 2].sum() == 1


def test_private_heads_hear_their_own_track_only() -> None:
    torch.manual_seed(0)
    judge = Discriminator(CONFIG, width=16, private=16, spectral=False).eval()
    empty, full = torch.zeros(1, 64, 144), torch.zeros(1, 64, 144)
    full[:, ::4, REGISTER["bass"].columns] = 1
    codes = torch.randn(1, 8, CONFIG.codec.size)
    no = torch.zeros(1, dtype=torch.long)
    told = conditions(CONFIG, no, no, no, no, no, torch.ones(1, 5))
    changed = judge(codes, empty, empty, told) != judge(codes, full, full, told)
    heard = {head for head, moved in zip(HEADS, changed[0].tolist(), strict=True) if moved}
    assert heard == {"bass", "onset", "chroma", "shared"}


def test_a_head_that_counts_hears_that_bars_are_the_same() -> None:
    torch.manual_seed(0)
    judge = Discriminator(CONFIG, width=16, private=16, counts=True).eval()
    bar = [Note(s, 36, 1) for s in (0, 6, 10)]
    same = [Note(16 * b + n.start, n.pitch, 1) for b in range(4) for n in bar]
    planes = stack([Phrase.from_notes({"bass": same}), Phrase.from_notes({"bass": same[:-1]})])
    roll, onset = (torch.from_numpy(plane).float() for plane in planes)
    no = torch.zeros(2, dtype=torch.long)
    told = conditions(CONFIG, no, no, no, no, no, torch.ones(2, 5))
    judged = judge(torch.zeros(2, 8, CONFIG.codec.size), roll, onset, told)
    assert judged.shape == (2, len(HEADS) + 1)
    assert judged[0, -1] != judged[1, -1]

import io
from pathlib import Path

import torch
from PIL import Image

from models.music.codec import CodecConfig
from models.music.gan import GanConfig, Generator
from training.music.pictures import BEATS, write_beats


def test_ten_small_pictures_of_fixed_seeds(tmp_path: Path) -> None:
    torch.manual_seed(1)
    codec = CodecConfig(codes=(6, 4, 6, 5, 5), width=16, blocks=1)
    generator = Generator(
        GanConfig(styles=("pop", "rock"), codec=codec, width=24, private_width=16, blocks=1)
    ).eval()
    with torch.no_grad():  # crowded phrases: more to draw than a trained model ever plays
        for decoder in generator.codec.decoders:
            list(decoder.children())[-1].bias.fill_(-1.5)  # type: ignore[operator]
    shown = write_beats(generator, tmp_path)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == sorted(shown) and len(files) == BEATS
    assert all(file.stat().st_size <= 60_000 for file in files)
    assert all(Image.open(io.BytesIO(file.read_bytes())).width == 900 for file in files)
    assert shown["beat-02.png"].startswith("rock beat 2: ")

import io

import numpy as np
import pytest
from PIL import Image

from models.music import picture
from models.music.arranger import Wish, compose

from .makers import RuleMaker


@pytest.mark.parametrize(("style", "bars"), [("hiphop", 4), ("rock", 16), ("edm", 64)])
def test_a_song_is_a_small_clear_png(style: str, bars: int) -> None:
    song = compose(RuleMaker(), Wish(style, seed=5, bars=bars))
    data = picture.draw(song, "A title")
    assert data == picture.draw(song, "A title")
    assert len(data) < 200_000
    image = Image.open(io.BytesIO(data)).convert("RGB")
    assert image.width == picture.WIDTH and 500 < image.height < 900
    pixels = np.asarray(image).reshape(-1, 3).astype(int)
    for track, colour in picture.COLOURS.items():
        near = (np.abs(pixels - np.array(colour)).max(1) < 70).sum()
        assert near > 100, f"{track} cannot be seen"
    assert pixels.mean() < 90, "dark"


def test_different_songs_look_different() -> None:
    one, other = (compose(RuleMaker(), Wish("pop", seed=s)) for s in (1, 2))
    assert picture.draw(one, "x") != picture.draw(other, "x")


def test_long_titles_and_narrow_sections_are_shortened() -> None:
    assert picture._fit("short", 20, 500) == "short"
    cut = picture._fit("a very long title that goes on and on", 20, 120)
    assert cut.endswith("…") and picture._font(20).getlength(cut) <= 120
    assert picture._fit("hook", 15, 12) == "h"
    assert picture._fit("hook", 15, 3) == ""

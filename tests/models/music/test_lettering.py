import io

import numpy as np
import pytest
from PIL import Image

from models.music import album
from models.music.lettering import fitted


def test_a_long_line_gets_smaller_and_then_shorter() -> None:
    text, font = fitted("Night Drive", 60, 20, 500)
    assert text == "Night Drive" and font.size == 60
    text, font = fitted("A rather long title", 60, 20, 300)
    assert text == "A rather long title" and 20 <= font.size < 60
    text, font = fitted("word " * 30, 60, 20, 300)
    assert text.endswith("…") and font.getlength(text) <= 300


@pytest.mark.parametrize("title", ["Ночной путь", "Νυχτερινή διαδρομή", "Größe und Ærø"])
def test_titles_in_other_scripts_are_drawn_whole(title: str) -> None:
    text, font = fitted(title, 60, 20, 900)
    assert text == title
    masks = {bytes(font.getmask(c)) for c in set(text) if not c.isspace()}
    assert bytes(font.getmask("\uffff")) not in masks


def test_what_no_face_has_is_left_out() -> None:
    assert fitted("夜 Drive \U0001f697", 60, 20, 900)[0] == "Drive"
    assert fitted("夜", 60, 20, 900)[0] == ""
    cover = album.cover("夜", [], 1)  # a cover without a title is still a cover
    below = np.asarray(Image.open(io.BytesIO(cover)).convert("L"))[850:950]
    assert below.max() < 100

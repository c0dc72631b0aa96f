from __future__ import annotations

from pathlib import Path

import numpy as np

from models.essay.associations import Associations, associations
from models.essay.lexicon import Lexicon
from tests.models.essay import tiny
from training.essays.associations import directions, vocabulary, weigh, write

SEA = ["ocean", "waves", "fish", "water", "boats", "sailors", "harbour", "storm", "coast", "salt"]
TOWN = ["street", "traffic", "shops", "houses", "buses", "crowds", "market", "lights", "bridge"]


def paragraphs() -> list[str]:
    draw = np.random.default_rng(0)
    return [" ".join(draw.permutation(side)[:7]) for _ in range(60) for side in (SEA, TOWN)]


def test_words_of_one_world_point_the_same_way(tmp_path: Path) -> None:
    words = [*SEA, *TOWN]
    found = weigh(paragraphs(), words)
    assert np.allclose(found.multiply(found).sum(1), 1)
    write(tmp_path / "made.npz", words, directions(found, size=2))
    known = Associations.read(tmp_path / "made.npz")
    fish, bus = known.of("fish"), known.of("buses")
    assert fish is not None and bus is not None
    near = known.nearness(SEA, fish)
    far = known.nearness(TOWN, fish)
    assert min(near) > max(far)
    assert known.of("xqzt") is None and not known.mean(["xqzt"]).any()


def test_the_shipped_file_knows_the_world() -> None:
    known = associations()
    for subject, near, far in (
        ("ocean", "fish", "parliament"), ("music", "guitar", "glacier"),
        ("bicycles", "ride", "emperor"), ("homework", "teacher", "volcano"),
    ):  # fmt: skip
        [one, other] = known.nearness([near, far], known.mean([subject]))
        assert one > other + 0.1, subject


def test_tokens_share_the_words_directions() -> None:
    lexicon = Lexicon(tiny.tokenizer(), "()")
    table = associations().table(lexicon)
    assert table.shape == (len(lexicon.texts), associations().size)
    token = lexicon.encode(" rivers")[0]
    rivers = associations().of("rivers")
    assert rivers is not None and np.allclose(table[token].numpy(), rivers)
    assert not table[lexicon.encode(" because")[0]].any()


def test_the_vocabulary_holds_matter_only() -> None:
    words = vocabulary(500)
    assert len(words) == 500 and "the" not in words and "city" in words

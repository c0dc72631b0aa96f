from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.contract import EssayRequest
from models.essay.associations import associations
from models.essay.decoding import Decoding
from models.essay.judge import Place, Record
from models.essay.lexicon import Lexicon, Speller, is_english
from models.essay.manner import PLACES, Manner, places, sentences
from models.essay.prompt import Prompter
from models.essay.sampling import PhraseBook
from models.essay.sentence import Room, SentenceCandidate
from models.essay.writer import Draft, Tools
from tests.models.essay import tiny


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon(tiny.tokenizer(), "()[]<>")


@pytest.fixture(scope="module")
def manner(lexicon: Lexicon) -> Manner:
    """Like "gladly", dislike "often"."""
    weights = np.zeros(PLACES, dtype=np.float32)
    weights[places("gladly")] = 4.0
    weights[places("often")] = -4.0
    weights[places("")] = 0.0
    tokens = np.zeros(len(lexicon.texts), dtype=np.float32)
    tokens[lexicon.encode(" gladly")] = 0.5
    return Manner(tokens, weights)


def test_what_is_stored_is_read_again(manner: Manner, tmp_path: Path) -> None:
    assert Manner.read(tmp_path) is None
    manner.write(tmp_path)
    found = Manner.read(tmp_path)
    assert found is not None
    assert found.tokens.equal(manner.tokens)
    assert found.likeness("We sing gladly.") == pytest.approx(manner.likeness("We sing gladly."))
    with np.load(tmp_path / "manner.npz", allow_pickle=False) as data:
        assert set(data.files) == {"tokens", "weights"}


def test_a_sentence_is_judged_by_its_words_their_runs_and_its_length() -> None:
    assert set(places("Cats like dogs")) < set(places("Cats like dogs here"))
    assert set(places("Dogs like cats.")) != set(places("Cats like dogs."))
    long = "cats " * 20
    assert set(places(long)) - set(places("cats cats cats"))


def test_sentences_are_parted_at_their_ends() -> None:
    assert sentences("We go. They stay!\n\nWhy?") == ["We go.", "They stay!", "Why?"]


def test_what_people_say_is_chosen_and_drawn_sooner(lexicon: Lexicon, manner: Manner) -> None:
    room = Room(left=300, slack=20, closing=False, longest=40)
    place = Place(first=False, opens=False, closing=False)
    rated = {}
    how = replace(Decoding(), likeness=1.0)
    for word in ("gladly", "often"):
        draft = SentenceCandidate(lexicon, Speller(), PhraseBook(), room, 200)
        for token in lexicon.encode(f" Many people like cats {word}."):
            draft.take(token, -2.0, 0.1)
        record = Record("cats", associations(), manner)
        rated[word] = [record.score(draft, room, place, h) for h in (how, Decoding())]
    assert rated["gladly"][0] > rated["often"][0] + 1
    assert rated["gladly"][1] == pytest.approx(rated["often"][1], abs=0.5)


def test_habits_move_tokens_of_the_text_and_not_of_the_outline(
    lexicon: Lexicon, manner: Manner
) -> None:
    tokenizer = tiny.tokenizer()
    how = replace(Decoding(), habits=0.5)
    known = associations()
    tools = Tools("v", lexicon, Prompter(tokenizer), known, known.table(lexicon), how, None, manner)
    request = EssayRequest(request_id="r", topic="cats", words=100, seed=1)
    draft = Draft(request, tools, lambda _: None)
    plain = Draft(request, replace(tools, manner=None), lambda _: None)
    assert draft.bias().equal(plain.bias())
    draft.paragraph = plain.paragraph = 0
    assert draft.bias().allclose(plain.bias() + 0.5 * manner.tokens)


@pytest.mark.parametrize("word", ["don't", "it's", "they're", "Anna's", "couldn't"])
def test_short_forms_are_english(word: str) -> None:
    assert is_english(word.lower())


def test_not_every_apostrophe_makes_a_word() -> None:
    assert not is_english("xqzt's") and not is_english("cat'x")

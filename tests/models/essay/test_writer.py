from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from models.contract import EssayRequest
from models.essay.associations import associations
from models.essay.decoding import Decoding
from models.essay.grammar import Mask
from models.essay.judge import HOPELESS, Place, Record, _untidiness
from models.essay.lexicon import Lexicon, Speller, stem, words_of
from models.essay.loading import load_version
from models.essay.mending import cut, finished, tidy
from models.essay.runs import Novelty, Runs
from models.essay.sampling import PhraseBook
from models.essay.sentence import Room, SentenceCandidate
from models.essay.writer import Draft
from models.registry import Registry
from tests.models.essay import tiny

SHIPPED = Registry().resolve("essay")
HOW = Decoding()
MIDDLE = Place(first=False, opens=False, closing=False)
ROOMY = Room(left=300, slack=20, closing=False, longest=40)


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon(tiny.tokenizer(), "()[]<>")


def drafted(lexicon: Lexicon, text: str, room: Room = ROOMY, logp: float = -2.0, gain: float = 0.1,
            book: PhraseBook | None = None) -> SentenceCandidate:  # fmt: skip
    made = SentenceCandidate(lexicon, Speller(), book or PhraseBook(), room, 200)
    for token in lexicon.encode(f" {text}"):
        assert not made.done, made.text
        made.take(token, logp, gain)
    return made


def rate(lexicon: Lexicon, text: str, *before: str, topic: str = "cats", room: Room = ROOMY,
         logp: float = -2.0, gain: float = 0.1, place: Place = MIDDLE) -> float:  # fmt: skip
    record = Record(topic, associations())
    record.begin_paragraph(("rivers",))
    for sentence in before:
        record.add(sentence, words_of(sentence))
    return record.score(drafted(lexicon, text, room, logp, gain), room, place, HOW)


def test_a_sentence_ends_at_its_full_stop(lexicon: Lexicon) -> None:
    made = drafted(lexicon, "Mr. Smith and Dr. J. Brown like the cats.")
    assert made.done and made.ended and made.written == 9
    assert made.words == ["mr", "smith", "and", "dr", "j", "brown", "like", "the", "cats"]


def test_an_open_quotation_must_be_closed_first(lexicon: Lexicon) -> None:
    made = drafted(lexicon, 'She said, "cats like rivers.')
    assert (made.done, made.mask) == (False, Mask.CLOSING)
    made.take(lexicon.encode('"')[0], -1.0, 0.0)
    assert made.done and made.ended


def test_an_endless_sentence_is_given_up(lexicon: Lexicon) -> None:
    room = Room(left=300, slack=20, closing=False, longest=6)
    made = SentenceCandidate(lexicon, Speller(), PhraseBook(), room, 200)
    for token in lexicon.encode(" cats like dogs and dogs like cats"):
        made.take(token, -1.0, 0.0)
    assert made.done and not made.ended


def test_a_sentence_may_not_end_where_the_essay_could_not(lexicon: Lexicon) -> None:
    room = Room.make(written=80, asked=100, paragraphs_after=0, how=HOW)
    assert room.final and room.longest == 25
    made = drafted(lexicon, "Cats like rivers and dogs like cats and we like songs and", room)
    assert made.written == 12 and made.mask == Mask.HELD
    made = drafted(
        lexicon, "Cats like rivers and dogs like cats and we like songs and we like", room
    )
    assert made.written == 14 and made.mask == Mask.HELD
    made.take(lexicon.encode(" trains")[0], -1.0, 0.0)
    assert made.mask == Mask.ENDING


def test_room_leaves_space_for_one_more_sentence() -> None:
    room = Room(left=40, slack=10, closing=True, longest=40)
    assert [w for w in range(1, 60) if room.fits(w)] == list(range(4, 41))
    room = Room(left=40, slack=2, closing=True, longest=40)
    assert room.fits(31) and not any(map(room.fits, range(32, 38))) and room.fits(38)


def test_what_would_repeat_a_phrase_is_forbidden(lexicon: Lexicon) -> None:
    book = PhraseBook()
    book.add(["many", "cats", "like", "rivers", "daily"])
    made = drafted(lexicon, "Many cats like", book=book)
    assert set(lexicon.starts_of("rivers")) <= set(made.forbidden())


def test_the_judge_prefers_the_topic(lexicon: Lexicon) -> None:
    plain = rate(lexicon, "Children study the trains daily.")
    assert rate(lexicon, "Children study the cats daily.") > plain
    assert rate(lexicon, "Children study the rivers daily.") > plain
    assert rate(lexicon, "Children study the trains daily.", gain=0.5) > plain


def test_the_judge_knows_what_belongs_to_a_topic(lexicon: Lexicon) -> None:
    near = rate(lexicon, "Some farmers milk the animals daily.", topic="cows")
    assert near > rate(lexicon, "Some voters elect the senate daily.", topic="cows")


def test_short_forms_are_no_slips_but_lone_letters_are() -> None:
    whole = _untidiness(" Children do not like what they are told, and it is late.", set())
    short = _untidiness(" Children don't like what they're told, and it's late.", set())
    assert short == whole < _untidiness(" Children d like what they are told.", set())


def test_a_message_is_no_source_and_a_possessive_no_unknown_word() -> None:
    assert _untidiness(" A driver should not read a text on the road.", set()) == 0
    assert _untidiness(" The text says that cats like dogs.", set()) > 0
    assert _untidiness(" The students' parents agree with this.", set()) == 0


def shipped_lexicon() -> Lexicon:
    return Lexicon(PreTrainedTokenizerFast.from_pretrained(SHIPPED.path), "()[]<>")


def test_quotation_marks_have_their_spaces_outside() -> None:
    lexicon = shipped_lexicon()

    def allowed(text: str, piece: str) -> bool:
        made = SentenceCandidate(lexicon, Speller(), PhraseBook(), ROOMY, 200)
        for token in lexicon.encode(f" {text}"):
            made.take(token, -1.0, 0.0)
        return made.accepts(lexicon.texts.index(piece))

    assert allowed("She said", ' "') and not allowed('She said "cats like', ' "')
    assert not allowed('She said "', " the")


def test_numbers_may_repeat_a_digit_and_have_their_endings() -> None:
    real = shipped_lexicon()
    made = SentenceCandidate(real, Speller(), PhraseBook(), ROOMY, 200)
    for token in real.encode(" There were 200"):
        assert token not in made.forbidden() and made.accepts(token), real.texts[token]
        assert not real.banned[token]
        made.take(token, -1.0, 0.0)
    assert made.text == " There were 200"
    assert not made.accepts(real.texts.index("ing")), "letters stick to no number"
    allows = Speller().allows
    assert allows(" 20", "th") and allows(" 1990", "s") and not allows(" 15th", "s")


def test_shyness_of_names_begins_after_the_first_word() -> None:
    tools = load_version(SHIPPED, torch.device("cpu"), 1).table.tools
    request = EssayRequest(request_id="one", topic="cars or aeroplanes", words=100, seed=1)
    draft = Draft(request, tools, lambda _: None)
    inside, opening = draft.biases()
    token = {text: n for n, text in enumerate(tools.lexicon.texts)}
    shy = {text: float(inside[n] - opening[n]) for text, n in token.items()}
    assert shy[" Paris"] == shy[" V"] == -tools.how.name_shyness < shy[" A"] == shy[" I"] == 0
    assert token[" cars"] in draft._own and token[" a"] not in draft._own, "aeroplanes: a, er, ..."


def test_the_judge_keeps_conclusions_for_the_end(lexicon: Lexicon) -> None:
    end = Place(first=False, opens=True, closing=True)
    text = "In conclusion, children study the cats daily."
    assert rate(lexicon, text) < HOPELESS
    assert rate(lexicon, text, place=end) > rate(lexicon, text[15:], place=end)


def test_the_judge_lets_no_essay_begin_with_a_leaning_word(lexicon: Lexicon) -> None:
    start = Place(first=True, opens=True, closing=False)
    text = "However, children study the cats daily."
    assert rate(lexicon, text, place=start) < rate(lexicon, text) - 1


@pytest.mark.parametrize("begin", ["For example, ", "Another reason is that ", "First, "])
def test_the_judge_opens_nothing_new_in_the_last_paragraph(lexicon: Lexicon, begin: str) -> None:
    end = Place(first=False, opens=False, closing=True)
    text = f"{begin}children study the cats daily."
    assert rate(lexicon, text, place=end) < rate(lexicon, text) - 2


@pytest.mark.parametrize(
    "text", ["Dear Senator, we like cats.", "Thank you, we like cats.", "We like policy 1 daily."]
)
def test_the_judge_takes_no_letter_for_an_essay(lexicon: Lexicon, text: str) -> None:
    assert rate(lexicon, text) < HOPELESS


def test_the_judge_finds_gibberish_by_what_it_gains(lexicon: Lexicon) -> None:
    text = "Children study the cats daily."
    assert rate(lexicon, text, gain=2.3) < HOPELESS < rate(lexicon, text, gain=1.2)


def test_the_judge_dislikes_words_put_for_want_of_others(lexicon: Lexicon) -> None:
    record = Record("cats", associations())
    draft = drafted(lexicon, "Children study the cats daily.")
    before = record.score(draft, ROOMY, MIDDLE, HOW)
    draft.strained = 2
    assert record.score(draft, ROOMY, MIDDLE, HOW) < before - 2


def test_the_judge_wants_a_hard_topic_named_once_a_paragraph(lexicon: Lexicon) -> None:
    record = Record("photosynthesis", associations(), {stem("photosynthesis")})
    texts = ["We study photosynthesis and the rivers.", "We study the cats and the rivers."]
    naming, other = (drafted(lexicon, text) for text in texts)
    record.begin_paragraph(())
    eager = record.score(naming, ROOMY, MIDDLE, HOW) - record.score(other, ROOMY, MIDDLE, HOW)
    record.add("They like photosynthesis.", ["they", "like", "photosynthesis"])
    calm = record.score(naming, ROOMY, MIDDLE, HOW) - record.score(other, ROOMY, MIDDLE, HOW)
    assert eager > calm + 2


def test_the_judge_dislikes_a_topic_named_in_every_breath(lexicon: Lexicon) -> None:
    record = Record("cats", associations())
    text = "They study the cats and the rivers in the old forest daily."
    rarely = record.score(drafted(lexicon, text), ROOMY, MIDDLE, HOW)
    for number in range(20):
        record.add(f"Cats{number} like cats.", [f"cats{number}", "like", "cats"])
    assert record.score(drafted(lexicon, text), ROOMY, MIDDLE, HOW) < rarely - 2


def test_keywords_that_lead_astray_are_dropped() -> None:
    tools = load_version(SHIPPED, torch.device("cpu"), 1).table.tools
    request = EssayRequest(request_id="one", topic="rivers", words=100, seed=1)
    draft = Draft(request, tools, lambda _: None)
    draft.wish = replace(draft.wish, plan=(("water", "boats"), ("rain", "sea")))
    assert draft.condition(1, 50, bare=False).keywords
    draft.astray.add(1)
    assert not draft.condition(1, 50, bare=False).keywords
    assert draft.condition(0, 50, bare=False).keywords


@pytest.mark.parametrize(
    ("partial", "piece", "allowed"),
    [
        (" elec", "tric", True), (" elec", "zog", False), (" elec", " the", False),
        (" electric", " the", True), (" electric", ".", True), (" don", "'t", True),
        ("", " Xa", True), (" Xa", " the", False), (" well", "-known", True),
        (" skib", "idi", True), (" skibidi", "s", False),
    ],
)  # fmt: skip
def test_only_known_words_are_spelled(partial: str, piece: str, allowed: bool) -> None:
    assert Speller(["skibidi"]).allows(partial, piece) is allowed


def test_the_judge_wants_fluency_up_to_a_limit(lexicon: Lexicon) -> None:
    text = "Children study the cats daily."
    assert rate(lexicon, text, logp=-2.0) > rate(lexicon, text, logp=-3.0)
    assert rate(lexicon, text, logp=-1.0) == rate(lexicon, text, logp=-0.3)


def test_the_judge_refuses_repetition(lexicon: Lexicon) -> None:
    before = "Children study the cats daily."
    assert rate(lexicon, before, before) < HOPELESS
    assert rate(lexicon, "Some children study the cats often.", before) < HOPELESS
    assert rate(lexicon, "We like trains and songs.", before) > HOPELESS


@pytest.mark.parametrize(
    "text",
    ["Children study the the cats daily.", "Children studdy teh cats daily.",
     "Children study Katherine and Boris daily.", "Children study , cats daily."],
)  # fmt: skip
def test_the_judge_dislikes_slips(lexicon: Lexicon, text: str) -> None:
    assert rate(lexicon, text) < rate(lexicon, "Children study the cats daily.")


def test_the_judge_refuses_coarse_words_and_wrong_lengths(lexicon: Lexicon) -> None:
    assert rate(lexicon, "Children study the shit daily.") < HOPELESS
    tight = Room(left=26, slack=2, closing=True, longest=28)
    assert rate(lexicon, "Children study cats daily.") > HOPELESS
    assert rate(lexicon, "We like songs and we study trains and books and lakes and we share games "
                "and they watch bridges.", room=tight) < HOPELESS  # fmt: skip


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (" cats  like me .", "Cats like me."),
        (' "what i like , i keep ."', '"What I like, I keep."'),
        (" i'm here and i know it", "I'm here and I know it"),
        (" 42 cats", "42 cats"),
        ("", ""),
        (" do you like the cats.", "Do you like the cats?"),
        (" why should we study.", "Why should we study?"),
        (" should it rain, they study.", "Should it rain, they study."),
        (" what we like is cats.", "What we like is cats."),
    ],
)
def test_tidy(raw: str, clean: str) -> None:
    assert tidy(raw) == clean


def test_stems_bring_forms_together() -> None:
    assert stem("cities") == stem("city") and stem("cats") == stem("cat's")
    assert stem("making") == stem("makes") == stem("make")
    assert stem("class") == "class"


def test_a_sentence_without_an_end_is_cut_where_it_can_stop() -> None:
    room = Room(left=6, slack=3, closing=True, longest=9)
    assert cut(" we like the cats and the dogs and the rivers", room.most) == "we like the cats."
    middle = Room(left=60, slack=3, closing=False, longest=4)
    assert cut(" we like cats, dogs and rivers", middle.most) == "we like cats, dogs."
    assert cut(" we like cats and they don", room.most) == "we like cats."


def test_a_copy_that_ends_inside_a_word_ends_the_sentence_not_the_word(lexicon: Lexicon) -> None:
    read = "We like the rivers and the old songs them."
    *begun, last = lexicon.encode(" We like the rivers and the old songs them")
    assert lexicon.texts[last] == "m"  # "the" is a word too, but not the one that was begun
    novelty = Novelty(Runs.of([read]), 8, before="")
    made = SentenceCandidate(lexicon, Speller(), PhraseBook(), ROOMY, 200, novelty=novelty)
    for token in begun:
        assert made.accepts(token)
        made.take(token, -2.0, 0.1)
    sing = lexicon.encode(" sing")[0]
    assert made.accepts(sing)
    assert not made.accepts(last)
    assert not made.accepts(sing)
    made.give_up()
    assert not made.ended and made.written == 8
    assert finished(made, 40) == "We like the rivers and the old songs."

from __future__ import annotations

from string import Formatter

import pytest

from bot.sentences import ENGLISH, INVITE_PERMISSIONS, TOKEN_HELP, Sentence, recognised


def test_a_sentence_is_its_text_and_remembers_what_it_was_made_from() -> None:
    sentence = Sentence("seed_range", high=9)
    assert sentence == "A seed is a whole number from 0 to 9."
    assert (sentence.key, sentence.values) == ("seed_range", {"high": 9})


@pytest.mark.parametrize("key", ENGLISH)
def test_each_is_one_plain_sentence(key: str) -> None:
    text = ENGLISH[key]
    assert text[0].isupper() or text[0] in "“{"
    assert text.endswith((".", "?")) and len(text) <= 120
    names = {name for _, name, _, _ in Formatter().parse(text) if name}
    assert str(Sentence(key, **dict.fromkeys(names, "x")))


@pytest.mark.parametrize("key", ENGLISH)
def test_each_is_known_again_by_its_text(key: str) -> None:
    names = {name for _, name, _, _ in Formatter().parse(ENGLISH[key]) if name}
    sentence = Sentence(key, **{name: f"“{name}” (1)\n2" for name in names})
    found = recognised(str(sentence))
    assert found == sentence
    assert found is not None and (found.key, found.values) == (key, sentence.values)


def test_what_training_says_is_not_taken_for_ours() -> None:
    assert recognised("It is 3 % better.") is None


def test_what_a_user_typed_is_not_a_template() -> None:
    assert "{0.__class__}" in Sentence("key_unknown", value="{0.__class__}")


def test_the_help_for_a_missing_token_says_everything() -> None:
    for word in ("DISCORD_TOKEN", "applications.commands", "Attach Files", str(INVITE_PERMISSIONS)):
        assert word in TOKEN_HELP

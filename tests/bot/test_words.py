from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from bot import limits
from bot.sentences import ENGLISH, Sentence
from bot.words import LOCALES, placeholders, words
from models.contract import KEYS, Progress
from models.music.form import NAMES

ROOT = Path(__file__).parents[2]
FOREIGN = [locale for locale in LOCALES if locale != "en"]


def leaves(locale: str) -> dict[str, str]:
    def walk(node: dict[str, object], path: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, child in node.items():
            if isinstance(child, dict):
                found |= walk(child, f"{path}{name}.")
            else:
                found[f"{path}{name}"] = str(child)
        return found

    return walk(json.loads((ROOT / f"bot/words/{locale}.json").read_text()), "")


def english() -> dict[str, str]:
    return leaves("en") | {f"said.{key}": text for key, text in ENGLISH.items()}


@pytest.mark.parametrize("locale", FOREIGN)
def test_every_locale_says_everything(locale: str) -> None:
    assert leaves(locale).keys() == english().keys()


@pytest.mark.parametrize("locale", FOREIGN)
def test_translations_fill_in_the_same_values(locale: str) -> None:
    wrong = {
        key: text
        for key, text in leaves(locale).items()
        if placeholders(text) != placeholders(english()[key])
    }
    assert not wrong


@pytest.mark.parametrize("locale", LOCALES)
def test_every_text_fits_where_it_is_used(locale: str) -> None:
    room = {
        "button.": limits.BUTTON_LABEL,
        "edit.essay": limits.MODAL_TITLE,
        "edit.beat": limits.MODAL_TITLE,
        "edit.": limits.INPUT_LABEL,
        "choice.": limits.CHOICE_NAME,
        "menu.": limits.COMMAND_NAME,
        "key.": limits.CHOICE_NAME,
    }
    for key, text in leaves(locale).items():
        limit = next((n for start, n in room.items() if key.startswith(start)), limits.CONTENT)
        filled = text.format(**dict.fromkeys(placeholders(text), "1200"))
        assert filled and len(filled) <= limit, key


def test_no_key_is_used_that_does_not_exist_and_none_exists_unused() -> None:
    code = "\n".join(path.read_text() for path in ROOT.glob("bot/**/*.py"))
    quoted = set(re.findall(r"""["']([a-z_]+(?:\.[a-z_]+)+)["']""", code))
    stems = {key.removesuffix(".one").removesuffix(".many") for key in leaves("en")}
    areas = {key.split(".")[0] for key in stems}
    # The options of commands are named by their place below "command".
    places = {key for key in quoted if any(s.startswith(f"command.{key}.") for s in stems)}
    assert {key for key in quoted - places if key.split(".")[0] in areas} <= stems
    # Areas whose keys are put together at run time.
    built = (
        "command.",
        "choice.",
        "key.",
        "section.",
        "card.stage.",
        "menu.",
        "language.",
        "settings.",
        "model.",
    )
    unused = {key for key in stems - quoted if not key.startswith((*built, "edit.", "train."))}
    assert not unused


def test_what_the_models_name_has_words() -> None:
    stages = get_args(Progress.model_fields["stage"].annotation)
    for area, names in (("section.", NAMES.values()), ("card.stage.", stages), ("key.", KEYS)):
        said = {key.removeprefix(area) for key in leaves("en") if key.startswith(area)}
        assert said == set(names)


def test_an_unknown_locale_speaks_english_and_a_region_its_language() -> None:
    assert words("pt-BR").locale == words(None).locale == "en"
    assert words("en-GB").locale == "en"
    assert words("de")("button.cancel") == "Abbrechen"


def test_counts_are_said_in_the_right_number() -> None:
    say = words("en")
    assert say.count("card.words", 1) == "1 word"
    assert say.count("card.words", 0) == "0 words"


def test_sentences_from_the_rooms_behind_are_said_in_the_persons_language() -> None:
    sentence = Sentence("seed_range", high=7)
    assert words("en").say(sentence) == str(sentence)
    assert words("fr").say(sentence) == "Une graine est un nombre entier de 0 à 7."
    assert words("fr").say("Something nobody translated.") == "Something nobody translated."


def test_a_sentence_that_was_stored_is_said_in_the_persons_language() -> None:
    stored = str(Sentence("seed_range", high=7))
    assert words("fr").say(stored) == "Une graine est un nombre entier de 0 à 7."

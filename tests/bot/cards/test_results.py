"""The cards of essays and beats, and the limits that every card keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot import cards, limits
from bot.sentences import ENGLISH, Sentence
from bot.store import State
from bot.words import LOCALES, placeholders, words
from models.contract import AudioFormat, Progress
from tests.bot.asked import artifact, beat_request, beat_take, essay_done, essay_request
from tests.bot.cards.wire import ids, payload

SAY = words("en")
MB = 2**20


@pytest.mark.parametrize("locale", LOCALES)
async def test_every_card_fits_in_every_language_however_much_was_typed(
    locale: str, tmp_path: Path
) -> None:
    say = words(locale)
    request = essay_request("*" * 500)
    done = essay_done("*word* " * 5000, note="*" * 900, model_version="v" * 300)
    done = done.model_copy(update={"plan": done.plan.model_copy(update={"title": "_" * 900})})
    take = beat_take(style="_" * 300, sections=tuple(f"part{n}" for n in range(900)))
    files = [artifact(tmp_path, kind, 100) for kind in ("mp3", "png", "mid", "docx")]
    made = [
        cards.queued(say, request, 99_999, 1e6),
        cards.started(say, request),
        cards.working(say, beat_request(), Progress(stage="mixing", done=0.5)),
        cards.writing(say, request, "*word* " * 5000),
        cards.cancelled(say, request),
        cards.blocked(say, request),
        cards.beat(say, beat_request(), take, files, room=0),
        *(cards.essay(say, request, done, files, room=room) for room in (0, 1000)),
        *(
            cards.without_files(say, request, cards.essay(say, request, done, (), room=0), key)
            for key in ("card.gone", "card.gone_model", "card.refused_files")
        ),
    ]
    for key, text in ENGLISH.items():
        sentence = Sentence(key, **dict.fromkeys(placeholders(text), "*" * 400))
        made.append(cards.ended(say, request, State.FAILED, sentence))
    for card in made:
        limits.check_message(payload(card))


def test_a_style_name_is_plain_in_the_title_of_a_beat() -> None:
    card = cards.beat(SAY, beat_request(), beat_take(style="*lo~~fi~~*"), [], room=0)
    assert str(card.embed.title).startswith("\\*lo\\~\\~fi")


async def test_every_button_is_found_again_by_its_id() -> None:
    done = essay_done("Words and words. " * 600)
    for custom_id in ids(cards.essay(SAY, essay_request(), done, (), room=0)):
        match = cards.BUTTON_ID.fullmatch(custom_id)
        assert match is not None and match["id"] == "12"


async def test_an_essays_pages_hold_all_of_it_and_break_between_words() -> None:
    text = "\n\n".join("Many words make a long paragraph. " * 30 for _ in range(8))
    done = essay_done(text)
    count = len(cards.essay_pages(done))
    assert count > 1
    shown = [cards.essay(SAY, essay_request(), done, (), room=0, page=n) for n in range(count)]
    assert " ".join(card.embed.description or "" for card in shown).split() == text.split()
    last = cards.essay(SAY, essay_request(), done, (), room=0, page=99)
    assert f"page {count} of {count}" in (last.embed.footer.text or "")


async def test_a_beats_card_tells_its_facts(tmp_path: Path) -> None:
    files = [artifact(tmp_path, kind) for kind in ("mid", "png", "mp3")]
    card = cards.beat(SAY, beat_request(), beat_take(), files, room=MB)
    assert card.embed.title == "lofi · 84 bpm · B♭ minor"
    assert card.embed.description == "intro · verse ×2 · solo\n16 bars · 0:46"
    assert card.embed.image.url == "attachment://beat-12.png"
    assert [file.kind for file in card.files] == ["mp3", "png", "mid"]
    assert card.embed.footer.text == "seed 7 · music-1 · #12"


async def test_what_does_not_fit_is_named_with_its_size(tmp_path: Path) -> None:
    files = [
        artifact(tmp_path, "wav", 3 * MB),
        artifact(tmp_path, "png"),
        artifact(tmp_path, "mid"),
    ]
    card = cards.beat(SAY, beat_request(), beat_take(format=AudioFormat.WAV), files, room=2 * MB)
    assert [file.kind for file in card.files] == ["png", "mid"]
    note = card.embed.fields[0].value or ""
    assert "beat-12.wav" in note and "3.0 MB, at most 2.0 MB" in note

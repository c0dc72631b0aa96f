"""The buttons and the form of styles; like all of ours they remember nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bot import limits
from bot.buttons import SafeButton
from bot.cards import plain
from bot.commands.common import Interaction, Refusal, find_style, house_of, whisper, words_for
from bot.commands.forms import field, show_form, typed
from bot.intake import Delivery, Part
from bot.marks import parse_mark, title_of
from bot.sketches import language_of, sketch, words_of
from bot.store.shapes import Document, Style
from bot.words import Words
from models.contract import EssayDone

LABELS_ID = re.compile(r"gwf:marks:(?P<style>\d{1,18})")
_LINE = re.compile(r"#?(\d{1,18})\s*\|([^|]*)\|([^|]*)")


class StyleButton(
    SafeButton, template=r"gws:(?P<act>[a-z]+):(?P<style>\d{1,18})(?::(?P<arg>\d{1,18}))?"
):
    """A button under what an admin is shown of a style."""

    async def press(self, interaction: Interaction) -> None:
        """Check again who presses it and where, and act."""
        style = await find_style(interaction, f"s{self.parts['style']}")
        match self.parts["act"]:
            case "marks":
                await _show_labels(interaction, style)
            case "sure":
                await _delete(interaction, style)
            case "keep":
                kept = words_for(interaction)("style.kept")
                await interaction.response.edit_message(content=kept, view=None)
            case "take" | "leave" as act:
                await _decide(interaction, style, int(self.parts["arg"] or 0), act == "take")
            case _:
                raise Refusal("reply.unknown_command")


async def _delete(interaction: Interaction, style: Style) -> None:
    house = house_of(interaction)
    await interaction.response.defer()
    if not await house.keeper.drop_style(style):
        raise Refusal("style.in_training")
    await interaction.edit_original_response(
        content=words_for(interaction)("style.deleted", name=plain(style.name)),
        view=None,
    )


# Titles and marks.


async def _show_labels(interaction: Interaction, style: Style) -> None:
    """Open a form with a line for each document, those without a mark first."""
    say = words_for(interaction)
    kept = await house_of(interaction).store.documents.of(style.id)
    lines = _lines(sorted(kept, key=lambda one: (one.mark is not None, -one.id)))
    if not lines:
        raise Refusal("style.nothing")
    text = "\n".join(lines)
    label, longest = say("style.label_field"), limits.INPUT_VALUE
    fields = [field("lines", label, text, longest=longest, tall=True)]
    await show_form(interaction, say("style.label_title"), f"gwf:marks:{style.id}", fields)


def _lines(documents: Sequence[Document]) -> list[str]:
    """Write as many documents as the form has room for, with some to spare for typing."""
    lines: list[str] = []
    room = limits.INPUT_VALUE - 500
    for document in documents:
        mark = "" if document.mark is None else f"{document.mark:g}"
        line = f"#{document.id} | {document.title.replace('|', '/')} | {mark}"
        room -= len(line) + 1
        if room < 0:
            break
        lines.append(line)
    return lines


async def take_labels(interaction: Interaction, style_id: int) -> None:
    """Take titles and marks from the form."""
    style = await find_style(interaction, f"s{style_id}")
    store, say = house_of(interaction).store, words_for(interaction)
    sent = typed(interaction)
    mine = {document.id: document for document in await store.documents.of(style.id)}
    changed, wrong = 0, 0
    for line in str(sent.get("lines") or "").splitlines():
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        document = mine.get(int(match[1])) if match else None
        mark = parse_mark(match[3]) if match else None
        if match is None or document is None or (match[3].strip() and mark is None):
            wrong += 1
            continue
        title = title_of(match[2]) or document.title
        if (title, mark) != (document.title, document.mark):
            changed += await store.documents.label(document.id, title, mark)
    await whisper(interaction, _said(say, changed, wrong))


def _said(say: Words, changed: int, wrong: int) -> str:
    told = say.count("style.labelled", changed)
    return f"{told} {say.count('style.mislabelled', wrong)}" if wrong else told


# Results given by their authors.


async def _decide(interaction: Interaction, style: Style, request_id: int, agreed: bool) -> None:
    """Take a result into the style, or not; the author has agreed before."""
    house, say = house_of(interaction), words_for(interaction)
    offer = await house.store.offers.get(request_id)
    if offer is None or offer.style_id != style.id:
        raise Refusal("style.no_offers")
    await interaction.response.defer()
    request = await house.store.requests.get(request_id)
    if await house.store.offers.decide(request_id, interaction.user.id, agreed) is None:
        raise Refusal("reply.over")
    told = say("style.left")
    if agreed and request is not None and isinstance(request.outcome, EssayDone):
        delivery = Delivery(parts=(_part(request.outcome, request_id),))
        taken = await house.corpus.add(style, [delivery], offer.user_id, request_id)
        told = say("style.taken_in")
        if taken[0].document is None and taken[0].remark is not None:
            told = say.say(taken[0].remark)
    await interaction.edit_original_response(content=told, embed=None, view=None)


def _part(done: EssayDone, request_id: int) -> Part:
    words = words_of(done.text)
    return Part(
        f"#{request_id}",
        "txt",
        title_of(done.plan.title),
        text=done.text,
        words=len(words),
        language=language_of(words),
        sketch=sketch(words),
    )

"""What the commands of styles show: lists, facts, reports and offers."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import discord

from bot import cards, limits
from bot.cards import plain
from bot.commands.common import Interaction, Refusal, house_of, words_for
from bot.corpus import Measure, Taken
from bot.store.ratings import Tally
from bot.store.shapes import Document, Style
from bot.versions import ALIASES
from bot.words import Words
from models.contract import EssayDone

if TYPE_CHECKING:
    from bot.app import House

#: Room for the lines of a report; what does not fit goes along as a file.
LINES = 3500
NEWEST = 8


def row(
    say: Words, style: Style, acts: Sequence[tuple[str, str, str | None]], arg: int | None = None
) -> discord.ui.View:
    """Make buttons that carry their style in their custom id."""
    end = "" if arg is None else f":{arg}"
    return cards.row_of(say, [(f"gws:{act}:{style.id}{end}", key, sign) for act, key, sign in acts])


def listed(
    say: Words, styles: Sequence[Style], counts: Mapping[int, int], guild_id: int | None
) -> discord.Embed:
    """List styles, a line each; of other servers' only that they are there."""
    lines = []
    for style in styles:
        what = say(f"train.{style.family}")
        if style.guild_id == guild_id:
            line = say.count(
                "style.line", counts.get(style.id, 0), name=plain(style.name), family=what
            )
            lines.append(f"{line} · 🌐" if style.published else line)
        else:
            lines.append(say("style.foreign", name=plain(style.name), family=what))
    return discord.Embed(
        title=say("style.title"),
        description=limits.clip("\n".join(lines) or say("style.empty"), limits.EMBED_DESCRIPTION),
        colour=cards.GREY,
    )


async def about(say: Words, house: House, style: Style) -> discord.Embed:
    """Show what a style has, which versions serve it, and how they are liked."""
    measure = await house.corpus.measure(style)
    kept = await house.store.documents.of(style.id)
    aliases = await asyncio.to_thread(house.registry.aliases, style.family)
    tally = (await house.store.ratings.by_alias()).get(style.live, Tally(0, 0))
    waiting = len(await house.store.offers.open(style.id))
    embed = discord.Embed(title=limits.clip(plain(style.name), 200), colour=cards.GREY)
    versions = [
        f"{say(f'model.{alias}')}: {aliases[f'{style.key}.{alias}']}"
        for alias in ALIASES
        if f"{style.key}.{alias}" in aliases
    ]
    newest = [document_line(say, style, document) for document in reversed(kept[-NEWEST:])]
    for key, value in (
        ("style.documents", amount(say, style, measure)),
        ("style.newest", "\n".join(newest)),
        ("style.versions", "\n".join(versions) or say("style.untrained")),
        ("style.liked", liked(say, tally)),
        ("style.offers", say.count("style.waiting", waiting) if waiting else ""),
    ):
        if value:
            shown = limits.clip(value, limits.EMBED_FIELD_VALUE)
            embed.add_field(name=say(key), value=shown, inline=False)
    what = say(f"train.{style.family}")
    return embed.set_footer(text=f"{what} · {style.key}" + (" · 🌐" if style.published else ""))


def amount(say: Words, style: Style, measure: Measure) -> str:
    """Say how much there is to learn from."""
    facts = [
        say.count("style.count", measure.documents),
        say.count("card.words", measure.words) if measure.words else cards.size(measure.size),
    ]
    if measure.below:
        facts.append(say.count("style.below", measure.below, low=f"{style.minimum_mark:g}"))
    if measure.recordings:
        facts.append(say.count("style.recordings", measure.recordings))
    return " · ".join(facts)


def liked(say: Words, tally: Tally) -> str:
    """Say how a model or style is liked, and how sure that is."""
    if not tally.up + tally.down:
        return say("model.unrated")
    low, high = (round(100 * share) for share in tally.interval)
    return say("model.liked", up=tally.up, all=tally.up + tally.down, low=low, high=high)


def document_line(say: Words, style: Style, document: Document) -> str:
    """Write one document in a line."""
    facts = []
    if document.words:
        facts += [say.count("card.words", document.words), document.language or "?"]
    else:
        facts.append(cards.size(document.size))
    facts.append(say("style.unmarked") if document.mark is None else f"{document.mark:g} %")
    return f"#{document.id} **{plain(limits.clip(document.title, 60))}** · {' · '.join(facts)}"


def report(
    say: Words, style: Style, taken: Sequence[Taken], measure: Measure
) -> tuple[discord.Embed, list[discord.File]]:
    """Say of each document what became of it; a long report goes along as a file, too."""
    lines = [_taken_line(say, style, one) for one in taken] or [say("style.nothing")]
    kept = sum(one.document is not None for one in taken)
    text = "\n".join(lines)
    files = []
    if len(text) > LINES:
        files.append(discord.File(io.BytesIO(text.encode()), filename="report.txt"))
        text = limits.clip(text, LINES)
    embed = discord.Embed(
        title=say("style.report", kept=kept, refused=len(taken) - kept),
        description=text,
        colour=cards.GREEN if kept else cards.RED,
    )
    embed.add_field(name=say("style.documents"), value=amount(say, style, measure))
    return embed, files


def _taken_line(say: Words, style: Style, one: Taken) -> str:
    remark = plain(say.say(one.remark)) if one.remark is not None else ""
    if one.document is None:
        return f"🚫 {remark}"
    line = f"✅ {document_line(say, style, one.document)}"
    return f"{line} — {remark}" if remark else line


async def next_offer(
    interaction: Interaction, style: Style
) -> tuple[discord.Embed, discord.ui.View]:
    """Show the oldest result that waits for an admin's word."""
    store, say = house_of(interaction).store, words_for(interaction)
    for offer in await store.offers.open(style.id):
        request = await store.requests.get(offer.request_id)
        if request is None or not isinstance(request.outcome, EssayDone):
            continue
        tally = await store.ratings.of(request.id)
        if tally.up <= tally.down:  # only what people liked may teach
            continue
        text = limits.clip(plain(request.outcome.text), LINES)
        embed = discord.Embed(
            title=limits.clip(plain(request.outcome.plan.title), limits.EMBED_TITLE),
            description=text,
            colour=cards.GREY,
        )
        embed.add_field(name=say("style.liked"), value=liked(say, tally))
        embed.set_footer(text=say("card.number", id=request.id))
        acts = [
            ("take", "style.take_button", "✅"),
            ("leave", "style.leave_button", "🚫"),
        ]
        return embed, row(say, style, acts, request.id)
    raise Refusal("style.no_offers")

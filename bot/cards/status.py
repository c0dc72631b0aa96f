"""The cards of a request that has no result: it waits, is being made, or came to nothing."""

from __future__ import annotations

from datetime import timedelta

import discord
from discord.utils import format_dt, utcnow

from bot import limits
from bot.cards.names import headline
from bot.cards.parts import AMBER, GREEN, GREY, PAGE, RED, Card, bar, button, plain, view_of
from bot.store.shapes import Request
from bot.store.states import State
from bot.words import Words
from models.contract import Progress

COLOURS = {
    State.QUEUED: GREY,
    State.RUNNING: AMBER,
    State.DONE: GREEN,
    State.FAILED: RED,
    State.CANCELLED: GREY,
    State.REFUSED: RED,
    State.EXPIRED: GREY,
}
ICONS = {
    State.QUEUED: "⏳",
    State.RUNNING: "✍️",
    State.DONE: "✅",
    State.FAILED: "⚠️",
    State.CANCELLED: "✖️",
    State.REFUSED: "🚫",
    State.EXPIRED: "📭",
}


def queued(say: Words, request: Request, place: int, eta: float | None) -> Card:
    """Show the place in the queue; the time counts down in the reader's own client."""
    text = say("card.waiting.next") if place == 0 else say.count("card.waiting", place)
    if eta is not None:
        when = format_dt(utcnow() + timedelta(seconds=eta), "R")
        text += " " + say("card.waiting.ready", when=when)
    return _open(say, request, State.QUEUED, text)


def started(say: Words, request: Request) -> Card:
    """Show that work has begun."""
    return _open(say, request, State.RUNNING, say("card.started"))


def working(say: Words, request: Request, progress: Progress) -> Card:
    """Show how far it is."""
    text = f"{say(f'card.stage.{progress.stage}')} {bar(progress.done)}"
    if progress.part:
        text = f"{say('card.track', part=progress.part, parts=progress.parts)}\n{text}"
    return _open(say, request, State.RUNNING, text)


def writing(say: Words, request: Request, so_far: str) -> Card:
    """Show the text as it grows; of a long one, its end."""
    text = limits.tail(plain(so_far.strip()), PAGE) + " ▌"
    return _open(say, request, State.RUNNING, text)


def ended(say: Words, request: Request, state: State, sentence: str) -> Card:
    """Show why there is no result."""
    embed = _embed(say, request, state, limits.clip(plain(say.say(sentence)), PAGE))
    again = button("again", request.id, say("button.again"), emoji="🎲")
    remove = button("delete", request.id, None, emoji="🗑️")
    return Card(embed, view_of([again, remove]))


def cancelled(say: Words, request: Request) -> Card:
    """Show that it was stopped as asked."""
    return ended(say, request, State.CANCELLED, say("card.cancelled"))


def blocked(say: Words, request: Request) -> Card:
    """Show that the place itself refused the text."""
    sentence = say("card.blocked", id=request.id)
    return Card(_embed(say, request, State.REFUSED, sentence))


def _open(say: Words, request: Request, state: State, text: str) -> Card:
    cancel = button("cancel", request.id, say("button.cancel"), emoji="✖️")
    return Card(_embed(say, request, state, text), view_of([cancel]))


def _embed(say: Words, request: Request, state: State, text: str) -> discord.Embed:
    line = plain(headline(say, request))
    if request.kind == "beat":
        title = line
    elif request.kind == "album":
        title = say("card.album", title=line)
    else:
        title = say("card.essay", topic=line)
    embed = discord.Embed(
        title=limits.clip(title, limits.EMBED_TITLE), description=text, colour=COLOURS[state]
    )
    return embed.set_footer(text=say("card.number", id=request.id))

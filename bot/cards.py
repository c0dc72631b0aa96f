"""The faces of a request: one embed, its buttons and its files, for each state it can be in.

Cards hold no state. Every button carries all it needs in its custom id, and the views are
stopped before they are sent, so that discord.py keeps nothing and a restart loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from pathlib import Path

import discord
from discord.utils import escape_markdown, escape_mentions, format_dt, utcnow

from bot import limits
from bot.frontend import Artifact
from bot.parameters import AlbumParameters, BeatParameters, EssayParameters
from bot.store.shapes import Outcome, Request
from bot.store.states import State
from bot.words import Words
from models.contract import AlbumTake, BeatTake, EssayDone, Progress

#: Action, number of the request, and an optional detail such as a page or a kind of file.
BUTTON_ID = re.compile(r"gw:(?P<act>[a-z]+):(?P<id>\d{1,18})(?::(?P<arg>[a-z0-9]{1,12}))?")

GREY, AMBER, GREEN, RED = 0x99AAB5, 0xF0B232, 0x23A55A, 0xDA373C
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
#: What a card of a beat or a record has beside it, in this order.
ATTACHED = ("mp3", "ogg", "wav", "flac", "png", "mid", "zip")
#: Text on one page: with title, note and footer it stays below the 6000 of a whole message.
PAGE = 3800
_BAR = 12


@dataclass(frozen=True)
class Card:
    """What one message shows; files are opened only when it is sent."""

    embed: discord.Embed
    view: discord.ui.View | None = None
    files: tuple[Artifact, ...] = ()

    def open_files(self) -> list[discord.File]:
        """Open the files afresh: discord.py reads each File object once."""
        return [discord.File(file.path, filename=file.name) for file in self.files]


def plain(text: str) -> str:
    """Escape everything that Discord would take for markup, a mention or a time."""
    return escape_mentions(escape_markdown(text)).replace("<", "\\<")


def button(
    act: str,
    request_id: int,
    label: str | None,
    *,
    arg: str | None = None,
    emoji: str | None = None,
    style: discord.ButtonStyle = discord.ButtonStyle.secondary,
    row: int = 0,
    disabled: bool = False,
) -> discord.ui.Button[discord.ui.View]:
    """Make a button whose custom id is all that is remembered."""
    return discord.ui.Button(
        label=label,
        custom_id=f"gw:{act}:{request_id}" + (f":{arg}" if arg else ""),
        emoji=emoji,
        style=style,
        row=row,
        disabled=disabled,
    )


def view_of(items: Iterable[discord.ui.Item[discord.ui.View]]) -> discord.ui.View:
    """Gather items in a view that discord.py forgets once it is sent."""
    view = discord.ui.View(timeout=None)
    for item in items:
        view.add_item(item)
    view.stop()
    return view


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
    full = round(progress.done * _BAR)
    bar = "▰" * full + "▱" * (_BAR - full)
    text = f"{say(f'card.stage.{progress.stage}')} {bar} {round(progress.done * 100)} %"
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


def result(
    say: Words,
    request: Request,
    outcome: Outcome,
    files: Sequence[Artifact],
    *,
    room: int,
    page: int = 0,
) -> Card:
    """Show what was made, with those files that fit into ``room`` bytes each."""
    if isinstance(outcome, EssayDone):
        return essay(say, request, outcome, files, room=room, page=page)
    if isinstance(outcome, AlbumTake):
        return album(say, request, outcome, files, room=room)
    return beat(say, request, outcome, files, room=room)


def essay(
    say: Words,
    request: Request,
    done: EssayDone,
    files: Sequence[Artifact],
    *,
    room: int,
    page: int = 0,
) -> Card:
    """Show one page of an essay; the whole of it goes along as a document."""
    sheets = essay_pages(done)
    page = min(max(page, 0), len(sheets) - 1)
    facts = [
        say.count("card.words", done.words),
        say("card.style", style=done.style),
        say("card.seed", seed=done.seed),
        done.model_version,
    ]
    if len(sheets) > 1:
        facts.append(say("card.page", page=page + 1, pages=len(sheets)))
    embed = discord.Embed(
        title=limits.clip(plain(done.plan.title), limits.EMBED_TITLE),
        description=sheets[page] or say("card.empty"),
        colour=GREEN,
    )
    assert isinstance(request.parameters, EssayParameters)
    embed.set_author(name=limits.clip(_begun_from(say, request.parameters), 200))
    if done.note:
        embed.add_field(name=say("card.note"), value=limits.clip(plain(done.note), 500))
    taken, left = _choose([f for f in files if f.kind == "docx"], room)
    _finish(say, request, embed, facts, left, room)
    items = _result_buttons(say, request.id, vary=False)
    if request.guild_id is not None and request.parameters.version is not None:
        items.append(button("learn", request.id, say("button.learn"), emoji="🎓"))
    if len(sheets) > 1:
        items += page_buttons(say, request.id, page, len(sheets))
    return Card(embed, view_of(items), taken)


def _begun_from(say: Words, asked: EssayParameters) -> str:
    if asked.opening is not None:
        return say("card.continues", text=limits.clip(" ".join(asked.opening.split()), 150))
    return say("card.about", topic=" ".join(asked.topic.split()))


def essay_pages(done: EssayDone) -> list[str]:
    """Split an essay into pages that fit an embed, never inside a word."""
    return limits.pages(plain(done.text), PAGE)


def page_buttons(
    say: Words, request_id: int, page: int, count: int
) -> list[discord.ui.Button[discord.ui.View]]:
    """Make the two buttons that turn pages."""
    return [
        button("page", request_id, label, arg=str(to), emoji=emoji, row=1, disabled=at_end)
        for label, to, emoji, at_end in (
            (say("button.back"), max(page - 1, 0), "◀️", page == 0),
            (say("button.next"), min(page + 1, count - 1), "▶️", page == count - 1),
        )
    ]


def beat(
    say: Words, request: Request, take: BeatTake, files: Sequence[Artifact], *, room: int
) -> Card:
    """Show a beat: its facts, the piano-roll, and the audio that plays where it stands."""
    embed = discord.Embed(title=limits.clip(_beat_title(say, take), 256), colour=GREEN)
    size_line = [say.count("card.bars", take.bars), _minutes(take.duration)]
    if isinstance(request.parameters, BeatParameters) and request.parameters.sample:
        size_line.append(say("card.sample", name=plain(request.parameters.sample)))
    embed.description = limits.clip(
        f"{_sections(say, take.sections)}\n{' · '.join(size_line)}", PAGE
    )
    # Other forms may lie beside it because somebody asked for them.
    taken, left = _choose(_attached(files, (take.format.value, "png", "mid")), room)
    _set_picture(embed, taken)
    facts = [say("card.seed", seed=take.seed), take.model_version]
    if isinstance(request.parameters, BeatParameters) and request.parameters.variation:
        facts.insert(1, say("card.variation", number=request.parameters.variation))
    _finish(say, request, embed, facts, left, room)
    return Card(embed, view_of(_result_buttons(say, request.id, vary=True)), taken)


def album(
    say: Words, request: Request, take: AlbumTake, files: Sequence[Artifact], *, room: int
) -> Card:
    """Show a record: its tracks, the cover, a medley that plays where it stands, and the zip."""
    embed = discord.Embed(title=limits.clip(plain(take.title), 256), colour=GREEN)
    embed.description = limits.clip(
        "\n".join(
            f"{track.number}\\. **{plain(track.title)}** · {track.bpm} bpm"
            f" · {_key(say, track.key)} · {_minutes(track.duration)}"
            for track in take.tracks
        ),
        PAGE,
    )
    length = _minutes(sum(track.duration for track in take.tracks))
    count = say.count("card.tracks", len(take.tracks))
    embed.set_author(name=limits.clip(f"{take.style} · {count} · {length}", 200))
    taken, left = _choose(_attached(files, ("mp3", "png", "zip")), room)
    _set_picture(embed, taken)
    _finish(say, request, embed, [say("card.seed", seed=take.seed), take.model_version], left, room)
    return Card(embed, view_of(_result_buttons(say, request.id, vary=False)), taken)


def without_files(say: Words, request: Request, card: Card, key: str) -> Card:
    """Show the same with a reason in place of the files."""
    reason = say(key, id=request.id, seed=request.seed)
    embed = card.embed.copy().set_image(url=None).clear_fields()
    embed.add_field(name=say("card.note"), value=reason, inline=False)
    return Card(embed, card.view)


def blocked(say: Words, request: Request) -> Card:
    """Show that the place itself refused the text."""
    sentence = say("card.blocked", id=request.id)
    return Card(_embed(say, request, State.REFUSED, sentence))


def headline(say: Words, request: Request) -> str:
    """Name a request in one line of plain text."""
    if isinstance(request.parameters, EssayParameters):
        return " ".join(request.parameters.topic.split())
    if isinstance(request.parameters, AlbumParameters):
        return request.parameters.title
    if isinstance(request.outcome, BeatTake):
        return _beat_title(say, request.outcome)
    wanted = request.parameters
    known = [wanted.style, wanted.bpm and f"{wanted.bpm} bpm", wanted.key and _key(say, wanted.key)]
    return " · ".join(str(part) for part in known if part) or say("card.beat")


def size(count: int) -> str:
    """Write a size in bytes for people."""
    return f"{count / 2**20:.1f} MB" if count >= 2**20 else f"{max(1, count // 1024)} kB"


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


def _finish(
    say: Words,
    request: Request,
    embed: discord.Embed,
    facts: Sequence[str],
    left: Sequence[Artifact],
    room: int,
) -> None:
    """Add what every result ends with: what was left out, and how to make it again."""
    if left:
        text = say(
            "card.dropped",
            size=size(max(f.size for f in left)),
            limit=size(room),
            names=", ".join(f.name for f in left),
            id=request.id,
        )
        embed.add_field(name=say("card.note"), value=limits.clip(text, 500), inline=False)
    number = say("card.number", id=request.id)
    embed.set_footer(text=limits.clip(" · ".join([*facts, number]), 300))


def _result_buttons(
    say: Words, request_id: int, *, vary: bool
) -> list[discord.ui.Button[discord.ui.View]]:
    again = button(
        "again", request_id, say("button.again"), emoji="🎲", style=discord.ButtonStyle.primary
    )
    varied = [button("vary", request_id, say("button.vary"), emoji="🔀")] if vary else []
    return [
        again,
        *varied,
        button("edit", request_id, say("button.edit"), emoji="✏️"),
        button("file", request_id, say("button.file"), emoji="📄"),
        button("up", request_id, None, emoji="👍", row=1),
        button("down", request_id, None, emoji="👎", row=1),
        button("delete", request_id, None, emoji="🗑️", row=1),
    ]


def _choose(
    files: Sequence[Artifact], room: int
) -> tuple[tuple[Artifact, ...], tuple[Artifact, ...]]:
    """Split files into those that fit and those that do not."""
    fits = limits.fit_files([f.size for f in files], room)
    taken = tuple(f for f, fit in zip(files, fits, strict=True) if fit)
    return taken, tuple(f for f, fit in zip(files, fits, strict=True) if not fit)


def _attached(files: Sequence[Artifact], kinds: Collection[str]) -> list[Artifact]:
    """Order files: what is heard, then what is seen, then what is opened elsewhere."""
    return sorted((f for f in files if f.kind in kinds), key=lambda f: ATTACHED.index(f.kind))


def _set_picture(embed: discord.Embed, files: Sequence[Artifact]) -> None:
    picture = next((f for f in files if f.kind == "png"), None)
    if picture is not None:
        embed.set_image(url=f"attachment://{picture.name}")


def _beat_title(say: Words, take: BeatTake) -> str:
    return say("card.title", style=take.style, bpm=take.bpm, key=_key(say, take.key))


def _key(say: Words, key: str) -> str:
    return say.find(f"key.{key}") or key


def _sections(say: Words, sections: Sequence[str]) -> str:
    """Write ``intro · verse ×2 · chorus``."""
    parts = []
    for name, run in groupby(sections):
        count = len(list(run))
        parts.append((say.find(f"section.{name}") or name) + (f" ×{count}" if count > 1 else ""))
    return " · ".join(parts)


def _minutes(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def existing(files: Iterable[Artifact]) -> list[Artifact]:
    """Keep the files that are still on disk."""
    return [file for file in files if Path(file.path).is_file()]

"""The cards of what was made: an essay page by page, a beat, a record."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import discord

from bot import limits
from bot.cards.names import form_of, key_name, minutes, title_of
from bot.cards.parts import GREEN, PAGE, Card, button, choose, plain, size, view_of
from bot.parameters import BeatParameters, EssayParameters
from bot.store.shapes import Artifact, Outcome, Request
from bot.words import Words
from models.contract import AlbumTake, BeatTake, EssayDone

#: What a card of a beat or a record has beside it, in this order.
ATTACHED = ("mp3", "ogg", "wav", "flac", "png", "mid", "zip")


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
    taken, left = choose([f for f in files if f.kind == "docx"], room)
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
    asked = request.parameters
    assert isinstance(asked, BeatParameters)
    title = plain(title_of(say, take, asked.energy))
    embed = discord.Embed(title=limits.clip(title, limits.EMBED_TITLE), colour=GREEN)
    size_line = [say.count("card.bars", take.bars), minutes(take.duration)]
    if asked.sample:
        size_line.append(say("card.sample", name=plain(asked.sample)))
    embed.description = limits.clip(f"{form_of(say, take.sections)}\n{' · '.join(size_line)}", PAGE)
    # Other forms may lie beside it because somebody asked for them.
    taken, left = choose(_attached(files, (take.format.value, "png", "mid")), room)
    _set_picture(embed, taken)
    facts = [say("card.seed", seed=take.seed), take.model_version]
    if asked.variation:
        facts.insert(1, say("card.variation", number=asked.variation))
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
            f" · {key_name(say, track.key)} · {minutes(track.duration)}"
            for track in take.tracks
        ),
        PAGE,
    )
    length = minutes(sum(track.duration for track in take.tracks))
    count = say.count("card.tracks", len(take.tracks))
    embed.set_author(name=limits.clip(f"{take.style} · {count} · {length}", 200))
    taken, left = choose(_attached(files, ("mp3", "png", "zip")), room)
    _set_picture(embed, taken)
    _finish(say, request, embed, [say("card.seed", seed=take.seed), take.model_version], left, room)
    return Card(embed, view_of(_result_buttons(say, request.id, vary=False)), taken)


def without_files(say: Words, request: Request, card: Card, key: str) -> Card:
    """Show the same with a reason in place of the files."""
    reason = say(key, id=request.id, seed=request.seed)
    embed = card.embed.copy().set_image(url=None).clear_fields()
    embed.add_field(name=say("card.note"), value=reason, inline=False)
    return Card(embed, card.view)


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


def _attached(files: Sequence[Artifact], kinds: Collection[str]) -> list[Artifact]:
    """Order files: what is heard, then what is seen, then what is opened elsewhere."""
    return sorted((f for f in files if f.kind in kinds), key=lambda f: ATTACHED.index(f.kind))


def _set_picture(embed: discord.Embed, files: Sequence[Artifact]) -> None:
    picture = next((f for f in files if f.kind == "png"), None)
    if picture is not None:
        embed.set_image(url=f"attachment://{picture.name}")

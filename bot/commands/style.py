"""``/style``: a server's own manners, and the documents that teach them."""

from __future__ import annotations

import discord
from discord import app_commands

from bot.cards import plain
from bot.commands import style_report
from bot.commands.attachments import fetched, own_name
from bot.commands.common import (
    Choice,
    Interaction,
    Refusal,
    find_style,
    house_of,
    require_operator,
    require_style_admin,
    whisper,
    words_for,
)
from bot.commands.menu import AdminGroup, families, options
from bot.commands.style_report import row
from bot.commands.suggestions import forgiving, own_styles
from bot.corpus import Taken
from bot.intake import Delivery, check, take_apart
from bot.limits import CHOICE_NAME, CHOICES
from bot.marks import title_of
from bot.store.shapes import MINIMUM_MARK, NewStyle
from bot.store.styles import folded
from bot.uploads import UploadError, shown_name
from models.contract import Family

NAME_LIMIT = 32
STYLES_MAX = 25
_KINDS = {Family.ESSAY: "essay", Family.MUSIC: "beat"}


style = AdminGroup("style", require_style_admin)


@style.sub("create")
@options("style.create", "family", name="style.create.title", minimum_mark="style.create.mark")
@app_commands.choices(family=families())
async def create(
    interaction: Interaction,
    name: app_commands.Range[str, 1, NAME_LIMIT],
    family: str,
    minimum_mark: app_commands.Range[float, 0, 100] = MINIMUM_MARK,
) -> None:
    """Make an empty style."""
    house, guild_id = house_of(interaction), interaction.guild_id
    assert guild_id is not None
    clean = title_of(name)
    if not any(c.isalpha() for c in clean):
        raise Refusal("style.name_letters")
    if len(await house.store.styles.of(guild_id)) >= STYLES_MAX:
        raise Refusal("style.too_many", limit=STYLES_MAX)
    if house.styles.find(_KINDS[Family(family)], clean) is not None:  # type: ignore[arg-type]
        raise Refusal("style.taken", value=clean)
    new = NewStyle(
        guild_id=guild_id,
        family=family,
        name=clean,
        created_by=interaction.user.id,
        minimum_mark=minimum_mark,
    )
    made = await house.store.styles.create(new)
    if made is None:
        raise Refusal("style.taken", value=clean)
    say = words_for(interaction)
    await whisper(interaction, say("style.created", name=plain(made.name)))


@style.sub("list")
async def list_(interaction: Interaction) -> None:
    """List this server's styles, and those that everybody may use."""
    store = house_of(interaction).store
    found = await store.styles.visible(interaction.guild_id)
    embed = style_report.listed(
        words_for(interaction), found, await store.documents.count(), interaction.guild_id
    )
    await interaction.response.send_message(embed=embed, ephemeral=True)


@style.sub("info")
@options("style", named="style.style")
async def info(interaction: Interaction, named: str) -> None:
    """Show what a style has, what it can do and how it is liked."""
    found = await find_style(interaction, named)
    say = words_for(interaction)
    embed = await style_report.about(say, house_of(interaction), found)
    view = row(say, found, [("marks", "style.label_button", "🏷️")])
    await interaction.response.send_message(embed=embed, view=view, ephemeral=True)


@style.sub("delete")
@options("style", named="style.style")
async def delete(interaction: Interaction, named: str) -> None:
    """Ask whether a style may go with all that belongs to it."""
    found = await find_style(interaction, named)
    say = words_for(interaction)
    count = (await house_of(interaction).store.documents.count()).get(found.id, 0)
    acts = [("sure", "style.delete_button", "🗑️"), ("keep", "button.keep", None)]
    name = plain(found.name)
    await interaction.response.send_message(
        say.count("style.sure", count, name=name), view=row(say, found, acts), ephemeral=True
    )


@style.sub("add")
@options("style.add", "file", "second", "third", "fourth", "fifth", named="style.style")
async def add(
    interaction: Interaction,
    named: str,
    file: discord.Attachment,
    second: discord.Attachment | None = None,
    third: discord.Attachment | None = None,
    fourth: discord.Attachment | None = None,
    fifth: discord.Attachment | None = None,
) -> None:
    """Take files apart, keep what is of use, and say of each document what became of it."""
    found = await find_style(interaction, named)
    await interaction.response.defer(ephemeral=True, thinking=True)
    given = [one for one in (file, second, third, fourth, fifth) if one is not None]
    deliveries: list[Delivery] = []
    unread: list[Taken] = []
    for one in given:
        name = own_name(one)
        try:
            check(shown_name(name), one.size)
            deliveries.append(await take_apart(name, await fetched(one)))
        except UploadError as error:
            unread.append(Taken(shown_name(name), remark=error.sentence))
    house, say = house_of(interaction), words_for(interaction)
    taken = unread + await house.corpus.add(found, deliveries, interaction.user.id)
    embed, files = style_report.report(say, found, taken, await house.corpus.measure(found))
    view = row(say, found, [("marks", "style.label_button", "🏷️")])
    await interaction.followup.send(embed=embed, files=files, view=view, ephemeral=True)


@style.sub("remove")
@options("style.remove", "document", named="style.style")
async def remove(
    interaction: Interaction, named: str, document: app_commands.Range[int, 1]
) -> None:
    """Take one document away; the next run names it as absent."""
    found = await find_style(interaction, named)
    house = house_of(interaction)
    gone = await house.store.documents.get(document)
    if gone is None or gone.style_id != found.id or not await house.corpus.remove(gone):
        raise Refusal("style.no_document", id=document)
    title = plain(gone.title)
    await whisper(interaction, words_for(interaction)("style.removed", title=title))


@remove.autocomplete("document")
@forgiving
async def _document(interaction: Interaction, typed: int | str) -> list[Choice[int]]:
    found = await find_style(interaction, str(vars(interaction.namespace).get("style", "")))
    wanted = folded(str(typed))
    kept = await house_of(interaction).store.documents.of(found.id)
    return [
        Choice(name=f"#{one.id} {one.title}"[:CHOICE_NAME], value=one.id)
        for one in reversed(kept)
        if wanted in f"#{one.id} {one.title}".casefold()
    ][:CHOICES]


@style.sub("publish")
@options("style.publish", "everywhere", named="style.style")
async def publish(interaction: Interaction, named: str, everywhere: bool = True) -> None:
    """Let every server use a style, or take that back; its documents stay with its server."""
    require_operator(interaction)
    found = await find_style(interaction, named)
    await house_of(interaction).store.styles.change(found.id, published=everywhere)
    key = "style.published" if everywhere else "style.unpublished"
    name = plain(found.name)
    await whisper(interaction, words_for(interaction)(key, name=name))


@style.sub("offers")
@options("style", named="style.style")
async def offers(interaction: Interaction, named: str) -> None:
    """Show the next result that its author lets the style learn from, to agree or not."""
    found = await find_style(interaction, named)
    embed, view = await style_report.next_offer(interaction, found)
    await interaction.response.send_message(embed=embed, view=view, ephemeral=True)


for _command in (info, delete, add, remove, publish, offers):
    _command.autocomplete("named")(own_styles)


COMMANDS = (style,)

"""What is shown of versions: which there are, their figures, and two side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import discord

from bot import cards, limits
from bot.cards import plain
from bot.commands.common import Interaction, find_style, house_of, require_operator
from bot.commands.style_report import liked
from bot.store.ratings import Tally
from bot.store.shapes import Run, Style
from bot.versions import ALIASES, alias
from bot.words import Words
from models.contract import Family
from models.registry import Version

if TYPE_CHECKING:
    from bot.app import House

SHOWN = 20
FIGURES = 14
_FACTS = ("created", "parent", "licence", "seed", "preset", "code", "code_version", "parameters")


@dataclass(frozen=True)
class Scope:
    """The versions that belong together: of a style, or of the model that all share."""

    family: Family
    style: Style | None

    @property
    def key(self) -> str | None:
        """What the aliases begin with."""
        return self.style.key if self.style is not None else None

    async def versions(self, house: House) -> list[Version]:
        """List the versions, newest first; what belongs to another style is not there."""
        found = await asyncio.to_thread(house.registry.versions, self.family.value)
        owners = await house.store.runs.owners(self.family.value)
        aliases = await self.aliases(house)
        mine = self.style.id if self.style is not None else None
        return [
            version
            for version in reversed(found)
            if owners.get(version.name) == mine or version.name in aliases.values()
        ]

    async def aliases(self, house: House) -> dict[str, str]:
        """Say which version live, previous and candidate are."""
        known = await asyncio.to_thread(house.registry.aliases, self.family.value)
        return {
            name: known[alias(self.key, name)] for name in ALIASES if alias(self.key, name) in known
        }

    async def has(self, interaction: Interaction, name: str) -> bool:
        """Say whether a version belongs here."""
        return any(v.name == name for v in await self.versions(house_of(interaction)))


async def scope_of(
    interaction: Interaction, family: Family, named: str | None, *, moving: bool = True
) -> Scope:
    """Check who asks: a style for its server's admins; the shared model is moved by its owners."""
    if named is not None:
        style = await find_style(interaction, named)
        return Scope(Family(style.family), style)
    if moving:
        require_operator(interaction)
    return Scope(family, None)


async def listed(say: Words, house: House, scope: Scope) -> discord.Embed:
    """List versions, newest first, with aliases, figures and likes."""
    aliases = await scope.aliases(house)
    tallies = await house.store.ratings.by_version()
    lines = []
    for version in (await scope.versions(house))[:SHOWN]:
        named = [say(f"model.{name}") for name, target in aliases.items() if target == version.name]
        parts = [f"**{version.name}**" + (f" ({', '.join(named)})" if named else "")]
        if version.parent:
            parts.append(f"← {version.parent}")
        if (first := next(iter(figures(version).items()), None)) is not None:
            parts.append(f"{first[0]} {first[1]:.4g}")
        if version.name in tallies:
            parts.append(liked(say, tallies[version.name]))
        lines.append(plain_dashes(" · ".join(parts)))
    title = say("model.title", family=say(f"train.{scope.family.value}"))
    if scope.style is not None:
        title += f" · {plain(scope.style.name)}"
    text = "\n".join(lines) or say("style.untrained")
    return discord.Embed(
        title=title, description=limits.clip(text, limits.EMBED_DESCRIPTION), colour=cards.GREY
    )


def plain_dashes(text: str) -> str:
    """Keep the underlines of figures from becoming markup."""
    return text.replace("_", " ")


def figures(version: Version) -> dict[str, float]:
    """Read the figures that sum a version up; none where they are missing or broken."""
    try:
        metrics: Any = version.read_json("metrics.json")
        if "held_out" in metrics:
            rows = metrics["held_out"].items()
            return {f"bits_per_byte {name}": float(row["bits_per_byte"]) for name, row in rows}
        return {name: float(value) for name, value in metrics.get("figures", {}).items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


async def card(say: Words, house: House, scope: Scope, version: Version) -> discord.Embed:
    """Show one version: where it comes from, its figures, and how it is liked."""
    aliases = await scope.aliases(house)
    tally = (await house.store.ratings.by_version()).get(version.name, Tally(0, 0))
    named = [say(f"model.{name}") for name, target in aliases.items() if target == version.name]
    facts = [f"{name}: {version.manifest[name]}" for name in _FACTS if version.manifest.get(name)]
    corpus = version.manifest.get("corpus_sha256") or version.manifest.get("corpus")
    if corpus:
        facts.append(f"corpus: {str(corpus)[:16]}")
    embed = discord.Embed(
        title=version.name + (f" ({', '.join(named)})" if named else ""),
        description=limits.clip(plain("\n".join(facts)), 1500),
        colour=cards.GREY,
    )
    if shown := figures(version):
        lines = [f"{name} {value:.4g}" for name, value in list(shown.items())[:FIGURES]]
        text = limits.clip(plain_dashes("\n".join(lines)), limits.EMBED_FIELD_VALUE)
        embed.add_field(name=say("model.figures"), value=text)
    embed.add_field(name=say("style.liked"), value=liked(say, tally))
    return embed


async def comparison(say: Words, house: House, run: Run) -> discord.Embed:
    """Show a version's figures beside those of the live one, on the same held-out data."""
    ending = await asyncio.to_thread(house.keeper.left_by(run).ending)
    outcome = ending.outcome or {}
    text = _table(say, outcome.get("figures") or {}, outcome.get("live") or {})
    embed = discord.Embed(
        title=str(run.version),
        description=f"{plain(say.say(run.sentence or ''))}\n{text}",
        colour=cards.GREY,
    )
    return embed.set_footer(text=say("train.number", id=run.id))


def _table(say: Words, new: Mapping[str, Any], old: Mapping[str, Any]) -> str:
    if not new:
        return say("model.no_figures")
    rows: list[Sequence[str]] = [("", say("model.candidate"), say("model.live"))]
    for name in list(new)[:FIGURES]:
        rows.append((name.replace("_", " ")[:28], _short(new[name]), _short(old.get(name))))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    return "```\n" + "\n".join(lines) + "\n```"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, int | float) else "–"


def promote_row(say: Words, family: str, style_id: int | None, version: str) -> discord.ui.View:
    """Make the button that makes a candidate live."""
    custom_id = f"gwv:promote:{family}:{style_id or 0}:{version}"
    return cards.view_of(
        [
            discord.ui.Button(
                label=say("model.promote_button"),
                custom_id=custom_id,
                emoji="⬆️",
                style=discord.ButtonStyle.danger,
            )
        ]
    )

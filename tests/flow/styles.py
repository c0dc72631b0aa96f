"""What the tests of styles share: a server's admin, a filled style, and scripted training."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import discord
import pytest

from bot.intake import read
from bot.runs import RunKeeper
from bot.settings import Settings
from bot.store import Run, RunState, Style
from models.registry import Registry
from tests.bot.classroom import essays_zip
from tests.bot.office import TRAINEE
from tests.flow.world import PATIENCE, World


def manager(world: World, name: str = "carol", guild: Any = None) -> Any:
    """Add a member who may manage a server, to whom Discord shows the commands of admins."""
    guild = guild or world.guild
    role = guild.create_role(f"managers {name}", permissions=discord.Permissions(manage_guild=True))
    return guild.add_member(world.env.create_user(name), roles=[role])


def crown(world: World, member: Any) -> None:
    """Put a member on the list of admins, as the operator would."""
    admins = world.bot.settings.admin_ids | {member.id}
    world.settings = world.settings.model_copy(update={"admin_ids": admins})
    world.bot.settings = world.settings


def quicken(
    monkeypatch: pytest.MonkeyPatch,
    command: Callable[[Run, Path, Settings], list[str]],
    seconds: float = 0.05,
) -> None:
    """Have keepers look often, and start another child than the usual one."""
    defaults = RunKeeper.__init__.__kwdefaults__
    assert defaults is not None
    quick = {"look_seconds": seconds, "card_seconds": seconds, "command": command}
    for name, value in quick.items():
        monkeypatch.setitem(defaults, name, value)


def script(settings: Settings, text: str) -> None:
    """Say what the next scripted run does."""
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    (settings.data_dir / "script").write_text(text)


def scripted(run: Run, folder: Path, settings: Settings) -> list[str]:
    """Word a child that learns nothing and does what the script says."""
    paths = [settings.data_dir, folder, settings.registry_dir]
    key = [] if run.style_id is None else [f"s{run.style_id}"]
    return [sys.executable, str(TRAINEE), *map(str, paths), *key]


def publish_first(settings: Settings, folder: Path) -> None:
    """Put a live version into the registry of the bot."""
    made = folder / "made"
    made.mkdir()
    (made / "config.json").write_text("{}")
    registry = Registry(settings.registry_dir, None)
    registry.publish("essay", "e-1", made, parent=None)
    registry.move_alias("essay", "live", "e-1")


def said(result: Any) -> str:
    """Read everything an answer says."""
    shown = [result.response] if result.response is not None else []
    return " ".join(
        [
            one.content + str([e.to_dict() for e in one.embeds])
            for one in [*shown, *result.followups]
        ]
    )


async def made(world: World, admin: Any, name: str = "Ms Smith", essays: int = 30) -> Style:
    """Make a style with some essays in it."""
    told = await admin.slash(world.channel, "style create", name=name, model="essay")
    assert "is there" in said(told), said(told)
    style = (await world.store.styles.of(world.guild.id))[-1]
    if essays:  # without the way through Discord, which other tests take
        await world.house.corpus.add(style, [read("class.zip", essays_zip(essays))], admin.id)
    return style


async def train(world: World, admin: Any, style: Style, what: str, preset: str = "tiny") -> Run:
    """Start a run of a style through question and button."""
    script(world.settings, what)
    asked = await admin.slash(
        world.channel, "train start", style=style.key, minutes=5, preset=preset
    )
    assert not asked.ephemeral, said(asked)
    pressed = await admin.click(
        asked.response.message, custom_id=f"gwt:go:{style.family}:{style.id}:5:{preset}"
    )
    assert not pressed.ephemeral, said(pressed)
    return (await world.store.runs.history(style.family, limit=1))[0]


async def ended(world: World, run: Run, state: RunState, patience: float = PATIENCE) -> Run:
    """Wait until a run is over, in the state it should be."""
    async with asyncio.timeout(patience):
        while True:
            now = await world.store.runs.get(run.id)
            if now is not None and now.finished_at is not None:
                break
            await asyncio.sleep(0.02)
    assert now.state is state, (now.state, now.sentence)
    return now

"""The commands people type, one file a group; each file names its own in ``COMMANDS``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

#: In the order of the menus. Each has ``COMMANDS``: commands, groups and context menus.
GROUPS = (
    "essay",
    "beat",
    "album",
    "show",
    "mine",
    "about",
    "privacy",
    "settings",
    "style",
    "train",
    "model",
)


def all_commands() -> list[Any]:
    """Gather what every group has to add to the tree."""
    # Imported here, because the groups import the helpers of this package.
    modules = [import_module(f"bot.commands.{group}") for group in GROUPS]
    return [command for module in modules for command in module.COMMANDS]

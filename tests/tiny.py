"""A registry with a tiny live version of each family, made in seconds."""

from __future__ import annotations

from pathlib import Path

import typer
from typer.testing import CliRunner

from models.registry import Registry
from tests.models.essay import tiny as essays
from tests.training.music.songs import write_phrases
from training.music.commands import train


def publish_essay(root: Path) -> None:
    """Train and publish the tiny writer in the registry at ``root / "registry"``."""
    essays.publish(root, "tiny-essay", essays.trained())
    Registry(root / "registry", shipped=None).move_alias("essay", "live", "tiny-essay")


def publish_music(root: Path) -> None:
    """Train and publish the tiny producer in the same registry."""
    command = typer.Typer()
    command.command()(train)
    songs, registry = write_phrases(root / "phrases"), root / "registry"
    arguments = ["--corpus", songs, "--out", root / "run", "--preset", "tiny", "--steps", "8"]
    arguments += ["--registry", registry, "--publish", "tiny-music"]
    done = CliRunner().invoke(command, [str(argument) for argument in arguments])
    if done.exit_code != 0:
        raise RuntimeError(done.output)
    Registry(registry, shipped=None).move_alias("music", "live", "tiny-music")

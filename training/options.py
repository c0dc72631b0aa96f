"""The options that training has in every family."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Out = Annotated[Path, typer.Option(help="Run folder: progress, checkpoints, samples.")]
PresetName = Annotated[str, typer.Option(help="cpu, gpu or tiny.")]
MaxMinutes = Annotated[float | None, typer.Option(help="Stop after this long.")]
Steps = Annotated[int | None, typer.Option(help="Override the preset's steps.")]
Seed = Annotated[int, typer.Option()]
Resume = Annotated[bool, typer.Option(help="Go on from the run folder.")]
ContinueFrom = Annotated[str | None, typer.Option(help="Version or alias.")]
WarmStart = Annotated[
    str | None, typer.Option(help="Run the preset's phases from this version's weights.")
]
RegistryFolder = Annotated[Path | None, typer.Option(help="Where new versions go.")]
PublishAs = Annotated[str | None, typer.Option("--publish", help="Version's name.")]
Promote = Annotated[bool, typer.Option(help="Make it live if it passes the gate.")]
Alias = Annotated[
    str, typer.Option(help="What --promote moves: live, or a style's own as in s12.live.")
]
AboutFile = Annotated[Path | None, typer.Option(help="Text on data and licence for the card.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads.")]

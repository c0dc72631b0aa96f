"""The training command line: ``python -m training essay | music | evaluate essay|music``."""

from __future__ import annotations

import logging

import typer

from training.essays import commands as essays
from training.music import commands as music

app = typer.Typer(help="Train and measure the models.", no_args_is_help=True, add_completion=False)
measure = typer.Typer(help="Measure a version on held-out data.", no_args_is_help=True)
app.command("essay")(essays.train)
app.command("music")(music.train)
measure.command("essay")(essays.evaluate)
measure.command("music")(music.evaluate)
app.add_typer(measure, name="evaluate")

if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    app()

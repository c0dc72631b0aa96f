"""The training command line: ``python -m training essay | music | evaluate | publish | ...``."""

from __future__ import annotations

import logging

import typer

from training import housekeeping
from training.essays import commands as essays
from training.music import commands as music
from training.songs import commands as songs

app = typer.Typer(help="Train and measure the models.", no_args_is_help=True, add_completion=False)
measure = typer.Typer(help="Measure a version on held-out data.", no_args_is_help=True)
app.command("essay")(essays.train)
app.command("music")(music.train)
app.command("associations")(essays.associate)
app.command("calibrate")(music.calibrate)
app.command("collect")(songs.collect)
app.command("transcribe")(songs.transcribe)
app.command("hear")(songs.hear)
measure.command("essay")(essays.evaluate)
measure.command("music")(music.evaluate)
app.add_typer(measure, name="evaluate")
hand_over = typer.Typer(help="Publish a finished run as a version.", no_args_is_help=True)
hand_over.command("essay")(essays.publish_run)
app.add_typer(hand_over, name="publish")
take_out = typer.Typer(help="Write a version for other programs.", no_args_is_help=True)
take_out.command("essay")(housekeeping.export)
app.add_typer(take_out, name="export")
app.command("gc")(housekeeping.collect_garbage)

if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    app()

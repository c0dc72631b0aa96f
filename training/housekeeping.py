"""The registry's own commands: export a version, and clear old ones away."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from models.registry import Registry, RegistryError
from training import options
from training.exporting import export_essay

MEGABYTE = 2**20


def export(
    version: Annotated[str, typer.Argument(help="Version or alias.")],
    out: Annotated[Path, typer.Option(help="A new folder.")],
    registry: options.RegistryFolder = None,
) -> None:
    """Write an essay version as a folder for Hugging Face's Auto classes."""
    try:
        found = export_essay(Registry(registry), version, out)
    except RegistryError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"{found.name} is in {out}.")


def collect_garbage(
    family: Annotated[str, typer.Option(help="essay or music.")],
    registry: Annotated[Path, typer.Option(help="Where own versions are.")],
    keep: Annotated[int, typer.Option(min=0, help="Newest versions that stay anyhow.")] = 5,
    named: Annotated[
        Path | None, typer.Option(help="A file of names that stay, one a line; - reads them.")
    ] = None,
    database: Annotated[
        Path | None, typer.Option(help="The bot's SQLite file: what its requests name stays.")
    ] = None,
    delete: Annotated[bool, typer.Option(help="Without this, nothing is deleted.")] = False,
) -> None:
    """Clear versions away that nobody needs; without --delete only list them.

    A version stays that an alias names, that such a one was trained from, that is among the newest,
    or that the file or the database names.
    """
    house = Registry(registry)
    try:
        wanted = _read_names(named) | (_asked_versions(database) if database else set())
        spare = house.spare(family, keep=keep, named=wanted)
        for version in spare:
            size = sum(f.stat().st_size for f in version.path.rglob("*") if f.is_file())
            typer.echo(f"{version.name}  {size / MEGABYTE:.1f} MB")
            if delete:
                house.remove(family, version.name)
    except (RegistryError, OSError, sqlite3.Error) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    own = sum(version.path.is_relative_to(registry) for version in house.versions(family))
    kept = own - (0 if delete else len(spare))
    verb = "deleted" if delete else "could go (--delete)"
    typer.echo(f"{len(spare)} {verb}, {kept} stay.")


def _read_names(path: Path | None) -> set[str]:
    if path is None:
        return set()
    text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8")
    return {line.strip() for line in text.splitlines() if line.strip()}


def _asked_versions(path: Path) -> set[str]:
    """Read every version that a request or a run names."""
    found: set[str] = set()
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master")]
        for table in tables:
            for row in database.execute("SELECT name FROM pragma_table_info(?)", (table,)):
                if row[0] in ("model_version", "version", "parent"):
                    names = database.execute(f'SELECT DISTINCT "{row[0]}" FROM "{table}"')
                    found |= {str(name[0]) for name in names if name[0]}
    return found

"""How a terminal shows work: text as it is written, and a bar that fills."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class Quiet:
    """Shows nothing; for programs and for many requests at once."""

    def progress(self, done: float, stage: str) -> None:
        """Show nothing."""

    def text(self, so_far: str) -> None:
        """Show nothing."""


class Writing(Quiet):
    """Writes a text to standard output as it comes."""

    def __init__(self) -> None:
        self._shown = ""

    def text(self, so_far: str) -> None:
        """Write what is new; a text that begins anew is waited for until it is longer again."""
        if so_far.startswith(self._shown):
            sys.stdout.write(so_far[len(self._shown) :])
        elif not self._shown.startswith(so_far):
            sys.stdout.write("\n\n" + so_far)
        else:
            return
        sys.stdout.flush()
        self._shown = so_far

    def progress(self, done: float, stage: str) -> None:
        """End the last line when all is written."""
        if stage == "done":
            sys.stdout.write("\n")
            sys.stdout.flush()


class Bar(Quiet):
    """Fills a bar on standard error."""

    def __init__(self, title: str) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeElapsedColumn(),
            console=Console(stderr=True),
        )
        self._title = title
        self._task = self._bar.add_task(title, total=1.0)
        self._begun = False

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._bar.live.transient = not self._begun  # what was refused leaves no empty bar
        self._bar.stop()

    def progress(self, done: float, stage: str) -> None:
        """Show how far it is, and doing what."""
        self._begun = True
        self._bar.update(self._task, completed=done, description=f"{self._title}: {stage}")

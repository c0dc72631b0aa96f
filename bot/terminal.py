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

    def check(self) -> None:
        """Raise what kept it from showing all."""


class Writing(Quiet):
    """Writes a text to standard output as it comes.

    Where that cannot be written to any more, the essay and its files are made all the same.
    """

    def __init__(self) -> None:
        self._shown = ""
        self._trouble: OSError | None = None

    def text(self, so_far: str) -> None:
        """Write what is new; a text that begins anew is waited for until it is longer again."""
        if so_far.startswith(self._shown):
            self._write(so_far[len(self._shown) :])
        elif not self._shown.startswith(so_far):
            self._write("\n\n" + so_far)
        else:
            return
        self._shown = so_far

    def progress(self, done: float, stage: str) -> None:
        """End the last line when all is written."""
        if stage == "done":
            self._write("\n")

    def check(self) -> None:
        """Raise what kept it from writing all."""
        if self._trouble is not None:
            raise self._trouble

    def _write(self, text: str) -> None:
        if self._trouble is not None or sys.stdout is None:  # closed by whoever started us
            return
        try:
            sys.stdout.write(text)
            sys.stdout.flush()
        except OSError as error:  # a pipe whose reader has gone, a full disk
            self._trouble = error


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

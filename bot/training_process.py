"""One training child, seen from outside: its folder, its process, and why it ended.

The child runs in its own session at low priority and outlives the bot; a later bot finds it again
by its process id and start time, which the folder keeps.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bot import priority
from bot.sentences import Sentence
from bot.settings import SECRETS
from bot.store.shapes import RunState

ROOT = Path(__file__).resolve().parent.parent
#: Process start times are kept to about 10 ms; a reused id differs by far more.
SAME_START = 1.0
TAIL_BYTES = 8_000
#: What samples of the present weights may be.
SAMPLES = (".txt", ".png")


@dataclass(frozen=True)
class Ending:
    """What a child left behind: the outcome it wrote, if any, and its exit code, if known."""

    outcome: Mapping[str, Any] | None
    code: int | None
    last_lines: tuple[str, ...]


class TrainingProcess:
    """A training child and its folder."""

    def __init__(
        self,
        folder: Path,
        process: psutil.Process | None,
        child: asyncio.subprocess.Process | None = None,
    ) -> None:
        self.folder = folder
        self._process = process
        self._child = child
        self._read = 0  # bytes of the progress file
        self._figures: dict[str, Any] = {}

    @classmethod
    async def spawn(cls, folder: Path, command: Sequence[str]) -> TrainingProcess:
        """Start a child that writes its output to ``log.txt``; raise OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "log.txt").open("ab") as output:
            child = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=_environment(),
                start_new_session=True,
            )
        process = None
        with suppress(psutil.Error):  # it may have ended already
            process = psutil.Process(child.pid)
            _make_modest(process)
            for one in process.children(recursive=True):  # a shell is quick to fork
                _make_modest(one)
            known = {"pid": child.pid, "started": process.create_time()}
            (folder / "process.json").write_text(json.dumps(known), encoding="utf-8")
        return cls(folder, process, child)

    @classmethod
    def adopt(cls, folder: Path) -> TrainingProcess:
        """Find the child of an earlier bot again; it may have ended meanwhile."""
        process = None
        with suppress(OSError, ValueError, KeyError, psutil.Error):
            known = json.loads((folder / "process.json").read_text(encoding="utf-8"))
            found = psutil.Process(int(known["pid"]))
            if abs(found.create_time() - float(known["started"])) < SAME_START:
                process = found
        return cls(folder, process)

    @property
    def pid(self) -> int | None:
        """Number of the process, None when there is none."""
        return self._process.pid if self._process is not None else None

    def alive(self) -> bool:
        """Say whether the child still runs."""
        if self._child is not None:
            return self._child.returncode is None
        if self._process is None:
            return False
        try:
            running: bool = self._process.is_running()
            return running and self._process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    async def wait(self, seconds: float) -> None:
        """Return when the child has ended or the time is over."""
        if self._child is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._child.wait()
        elif self.alive():
            await asyncio.sleep(seconds)

    def ask_to_stop(self) -> None:
        """Ask the child to finish its step, save and end."""
        (self.folder / "stop").touch()

    def send(self, number: signal.Signals) -> None:
        """Signal the child and everything it started."""
        if self.alive() and self.pid is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def progress(self) -> dict[str, Any] | None:
        """Read what is new in the progress file; None when nothing is.

        Lines carry different figures at different times; the newest of each is kept.
        """
        try:
            with (self.folder / "progress.jsonl").open("rb") as file:
                file.seek(self._read)
                new = file.read()
        except OSError:
            return None
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            with suppress(ValueError):
                figures = json.loads(line)
                if isinstance(figures, dict):
                    self._figures |= figures
        return dict(self._figures) if whole else None

    def ending(self) -> Ending:
        """Say what the child left behind."""
        outcome = None
        with suppress(OSError, ValueError):
            found = json.loads((self.folder / "outcome.json").read_text(encoding="utf-8"))
            outcome = found if isinstance(found, dict) else None
        code = self._child.returncode if self._child is not None else None
        return Ending(outcome, code, self.last_lines())

    def last_lines(self, count: int = 12) -> tuple[str, ...]:
        """Read the end of the child's output, without what a progress bar wrote over."""
        try:
            with (self.folder / "log.txt").open("rb") as file:
                file.seek(0, os.SEEK_END)
                file.seek(max(0, file.tell() - TAIL_BYTES))
                text = file.read().decode("utf-8", errors="replace")
        except OSError:
            return ()
        lines = [
            line.rpartition("\r")[2].rstrip() for line in text.replace("\r\n", "\n").split("\n")
        ]
        return tuple(line for line in lines if line)[-count:]

    @property
    def log(self) -> Path | None:
        """Everything the child has said, once it has said something."""
        path = self.folder / "log.txt"
        return path if path.is_file() else None

    @property
    def curve(self) -> Path | None:
        """Picture of the loss, once there is one."""
        path = self.folder / "loss.png"
        return path if path.is_file() else None

    @property
    def sample(self) -> Path | None:
        """Newest thing that the present weights wrote or drew, once there is one."""
        found = [
            path
            for path in self.folder.glob("**/samples/*")
            if path.suffix in SAMPLES and not path.name.startswith(".")
        ]
        return max(found, key=lambda path: path.stat().st_mtime_ns, default=None)


#: What the end of a child's output says about its death; the first that fits.
CAUSES = (
    (re.compile(r"out of memory|MemoryError|can't allocate memory", re.I), "run_memory"),
    (re.compile(r"No space left on device|Disk quota exceeded", re.I), "run_disk"),
    (re.compile(r"\bnan\b|not a (finite )?number", re.I), "run_nan"),
)


def judge(ending: Ending, *, stopped: bool) -> tuple[RunState, str]:
    """Say how a run ended, in one sentence: by what it wrote, else by how it died."""
    if ending.outcome is not None:
        said = str(ending.outcome.get("sentence") or "").strip()
        known = {state.value: state for state in (RunState.PROMOTED, RunState.STOPPED)}
        known |= {"refused": RunState.REFUSED, "finished": RunState.REFUSED}
        state = known.get(str(ending.outcome.get("state")), RunState.FAILED)
        return state, said or Sentence(f"run_{state.value}")
    if stopped:
        return RunState.STOPPED, Sentence("run_stopped")
    text = "\n".join(ending.last_lines)
    for pattern, key in CAUSES:
        if pattern.search(text):
            return RunState.FAILED, Sentence(key)
    if ending.code in (-signal.SIGKILL, 128 + signal.SIGKILL):
        return RunState.FAILED, Sentence("run_killed")
    if ending.code is None:  # nobody was there to see it end
        return RunState.FAILED, Sentence("run_lost")
    return RunState.FAILED, Sentence("run_failed")


def _make_modest(process: psutil.Process) -> None:
    """Let a process go behind the bot, and keep it to its cores; what it starts later inherits."""
    priority.make_way(process.pid, priority.TRAINING)
    _pin(process)


def _pin(process: psutil.Process) -> None:
    """Keep a child to the upper half of the cores; with fewer than four, niceness must do."""
    if not hasattr(process, "cpu_affinity"):  # not on every system
        return
    cores = sorted(process.cpu_affinity())
    if len(cores) >= 4:
        process.cpu_affinity(cores[len(cores) // 2 :])


def half_of_cores() -> int:
    """Count the cores that a child may use."""
    return max(1, (os.cpu_count() or 2) // 2)


def _environment() -> dict[str, str]:
    """Half of the cores for the child: whoever chats must not notice it."""
    threads = str(half_of_cores())
    kept = {name: value for name, value in os.environ.items() if name.upper() not in SECRETS}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {
        **kept,
        "PYTHONPATH": path,
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "PYTHONUNBUFFERED": "1",
        "TYPER_STANDARD_TRACEBACK": "1",  # last words without frames around them
        # A training on the device that also serves must leave it room.
        "PYTORCH_CUDA_ALLOC_CONF": "per_process_memory_fraction:0.5",
    }

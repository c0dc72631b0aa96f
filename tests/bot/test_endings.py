"""Ctrl-C and SIGTERM, sent to the command line as a process of its own with tiny models."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from bot import __main__ as entrance
from bot.settings import Settings
from models.contract import WORDS_MAX

ROOT = Path(__file__).resolve().parents[2]
#: For whatever is waited for, on a busy machine: longer than models may take to load there.
PATIENCE = 300.0


def environment() -> dict[str, str]:
    """Nobody's settings, and the packages."""
    known = {name.upper() for name in Settings.model_fields}
    env = {name: value for name, value in os.environ.items() if name.upper() not in known}
    return {**env, "PYTHONPATH": str(ROOT)}


@contextmanager
def begun(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a folder, whose data and out lie there; never leave it running."""
    said, complained = (folder / name for name in ("stdout", "stderr"))
    with said.open("wb") as out, complained.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "bot", *arguments],
            cwd=folder,
            env=environment(),
            stdout=out,
            stderr=err,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def wait_until(true: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)


def end_by(number: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    """Send the signal; see that it ends with it, quietly, and nothing of it is left."""
    children = psutil.Process(process.pid).children(recursive=True)
    assert children, "the models are a process of their own"
    process.send_signal(number)
    assert process.wait(PATIENCE) == 128 + number
    assert (folder / "stderr").read_text() == ""
    assert not [child for child in children if child.is_running()]
    assert not list((folder / "data" / "run").iterdir())
    assert not list((folder / "out").iterdir()), "an essay that was not written has no file"


def test_stopped_in_mid_writing(own_registry: Path, tmp_path: Path) -> None:
    with begun(tmp_path, "essay", "rivers", "--words", str(WORDS_MAX)) as process:
        wait_until(lambda: (tmp_path / "stdout").stat().st_size, process)
        end_by(signal.SIGINT, process, tmp_path)


def test_stopped_while_the_models_are_loaded(tmp_path: Path) -> None:
    with begun(tmp_path, "beat", "--json") as process:
        wait_until(lambda: psutil.Process(process.pid).children(), process)
        end_by(signal.SIGTERM, process, tmp_path)


def test_a_reader_that_has_enough_ends_the_command_quietly(
    service_url: str, tmp_path: Path
) -> None:
    (tmp_path / "topics.txt").write_text("\n".join(f"rivers {n}" for n in range(40)))
    command = (
        '"$0" -m bot essay --batch topics.txt --words 50 --json 2> stderr | head -1 > /dev/null; '
        'exit "${PIPESTATUS[0]}"'
    )
    env = {**environment(), "GENERATION_URL": service_url}
    ended = subprocess.run(
        ["bash", "-c", command, sys.executable], cwd=tmp_path, env=env, check=False
    )
    assert ended.returncode == 128 + signal.SIGPIPE
    assert (tmp_path / "stderr").read_text() == ""


def test_stopped_before_anything_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SimpleNamespace(app=lambda: os.kill(os.getpid(), signal.SIGINT))
    monkeypatch.setitem(sys.modules, "bot.cli", slow)
    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(SystemExit) as end:
            entrance.main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert end.value.code == 130

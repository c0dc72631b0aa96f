"""Fixtures around the real generation service: a tiny registry, and a server process over it."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from models.registry import Registry

ROOT = Path(__file__).parents[1]
BOOT_SECONDS = 180.0


@pytest.fixture(scope="session")
def tiny_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of a registry with a tiny live essay and music version; not to be changed."""
    from tests import tiny  # torch is loaded only for the tests that need it

    def make(root: Path) -> None:
        tiny.publish_essay(root)
        tiny.publish_music(root)

    return made_once(tmp_path_factory, "tiny", make) / "registry"


@pytest.fixture(scope="session")
def base_registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of a registry with a tiny live essay version that training can continue from."""
    from tests.training.essays.made_up import write_corpus
    from tests.training.essays.short import short_essays
    from training.essays.commands import train

    def make(root: Path) -> None:
        with short_essays():
            train(
                corpus=write_corpus(root / "corpus", seed=1),
                out=root / "run",
                preset="tiny",
                steps=12,
                registry=root / "registry",
                publish_as="base",
                essays=0,
            )
        Registry(root / "registry", None).move_alias("essay", "live", "base")

    return made_once(tmp_path_factory, "base", make) / "registry"


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Make a folder that all processes of one test run read; the first one that asks makes it."""
    base = factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    whole = shared / f"{name}.made"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # released on closing, by a process that dies too
        if not whole.exists():
            root = factory.mktemp(name)
            make(root)
            whole.symlink_to(root, target_is_directory=True)
    return whole.resolve()


@pytest.fixture
def trainable_registry(base_registry: Path, tmp_path: Path) -> Path:
    """Root of a copy of it that the test may change, where the settings look for it."""
    root = tmp_path / "data" / "registry"
    shutil.copytree(base_registry, root)
    return root


@pytest.fixture
def own_registry(tiny_registry: Path, tmp_path: Path) -> Path:
    """Root of a copy of the tiny registry that the test may change."""
    root = tmp_path / "data" / "registry"
    shutil.copytree(tiny_registry, root)
    return root


@pytest.fixture(scope="session")
def service_url(tiny_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a real ``python -m models.server`` over the tiny registry."""
    with served(tiny_registry, tmp_path_factory.mktemp("service")) as url:
        yield url


@contextmanager
def served(registry: Path, folder: Path) -> Iterator[str]:
    """Run the real server over a registry; its log and port file go to the folder."""
    process = start(registry, folder)
    try:
        yield f"http://127.0.0.1:{(folder / 'port').read_text()}"
    finally:
        assert process.stdin is not None
        process.stdin.close()
        process.terminate()
        process.wait(20)


def start(registry: Path, folder: Path) -> subprocess.Popen[bytes]:
    """Start the real server and wait until it serves."""
    port_file, log = folder / "port", folder / "log.txt"
    command = [sys.executable, "-m", "models.server", "--device", "cpu", "--end-with-parent"]
    command += ["--registry", str(registry), "--port-file", str(port_file)]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    deadline = time.monotonic() + BOOT_SECONDS
    while not port_file.exists():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return process

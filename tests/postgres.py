"""A throw-away PostgreSQL server for the tests, from Debian's own package."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import uuid
from pathlib import Path

TOOLS = ("initdb", "pg_ctl", "postgres", "createdb", "psql")
#: How many ports are tried.
ATTEMPTS = 3


def find_binaries() -> Path | None:
    """Find the folder of the newest installed server."""
    installed = [Path(found) for found in [shutil.which("postgres")] if found]
    installed += sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)
    folders = [path.resolve().parent for path in installed]
    return next((f for f in folders if all((f / tool).exists() for tool in TOOLS)), None)


def free_port() -> int:
    """Find a loopback port that nobody listens on."""
    with contextlib.closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class PostgresServer:
    """One server with its data in a temporary folder, listening on loopback alone."""

    def __init__(self, binaries: Path) -> None:
        self._bin = binaries
        self._home = Path(tempfile.mkdtemp(prefix="pg-"))
        self._as_user: list[str] = []
        if os.geteuid() == 0:  # the server refuses to run as root
            account = pwd.getpwnam("postgres")
            os.chown(self._home, account.pw_uid, account.pw_gid)
            self._as_user = ["runuser", "-u", "postgres", "--"]
        self.port = 0

    def start(self) -> None:
        """Make a cluster and wait until it answers."""
        data = str(self._home / "data")
        self._run("initdb", "-D", data, "-U", "tests", "-A", "trust", "-E", "UTF8", "--no-sync")
        for left in reversed(range(ATTEMPTS)):
            self.port = free_port()
            try:
                self._serve(data)
                break
            except RuntimeError:  # somebody else may have taken the port meanwhile
                if not left:
                    raise

    def _serve(self, data: str) -> None:
        options = (
            f"-c listen_addresses=127.0.0.1 -c port={self.port} -k {self._home} "
            "-c fsync=off -c synchronous_commit=off -c full_page_writes=off "
            "-c max_connections=50 -c shared_buffers=32MB"
        )
        log = str(self._home / "log")
        self._run("pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start")

    def stop(self) -> None:
        """Stop the server and remove its data."""
        self._run("pg_ctl", "-D", str(self._home / "data"), "-m", "immediate", "stop")
        shutil.rmtree(self._home, ignore_errors=True)

    def create(self, name: str | None = None) -> str:
        """Make an empty database; return its URL with the async driver."""
        name = name or f"t{uuid.uuid4().hex}"
        self._run("createdb", *self._where, name)
        return f"postgresql+asyncpg://tests@127.0.0.1:{self.port}/{name}"

    def empty(self, name: str, tables: list[str]) -> None:
        """Delete every row of a database."""
        command = f"TRUNCATE {', '.join(tables)} RESTART IDENTITY CASCADE"
        self._run("psql", *self._where, "-q", "-c", command, name)

    @property
    def _where(self) -> list[str]:
        return ["-h", "127.0.0.1", "-p", str(self.port), "-U", "tests"]

    def _run(self, program: str, *arguments: str) -> None:
        # Into a file: the server started by pg_ctl inherits the output and never closes it.
        output = self._home / "output"
        with output.open("wb") as stream:
            done = subprocess.run(
                [*self._as_user, str(self._bin / program), *arguments],
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                timeout=60,
                check=False,
            )
        if done.returncode != 0:
            raise RuntimeError(f"{program} failed: {output.read_text()[-2000:]}")

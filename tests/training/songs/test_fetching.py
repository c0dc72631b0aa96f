"""Fetching from strangers' servers, with a real one on the loopback."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.training.songs.server import SONG, Handler, Server, serve
from training.songs import fetching
from training.songs.fetching import FetchError, Limits, checked_addresses, fetch, is_public

OPEN = Limits(private=True, max_bytes=2_000_000, seconds=5, silence=2)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


def refusal(url: str, target: Path, limits: Limits = OPEN) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetch(url, target, limits)
    assert str(caught.value).endswith(".")
    assert not target.exists()
    return caught.value


def test_a_file_arrives_whole_also_by_a_redirect(server: Server, tmp_path: Path) -> None:
    for path in ("song/1", "moved/1"):
        fetch(f"{server.url}/{path}", tmp_path / "x", OPEN)
        assert (tmp_path / "x").read_bytes() == SONG + b"1"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_a_cut_file_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "x"
    assert refusal(f"{server.url}/cut/1", target).again
    fetch(f"{server.url}/cut/1", target, OPEN)
    assert target.read_bytes() == SONG + b"1"
    assert Handler.ranges[1].startswith("bytes=") and Handler.ranges[1] != "bytes=0-"


def test_a_file_that_changed_meanwhile_begins_anew(server: Server, tmp_path: Path) -> None:
    target = tmp_path / "x"
    refusal(f"{server.url}/cut/new", target)
    fetch(f"{server.url}/cut/new", target, OPEN)
    assert target.read_bytes() == SONG + b"new"


@pytest.mark.parametrize(
    ("path", "says", "again"),
    [
        ("text", "text/html, not audio", False),
        ("nothing", "no file", False),
        ("broken", "error 503", True),
        ("loop/", "redirects more than", False),
        ("huge", "larger than 2 MB", False),
    ],
)
def test_each_limit_is_one_plain_sentence(
    server: Server, tmp_path: Path, path: str, says: str, again: bool
) -> None:
    error = refusal(f"{server.url}/{path}", tmp_path / "x")
    assert says in str(error) and error.again is again


def test_a_server_that_drips_is_left(server: Server, tmp_path: Path) -> None:
    began = time.monotonic()
    slow = Limits(private=True, seconds=0.4, silence=2)
    assert "too long" in str(refusal(f"{server.url}/drip", tmp_path / "x", slow))
    assert time.monotonic() - began < 20, "the whole file would take hours"


def test_private_addresses_are_refused_also_after_a_redirect(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "169.254.169.254", "10.1.2.3"):
        error = refusal(
            f"http://{host}:{server.server_address[1]}/song/1", tmp_path / "x", Limits()
        )
        assert "private network" in str(error)
    assert not Handler.asked
    # The first server counts as public here; the one it sends us to does not.
    monkeypatch.setattr(fetching, "is_public", lambda address: address == "127.0.0.1")
    error = refusal(f"{server.url}/away/10.0.0.1/x", tmp_path / "x", Limits(seconds=5))
    assert "private network" in str(error)


def test_the_connection_goes_to_the_address_that_was_checked(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that is public when checked and private a moment later must gain nothing."""
    answers = iter(["127.0.0.1", "10.0.0.1", "10.0.0.1"])
    asked = []

    def resolve(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    real = socket.create_connection
    reached = []

    def connect(address: tuple[str, int], *rest: Any) -> socket.socket:
        reached.append(address[0])
        monkeypatch.setattr(socket, "getaddrinfo", ordinary)
        return real(address, *rest)

    ordinary = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket, "create_connection", connect)
    url = f"http://rebinding.example:{server.server_address[1]}/song/1"
    fetch(url, tmp_path / "x", OPEN)
    assert asked == ["rebinding.example"] and reached == ["127.0.0.1"]


def test_one_private_address_among_public_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(0, 0, 0, "", ("93.184.216.34", 80)), (0, 0, 0, "", ("192.168.0.1", 80))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(FetchError, match="private"):
        checked_addresses("mixed.example", 80, private=False)
    assert checked_addresses("mixed.example", 80, private=True) == ["93.184.216.34", "192.168.0.1"]


def test_addresses_in_disguise_are_not_public() -> None:
    inside = ("::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "fe80::1", "fc00::1",
              "224.0.0.1", "100.64.0.1", "::")  # fmt: skip
    assert not any(map(is_public, inside))
    assert is_public("93.184.216.34") and is_public("2606:2800:220:1::1")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://a/b", "Only http"),
        ("file:///etc/passwd", "Only http"),
        ("http:///x", "names no server"),
        ("http://a:b@c/x", "password"),
        ("http://a:99999/x", "well formed"),
        ("http://no-such-host.invalid/x", "no server called"),
    ],
)
def test_odd_addresses_are_refused(tmp_path: Path, url: str, says: str) -> None:
    assert says in str(refusal(url, tmp_path / "x"))

"""One file from a stranger's address, with limits on size, type, time, redirects and place.

The name is resolved here, the address checked, and the connection made to that very address: a
name that answers differently a moment later gains nothing. Redirects are followed the same way.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Timer
from urllib.parse import SplitResult, quote, urljoin, urlsplit

_AGENT = "ghostwriter-collect/1"
_BLOCK = 65536
_MOVED = (301, 302, 303, 307, 308)
_LATER = (408, 425, 429, 500, 502, 503, 504)
_TYPES = ("audio/", "video/mp4", "video/webm", "application/ogg", "application/octet-stream",
          "binary/octet-stream", "application/x-midi", "video/x-ms-asf")  # fmt: skip


class FetchError(Exception):
    """A file cannot be had; the message is one plain sentence. ``again``: it may work later."""

    def __init__(self, sentence: str, *, again: bool = False) -> None:
        super().__init__(sentence)
        self.again = again


@dataclass(frozen=True)
class Limits:
    """What one file may cost."""

    max_bytes: int = 200_000_000
    seconds: float = 300.0  # for the whole file
    silence: float = 20.0  # for one answer
    redirects: int = 5
    private: bool = False  # addresses inside one's own network


@dataclass(frozen=True)
class _Begun:
    """What is known of a file that was fetched in part."""

    url: str
    mark: str  # ETag or date: says whether it is still the same file


def fetch(url: str, target: Path, limits: Limits) -> None:
    """Fetch an address into a file; go on where an earlier attempt was cut off."""
    until = time.monotonic() + limits.seconds
    try:
        for _ in range(limits.redirects + 1):
            moved = _attempt(_parsed(url), target, limits, until)
            if moved is None:
                return
            url = urljoin(url, moved)
        raise FetchError(f"The address redirects more than {limits.redirects} times.")
    except TimeoutError as error:
        raise FetchError("The server took too long to answer.", again=True) from error
    except ssl.SSLError as error:
        raise FetchError("The server's certificate or encryption is wrong.", again=True) from error
    except (OSError, http.client.HTTPException) as error:
        raise FetchError("The connection to the server failed.", again=True) from error


def _parsed(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError as error:
        raise FetchError("The address is not well formed.") from error
    if parts.scheme not in ("http", "https"):
        raise FetchError("Only http and https addresses are fetched.")
    if not parts.hostname:
        raise FetchError("The address names no server.")
    if parts.username or parts.password:
        raise FetchError("The address holds a user name or password.")
    return parts


def checked_addresses(host: str, port: int, *, private: bool) -> list[str]:
    """Resolve a name and give the addresses to connect to; all of them must be allowed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise FetchError(f"There is no server called {host[:80]}.", again=True) from error
    addresses = [str(entry[4][0]).split("%")[0] for entry in found]
    if not private and not all(map(is_public, addresses)):
        raise FetchError("The address leads into a private network.")
    return list(dict.fromkeys(addresses))


def is_public(address: str) -> bool:
    """Say whether an IP address is one of the public internet."""
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return is_public(str(ip.ipv4_mapped))
        tunnelled = ip.sixtofour or ip.teredo or ip in ipaddress.ip_network("64:ff9b::/96")
        if tunnelled:  # an IPv4 address in disguise
            return False
    return ip.is_global and not ip.is_multicast


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked, under the name it was asked for."""

    def __init__(self, parts: SplitResult, addresses: list[str], timeout: float) -> None:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        super().__init__(str(parts.hostname), port, timeout=timeout)
        self._addresses, self._secure = addresses, parts.scheme == "https"

    def connect(self) -> None:
        """Connect to the first checked address that answers."""
        for address in self._addresses:
            try:
                plain = socket.create_connection((address, self.port), self.timeout)
                break
            except OSError:
                if address == self._addresses[-1]:
                    raise
        self.sock = plain  # at once, so that the deadline also ends a handshake
        if self._secure:
            context = ssl.create_default_context()
            self.sock = context.wrap_socket(plain, server_hostname=self.host)

    def end(self) -> None:
        """Break off whatever it waits for."""
        with suppress(OSError, AttributeError):
            self.sock.shutdown(socket.SHUT_RDWR)


def _attempt(parts: SplitResult, target: Path, limits: Limits, until: float) -> str | None:
    """Ask once; give the address it has moved to, or None when the file is there."""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    addresses = checked_addresses(str(parts.hostname), port, private=limits.private)
    connection = _Connection(parts, addresses, min(limits.silence, _left(until)))
    deadline = Timer(_left(until), connection.end)  # a server may drip one byte at a time
    deadline.daemon = True
    deadline.start()
    try:
        have, headers = _wanted(parts, target)
        connection.request("GET", _path(parts), headers=headers)
        with connection.getresponse() as answer:
            if answer.status in _MOVED:
                return answer.getheader("Location") or _nowhere()
            _check(answer, limits, have)
            _take(answer, parts, target, limits, until, have)
    except (OSError, http.client.HTTPException):
        _left(until)
        raise
    finally:
        deadline.cancel()
        connection.close()
    return None


def _nowhere() -> str:
    raise FetchError("The server redirects to nowhere.")


def _wanted(parts: SplitResult, target: Path) -> tuple[int, dict[str, str]]:
    """Say how much of the file is there, and with what headers to ask for the rest."""
    part, begun = target.with_suffix(".part"), _begun(target)
    headers = {"User-Agent": _AGENT, "Accept": "audio/*, */*;q=0.5", "Accept-Encoding": "identity"}
    if begun is None or not begun.mark or begun.url != parts.geturl() or not part.exists():
        return 0, headers
    have = part.stat().st_size
    return have, headers | {"Range": f"bytes={have}-", "If-Range": begun.mark}


def _take(
    answer: http.client.HTTPResponse, parts: SplitResult, target: Path, limits: Limits,
    until: float, have: int,
) -> None:  # fmt: skip
    """Receive the file, or what was missing of it, and put it in its place."""
    part = target.with_suffix(".part")
    if answer.status == 206 and not _starts_at(answer, have):
        part.unlink(missing_ok=True)
        raise FetchError("The server sent another part of the file than asked.", again=True)
    mark = answer.getheader("ETag") or answer.getheader("Last-Modified") or ""
    mark = "" if mark.startswith("W/") else mark  # a weak mark does not promise equal bytes
    note = json.dumps(asdict(_Begun(parts.geturl(), mark)))
    _note(target).write_text(note, encoding="utf-8")
    _receive(answer, part, limits, until, have if answer.status == 206 else 0)
    part.replace(target)
    _note(target).unlink(missing_ok=True)


def _check(answer: http.client.HTTPResponse, limits: Limits, have: int) -> None:
    if answer.status in (404, 410):
        raise FetchError("There is no file at this address.")
    if answer.status in (401, 403, 451):
        raise FetchError("The server does not let everybody have this file.")
    if answer.status not in (200, 206):
        again = answer.status in _LATER
        raise FetchError(f"The server answered with error {answer.status}.", again=again)
    kind = (answer.getheader("Content-Type") or "application/octet-stream").lower()
    if not kind.startswith(_TYPES):
        raise FetchError(f"The address holds {kind.split(';')[0][:40]}, not audio.")
    if (answer.getheader("Content-Encoding") or "identity").lower() != "identity":
        raise FetchError("The server sends the file packed, which was not asked for.")
    before = have if answer.status == 206 else 0
    if (answer.length or 0) + before > limits.max_bytes:
        raise FetchError(_too_large(limits))


def _receive(
    answer: http.client.HTTPResponse, part: Path, limits: Limits, until: float, have: int
) -> None:
    expected = answer.length
    got = 0
    with part.open("ab" if have else "wb") as file:
        while block := answer.read1(_BLOCK):
            got += len(block)
            if have + got > limits.max_bytes:
                raise FetchError(_too_large(limits))
            file.write(block)
            _left(until)
    _left(until)  # the deadline ends a connection like a server that has sent everything
    if expected is not None and got < expected:
        raise FetchError("The connection broke before the file was whole.", again=True)


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise FetchError("The file takes too long to fetch.", again=True)
    return left


def _too_large(limits: Limits) -> str:
    return f"The file is larger than {limits.max_bytes / 1_000_000:g} MB."


def _path(parts: SplitResult) -> str:
    path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
    return f"{path}?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?')}" if parts.query else path


def _starts_at(answer: http.client.HTTPResponse, have: int) -> bool:
    return (answer.getheader("Content-Range") or "").startswith(f"bytes {have}-")


def _note(target: Path) -> Path:
    return target.with_suffix(".note")


def _begun(target: Path) -> _Begun | None:
    try:
        return _Begun(**json.loads(_note(target).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None

"""A small web server on the loopback that can do what bad servers do."""

from __future__ import annotations

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

SONG = b"RIFF\x00\x10\x00\x00WAVEfmt " + bytes(range(256)) * 400


class Handler(BaseHTTPRequestHandler):
    """Answers by path; ``/song/N`` is a small file of its own."""

    protocol_version = "HTTP/1.1"
    asked: ClassVar[Counter[str]] = Counter()
    ranges: ClassVar[list[str]] = []

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        Handler.asked[self.path] += 1
        name, _, rest = self.path.strip("/").partition("/")
        getattr(self, f"on_{name}", self.on_missing)(rest)

    def on_song(self, rest: str) -> None:
        self.answer(200, SONG + rest.encode())

    def on_midi(self, rest: str) -> None:
        self.answer(200, b"MThd" + rest.encode(), {"Content-Type": "audio/midi"})

    def on_text(self, _: str) -> None:
        self.answer(200, b"<html>", {"Content-Type": "text/html"})

    def on_lie(self, _: str) -> None:
        self.answer(200, b"<html>not a song</html>")

    def on_missing(self, _: str) -> None:
        self.answer(404, b"")

    def on_broken(self, _: str) -> None:
        self.answer(503, b"")

    def on_loop(self, rest: str) -> None:
        self.answer(302, b"", {"Location": f"/loop/{rest}x"})

    def on_moved(self, rest: str) -> None:
        self.answer(302, b"", {"Location": f"/song/{rest}"})

    def on_away(self, rest: str) -> None:
        self.answer(302, b"", {"Location": f"http://{rest}"})

    def on_huge(self, _: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "audio/mpeg")
        self.send_header("Connection", "close")
        self.end_headers()
        try:
            for _part in range(200):
                self.wfile.write(b"\0" * 65536)
        except OSError:
            pass
        self.close_connection = True

    def on_drip(self, _: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "audio/mpeg")
        self.send_header("Content-Length", "100000")
        self.end_headers()
        try:
            while not Server.over.wait(0.05):
                self.wfile.write(b"\0")
        except OSError:
            pass
        self.close_connection = True

    def on_cut(self, rest: str) -> None:
        """Break off in the middle the first time; go on by range the second."""
        whole = SONG + rest.encode()
        asked = self.headers.get("Range", "")
        Handler.ranges.append(asked)
        mark = (
            {"ETag": '"one"'} if not rest.startswith("new") else {"ETag": f'"{len(self.ranges)}"'}
        )
        fresh = self.headers.get("If-Range") == mark["ETag"]
        if asked and fresh:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            span = {"Content-Range": f"bytes {start}-{len(whole) - 1}/{len(whole)}"}
            self.answer(206, whole[start:], {**mark, **span})
            return
        if asked:
            self.answer(200, whole, mark)
            return
        self.send_response(200)
        for key, value in {**mark, "Content-Type": "audio/wav"}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(whole)))
        self.end_headers()
        self.wfile.write(whole[: len(whole) // 2])
        self.wfile.flush()
        self.close_connection = True

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for key, value in {"Content-Type": "audio/wav", **(headers or {})}.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(ThreadingHTTPServer):
    """Runs in a thread while a test lasts."""

    daemon_threads = True
    over = threading.Event()

    def __enter__(self) -> Server:
        Handler.asked.clear()
        Handler.ranges.clear()
        Server.over.clear()
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        Server.over.set()
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


def serve() -> Server:
    """Make a server on a free port."""
    return Server(("127.0.0.1", 0), Handler)

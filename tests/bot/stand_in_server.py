"""Stands where models.server stands, without models: boots at once and can be made to fail.

Files beside the port file steer it: ``broken`` makes it end before it serves, ``sick`` makes it
answer that it does not move.
"""

from __future__ import annotations

import argparse
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from models.contract import Health

parser = argparse.ArgumentParser()
parser.add_argument("--host")
parser.add_argument("--port", type=int)
parser.add_argument("--port-file", type=Path)
args, _ = parser.parse_known_args()
folder = args.port_file.parent


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        health = Health(ok=not (folder / "sick").exists(), engines=(), sentence="It is stuck.")
        body = health.model_dump_json().encode()
        self.send_response(200 if health.ok else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def watch_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if (folder / "broken").exists():
    sys.exit("The models have been eaten by mice.")
threading.Thread(target=watch_parent, daemon=True).start()
server = ThreadingHTTPServer((args.host, args.port), Handler)
args.port_file.write_text(str(server.server_port))
server.serve_forever()

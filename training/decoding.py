"""Bytes of texts and sheets that people have, as text."""

from __future__ import annotations


def decoded(data: bytes) -> str:
    """Read bytes by their byte-order mark, as UTF-8, or as old Windows wrote them."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")

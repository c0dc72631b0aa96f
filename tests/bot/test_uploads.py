from __future__ import annotations

import asyncio
import io
import sys
import zipfile
from pathlib import Path

import docx
import pypdf
import pytest

from bot import uploads
from bot.documents import render
from bot.uploads import UploadError, clean, read, read_upload
from tests.bot.test_documents import essay


def word(*texts: str) -> bytes:
    document = docx.Document()
    for text in texts:
        document.add_paragraph(text)
    stream = io.BytesIO()
    document.save(stream)
    return stream.getvalue()


def pdf(pages: int, password: str | None = None) -> bytes:
    writer = pypdf.PdfWriter()
    for _ in range(pages):
        writer.add_blank_page(100, 100)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b"\0" * 40_000_000)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "text"),
    [
        ("a.txt", "\ufeffOne\r\n\r\n\r\n\r\nTwo  words\x07".encode(), "One\n\nTwo words"),
        ("a.TXT", "naïve".encode("cp1252"), "naïve"),
        ("a.md", "# Title\n\nText".encode("utf-16"), "# Title\n\nText"),
        ("a.docx", word("First one.", "Second one."), "First one.\n\nSecond one."),
    ],
)
def test_documents_become_clean_text(name: str, data: bytes, text: str) -> None:
    assert read(name, data) == text


def test_our_own_pdf_can_be_read_back() -> None:
    assert "Second one, wrapped." in " ".join(read("a.pdf", render(essay(), "pdf")).split())


def test_text_is_composed() -> None:
    assert clean("e\u0301\u00a0x \n y") == "é x\ny"


@pytest.mark.parametrize(
    ("name", "data", "key"),
    [
        ("a.exe", b"MZ", "upload_kind"),
        ("noending", b"text", "upload_kind"),
        ("a.txt", b"x" * (uploads.SIZE_LIMIT + 1), "upload_big"),
        ("a.txt", b" \n 123", "upload_empty"),
        ("a.pdf", pdf(1), "upload_empty"),
        ("a.pdf", pdf(uploads.PAGE_LIMIT + 1), "upload_pages"),
        ("a.pdf", pdf(1, "secret"), "upload_locked"),
        ("a.pdf", b"%PDF-1.4 nonsense", "upload_broken"),
        ("a.docx", b"PK nonsense", "upload_broken"),
        ("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 100, "upload_locked"),
        ("a.docx", bomb(), "upload_ratio"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_each_trouble_has_its_sentence(name: str, data: bytes, key: str) -> None:
    with pytest.raises(UploadError) as caught:
        read(name, data)
    assert caught.value.sentence.key == key and name in caught.value.sentence


async def test_strangers_files_are_read_in_a_process_of_their_own(tmp_path: Path) -> None:
    assert await read_upload("../../etc/a.docx", word("Hello there.")) == "Hello there."
    with pytest.raises(UploadError) as caught:
        await read_upload("dir\\bad\n.pdf", b"%PDF nothing")
    assert caught.value.sentence == "“bad.pdf” cannot be read; the file seems to be damaged."


async def test_a_file_that_takes_too_long_is_given_up() -> None:
    with pytest.raises(UploadError) as caught:
        await read_upload("a.docx", word("Hello."), seconds=0.01)
    assert caught.value.sentence.key == "upload_slow"


@pytest.mark.parametrize(
    "deed",
    ["bytearray(2 * uploads.MEMORY_LIMIT)", "open('made', 'wb', 0).write(b'x')", "while True: 1"],
)
async def test_a_parser_that_goes_astray_is_held(tmp_path: Path, deed: str) -> None:
    """It gets no memory beyond the limit, no time, and no file to write to."""
    code = "from bot import uploads\nuploads.confine(1)\n"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code + deed,
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(uploads.__file__).parents[1])},
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await asyncio.wait_for(process.wait(), 60) != 0
    made = tmp_path / "made"
    assert not made.exists() or made.stat().st_size == 0

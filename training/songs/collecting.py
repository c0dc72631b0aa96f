"""A sheet becomes a folder of songs: every row is fetched, checked, hashed and reported.

In the output folder, ``songs/`` holds the files as they came, tags and all; ``report.jsonl`` has
one line a row; ``pairs.jsonl`` says which song samples which. A collection that was cut off goes on
where it was: rows that are done are not fetched again, rows that failed for now are tried again.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields, replace
from itertools import islice
from pathlib import Path

from models.music.encoding import FFMPEG
from training.songs.fetching import FetchError, Limits, fetch
from training.songs.files import append, digest, read_lines, rewrite
from training.songs.sheet import Row, read_sheet

REPORT, PAIRS, SONGS, COMING = "report.jsonl", "pairs.jsonl", "songs", ".coming"
#: How files of each kind begin, and where in them.
_MAGIC: Mapping[str, tuple[tuple[int, bytes], ...]] = {
    ".mid": ((0, b"MThd"),),
    ".mp3": ((0, b"ID3"), (0, b"\xff\xfb"), (0, b"\xff\xf3"), (0, b"\xff\xf2"), (0, b"\xff\xfa")),
    ".flac": ((0, b"fLaC"),),
    ".ogg": ((0, b"OggS"),),
    ".wav": ((8, b"WAVE"),),
    ".aiff": ((8, b"AIFF"), (8, b"AIFC")),
    ".m4a": ((4, b"ftyp"),),
    ".aac": ((0, b"\xff\xf1"), (0, b"\xff\xf9")),
    ".wma": ((0, bytes.fromhex("3026b2758e66cf11")),),
    ".webm": ((0, bytes.fromhex("1a45dfa3")),),
}
_TAGS = ("title", "artist", "album", "album_artist", "date", "genre", "track", "TBPM", "TKEY")
_TAG_SECONDS = 10.0


@dataclass(frozen=True)
class Collected:
    """What became of one row; ``file`` is its place in the output folder."""

    row: int
    key: str
    song: str
    state: str  # kept, copy, refused
    sentence: str
    file: str | None = None
    sha256: str | None = None
    bytes: int = 0
    tags: Mapping[str, str] | None = None
    again: bool = False  # a later run may succeed


def collect(
    sheet: Path, out: Path, limits: Limits, *, jobs: int = 4,
    say: Callable[[Collected, int, int], None] = lambda *_: None,
) -> list[Collected]:  # fmt: skip
    """Fetch every row of a sheet that is not there yet; give the report of all rows."""
    rows = read_sheet(sheet)
    rows += _originals(rows)
    (out / SONGS).mkdir(parents=True, exist_ok=True)
    coming = out / COMING
    coming.mkdir(exist_ok=True)
    earlier: dict[str, Collected] = {}
    for known in read_report(out):
        if _stands(known, out):
            earlier.setdefault(known.key, known)
    rewrite(out / REPORT, map(asdict, earlier.values()))
    held = {c.sha256: c for c in earlier.values() if c.state == "kept"}
    results: list[Collected] = []
    with (out / REPORT).open("a", encoding="utf-8") as report:
        for row, fetched in _fetched(rows, earlier, sheet.parent, coming, limits, jobs):
            if fetched is None:
                result = _repeated(row, results)
            elif isinstance(fetched, Path):
                result = _kept(row, fetched, out, held)
            else:
                result = replace(fetched, row=row.number)
            if fetched is not None and row.key not in earlier:
                append(report, asdict(result))
            results.append(result)
            say(result, len(results), len(rows))
    rewrite(out / REPORT, map(asdict, results))
    rewrite(out / PAIRS, pairs_of(rows, results))
    return results


def _fetched(
    rows: Sequence[Row], earlier: Mapping[str, Collected], base: Path, coming: Path,
    limits: Limits, jobs: int,
) -> Iterator[tuple[Row, Collected | Path | None]]:  # fmt: skip
    """Give every row in order with its file or what is known of it; None for a repeated row."""
    first: dict[str, Row] = {}
    for row in rows:
        first.setdefault(row.key, row)

    def bring(row: Row) -> Collected | Path | None:
        if first[row.key] is not row:
            return None
        if row.key in earlier:
            return earlier[row.key]
        try:
            return _bring(row, base, coming, limits)
        except FetchError as error:
            return _refused(row, str(error), again=error.again)
        except OSError:
            return _refused(row, "The file cannot be read or written.", again=True)

    source = iter(rows)
    with ThreadPoolExecutor(jobs) as pool:
        under_way = [(row, pool.submit(bring, row)) for row in islice(source, 4 * jobs)]
        while under_way:
            row, future = under_way.pop(0)
            yield row, future.result()
            under_way += [(row, pool.submit(bring, row)) for row in islice(source, 1)]


def _bring(row: Row, base: Path, coming: Path, limits: Limits) -> Path:
    """Put a row's file, whole but not looked into, where files arrive."""
    if row.wrong:
        raise FetchError(row.wrong)
    target = coming / row.key
    if "://" in row.source:
        fetch(row.source, target, limits)
        return target
    path = (base / row.source).resolve()
    if not limits.private and not path.is_relative_to(base.resolve()):
        raise FetchError("The path leads out of the sheet's folder.")
    if not path.is_file():
        raise FetchError("There is no file at this path.")
    if path.stat().st_size > limits.max_bytes:
        raise FetchError(f"The file is larger than {limits.max_bytes / 1_000_000:g} MB.")
    shutil.copyfile(path, target)
    return target


def _kept(row: Row, fetched: Path, out: Path, held: dict[str | None, Collected]) -> Collected:
    """Look into a file that has arrived, and keep it under a name of its own."""
    size, kind = fetched.stat().st_size, kind_of(fetched)
    if kind is None:
        fetched.unlink()
        return _refused(row, "The file is not audio or MIDI." if size else "The file is empty.")
    sha256 = digest(fetched)
    twin = held.get(sha256)
    if twin:
        fetched.unlink()
        sentence = f"It is the same file as row {twin.row}."
        return Collected(row.number, row.key, row.label, "copy", sentence, twin.file, sha256, size)
    name = f"{SONGS}/{_file_name(row.label)}.{sha256[:8]}{kind}"
    tags = read_tags(fetched) if kind != ".mid" else {}
    fetched.replace(out / name)
    result = Collected(row.number, row.key, row.label, "kept", f"It is kept: {size:,} bytes.",
                       name, sha256, size, tags)  # fmt: skip
    held[sha256] = result
    return result


def _repeated(row: Row, results: Sequence[Collected]) -> Collected:
    """Give the result of a row that stands further up in the sheet, too."""
    earlier = next(result for result in results if result.key == row.key)
    sentence = f"It is the same as row {earlier.row}."
    return replace(earlier, row=row.number, state="copy", sentence=sentence)


def _originals(rows: Sequence[Row]) -> list[Row]:
    """Give rows of their own to originals that the sheet names by address alone."""
    sources = {row.source for row in rows}
    found: dict[str, Row] = {}
    for row in rows:
        name = row.sample_of
        if name.startswith(("http://", "https://")) and name not in sources:
            found.setdefault(name, Row(row.number, f"Original of {row.label}", "", name))
    return list(found.values())


def kind_of(path: Path) -> str | None:
    """Tell what a file is by how it begins: a suffix, or None for what is no music."""
    with path.open("rb") as file:
        head = file.read(16)
    for suffix, marks in _MAGIC.items():
        if any(head[place : place + len(mark)] == mark for place, mark in marks):
            return suffix
    return None


def read_tags(path: Path) -> dict[str, str]:
    """Read what a file says about itself; nothing if it cannot be read."""
    command = [FFMPEG, "-v", "error", "-nostdin", "-protocol_whitelist", "file,pipe",
               "-i", str(path), "-f", "ffmetadata", "pipe:1"]  # fmt: skip
    try:
        done = subprocess.run(command, capture_output=True, timeout=_TAG_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    tags: dict[str, str] = {}
    for line in done.stdout.decode(errors="replace").splitlines():
        if line.startswith("["):  # chapters and streams
            break
        name, _, value = line.partition("=")
        wanted = next((tag for tag in _TAGS if tag.lower() == name.lower()), None)
        if wanted and value:
            tags[wanted] = value.replace("\\", "")[:300]
    return tags


def pairs_of(rows: Sequence[Row], results: Sequence[Collected]) -> list[dict[str, str]]:
    """Pair songs with the originals that they sample: those the sheet names by title or source."""
    named: dict[str, Collected] = {}
    for row, result in zip(rows, results, strict=True):
        if result.file:
            for name in (row.source, row.label, row.title):
                named.setdefault(name.casefold(), result)
    pairs = []
    for row, result in zip(rows, results, strict=True):
        original = named.get(row.sample_of.casefold()) if row.sample_of else None
        if original and result.file and original.file and original.file != result.file:
            pairs.append({
                "song": result.file, "sample": original.file,
                "song_sha256": str(result.sha256), "sample_sha256": str(original.sha256),
            })  # fmt: skip
    return pairs


def read_report(out: Path) -> list[Collected]:
    """Read what a folder's report says."""
    known = {field.name for field in fields(Collected)}
    lines = [line for line in read_lines(out / REPORT) if known == line.keys()]
    return [Collected(**line) for line in lines]


def _stands(result: Collected, out: Path) -> bool:
    """Say whether a row need not be looked at again."""
    if result.file:
        return (out / result.file).exists()
    return not result.again


def _refused(row: Row, sentence: str, *, again: bool = False) -> Collected:
    return Collected(row.number, row.key, row.label, "refused", sentence, again=again)


def _file_name(label: str) -> str:
    kept = "".join(c if c.isalnum() or c in " -_" else " " for c in label)
    return " ".join(kept.split())[:80].strip() or "song"

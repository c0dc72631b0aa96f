"""Folders of audio become folders of MIDI, file by file, whatever single files hold.

``report.jsonl`` in the output folder has one line a file; a run that was cut off goes on where it
was, because a file is known again by its hash. A copy of a song is not transcribed twice. A memory
keeps what was heard for other runs, file by file, until the transcriber has learnt anew.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict, dataclass, fields, replace
from multiprocessing import get_context
from pathlib import Path

from models.music.midi import MidiError, read_song
from models.music.transcriber import Transcription, TranscriptionError, analyse
from models.music.transcriber.decoding import LARGEST
from models.music.transcriber.net import EARS
from training.songs.files import append, digest, read_lines, rewrite

REPORT, SUMMARY = "report.jsonl", "summary.json"
AUDIO = (".mp3", ".wav", ".flac", ".ogg", ".opus", ".m4a", ".aac", ".aif", ".aiff", ".wma", ".mp4",
         ".webm", ".mka", ".caf")  # fmt: skip
MIDI = (".mid", ".midi")
FEWEST_BARS = 8  # that are sure, for a song to be worth training on
_AHEAD = 4  # files a worker that wait for it


@dataclass(frozen=True)
class Outcome:
    """What became of one file; ``midi`` is its name in the output folder, if it has any."""

    file: str
    sha256: str
    state: str  # done, refused, copy
    sentence: str
    midi: str | None = None
    bpm: float | None = None
    key: str | None = None
    bars: int = 0
    bars_kept: int = 0
    notes: Mapping[str, int] | None = None
    seconds: float = 0.0  # of audio
    confidence: float | None = None


@dataclass(frozen=True)
class Work:
    """One file to transcribe: where it lies, its name in the folder and its hash."""

    path: Path
    name: str
    sha256: str


def audio_files(folder: Path) -> list[Path]:
    """Find audio and MIDI files of a folder, also in folders below, in order of their names."""
    wanted = (*AUDIO, *MIDI)
    found = (p for p in folder.rglob("*") if p.suffix.lower() in wanted and p.is_file())
    return sorted(found)


def transcribe_folder(
    folder: Path, out: Path, *, jobs: int = 1, say: Callable[[Outcome, int, int], None],
    memory: Path | None = None,
) -> list[Outcome]:  # fmt: skip
    """Transcribe every audio file that is not in the report yet; give the whole report."""
    out.mkdir(parents=True, exist_ok=True)
    known = {outcome.sha256: outcome for outcome in read_report(out) if _stands(outcome, out)}
    rewrite(out / REPORT, map(asdict, known.values()))
    inside = out.resolve()
    files = [p for p in audio_files(folder) if not p.resolve().is_relative_to(inside)]
    done: list[Outcome] = []
    with (out / REPORT).open("a", encoding="utf-8") as report:
        for outcome in _outcomes(files, folder, out, known, jobs, memory):
            if outcome.sha256 not in known:
                append(report, asdict(outcome))
                if memory is not None:
                    remember(outcome, out, memory)
            done.append(outcome)
            say(outcome, len(done), len(files))
    order = {path.relative_to(folder).as_posix(): number for number, path in enumerate(files)}
    done.sort(key=lambda outcome: order[outcome.file])
    rewrite(out / REPORT, map(asdict, done))
    rewrite(out / SUMMARY, [summary_of(done)])
    return done


def _outcomes(
    files: Sequence[Path], folder: Path, out: Path, known: Mapping[str, Outcome], jobs: int,
    memory: Path | None,
) -> Iterator[Outcome]:  # fmt: skip
    """Give the outcome of every file; those that are new come from the workers, when ready."""
    seen: dict[str, str] = {}
    waiting: list[Outcome | Future[Outcome]] = []
    # Forking a process whose libraries run threads may hang: each worker starts afresh.
    pool = ProcessPoolExecutor(jobs, get_context("spawn")) if jobs > 1 else None
    try:
        for path in files:
            name = path.relative_to(folder).as_posix()
            sha256 = digest(path)
            if sha256 in seen:
                sentence = f"It is a copy of {seen[sha256]}."
                waiting.append(Outcome(name, sha256, "copy", sentence))
            elif sha256 in known:
                waiting.append(replace(known[sha256], file=name))
            elif memory and (again := remembered(Work(path, name, sha256), out, memory)):
                waiting.append(again)
            elif pool:
                waiting.append(pool.submit(transcribe_file, Work(path, name, sha256), out))
            else:
                waiting.append(transcribe_file(Work(path, name, sha256), out))
            seen.setdefault(sha256, name)
            yield from _ready(waiting, jobs * _AHEAD)
        yield from _ready(waiting, 0)
    finally:
        if pool:
            pool.shutdown(wait=False, cancel_futures=True)


def _ready(waiting: list[Outcome | Future[Outcome]], most: int) -> Iterator[Outcome]:
    """Take out what is ready, until no more than ``most`` are waited for.

    A short song does not wait for a long one before it: what is not told is lost by a stop.
    """
    while True:
        ready = [o for o in waiting if not isinstance(o, Future) or o.done()]
        waiting[:] = [o for o in waiting if o not in ready]
        yield from map(_result, ready)
        if len(waiting) <= most:
            return
        wait([o for o in waiting if isinstance(o, Future)], return_when=FIRST_COMPLETED)


def _result(outcome: Outcome | Future[Outcome]) -> Outcome:
    return outcome.result() if isinstance(outcome, Future) else outcome


def transcribe_file(work: Work, out: Path) -> Outcome:
    """Transcribe one file and write its MIDI; what goes wrong is the outcome's sentence."""
    try:
        if work.path.stat().st_size > LARGEST:
            raise TranscriptionError(f"The file is larger than {LARGEST // 1_000_000} MB.")
        if work.path.suffix.lower() in MIDI:
            return _taken(work, out)
        heard = analyse(work.path.read_bytes(), threads=1)
        return _kept(work, heard, out)
    except (TranscriptionError, MidiError) as error:
        return Outcome(work.name, work.sha256, "refused", str(error))
    except OSError:
        return Outcome(work.name, work.sha256, "refused", "The file cannot be read.")


def _taken(work: Work, out: Path) -> Outcome:
    """Take a MIDI file as it is: its author knows better than any transcription."""
    song = read_song(work.path)
    target = out / midi_name(work)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(work.path, target)
    sentence = "It is MIDI already and is taken as it is."
    return Outcome(
        work.name, work.sha256, "done", sentence, midi_name(work), round(song.bpm, 2), song.key
    )


def _kept(work: Work, heard: Transcription, out: Path) -> Outcome:
    bars, kept = len(heard.confidence), len(heard.bars)
    mean = round(sum(heard.confidence) / bars, 3)
    facts = {
        "bpm": round(heard.bpm, 2), "key": heard.key, "bars": bars, "bars_kept": kept,
        "seconds": round(heard.seconds, 2), "confidence": mean,
    }  # fmt: skip
    if kept < FEWEST_BARS:
        sentence = (
            f"Only {kept} of {bars} bars could be heard well enough; {FEWEST_BARS} are needed."
        )
        return Outcome(work.name, work.sha256, "refused", sentence, **facts)  # type: ignore[arg-type]
    midi = heard.midi()
    target = midi_name(work)
    path = out / target
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    midi.write(str(unfinished))
    unfinished.replace(path)
    notes = {instrument.name: len(instrument.notes) for instrument in midi.instruments}
    sentence = f"{kept} of {bars} bars are kept, at {heard.bpm:.0f} bpm in {heard.key}."
    return Outcome(
        work.name,
        work.sha256,
        "done",
        sentence,
        target,
        notes=notes,
        **facts,  # type: ignore[arg-type]
    )


def remember(outcome: Outcome, out: Path, memory: Path) -> None:
    """Keep what became of a file, under its hash, for other runs; copies are no news."""
    if outcome.state == "copy":
        return
    memory.mkdir(parents=True, exist_ok=True)
    if outcome.midi is not None:
        shutil.copyfile(out / outcome.midi, memory / f"{outcome.sha256}.mid")
    told = {**asdict(outcome), "ears": digest(EARS)}
    rewrite(memory / f"{outcome.sha256}.json", [told])


def remembered(work: Work, out: Path, memory: Path) -> Outcome | None:
    """Give what became of a file in another run, its MIDI laid out anew; None if it is not known.

    What was heard by other ears is heard again.
    """
    told = next(read_lines(memory / f"{work.sha256}.json"), {})
    if told.pop("ears", None) != digest(EARS) or told.keys() != {f.name for f in fields(Outcome)}:
        return None
    outcome = replace(Outcome(**told), file=work.name)
    if outcome.midi is None:
        return outcome
    kept, target = memory / f"{work.sha256}.mid", out / midi_name(work)
    if not kept.is_file():
        return None
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(kept, target)
    return replace(outcome, midi=midi_name(work))


def midi_name(work: Work) -> str:
    """Name the MIDI file after the audio file, told apart from others of that name by its hash."""
    return str(Path(work.name).with_suffix("").as_posix()) + f".{work.sha256[:8]}.mid"


def read_report(out: Path) -> list[Outcome]:
    """Read the outcomes of a folder."""
    known = {field.name for field in fields(Outcome)}
    lines = [line for line in read_lines(out / REPORT) if known == line.keys()]
    return [Outcome(**line) for line in lines]


def _stands(outcome: Outcome, out: Path) -> bool:
    """Say whether an outcome need not be made again."""
    if outcome.state == "done":
        return outcome.midi is not None and (out / outcome.midi).exists()
    return outcome.state == "refused"


def summary_of(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Count what became of the files."""
    done = [o for o in outcomes if o.state == "done"]
    return {
        "files": len(outcomes), "done": len(done),
        "refused": sum(o.state == "refused" for o in outcomes),
        "copies": sum(o.state == "copy" for o in outcomes),
        "bars": sum(o.bars for o in done), "bars_kept": sum(o.bars_kept for o in done),
        "minutes_of_audio": round(sum(o.seconds for o in done) / 60, 1),
    }  # fmt: skip

"""What a training run stands on: rights to begin, documents laid out, and the command's words."""

from __future__ import annotations

import asyncio
import errno
import json
import shutil
import sys
from pathlib import Path
from typing import Any

from bot.corpus import RECORD, Corpus, least
from bot.sentences import Objection, Sentence
from bot.settings import Settings
from bot.store import Store
from bot.store.shapes import Run, RunState, Style
from bot.style_folder import HEARD, HEARD_FROM
from bot.training_process import half_of_cores
from bot.versions import LIVE, alias
from models.contract import Family
from models.registry import Registry

#: Bytes that checkpoints and a candidate may take.
DISK_NEEDED = 500_000_000


#: The shell becomes the training once the recordings are MIDI; what cannot be heard is left out.
#: The third exit code says that the run was asked to stop meanwhile.
_HEAR_FIRST = (
    '"$0" -m training transcribe "$1" --out "$2" --memory "$3" --watch "$4" --jobs "$5"; '
    '[ $? -eq 3 ] && exit 0; shift 5; exec "$0" -m training "$@"'
)


class RunRefused(Objection):
    """A run cannot be started."""


class Ground:
    """Says whether a run may begin or go on, and prepares its folder."""

    def __init__(
        self, store: Store, corpus: Corpus, registry: Registry, settings: Settings
    ) -> None:
        self._store = store
        self._corpus = corpus
        self._registry = registry
        self._settings = settings

    async def check(self, family: Family, style: Style | None, preset: str | None) -> None:
        """Refuse a run that has too little to learn from or no room to write."""
        if style is None:
            await asyncio.to_thread(self._check_corpus, family)
        else:
            measure, low = await self._corpus.measure(style), least(style, preset)
            if measure.documents < low:
                raise RunRefused(Sentence("run_small", count=measure.documents, low=low))
        await asyncio.to_thread(self._check_disk)

    async def resumable(self, run: Run) -> bool:
        """Say whether a run that ended left something that no other run has gone on from.

        That is a checkpoint, or recordings that it was turning into MIDI: what was heard is kept.
        """
        if run.state not in (RunState.STOPPED, RunState.FAILED) or run.run_dir is None:
            return False
        if await self._store.runs.resumed(run.id):
            return False
        return await asyncio.to_thread(_begun, Path(run.run_dir))

    async def check_resume(self, run: Run) -> None:
        """Refuse to go on with a run that left no checkpoint, or whose documents have changed."""
        style = await self._style_of(run)
        if not await self.resumable(run):
            raise RunRefused(Sentence("run_gone"))
        await self.check(Family(run.family), style, run.preset)
        if style is not None:
            now = await self._corpus.record(style)
            if now["sha256"] != (run.record or {}).get("sha256"):
                raise RunRefused(Sentence("run_changed"))

    async def prepare(self, run: Run, folder: Path) -> Run:
        """Lay out what the run learns from, and record it; a resumed run keeps its parent."""
        style = await self._style_of(run)
        await self.check(Family(run.family), style, run.preset)
        for left in ("outcome.json", "stop"):
            (folder / left).unlink(missing_ok=True)
        before = await self._store.runs.get(run.resumes) if run.resumes is not None else None
        record: dict[str, Any] = {}
        if style is not None:
            record = await self._corpus.record(style)
            await self._corpus.lay_out(style, record, folder)
        record["continues"] = ((before and before.record) or {}).get("continues") or (
            await asyncio.to_thread(self._parent, run.family, style)
        )
        folder.mkdir(parents=True, exist_ok=True)
        (folder / RECORD).write_text(json.dumps(record, indent=1), encoding="utf-8")
        await self._store.runs.set_record(run.id, record)
        return await self._store.runs.get(run.id) or run

    def _parent(self, family: str, style: Style | None) -> str | None:
        """Name the version to continue from: the style's own, else the one that all share."""
        aliases = self._registry.aliases(family)
        return (style and aliases.get(style.live)) or aliases.get(LIVE)

    async def _style_of(self, run: Run) -> Style | None:
        if run.style_id is None:
            return None
        style = await self._store.styles.get(run.style_id)
        if style is None or style.deleted_at is not None:
            raise RunRefused(Sentence("run_no_style"))
        return style

    def _check_corpus(self, family: Family) -> None:
        corpus = self._settings.corpus_dir(family.value)
        if not any(path.is_file() for path in corpus.rglob("*")):
            raise RunRefused(Sentence("run_empty", folder=corpus))

    def _check_disk(self) -> None:
        self._settings.runs_dir.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self._settings.runs_dir).free < DISK_NEEDED:
            raise RunRefused(Sentence("run_disk"))


def _begun(folder: Path) -> bool:
    """Say whether a run's folder holds anything to go on from."""
    hearing = folder / "corpus" / HEARD
    return hearing.is_dir() or any(folder.glob("**/checkpoint.json"))


def style_key(run: Run) -> str | None:
    """Name what the aliases of the run's style begin with; None for the model all share."""
    return None if run.style_id is None else f"s{run.style_id}"


def training_command(run: Run, folder: Path, settings: Settings) -> list[str]:
    """Word the command that trains a family further, on a style's documents or on all."""
    key = style_key(run)
    corpus = settings.corpus_dir(run.family) if key is None else folder / "corpus"
    command = [
        run.family,
        *("--corpus", str(corpus.resolve())),
        *("--out", str(folder.resolve())),
        *("--continue-from", str((run.record or {}).get("continues") or LIVE)),
        *("--registry", str(settings.registry_dir.resolve())),
        *("--max-minutes", str(run.minutes)),
        "--promote",
    ]
    if key is not None:
        command += ["--alias", alias(key, LIVE)]
    if run.preset is not None:
        command += ["--preset", run.preset]
    if run.resumes is not None:
        command += ["--resume"]
    recordings = corpus / HEARD_FROM
    if key is None or not recordings.is_dir():
        return [sys.executable, "-m", "training", *command]
    memory = settings.corpus_dir("styles") / str(run.style_id) / HEARD
    places = [str(p.resolve()) for p in (recordings, corpus / HEARD, memory, folder)]
    heard = [*places, str(half_of_cores())]
    return ["/bin/sh", "-c", _HEAR_FIRST, sys.executable, *heard, *command]


def why_not(error: Exception) -> Sentence:
    """Say why a run could not be started."""
    if isinstance(error, RunRefused):
        return error.sentence
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return Sentence("run_disk" if full else "run_unstarted")

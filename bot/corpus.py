"""The documents of the styles: taken in, taken away, and laid out for a training run."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import structlog

from bot.intake import Delivery, Part
from bot.manifests import Labels
from bot.sentences import Sentence
from bot.settings import Settings
from bot.sketches import ALIKE, resemblance
from bot.store import Document, NewDocument, Store, Style
from bot.style_folder import StyleFolder, is_recording, trace
from bot.uploads import MEGABYTE
from models.contract import Family

log = structlog.get_logger(__name__)

#: What a style may have.
DOCUMENTS_MAX = 2000
MEGABYTES_MAX = 2000
#: Texts shorter than this teach nothing; training would leave them out.
WORDS_MIN = 60
LANGUAGE = "en"
#: Documents that a run needs at the least.
LEAST: Mapping[Family, int] = {Family.ESSAY: 20, Family.MUSIC: 2}
LEAST_TINY = 8
#: What a run's folder says of the documents it learns from.
RECORD = "record.json"


@dataclass(frozen=True)
class Taken:
    """What became of one document: kept, perhaps with a remark, or refused and why."""

    name: str
    document: Document | None = None
    remark: Sentence | None = None


@dataclass(frozen=True)
class Measure:
    """What a style could learn from now."""

    documents: int
    words: int
    size: int
    #: Kept but below the style's mark.
    below: int
    #: Those of the documents that a run has to turn into MIDI first.
    recordings: int


class Corpus:
    """Keeps the documents of all styles."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._settings = settings
        # Two deliveries at once must not both find a document new.
        self._door = asyncio.Lock()

    def folder(self, style_id: int) -> Path:
        """Where the files of a style lie."""
        return self._settings.data_dir / "corpus" / "styles" / str(style_id)

    def _folder(self, style_id: int) -> StyleFolder:
        return StyleFolder(self.folder(style_id))

    async def add(
        self, style: Style, deliveries: Sequence[Delivery], by: int, request_id: int | None = None
    ) -> list[Taken]:
        """Take documents in, one by one; each is kept or refused for itself."""
        parts = [part for delivery in deliveries for part in delivery.parts]
        labels = Labels(
            [label for delivery in deliveries for label in delivery.labels],
            [part.path or part.name for part in parts],
        )
        async with self._door:
            kept = await self._store.documents.of(style.id)
            taken = []
            for part in parts:
                one = await self._add(style, _labelled(part, labels), kept, by, request_id)
                if one.document is not None:
                    kept.append(one.document)
                taken.append(one)
        return taken

    async def remove(self, document: Document) -> bool:
        """Take a document away for good; False when it was gone already."""
        async with self._door:
            if await self._store.documents.remove(document.id) is None:
                return False
            await self._erase(document)
        return True

    async def forget(self, user_id: int) -> None:
        """Take away what a person wrote with the bot and gave."""
        async with self._door:
            await self._store.offers.forget(user_id)
            for document in await self._store.documents.forget(user_id):
                await self._erase(document)

    async def drop(self, style: Style) -> bool:
        """Delete a style with all of its files; False when it was gone already."""
        async with self._door:
            if await self._store.styles.delete(style.id) is None:
                return False
            for document in await self._store.documents.of(style.id):
                await self._store.documents.remove(document.id)
            await asyncio.to_thread(self._folder(style.id).remove)
            await self._clear_runs(style.id)
        return True

    async def clear_ended_runs(self) -> None:
        """Delete what ended runs laid out where a document of it was taken away meanwhile."""
        for copied in await self._ended_runs():
            if not await self._is_kept(copied):
                await asyncio.to_thread(shutil.rmtree, copied, ignore_errors=True)

    async def measure(self, style: Style) -> Measure:
        """Count what a style could learn from now."""
        kept = await self._store.documents.of(style.id)
        taught = [document for document in kept if not is_below(style, document)]
        recordings = sum(is_recording(document) for document in taught)
        return Measure(
            documents=len(taught),
            words=sum(document.words or 0 for document in taught),
            size=sum(document.size for document in taught),
            below=sum(is_below(style, document) for document in kept),
            recordings=recordings,
        )

    async def record(self, style: Style) -> dict[str, Any]:
        """Name what a run of the style would learn from, and what is absent from it."""
        kept = await self._store.documents.of(style.id)
        used = [document for document in kept if not is_below(style, document)]
        absent = await self._store.documents.of(style.id, removed=True)
        joined = "".join(sorted(f"{d.sha256}{d.title}{d.mark}" for d in used))
        return {
            "style": style.key,
            "minimum_mark": style.minimum_mark,
            "sha256": hashlib.sha256(joined.encode()).hexdigest(),
            "documents": [_named(document) for document in used],
            "absent": [_named(document) for document in absent],
        }

    async def lay_out(self, style: Style, record: Mapping[str, Any], run_dir: Path) -> Path:
        """Put the documents of a record where a run reads them; return that folder."""
        wanted = {entry["id"] for entry in record["documents"]}
        kept = await self._store.documents.of(style.id)
        used = [document for document in kept if document.id in wanted]
        return await asyncio.to_thread(self._folder(style.id).lay_out, style, used, run_dir)

    async def _add(
        self,
        style: Style,
        part: Part,
        kept: Sequence[Document],
        by: int,
        request_id: int | None,
    ) -> Taken:
        problem = part.problem or _refusal(style, part)
        if problem is None and len(kept) >= DOCUMENTS_MAX:
            problem = Sentence("document_full", limit=DOCUMENTS_MAX)
        if problem is not None:
            return Taken(part.name, remark=problem)
        data = part.data if part.text is None else part.text.encode()
        assert data is not None
        if sum(document.size for document in kept) + len(data) > MEGABYTES_MAX * MEGABYTE:
            return Taken(part.name, remark=Sentence("document_room", limit=MEGABYTES_MAX))
        sha256 = hashlib.sha256(data).hexdigest()
        if any(document.sha256 == sha256 for document in kept):
            return Taken(part.name, remark=Sentence("document_twice", name=part.name))
        if (near := _nearest(part, kept)) is not None:
            sentence = Sentence("document_near", name=part.name, other=near.title)
            return Taken(part.name, remark=sentence)
        new = NewDocument(
            style_id=style.id,
            sha256=sha256,
            kind=part.kind,
            name=part.name[:128],
            title=part.title or part.name[:64],
            mark=part.mark,
            language=part.language,
            words=part.words,
            size=len(data),
            sketch=part.sketch,
            added_by=by,
            request_id=request_id,
        )
        try:
            await asyncio.to_thread(self._folder(style.id).write, f"{sha256}.{part.kind}", data)
        except OSError as error:
            log.error("document not written", style=style.id, error=str(error))
            return Taken(part.name, remark=Sentence("document_disk"))
        document = await self._store.documents.add(new)
        if document is None:
            return Taken(part.name, remark=Sentence("document_twice", name=part.name))
        return Taken(part.name, document, _remark(style, document))

    async def _erase(self, document: Document) -> None:
        await asyncio.to_thread(self._folder(document.style_id).erase, document)
        await self._clear_runs(document.style_id)

    async def _clear_runs(self, style_id: int) -> None:
        """Delete what ended runs of a style laid out: they could not go on with it any more."""
        for copied in await self._ended_runs():
            if trace(copied, style_id).is_file():
                await asyncio.to_thread(shutil.rmtree, copied, ignore_errors=True)

    async def _ended_runs(self) -> list[Path]:
        """List what was laid out for runs of styles that are over."""
        busy = {run.run_dir for run in await self._store.runs.open()}
        traces = self._settings.runs_dir.resolve().glob("*/corpus/.s*")
        return [found.parent for found in traces if str(found.parent.parent) not in busy]

    async def _is_kept(self, copied: Path) -> bool:
        """Say whether the style still has all that a run laid out."""
        record = await asyncio.to_thread(_recorded, copied.parent)
        if "style" not in record:
            return False  # it never began
        kept = await self._store.documents.of(int(record["style"].removeprefix("s")))
        there = {document.sha256 for document in kept}
        return all(one["sha256"] in there for one in record["documents"])


def is_below(style: Style, document: Document) -> bool:
    """Say whether a document has a mark too low for the style; without a mark it counts."""
    return document.mark is not None and document.mark < style.minimum_mark


def least(style: Style, preset: str | None) -> int:
    """Say how many documents a run of the style needs."""
    family = Family(style.family)
    return LEAST_TINY if family is Family.ESSAY and preset == "tiny" else LEAST[family]


def _labelled(part: Part, labels: Labels) -> Part:
    """Put title and mark from a list before what the document says of itself."""
    found = labels.of(part.path or part.name)
    marks = {label.mark for label in found if label.mark is not None}
    if len(marks) > 1:  # with the wrong one it might teach, or be kept from it
        problem = Sentence("document_unsure", name=part.name)
        return replace(part, problem=part.problem or problem)
    title = next((label.title for label in reversed(found) if label.title), part.title)
    return replace(part, title=title, mark=marks.pop() if marks else part.mark)


def _refusal(style: Style, part: Part) -> Sentence | None:
    if style.family == Family.MUSIC.value:
        return Sentence("document_no_song", name=part.name) if part.text is not None else None
    if part.text is None:
        return Sentence("document_no_text", name=part.name)
    if (part.words or 0) < WORDS_MIN:
        return Sentence("document_short", name=part.name, words=part.words or 0, low=WORDS_MIN)
    if part.language != LANGUAGE:
        return Sentence("document_language", name=part.name)
    return None


def _nearest(part: Part, kept: Sequence[Document]) -> Document | None:
    """Find a document that is nearly the same."""
    if not part.sketch:
        return None
    return next((d for d in kept if resemblance(d.sketch, part.sketch) >= ALIKE), None)


def _remark(style: Style, document: Document) -> Sentence | None:
    if is_recording(document):
        return Sentence("document_recording")
    if is_below(style, document):
        return Sentence("document_below", low=f"{style.minimum_mark:g}")
    return None


def _recorded(run_dir: Path) -> dict[str, Any]:
    """Read what a run learned from; nothing where it did not come so far."""
    try:
        record: dict[str, Any] = json.loads((run_dir / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return record


def _named(document: Document) -> dict[str, Any]:
    return {
        "id": document.id,
        "sha256": document.sha256,
        "title": document.title,
        "mark": document.mark,
    }

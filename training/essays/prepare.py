"""From a corpus path to packed arrays, tokenizer and lexicon, kept under the run's folder."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerFast

from training import crowd
from training.essays.corpus import (
    CorpusError,
    Document,
    assign_splits,
    chunked,
    deduplicated,
    is_english,
    without_repeated_paragraphs,
)
from training.essays.labels import Lexicon, marks, polished
from training.essays.pack import Labelling, Packed, Packer
from training.essays.presets import Phase, Preset
from training.essays.readers import read_corpus
from training.essays.vocabulary import train_tokenizer, wrapped
from training.runs import write_json

GENERAL = frozenset({"encyclopedia", "classic", "speech", "plain"})
HELD_OUT = ("unseen", "seen", "general")
_SOURCES = re.compile(
    r"\b(the (article|passage|author|text|excerpt)s?|source \d|paragraph \d|according to)\b", re.I
)
_SMALLEST, _LONGEST = 60, 2500  # words of a usable essay; longer ones are cut


@dataclass(frozen=True)
class Marked:
    """A document and the bucket of its mark."""

    document: Document
    mark: int


@dataclass(frozen=True)
class Corpus:
    """A corpus sorted for training."""

    essays: tuple[Marked, ...]  # with splits
    general: tuple[Document, ...]
    sources: dict[str, dict[str, object]]  # provenance: documents, words, licences of each source
    sha256: str

    def essays_of(self, split: str) -> list[Marked]:
        """Give the essays of a split."""
        return [e for e in self.essays if e.document.split == split]


@dataclass(frozen=True)
class Prepared:
    """What training needs of a corpus."""

    corpus: Corpus
    tokenizer: PreTrainedTokenizerFast
    lexicon: Lexicon
    held_out: dict[str, Packed]


def load_corpus(
    path: Path, preset: Preset, seed: int, lexicon: Lexicon | None
) -> tuple[Corpus, Lexicon]:
    """Read, clean, sort and split a corpus; count its words unless a lexicon is given."""
    essays, general = _read(path)
    usable = len(essays) + len(general)
    if usable < preset.minimum_documents:
        raise CorpusError(
            f"The corpus has {usable} usable English texts; "
            f"at least {preset.minimum_documents} are needed."
        )
    essays = assign_splits(
        deduplicated(essays),
        unseen_topics=preset.unseen_topics,
        share=preset.held_out_share,
        seed=seed,
    )
    essays = _at_least_two_held_out(essays)
    lexicon = (
        lexicon.grown(d.text for d in essays if d.split == "train")
        if lexicon
        else _count([d for d in essays if d.split == "train"], general)
    )
    pairs = zip(essays, marks(essays, lexicon), strict=True)
    marked = tuple(Marked(document, mark) for document, mark in pairs)
    digest = hashlib.sha256()
    for document in (*essays, *general):
        digest.update(document.sha256.encode())
    corpus = Corpus(marked, tuple(general), _provenance([*essays, *general]), digest.hexdigest())
    return corpus, lexicon


def prepare(
    path: Path,
    out: Path,
    preset: Preset,
    seed: int,
    *,
    tokenizer: PreTrainedTokenizerFast | None = None,
    lexicon: Lexicon | None = None,
) -> Prepared:
    """Prepare a corpus; tokenizer and lexicon of an earlier model are taken over where given."""
    corpus, lexicon = load_corpus(path, preset, seed, lexicon)
    kept = out / "tokenizer.json"
    if tokenizer is None and kept.is_file():
        tokenizer = wrapped(Tokenizer.from_file(str(kept)))
    if tokenizer is None:
        tokenizer = train_tokenizer(_tokenizer_texts(corpus, seed), preset.vocabulary)
        if crowd.is_main():
            tokenizer.backend_tokenizer.save(str(kept))
    packer = Packer(tokenizer, lexicon)
    held_out = {}
    for split in ("unseen", "seen"):
        chosen = corpus.essays_of(split)
        if chosen:
            held_out[split] = packer.pack(
                [e.document for e in chosen], [e.mark for e in chosen], None
            )
    if len(corpus.general) >= 100:
        general = [d for d in corpus.general if _held_general(d, seed)]
        if general:
            held_out["general"] = packer.pack(general, [0] * len(general), None)
    if crowd.is_main():
        _write_down(corpus, out)
    return Prepared(corpus, tokenizer, lexicon, held_out)


def _write_down(corpus: Corpus, out: Path) -> None:
    """Keep where every document came from and which part it plays."""
    write_json(out / "corpus.json", {"sha256": corpus.sha256, "sources": corpus.sources})
    with (out / "documents.jsonl").open("w", encoding="utf-8") as file:
        for essay in corpus.essays:
            d = essay.document
            row = {"id": d.id, "source": d.source, "topic": d.topic, "split": d.split}
            file.write(json.dumps({**row, "mark": essay.mark, "sha256": d.sha256}) + "\n")


def phase_data(
    prepared: Prepared,
    phase: Phase,
    preset: Preset,
    seed: int,
    cache: Path,
    reading: int | None = None,
) -> Packed:
    """Choose, label and pack what a phase reads; keep it as ``cache``.

    ``seed`` is that of the split, ``reading`` that of the choice among what may be read.
    """
    if cache.is_file():
        return Packed.load(cache)
    draw = random.Random(f"{seed if reading is None else reading}:{phase.name}")
    corpus = prepared.corpus
    train = corpus.essays_of("train")
    if not train:
        raise CorpusError("The corpus has no essays to learn from.")
    general = [d for d in corpus.general if not _held_general(d, seed) or len(corpus.general) < 100]
    draw.shuffle(general)
    if phase.data == "mixture":
        pieces = [d for d in general if d.style == "encyclopedia"][: preset.general_chunks]
        chosen = train + [Marked(d, 0) for d in general if d.style != "encyclopedia"]
        chosen += [Marked(d, 0) for d in pieces]
    else:
        own = _best(train, preset.minimum_mark) if phase.data == "best" else train
        own = [Marked(replace(e.document, text=polished(e.document.text)), e.mark) for e in own]
        words = sum(e.document.words for e in own) * phase.replay / (1 - phase.replay)
        chosen = own + _replayed(general, words)
    draw.shuffle(chosen)
    packed = Packer(prepared.tokenizer, prepared.lexicon).pack(
        [e.document for e in chosen],
        [e.mark for e in chosen],
        Labelling(seed=draw.randrange(2**31)),
    )
    if crowd.is_main():
        packed.save(cache)
    return packed


def _read(path: Path) -> tuple[list[Document], list[Document]]:
    """Sort documents into essays and general text; long ones are cut into pieces."""
    essays: list[Document] = []
    general: list[Document] = []
    for document in read_corpus(path):
        (general if document.style in GENERAL else essays).append(document)
    long = [d for d in essays if d.words > _LONGEST]
    essays = [d for d in essays if d.words <= _LONGEST] + [c for d in long for c in chunked(d)]
    essays = [d for d in essays if d.words >= _SMALLEST and is_english(d.text)]
    pieces = [c for d in without_repeated_paragraphs(general) for c in chunked(d)]
    return essays, [d for d in pieces if is_english(d.text)]


def _at_least_two_held_out(essays: list[Document]) -> list[Document]:
    """Make sure that a small corpus can be judged: two essays at least stay unread."""
    if not essays or sum(d.split == "seen" for d in essays) >= 2:
        return essays
    last = sorted((d for d in essays if d.split == "train"), key=lambda d: d.sha256)[:2]
    return [replace(d, split="seen") if d in last else d for d in essays]


def _count(essays: Sequence[Document], general: Sequence[Document]) -> Lexicon:
    """Count words; where there is general text, only its spelling counts as right."""
    lexicon = Lexicon.count(d.text for d in (*general, *essays))
    return lexicon.spelt_like(d.text for d in general) if len(general) >= 1000 else lexicon


def _tokenizer_texts(corpus: Corpus, seed: int) -> list[str]:
    """Give the paragraphs that the vocabulary is learned from, each as inside a text."""
    articles = [d for d in corpus.general if d.style == "encyclopedia"]
    sample = random.Random(seed).sample(articles, len(articles) // 3)
    others = [d for d in corpus.general if d.style != "encyclopedia"]
    train = [e.document for e in corpus.essays_of("train")]
    return [f" {p}" for d in (*train, *sample, *others) for p in d.paragraphs]


def _held_general(document: Document, seed: int) -> bool:
    """Hold out one piece of the encyclopedia in 400."""
    digest = hashlib.sha256(f"{seed}:{document.id}".encode()).digest()
    return document.style == "encyclopedia" and int.from_bytes(digest[:4], "big") % 400 == 0


def _best(essays: Sequence[Marked], minimum: float) -> list[Marked]:
    """Choose the well-marked: by the mark where many reach it, by percentile where few do."""
    reached = [e for e in essays if e.document.mark is not None and e.document.mark >= minimum]
    if len(reached) >= max(20, len(essays) // 10):
        return reached
    chosen = [e for e in essays if e.mark >= 4 and len(e.document.paragraphs) >= 3]
    free = [e for e in chosen if not leans_on_sources(e.document.text)]
    chosen = free if len(free) >= len(chosen) // 4 else chosen
    return chosen if len(chosen) >= 8 else list(essays)


def leans_on_sources(text: str) -> bool:
    """Tell essays on given articles, which cite what nobody will have at hand."""
    return len(_SOURCES.findall(text)) >= 2


def _replayed(general: Sequence[Document], words: float) -> list[Marked]:
    chosen: list[Marked] = []
    for document in general:
        if words <= 0:
            break
        chosen.append(Marked(document, 0))
        words -= document.words
    return chosen


def _provenance(documents: Sequence[Document]) -> dict[str, dict[str, object]]:
    """Count documents and words of every source, with its licences."""
    number, words = Counter[str](), Counter[str]()
    licences: dict[str, set[str]] = {}
    for document in documents:
        number[document.source] += 1
        words[document.source] += document.words
        licences.setdefault(document.source, set()).add(document.licence or "not stated")
    return {
        s: {"documents": number[s], "words": words[s], "licences": sorted(licences[s])}
        for s in sorted(number)
    }

"""The whole examination of a version, as ``python -m training evaluate essay`` runs it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import PreTrainedTokenizerFast

from models.essay.lstm import EssayLSTM
from models.essay.prompt import END, PAR, START, TEXT
from models.registry import Version
from training.essays.evaluation import (
    Report,
    fit_baseline,
    human_texts,
    measure_likelihood,
    measure_texts,
    ngram_texts,
)
from training.essays.labels import Lexicon
from training.essays.ngram import KneserNey
from training.essays.pack import Packed, Packer
from training.essays.prepare import Corpus, load_corpus
from training.essays.presets import Preset, read_preset
from training.essays.textstats import CopyIndex, TopicFinder
from training.essays.wikitext import read_wikitext
from training.essays.writing import Order, write_all


@dataclass(frozen=True)
class Examination:
    """What to measure."""

    corpus: Path
    wikitext: Path | None = None
    essays: int = 20
    words: int = 400
    baseline: bool = True
    documents: int | None = None
    seed: int = 1


def examine(version: Version, wanted: Examination) -> Report:
    """Measure likelihood and essays; the corpus is split as it was for training."""
    version.verify()
    lexicon = Lexicon.load(version.path / "lexicon.json")
    tokenizer = PreTrainedTokenizerFast.from_pretrained(version.path)
    model = EssayLSTM.from_pretrained(version.path, dtype=torch.float32)
    preset = _preset_of(version)
    seed = int(version.manifest.get("seed", wanted.seed))
    corpus, _ = load_corpus(wanted.corpus, preset, seed, lexicon)
    packer = Packer(tokenizer, lexicon)
    held_out = {name: _packed(packer, corpus, name) for name in ("unseen", "seen")}
    held_out = {name: packed for name, packed in held_out.items() if packed.documents}
    report = Report()
    if wanted.wikitext:
        documents, _ = read_wikitext(wanted.wikitext)
        held_out["wikitext-2"] = packer.pack(documents, [0] * len(documents), None)
    baseline = _baseline(tokenizer, packer, corpus, preset) if wanted.baseline else None
    text = _id(tokenizer, TEXT)
    report.held_out = measure_likelihood(
        model, held_out, baseline=baseline, text_token=text, documents=wanted.documents
    )
    report.notes = list(_NOTES)
    if wanted.essays:
        report.samples = _samples(version, wanted, corpus, tokenizer, baseline)
    return report


_NOTES = (
    "Bits per byte count the UTF-8 bytes of the text and one for its end. The model is told topic, "
    "style and length, never the plan or the mark; the 5-gram is told nothing.",
    "Word perplexity is for words between blanks, not for the benchmark's tokens. WikiText is "
    "scored in restored spelling, without <unk> and headings, in documents of up to 500 words.",
    "Topics are found among 20 by TF-IDF against training essays of each topic.",
)


def _preset_of(version: Version) -> Preset:
    name = str(version.manifest.get("preset", "cpu"))
    return read_preset(name)


def _packed(packer: Packer, corpus: Corpus, split: str) -> Packed:
    chosen = corpus.essays_of(split)
    return packer.pack([e.document for e in chosen], [e.mark for e in chosen], None)


def _baseline(
    tokenizer: PreTrainedTokenizerFast, packer: Packer, corpus: Corpus, preset: Preset
) -> KneserNey:
    """Train the 5-gram on the text that pre-training reads."""
    train = [e.document for e in corpus.essays_of("train")]
    pieces = [d for d in corpus.general if d.style == "encyclopedia"][: preset.general_chunks]
    others = [d for d in corpus.general if d.style != "encyclopedia"]
    documents = [*train, *pieces, *others]
    packed = packer.pack(documents, [0] * len(documents), None)
    return fit_baseline(
        [packed],
        len(tokenizer),
        _id(tokenizer, START),
        _id(tokenizer, TEXT),
    )


def _id(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    found = tokenizer.convert_tokens_to_ids(token)
    assert isinstance(found, int)
    return found


def _samples(
    version: Version,
    wanted: Examination,
    corpus: Corpus,
    tokenizer: PreTrainedTokenizerFast,
    baseline: KneserNey | None,
) -> dict[str, dict[str, float]]:
    """Measure the version's, people's and the 5-gram's essays over held-out topics."""
    train = [e.document for e in corpus.essays_of("train")]
    copies = CopyIndex(d.text for d in (*train, *corpus.general))
    titled = [d for d in train if d.topic]
    every = sorted({d.topic for d in titled})
    finder = TopicFinder([d.text for d in titled], [d.topic for d in titled]) if every else None
    rows: dict[str, dict[str, float]] = {}
    for split in ("unseen", "seen"):
        people = [e.document for e in corpus.essays_of(split)]
        if not people:
            continue
        texts, topics = human_texts(people, wanted.essays, wanted.seed)
        written = write_all(
            version,
            [Order(t, wanted.words, wanted.seed + i) for i, t in enumerate(topics)],
        )
        for name, group, asked in (("model", written, wanted.words), ("people", texts, None)):
            rows[f"{name}, {split} topics"] = measure_texts(
                group, topics=topics, asked=asked, copies=copies, finder=finder
            )
    if baseline is not None:
        par = _id(tokenizer, PAR)
        end = _id(tokenizer, END)

        def decode(ids: list[int]) -> str:
            return str(tokenizer.decode(ids))

        texts = ngram_texts(baseline, decode, par, end, min(wanted.essays, 10), 200)
        rows["5-gram"] = measure_texts(texts, copies=copies)
    return rows

"""The whole examination of a version, as ``python -m training evaluate essay`` runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

import torch
from transformers import PreTrainedTokenizerFast

from models.essay.lstm import EssayLSTM
from models.essay.prompt import END, PAR, START, TEXT, Plan
from models.registry import Version
from training.essays.corpus import Document
from training.essays.embedding import Embedder, Retrieval, require
from training.essays.evaluation import (
    Essays,
    Judges,
    benchmark,
    fit_baseline,
    measure_essays,
    measure_likelihood,
    ngram_texts,
    spread,
)
from training.essays.labels import Lexicon
from training.essays.marking import make_marker
from training.essays.ngram import KneserNey
from training.essays.pack import Packed, Packer
from training.essays.prepare import Corpus, load_corpus
from training.essays.presets import Preset, read_preset
from training.essays.recall import measure_recall
from training.essays.report import Report
from training.essays.textstats import CopyIndex
from training.essays.twosample import Pair, accuracy
from training.essays.wikitext import read_benchmark, read_wikitext
from training.essays.writing import Order, write_all

HELD_OUT = ("unseen", "seen")
NGRAM_ESSAYS = 40  # the 5-gram writes slowly


@dataclass(frozen=True)
class Examination:
    """What to measure."""

    wikitext: Path | None = None
    essays: int = 200  # of all held-out topics together
    words: int = 400
    baseline: bool = True
    retrieval: bool = True
    documents: int | None = None  # held-out texts of each set; None = all
    seed: int = 1
    say: Callable[[str], None] = lambda stage: None  # told of every stage: they take minutes


def check(wanted: Examination) -> None:
    """Raise NotInstalled, or CorpusError, before hours are spent."""
    if wanted.essays:
        require("sklearn", "scikit-learn")
        if wanted.retrieval:
            Embedder()
    if wanted.wikitext and not wanted.wikitext.is_file():
        raise ValueError(f"There is no file {wanted.wikitext}.")


def corpus_of(version: Version, path: Path) -> Corpus:
    """Read a corpus and split it as it was for this version's training."""
    lexicon = Lexicon.load(version.path / "lexicon.json")
    seed = int(version.manifest.get("seed", 1))
    return load_corpus(path, preset_of(version), seed, lexicon)[0]


def preset_of(version: Version) -> Preset:
    """Give the preset that a version was trained with."""
    preset = read_preset(str(version.manifest.get("preset", "cpu")))
    return preset.adapting() if version.manifest.get("adapted") else preset


def examine(version: Version, corpus: Corpus, wanted: Examination) -> Report:
    """Measure likelihood and essays, each beside people's and a 5-gram's."""
    check(wanted)
    version.verify()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(version.path)
    packer = Packer(tokenizer, Lexicon.load(version.path / "lexicon.json"))
    model = EssayLSTM.from_pretrained(version.path, dtype=torch.float32)
    baseline = None
    if wanted.baseline:
        wanted.say("The 5-gram is trained on the same text.")
        baseline = _baseline(tokenizer, packer, corpus, preset_of(version))
    wanted.say("Held-out text is scored.")
    report, text = Report(notes=[_LIKELIHOOD]), _id(tokenizer, TEXT)
    held_out = {name: _packed(packer, corpus, name) for name in HELD_OUT if corpus.essays_of(name)}
    if wanted.wikitext:
        documents, _ = read_wikitext(wanted.wikitext)
        held_out["wikitext-2"] = packer.pack(documents, [0] * len(documents), None)
        pieces = read_benchmark(wanted.wikitext)[: wanted.documents]
        report.wikitext = benchmark(model, packer, pieces, text, baseline)
        report.notes.append(_BENCHMARK)
    report.held_out = measure_likelihood(
        model, held_out, baseline=baseline, text_token=text, documents=wanted.documents
    )
    if baseline is not None:
        essays = {name: held_out[name] for name in HELD_OUT if name in held_out}
        report.recalled = measure_recall(model, baseline, essays, text, wanted.documents)
        report.notes.append(_RECALL)
    if wanted.essays:
        _measure_writers(report, version, corpus, wanted, tokenizer, baseline)
    return report


_LIKELIHOOD = (
    "Bits per byte count the UTF-8 bytes of the text and one for its end. The model is told topic, "
    "style and length, never the plan or the mark; the 5-gram is told nothing. Word perplexity is "
    "for words between blanks; WikiText there is prose in restored spelling, without <unk>, its "
    "article's title told."
)
_RECALL = (
    "With a cache (Grave, Joulin and Usunier 2017) words that stood earlier in the same essay get "
    "a share of the probability, for the model by how alike its outputs were, for the 5-gram by "
    "how often they stood; both caches are chosen by sixty essays that are left out. The ratio is "
    "to the 5-gram without one. The writer itself uses none."
)
_BENCHMARK = (
    "WikiText-2, word by word: exp(nats of the whole file, headings too / its tokens with one end "
    "a line). It is read in ordinary spelling in pieces of 500 words; <unk> is left out, and a "
    "flag before every token, priced by its frequency so far, tells where it stood. The training "
    "data holds general Wikipedia text, but not the benchmark's training set."
)
_WRITERS = (
    "Essays come from the production sampler, drawn evenly over held-out topics; people's are "
    "held-out essays on the same topics, and the 5-gram (temperature 0.8) knows no topic. "
    "Distinct-n: groups of ten essays, 200 words of each. Copies: words in a row shared with any "
    "text of the training corpus."
)
_RETRIEVAL = (
    "Topic found of 20: MiniLM embeddings of 150-word pieces, averaged, are nearer to the topic's "
    "title than to 19 others drawn from the held-out topics."
)
_TOLD = (
    "Told from people: cross-validated accuracy of a logistic regression on word 1-3-grams and "
    "character 2-4-grams, topics matched and lengths levelled; for people, against other people."
)
_PLAN = (
    "Plan in paragraph, in essay: share of planned keywords that stand there in any form; "
    "beside it the plan of another topic. People and the 5-gram have no plan: they are held "
    "against the model's for the same topic."
)
_MARKS = (
    "Predicted mark, in per cent: ridge regression on words, length and slips, taught by people's "
    "marks of {source}; it is easily fooled and never an aim. QWK is its agreement with people on "
    "held-out essays, and that of a marker who sees the length alone."
)


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


def _measure_writers(
    report: Report,
    version: Version,
    corpus: Corpus,
    wanted: Examination,
    tokenizer: PreTrainedTokenizerFast,
    baseline: KneserNey | None,
) -> None:
    """Let the version write over held-out topics; add its, people's and the 5-gram's figures."""
    people = {split: titled for split in HELD_OUT if (titled := _titled(corpus, split))}
    if not people:
        report.notes.append("No held-out essay has a topic: nothing was written.")
        return
    wanted.say("Copies, topics and marks are made ready to be looked for.")
    judges = _judges(report, version, corpus, wanted)
    counts = shares(wanted.essays, len(people))
    for (split, essays), count in zip(people.items(), counts, strict=True):
        chosen = spread(essays, count, wanted.seed)
        if not chosen:
            continue
        topics = [d.topic for d in chosen]
        wanted.say(f"{len(topics)} essays on {split} topics are written and measured.")
        written = write_all(
            version, [Order(t, wanted.words, wanted.seed + n) for n, t in enumerate(topics)]
        )
        plans = [w.plan for w in written]
        groups = {
            "model": Essays([w.text for w in written], topics, plans, wanted.words),
            "people": Essays([d.text for d in chosen], topics, plans),
        }
        if baseline is not None:
            texts = _ngram_texts(baseline, tokenizer, min(count, NGRAM_ESSAYS), wanted.words)
            groups["5-gram"] = _of_ngram(texts, topics, plans)
            baseline = None  # one set of its essays is enough
        others = other_people(chosen, essays, [e.document for e in corpus.essays_of("train")])
        for writer, group in groups.items():
            against = others if writer == "people" else [d.text for d in chosen]
            _add(report, f"{writer}, {split} topics", group, against, judges, wanted.seed)


def _add(
    report: Report, name: str, group: Essays, against: Sequence[str], judges: Judges, seed: int
) -> None:
    """Measure one writer's essays and put them beside people's on the same topics."""
    measured = measure_essays(group, judges)
    texts = zip(group.topics, group.texts, against, strict=False)  # the 5-gram has fewer
    told = accuracy([Pair(*texts_of_one) for texts_of_one in texts], seed=seed)
    if told is not None:
        measured.row["told_from_people"] = told
    report.samples[name] = measured.row
    report.copied[name] = measured.copied
    report.repeated[name] = measured.repeated
    for topic, hits in measured.found.items():
        report.topics.setdefault(topic, {})[name.split(",")[0]] = mean(hits)


def _titled(corpus: Corpus, split: str) -> list[Document]:
    return [e.document for e in corpus.essays_of(split) if e.document.topic]


def _judges(report: Report, version: Version, corpus: Corpus, wanted: Examination) -> Judges:
    """Prepare what essays are held against; say in the report what each is."""
    train = [e.document for e in corpus.essays_of("train")]
    held_out = [e.document for split in HELD_OUT for e in corpus.essays_of(split)]
    report.notes += [_WRITERS, _PLAN, _TOLD]
    retrieval = None
    if wanted.retrieval:
        topics = sorted({d.topic for d in held_out if d.topic})
        retrieval = Retrieval(Embedder(), topics, seed=wanted.seed)
        report.notes.append(_RETRIEVAL)
    made = make_marker(train, held_out, Lexicon.load(version.path / "lexicon.json"))
    if made is not None:
        report.marker = {name: float(value) for name, value in asdict(made[1]).items()}
        report.notes.append(_MARKS.format(source=made[0].source))
    copies = CopyIndex(d.text for d in (*train, *corpus.general))
    return Judges(copies, retrieval, made[0] if made else None)


def shares(essays: int, sets: int) -> list[int]:
    """Part a number of essays among the held-out sets."""
    return [essays // sets + (n < essays % sets) for n in range(sets)]


def other_people(
    chosen: Sequence[Document], held_out: Sequence[Document], train: Sequence[Document]
) -> list[str]:
    """Find another person's essay on the topic of each; empty where there is none left."""
    taken = {d.id for d in chosen}
    left: dict[str, list[str]] = {}
    for document in reversed([*held_out, *train]):
        if document.id not in taken:
            left.setdefault(document.topic, []).append(document.text)
    return [left[d.topic].pop() if left.get(d.topic) else "" for d in chosen]


def _of_ngram(texts: Sequence[str], topics: Sequence[str], plans: Sequence[Plan]) -> Essays:
    return Essays(texts, topics[: len(texts)], plans[: len(texts)])


def _ngram_texts(
    baseline: KneserNey, tokenizer: PreTrainedTokenizerFast, count: int, words: int
) -> list[str]:
    def decode(ids: list[int]) -> str:
        return str(tokenizer.decode(ids))

    return ngram_texts(baseline, decode, _id(tokenizer, PAR), _id(tokenizer, END), count, words)

"""The song half of ``benchmarks.small_data``: does each figure of a style move towards it?"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from benchmarks.adapting import Ground
from models.music.pianoroll import Cells
from models.registry import Version
from training.music import metrics
from training.music.batches import whole
from training.music.build import models_of, style_names
from training.music.corpus import Corpus, CorpusError, Ints, read_corpus
from training.music.evaluation import make
from training.music.midi import Document, read_folder
from training.music.report import Tracks

GOAL = "move every figure towards the songs, or have it there"
STYLE = "own"
HELD_OUT_EVERY = 5  # songs, where none are given
DRAWS = 30  # of the held-out songs, to know what chance does to their figures
SURE = 2.0  # standard deviations that chance may explain
NEAREST = 256  # phrases whose nearest phrase among the songs is looked for
SUFFIXES = (".mid", ".midi")
Pair = tuple[Cells, Cells]


@dataclass(frozen=True, eq=False)
class Pool:
    """Songs of one style: those to learn from, and a folder of those held out."""

    learnt: tuple[Path, ...]
    held_out: tuple[Path, ...]
    held_out_folder: Path


@dataclass(frozen=True)
class Gap:
    """How many margins a figure of the made phrases misses the held-out songs' by.

    ``noise`` is the standard deviation of the songs' own figure, had others of their kind been held
    out: what lies within two of them, or within a margin, is there already.
    """

    before: float
    after: float
    noise: float = 0.0

    @property
    def reach(self) -> float:
        """Give how far off a figure may be that is there."""
        return max(1.0, SURE * self.noise)

    @property
    def good(self) -> bool:
        """Say whether it came nearer, or is there."""
        return self.after <= self.reach or self.after < self.before


@dataclass(frozen=True)
class SongRow:
    """What a number of songs came to; ``gaps`` is empty where the run failed."""

    songs: int
    phrases: int
    gaps: Mapping[str, Gap]  # "drums notes_per_bar" ...
    margins_before: float
    margins_after: float | None
    nearest_before: float  # likeness of the nearest learnt phrase, 95th percentile
    nearest_after: float | None
    nearest_of_songs: float
    minutes: float
    passed: bool
    sentence: str

    def works(self) -> bool:
        """Say whether every figure moved towards the songs, or is there."""
        return bool(self.gaps) and all(gap.good for gap in self.gaps.values())

    def cells(self) -> dict[str, str]:
        """Give the columns of the table."""
        gaps = list(self.gaps.values())
        far = [gap for gap in gaps if gap.before > gap.reach]
        nearer = sum(gap.after < gap.before for gap in far)
        after, copied = self.margins_after, self.nearest_after
        return {
            "songs": str(self.songs),
            "phrases": str(self.phrases),
            "margins missed, before": f"{self.margins_before:.2f}",
            "after": "" if after is None else f"{after:.2f}",
            "figures off before, of them nearer": f"{len(far)}, {nearer}",
            "there, before and after": f"{len(gaps) - len(far)}, "
            f"{sum(g.after <= g.reach for g in gaps)} of {len(gaps)}",
            "gone away": ", ".join(n for n, g in self.gaps.items() if not g.good) or "none",
            "nearest phrase p95, before": f"{self.nearest_before:.2f}",
            "after ": "" if copied is None else f"{copied:.2f}",
            "songs'": f"{self.nearest_of_songs:.2f}",
            "minutes": f"{self.minutes:.1f}",
            "gate": "passed" if self.passed else "refused",
        }


def gather(corpus: Path, held_out: Path | None, out: Path) -> Pool:
    """Read which songs there are, copies left out, and lay the held-out ones out."""
    found = _songs(corpus)
    if held_out is not None:
        kept = _songs(held_out)
        known = {d.sha256 for d in kept}
        learnt = [d for d in found if d.sha256 not in known]
    else:
        kept = found[::HELD_OUT_EVERY]
        learnt = [d for n, d in enumerate(found) if n % HELD_OUT_EVERY]
    if not learnt or not kept:
        raise CorpusError(f"There are too few songs in {corpus}.")
    folder = out / "held-out"
    return Pool(tuple(d.path for d in learnt), lay_out([d.path for d in kept], folder), folder)


def _songs(folder: Path) -> list[Document]:
    """Read songs, in an order that has nothing to do with their names."""
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
    return sorted(read_folder(files), key=lambda d: d.sha256)


def lay_out(files: Sequence[Path], folder: Path) -> tuple[Path, ...]:
    """Copy songs into one folder under names of their own: no folder may name their style."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return tuple(
        Path(shutil.copy(file, folder / f"{n:04d}{file.suffix.lower()}"))
        for n, file in enumerate(files)
    )


class Study:
    """Adapts the base to a number of songs, and counts what both play."""

    def __init__(self, ground: Ground, pool: Pool, phrases: int) -> None:
        self.ground, self.pool, self.phrases = ground, pool, phrases

    def row(self, size: int) -> SongRow:
        """Study one size."""
        folder = self.ground.out / f"songs-{size}"
        lay_out(self.pool.learnt[:size], folder)
        adapted = self.ground.adapt(folder, f"s{size}")
        base, real = self.base, self.songs
        learnt = read_corpus(folder, style_names(self.ground.base.path), STYLE)
        made = self.play(adapted.version) if adapted.version else None
        truth, before = metrics.track_figures(*real), metrics.track_figures(*base)
        after = metrics.track_figures(*made) if made else None
        return SongRow(
            songs=len(learnt.documents),
            phrases=len(learnt),
            gaps=gaps(before, after, truth, self.noise) if after else {},
            margins_before=metrics.distance(before, truth),
            margins_after=metrics.distance(after, truth) if after else None,
            nearest_before=nearest(base, learnt),
            nearest_after=nearest(made, learnt) if made else None,
            nearest_of_songs=nearest(real, learnt),
            minutes=adapted.minutes,
            passed=adapted.passed,
            sentence=adapted.sentence,
        )

    @cached_property
    def base(self) -> Pair:
        """Let the base play once for all sizes."""
        return self.play(self.ground.base)

    @cached_property
    def songs(self) -> Pair:
        """Give the phrases of the held-out songs."""
        held = read_corpus(self.pool.held_out_folder)
        roll, onset = held.cells(np.arange(len(held)))
        return roll.astype(np.bool_), onset.astype(np.bool_)

    @cached_property
    def noise(self) -> Tracks:
        """Say how far chance moves each figure of the held-out songs, by a bootstrap over them."""
        held = read_corpus(self.pool.held_out_folder)
        return spread(self.songs, held.song)

    def play(self, version: Version) -> Pair:
        """Make phrases for the held-out ones' conditions, over and over with other seeds."""
        held = read_corpus(self.pool.held_out_folder, style_names(version.path), STYLE)
        generator = models_of(version.path, held)[0].eval()
        batch = whole(held, generator.config, np.arange(len(held)))
        times = -(-self.phrases // len(held))
        played = [make(generator, batch, seed) for seed in range(1, times + 1)]
        roll, onset = (np.concatenate(planes) for planes in zip(*played, strict=True))
        return roll, onset


def spread(pair: Pair, song: Ints) -> Tracks:
    """Draw songs anew, phrases and all, and give the standard deviation of every figure."""
    rows = [np.flatnonzero(song == number) for number in np.unique(song)]
    draw, drawn = np.random.default_rng(1), []
    for _ in range(DRAWS):
        chosen = np.concatenate([rows[n] for n in draw.integers(len(rows), size=len(rows))])
        drawn.append(metrics.track_figures(pair[0][chosen], pair[1][chosen]))
    return {
        track: {name: float(np.std([d[track][name] for d in drawn])) for name in figures}
        for track, figures in drawn[0].items()
    }


def gaps(before: Tracks, after: Tracks, real: Tracks, noise: Tracks) -> dict[str, Gap]:
    """Compare every figure that the score counts, in margins."""
    found = {}
    for track, figures in real.items():
        for name, margin in metrics.MARGINS.items():
            if name in figures:
                old, new = (abs(t[track][name] - figures[name]) / margin for t in (before, after))
                found[f"{track} {name}"] = Gap(old, new, noise[track][name] / margin)
    return found


def nearest(pair: Pair, learnt: Corpus) -> float:
    """Say how much is copied: the likeness of phrases to their nearest among the learnt."""
    chosen = np.random.default_rng(1).permutation(len(pair[1]))[:NEAREST]
    best = metrics.nearest(pair[1][chosen], learnt.onset)["whole"]
    return float(np.percentile(best, 95))

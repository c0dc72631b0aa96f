"""The figures of an evaluation as tables for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from models.music.pianoroll import TRACKS
from training.music import metrics
from training.music.comparison import Distances
from training.music.tells import Tell, tells_markdown

COMPARED = ("made", "training", "held-out", "shuffled", "Markov")
Tracks = Mapping[str, Mapping[str, float]]  # track -> figure -> value
_NOTES = """\
Made: phrases for the conditions of the held-out ones: style, energy, section, tempo, mode and which
tracks play. Shuffled: held-out phrases with every track's bars taken from other phrases of the
style. Markov: a chain of beats per track and style. Similarity at 4 and 8 bars compares bars at the
same place of two phrases of one song: in real songs phrases that begin 4 or 8 bars apart; of the
model songs of 32 bars as the arranger writes them; of the chain the bars that follow; of shuffled
phrases any two.
"""
_AGAINST = """\
The column held-out compares the held-out songs' phrases among themselves, in two halves. By song,
no song lies in both halves of what the network learns from and is asked: else it knows songs again,
and tells real ones from real ones. The
nearest training phrase of a training phrase is one of another song.
"""


@dataclass(frozen=True)
class StyleReport:
    """The figures of one style."""

    phrases: int
    tracks: Mapping[str, Tracks]  # set -> track -> figure

    def margins(self) -> dict[str, float]:
        """Give each set's mean number of margins off the held-out phrases of the style."""
        real = self.tracks["held-out"]
        return {name: metrics.distance(self.tracks[name], real) for name in COMPARED}


@dataclass(frozen=True)
class Report:
    """Every figure of an evaluation."""

    tracks: Mapping[str, Tracks]  # set -> track -> figure
    tonal: Mapping[str, Mapping[str, float]]  # set -> pair of tracks
    nearest: Mapping[str, Mapping[str, Mapping[str, float]]]  # track or whole -> set -> percentile
    two_sample: Mapping[str, float]  # set -> accuracy against held-out
    mgeval: Mapping[str, Distances]  # set -> against held-out
    styles: Mapping[str, StyleReport]
    phrases: int
    by_track: Mapping[str, Mapping[str, float]] = field(default_factory=dict)  # two_sample's
    tells: Mapping[str, list[Tell]] = field(default_factory=dict)  # of made phrases, by track
    arranged_in_scale: Mapping[str, float] = field(default_factory=dict)  # of whole songs, by track
    two_sample_by_song: Mapping[str, float] = field(default_factory=dict)  # no song in both halves

    @property
    def score(self) -> float:
        """Mean number of margins by which the made phrases miss the held-out ones."""
        return metrics.distance(self.tracks["made"], self.tracks["held-out"])

    def figures(self) -> dict[str, float]:
        """Give the figures a gate compares: lower is better in each."""
        made, real = self.tracks["made"], self.tracks["held-out"]
        per_track = {f"{t}_margins": metrics.distance({t: made[t]}, {t: real[t]}) for t in TRACKS}
        return {
            "score": self.score,
            **per_track,
            "silent_tracks": float(self.silent_tracks),
            "two_sample": self.two_sample["made"],
        }

    @property
    def silent_tracks(self) -> int:
        """Count tracks that are silent although held-out songs play them."""
        made, real = self.tracks["made"], self.tracks["held-out"]
        return sum(made[t]["empty_bars"] > 0.99 > real[t]["empty_bars"] for t in TRACKS)

    def json(self) -> dict[str, Any]:
        """Give everything as JSON."""
        return {
            "figures": self.figures(), "phrases": self.phrases, "tracks": self.tracks,
            "tonal_distance": self.tonal, "nearest_training_phrase": self.nearest,
            "two_sample_accuracy": self.two_sample,
            "two_sample_accuracy_by_song": self.two_sample_by_song,
            "two_sample_accuracy_by_track": self.by_track,
            "arranged_in_scale": self.arranged_in_scale,
            "tells": {t: [asdict(tell) for tell in told] for t, told in self.tells.items()},
            "mgeval_overlap": {name: found.overlap for name, found in self.mgeval.items()},
            "mgeval_kld": {name: found.kld for name, found in self.mgeval.items()},
            "styles": {
                name: {**asdict(style), "margins": style.margins()}
                for name, style in self.styles.items()
            },
        }  # fmt: skip

    def markdown(self) -> str:
        """Write the tables over all styles."""
        tracks = [
            ([track, name.replace("_", " ")], [self.tracks[s][track][name] for s in COMPARED])
            for track in TRACKS
            for name in self.tracks["made"][track]
        ]
        tracks += [
            ([pair, "tonal distance"], [self.tonal[s][pair] for s in COMPARED])
            for pair in self.tonal["made"]
        ]
        against = [
            (["two-sample accuracy"], [self.two_sample[s] for s in COMPARED]),
            *(
                [(["two-sample accuracy, by song"], [self.two_sample_by_song[s] for s in COMPARED])]
                if self.two_sample_by_song
                else []
            ),
            *(
                (
                    [f"two-sample accuracy, {track} alone"],
                    [self.by_track[s][track] for s in COMPARED],
                )
                for track in TRACKS
                if self.by_track
            ),
            (["MGEval overlap"], [self.mgeval[s].overlap for s in COMPARED]),
            (["MGEval divergence (KLD)"], [self.mgeval[s].kld for s in COMPARED]),
        ]
        against += [
            ([f"nearest training phrase, {track}, {p}"], [sets[s][p] for s in COMPARED])
            for track, sets in self.nearest.items()
            for p in ("p50", "p95")
        ]
        return "\n".join([
            *_table(["track", "figure"], tracks), "", _NOTES,
            *_table(["against held-out songs"], against), "", _AGAINST,
            *self._by_style(), "", self._arranged(),
            f"Mean margins missed: {self.score:.2f} ({self.phrases} phrases a set).", "",
        ])  # fmt: skip

    def _arranged(self) -> str:
        """Say how many notes are in the scale once the arranger has brought them there."""
        shares = [f"{track} {share:.3f}" for track, share in self.arranged_in_scale.items()]
        return f"Notes in the scale, in songs as the arranger writes them: {', '.join(shares)}.\n"

    def _by_style(self) -> list[str]:
        rows: list[tuple[Sequence[str], Sequence[float]]] = []
        for name, style in self.styles.items():
            margins = style.margins()
            rows.append(([name, str(style.phrases)], [margins[s] for s in COMPARED]))
        return _table(["margins missed, by style", "phrases"], rows)

    def styles_markdown(self) -> str:
        """Write every per-track figure of each style."""
        lines = []
        for name, style in self.styles.items():
            rows = [
                ([track, figure.replace("_", " ")],
                 [style.tracks[s][track][figure] for s in COMPARED])
                for track in TRACKS
                for figure in style.tracks["made"][track]
            ]  # fmt: skip
            lines += [f"## {name} ({style.phrases} phrases)", ""]
            lines += [*_table(["track", "figure"], rows), ""]
        return "\n".join(lines)

    def write(self, folder: Path) -> None:
        """Write ``evaluation.json`` and ``evaluation.md``."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.json(), indent=1) + "\n"
        (folder / "evaluation.json").write_text(text, encoding="utf-8")
        parts = [self.markdown(), tells_markdown(self.tells), self.styles_markdown()]
        tables = "\n".join(parts)
        (folder / "evaluation.md").write_text(tables, encoding="utf-8")


def _table(
    names: Sequence[str], rows: Sequence[tuple[Sequence[str], Sequence[float]]]
) -> list[str]:
    """Write a Markdown table with a column for each set."""
    head = "| " + " | ".join([*names, *COMPARED]) + " |"
    lines = [head, "|" + "---|" * len(names) + "--:|" * len(COMPARED)]
    for words, values in rows:
        cells = [*words, *(f"{value:.3f}" for value in values)]
        lines.append("| " + " | ".join(cells) + " |")
    return lines

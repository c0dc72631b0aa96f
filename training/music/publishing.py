"""From a finished run to a version in the registry: weights, metrics, card and pictures."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from models.music.gan import save_generator
from models.registry import Registry, Version
from training.about import About, made_for
from training.music.build import save_judge
from training.music.corpus import Corpus
from training.music.pictures import write_beats
from training.music.presets import Preset
from training.music.report import Report
from training.music.task import MusicTask
from training.promote import LIVE

PRIVATE = About(
    "as the songs' licences allow",
    "The songs of a private collection; the weights may be used as far as those allow.",
)


def publish(
    registry: Registry, name: str, task: MusicTask, songs: Corpus, report: Report, preset: Preset,
    about: About, *, parent: str | None, alias: str = LIVE,
) -> Version:  # fmt: skip
    """Publish the averaged generator of a task as a version."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / name
        folder.mkdir()
        sizes = save_judge(task.discriminator, preset.judge, folder)
        save_generator(task.average, folder, {"judge": sizes})
        metrics = json.dumps(report.json(), indent=1) + "\n"
        (folder / "metrics.json").write_text(metrics, encoding="utf-8")
        shown = write_beats(task.average, folder / "samples")
        card = _card(name, task, songs, report, about, parent, shown, alias)
        (folder / "README.md").write_text(card, encoding="utf-8")
        for file in folder.rglob("*.safetensors"):
            file.chmod(0o644)  # the library makes them readable by their owner alone
        facts = {
            "licence": about.licence,
            "corpus": songs.sha256,
            "seed": task.seed,
            "steps": task.steps_done,
        }
        return registry.publish("music", name, folder, parent=parent, facts=facts)


def _card(
    name: str, task: MusicTask, songs: Corpus, report: Report, about: About, parent: str | None,
    shown: Mapping[str, str], alias: str,
) -> str:  # fmt: skip
    config, held = task.average.config, songs.held_out
    weights = sum(p.numel() for p in task.average.parameters())
    documents = "\n".join(f"- `{d}` sha256 `{digest}`" for d, digest in songs.documents[:20])
    more = len(songs.documents) - 20
    styles = ", ".join(f"{s} ({config.tempos[s][1]:.0f} bpm)" for s in config.masks)
    pictures = "\n".join(f"![{said}](samples/{file})" for file, said in shown.items())
    recipe = json.dumps(asdict(task.recipe), indent=1)
    return f"""# Music model {name}

Licence of the weights: {about.licence}

A GAN that makes four-bar phrases of drums, bass, keys, lead and pad as binary piano-rolls, in C
major or A minor, on a grid of sixteenths. {weights:,} weights; styles: {styles}.
{f"It was trained on from version `{parent}`." if parent else "It was trained from nothing."}
{made_for(alias)}

## Data

{about.text}

{documents}{f"{chr(10)}- and {more} more" if more > 0 else ""}

{int((~held).sum()):,} phrases to learn from and {int(held.sum()):,} of other songs held out
(split by a hash of the song group).

## Recipe

{task.steps_done:,} steps, seed {task.seed}: first a codec of half bars, then, with it frozen,
a generator of its codes against a discriminator with a stream per track, an onset stream, a chroma
stream and a shared stream; relativistic pairing with gradient penalties; averaged weights.

```json
{recipe}
```

## Figures

{report.markdown()}
## Pictures

Ten beats of sixteen bars as the arranger writes them; styles take turns, seeds are 1 to 10.

{pictures}
"""

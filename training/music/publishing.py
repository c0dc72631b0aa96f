"""From a finished run to a version in the registry: weights, metrics, card and pictures."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from models.music.discriminator import Discriminator
from models.music.gan import Generator, save_generator
from models.music.habits import Calibration
from models.registry import Registry, Version
from training.about import About, code_version, made_for
from training.music.build import save_judge
from training.music.corpus import Corpus
from training.music.pictures import write_beats
from training.music.report import Report
from training.music.task import MusicTask
from training.promote import LIVE

PRIVATE = About(
    "as the songs' licences allow",
    "The songs of a private collection; the weights may be used as far as those allow.",
)


_HOW = """\
a codec of half bars and, with it frozen, a generator of its codes against a discriminator with a
stream per track, an onset stream, a chroma stream, a shared stream and, where the recipe has it, a
head that counts; relativistic pairing with gradient penalties; averaged weights. A version that
goes on from another keeps that one's codec.
"""

_QUOTED = "They were made so:"
_KEPT = "The weights are those of version"  # how a card of weights that were kept begins


@dataclass(frozen=True, eq=False)
class Trained:
    """What is handed over: the models, and how they came to be."""

    generator: Generator
    discriminator: Discriminator
    steps: int
    seed: int
    how: str  # Markdown

    @classmethod
    def of(cls, task: MusicTask) -> Trained:
        """Take the averaged generator of a run."""
        how = f"{task.steps_done:,} steps, seed {task.seed}: {_HOW}\n{_json(asdict(task.recipe))}"
        return cls(task.average, task.discriminator, task.steps_done, task.seed, how)

    @classmethod
    def again(
        cls, generator: Generator, discriminator: Discriminator, registry: Registry, parent: Version
    ) -> Trained:
        """Take a version's models as they are; how they were made is quoted from its card."""
        facts = parent.manifest
        how = (
            f"The weights are those of version `{parent.name}`; only the way they are played was"
            f" set anew. {_QUOTED}\n\n{_recipe_of(registry, parent)}"
        )
        steps, seed = (int(facts.get(name, 0)) for name in ("steps", "seed"))
        return cls(generator, discriminator, steps, seed, how)


def publish(
    registry: Registry, name: str, trained: Trained, songs: Corpus, report: Report, about: About,
    *, parent: str | None, alias: str = LIVE,
) -> Version:  # fmt: skip
    """Publish models as a version with metrics, pictures and card."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / name
        folder.mkdir()
        sizes = save_judge(trained.discriminator, folder)
        save_generator(trained.generator, folder, {"judge": sizes})
        metrics = json.dumps(report.json(), indent=1) + "\n"
        (folder / "metrics.json").write_text(metrics, encoding="utf-8")
        shown = write_beats(trained.generator, folder / "samples")
        card = _card(name, trained, songs, report, about, parent, shown, alias)
        (folder / "README.md").write_text(card, encoding="utf-8")
        for file in folder.rglob("*.safetensors"):
            file.chmod(0o644)  # the library makes them readable by their owner alone
        facts = {
            "licence": about.licence,
            "corpus": songs.sha256,
            "code": code_version(),
            "seed": trained.seed,
            "steps": trained.steps,
        }
        return registry.publish("music", name, folder, parent=parent, facts=facts)


def _card(
    name: str, trained: Trained, songs: Corpus, report: Report, about: About, parent: str | None,
    shown: Mapping[str, str], alias: str,
) -> str:  # fmt: skip
    config, held = trained.generator.config, songs.held_out
    weights = sum(p.numel() for p in trained.generator.parameters())
    documents = "\n".join(f"- `{d}` sha256 `{digest}`" for d, digest in songs.documents[:20])
    more = len(songs.documents) - 20
    styles = ", ".join(f"{s} ({config.tempos[s][1]:.0f} bpm)" for s in config.masks)
    pictures = "\n".join(f"![{said}](samples/{file})" for file, said in shown.items())
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

{trained.how}

Calibration on training songs: the strength of the latents of single bars, and what is added to the
logits of notes that start and of notes that go on (drums, bass, keys, lead, pad). Habits, where a
version has them, take the place of the latter: what is added to each row of the roll and to each
step of the bar (by drum, then by pitched track), how many steps each two bars may differ in and be
played alike (the same), and by pitched track the focus on its strongest pitches, how steady a
harmony is, what is added where notes go on, and once more at their second step. Styles may have
habits of their own.

{_calibration(config.calibration)}
## Figures

{report.markdown()}
## Pictures

Ten beats of sixteen bars as the arranger writes them; styles take turns, seeds are 1 to 10.

{pictures}
"""


def _recipe_of(registry: Registry, version: Version) -> str:
    """Find the words of a card on how the weights were trained, behind those that kept them."""
    card = version.path / "README.md"
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    _, _, text = text.partition("\n## Recipe\n")
    text = text.partition("\n## Figures")[0].partition("\nCalibration on training songs")[0].strip()
    if _QUOTED in text:
        return text.partition(_QUOTED)[2].strip()
    if not text.startswith(_KEPT):
        return text
    named = {v.name: v for v in registry.versions("music")}
    before = named.get(version.parent or "")
    return _recipe_of(registry, before) if before else text


def _calibration(calibration: Calibration) -> str:
    """Write a calibration, a line a setting."""
    settings = asdict(calibration)
    habits = settings.pop("habits") or {}
    own = ", ".join(settings.pop("styles")) or "none"
    lines = [f"{name}: {json.dumps(value)}" for name, value in (settings | habits).items()]
    lines.append(f"styles with habits of their own (config.json): {own}")
    return "\n".join(["```", *lines, "```", ""])


def _json(value: Mapping[str, object]) -> str:
    """Write a block of JSON."""
    return f"```json\n{json.dumps(value, indent=1)}\n```\n"

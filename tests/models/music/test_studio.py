import base64
import io
import sys
import threading
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pretty_midi
import pytest
import torch
from PIL import Image

from models.contract import AudioFormat, BeatRequest, BeatTake, Progress
from models.music.codec import CodecConfig
from models.music.gan import GanConfig, Generator, save_generator
from models.music.studio import BeatStudio, Cancelled
from models.registry import DamagedVersion, Registry, Version

from .test_encoding import described, length

STYLES = ("hiphop", "rock", "our-band")


def publish(root: Path, name: str, seed: int) -> Version:
    """Publish a small untrained generator that plays something."""
    torch.manual_seed(seed)
    generator = Generator(
        GanConfig(
            styles=(*STYLES, "unheard"),
            codec=CodecConfig(codes=(6, 4, 6, 5, 5), width=16, blocks=1),
            width=24,
            private_width=16,
            blocks=1,
            private_blocks=1,
            masks={style: {"31": 1.0} for style in STYLES},
        )
    )
    with torch.no_grad():
        for decoder in generator.codec.decoders:
            last = list(decoder.children())[-1]
            assert isinstance(last, torch.nn.Linear)
            last.bias.fill_(-1.0)
    folder = root / f"{name}-files"
    save_generator(generator, folder, {"descriptions": {"our-band": "Ours."}})
    return Registry(root / "registry").publish(
        "music", name, folder, parent=None, facts={"licence": "CC0"}
    )


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    return publish(tmp_path_factory.mktemp("music"), "tiny", 3)


@pytest.fixture(scope="module")
def studio(version: Version) -> BeatStudio:
    made = BeatStudio()
    made.load(version)
    return made


def ask(**changes: object) -> BeatRequest:
    return BeatRequest.model_validate(
        {"request_id": "r", "seed": 5, "bars": 4, "bpm": 150, **changes}
    )


def make(studio: BeatStudio, request: BeatRequest) -> tuple[BeatTake, list[Progress]]:
    seen: list[Progress] = []
    return studio.make(request, seen.append, lambda: False), seen


def test_a_take_is_complete(studio: BeatStudio, tmp_path: Path) -> None:
    take, seen = make(studio, ask(style="hiphop", bpm=90, key="D minor", bars=6))
    assert (take.style, take.bpm, take.key, take.bars) == ("hiphop", 90, "D minor", 6)
    assert take.model_version == "tiny" and take.seed == 5
    assert len(take.sections) == 2
    assert take.audio is not None
    said = described(base64.b64decode(take.audio), tmp_path / "x.mp3")
    assert length(said) == pytest.approx(take.duration, abs=0.1)
    assert take.duration > 6 * 4 * 60 / 90
    assert "model tiny" in said
    midi = pretty_midi.PrettyMIDI(io.BytesIO(base64.b64decode(take.midi)))
    assert midi.get_tempo_changes()[1][0] == pytest.approx(90, abs=0.01)
    assert Image.open(io.BytesIO(base64.b64decode(take.picture))).width == 1200
    assert take.loudness == pytest.approx(-14, abs=1)
    assert take.true_peak is not None and take.true_peak <= -1
    assert list(dict.fromkeys(p.stage for p in seen)) == [
        "planning",
        "playing",
        "mixing",
        "encoding",
    ]
    done = [p.done for p in seen]
    assert done == sorted(done) and done[-1] == 1


def test_same_seed_same_take(studio: BeatStudio) -> None:
    one, other = (make(studio, ask(style="rock"))[0] for _ in range(2))
    assert one.model_copy(update={"seconds": 0}) == other.model_copy(update={"seconds": 0})
    varied = make(studio, ask(variation=2, format="mid", style="rock"))[0]
    assert varied.midi != one.midi and varied.key == one.key


def test_midi_alone_skips_the_audio(studio: BeatStudio) -> None:
    take, seen = make(studio, ask(format="mid"))
    assert take.format is AudioFormat.MID
    assert take.audio is None and take.loudness is None
    assert "mixing" not in {p.stage for p in seen}


def test_flac_and_stems_are_made_of_the_same_song(studio: BeatStudio, tmp_path: Path) -> None:
    take, _ = make(studio, ask(format="flac", stems=True))
    assert take.format is AudioFormat.FLAC and take.audio and take.stems
    said = described(base64.b64decode(take.audio), tmp_path / "x.flac")
    assert length(said) == pytest.approx(take.duration, abs=0.05)
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(take.stems))) as zipped:
        assert zipped.read("notes.mid") == base64.b64decode(take.midi)
    plain, _ = make(studio, ask(format="flac"))
    assert plain.stems is None and plain.audio == take.audio
    only, _ = make(studio, ask(format="mid", stems=True))
    assert only.stems == take.stems and only.audio is None


def test_energy_reaches_the_song_that_is_played(studio: BeatStudio) -> None:
    velocities = []
    for energy in (0.0, 1.0):
        take, _ = make(studio, ask(format="mid", style="rock", energy=energy))
        midi = pretty_midi.PrettyMIDI(io.BytesIO(base64.b64decode(take.midi)))
        loud = [note.velocity for played in midi.instruments for note in played.notes]
        velocities.append(sum(loud) / len(loud))
    assert velocities[0] < 0.85 * velocities[1]


def test_a_sample_sets_key_and_tempo_and_a_bad_one_is_refused(studio: BeatStudio) -> None:
    score = pretty_midi.PrettyMIDI(initial_tempo=77)
    piano = pretty_midi.Instrument(0)
    for step, pitch in enumerate((62, 64, 66, 67, 69, 71, 73, 74)):
        piano.notes.append(pretty_midi.Note(90, pitch, step * 30 / 77, (step + 1) * 30 / 77))
    score.instruments.append(piano)
    file = io.BytesIO()
    score.write(file)
    sample = base64.b64encode(file.getvalue()).decode()
    take, _ = make(studio, ask(sample=sample, bpm=None, format="mid"))
    assert (take.bpm, take.key) == (77, "D major")
    with pytest.raises(ValueError, match=r"^The sample is empty\.$"):
        make(studio, ask(sample=""))


def test_cancelling_while_a_sample_is_heard(
    studio: BeatStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(Exception):
        pass

    def transcribe(data: bytes, *, cancelled: Callable[[], bool]) -> pretty_midi.PrettyMIDI:
        while not cancelled():
            time.sleep(0.01)
        raise Stopped

    module = ModuleType("models.music.transcriber")
    module.__dict__.update(transcribe=transcribe, TranscriptionError=ValueError)
    monkeypatch.setitem(sys.modules, "models.music.transcriber", module)
    began = time.monotonic()
    with pytest.raises(Cancelled):
        studio.make(
            ask(sample=base64.b64encode(b"fLaC").decode()),
            lambda _: None,
            lambda: time.monotonic() > began + 0.1,
        )
    assert time.monotonic() - began < 2


def test_open_choices_come_from_the_seed(studio: BeatStudio) -> None:
    takes = [make(studio, ask(seed=seed, format="mid", bpm=None))[0] for seed in range(8)]
    assert {t.style for t in takes} == set(STYLES)
    assert len({t.key for t in takes}) > 3 and len({t.bpm for t in takes}) > 3


def test_limits_change_the_format_only_truthfully(studio: BeatStudio) -> None:
    take, _ = make(studio, ask(format="wav", max_bytes=400_000, bpm=120))
    assert take.format is AudioFormat.MP3 and take.audio is not None
    data = base64.b64decode(take.audio)
    assert len(data) <= 400_000 and data[:3] == b"ID3"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"style": "polka"}, r"^There is no style called polka; try hiphop, rock, our-band\.$"),
        ({"style": "unheard"}, "no style called unheard"),
        ({"key": "H major"}, r"^There is no key called H major; write one like A minor\.$"),
    ],
)
def test_wrong_wishes_are_one_plain_sentence(
    studio: BeatStudio, changes: dict[str, str], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        make(studio, ask(**changes))


def test_info_describes_the_version(studio: BeatStudio) -> None:
    info = studio.info()
    assert (info.version, info.licence, info.default_style) == ("tiny", "CC0", "hiphop")
    assert [s.name for s in info.styles] == list(STYLES)
    assert info.styles[2].description == "Ours."
    assert info.parameters > 1000 and info.in_flight == 0


def test_cancelling_stops_within_a_second_at_every_stage(studio: BeatStudio) -> None:
    for stage in ("planning", "playing", "mixing", "encoding"):
        reached = threading.Event()
        asked: list[float] = []

        def report(
            progress: Progress, stage: str = stage, reached: threading.Event = reached
        ) -> None:
            if progress.stage == stage:
                reached.set()

        def cancelled(reached: threading.Event = reached, asked: list[float] = asked) -> bool:
            if reached.is_set() and not asked:
                asked.append(time.monotonic())
            return reached.is_set()

        with pytest.raises(Cancelled):
            studio.make(ask(bars=8), report, cancelled)
        assert time.monotonic() - asked[0] < 1
    assert studio.info().in_flight == 0


def test_takes_at_once_do_not_disturb_each_other(studio: BeatStudio) -> None:
    alone = [make(studio, ask(seed=s, style="rock"))[0].audio for s in (1, 2)]
    together: dict[int, str | None] = {}
    threads = [
        threading.Thread(
            target=lambda s=s: together.update(
                {s: make(studio, ask(seed=s, style="rock"))[0].audio}
            )
        )
        for s in (1, 2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [together[1], together[2]] == alone


def test_versions_play_side_by_side(version: Version, tmp_path: Path) -> None:
    studio = BeatStudio()
    studio.load(version)
    assert studio.hold(publish(tmp_path, "other", 9)) > 1000
    wish = ask(format=AudioFormat.MID)
    takes = [make(studio, wish.model_copy(update={"version": v}))[0] for v in (None, "other")]
    assert [take.model_version for take in takes] == ["tiny", "other"]
    assert takes[0].midi != takes[1].midi
    assert (studio.info().version, studio.info("other").version) == ("tiny", "other")
    studio.drop("other")
    with pytest.raises(RuntimeError, match="other is gone"):
        studio.info("other")


def test_swapping_versions_while_playing(version: Version, tmp_path: Path) -> None:
    studio = BeatStudio()
    with pytest.raises(RuntimeError, match=r"No music model is loaded\."):
        studio.info()
    studio.load(version)
    other = publish(tmp_path, "other", 9)
    reports: list[str] = []

    def swap(progress: Progress) -> None:
        if progress.stage == "playing":
            studio.load(other)
            reports.append(progress.stage)

    take = studio.make(ask(), swap, lambda: False)
    assert reports and take.model_version == "tiny"
    assert make(studio, ask(format="mid"))[0].model_version == "other"


def test_a_damaged_version_is_refused_and_the_old_one_stays(
    version: Version, tmp_path: Path
) -> None:
    studio = BeatStudio()
    studio.load(version)
    broken = publish(tmp_path, "broken", 1)
    (broken.path / "config.json").write_text("{}")
    with pytest.raises(DamagedVersion):
        studio.load(broken)
    assert studio.info().version == "tiny"

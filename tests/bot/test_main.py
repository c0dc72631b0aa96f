"""The command line, against the real service with tiny models."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from bot.cli import app
from bot.settings import Settings
from bot.store.schema import head
from tests.songs import midi

ROOT = Path(__file__).resolve().parents[2]
Cli = Callable[..., Result]


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's environment, and a data folder of the test's own."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))


@pytest.fixture
def bare(environment: None) -> Cli:
    """The command line without a service of its own."""

    def call(*arguments: str | Path) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return call


@pytest.fixture
def cli(bare: Cli, service_url: str, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line with a running service."""
    monkeypatch.setenv("GENERATION_URL", service_url)
    return bare


def test_an_essay_as_json(cli: Cli, tmp_path: Path) -> None:
    arguments = ("essay", "rivers", "--words", "60", "--seed", "5", "--json", "--out", tmp_path)
    first, second = cli(*arguments), cli(*arguments)
    assert first.exit_code == 0, first.output
    (line,) = first.stdout.splitlines()
    made = json.loads(line)
    assert (made["topic"], made["words"], made["seed"]) == ("rivers", 60, 5)
    assert made["model_version"] == "tiny-essay" and made["seconds"] > 0
    assert made["text"] == json.loads(second.stdout)["text"] != ""
    files = {Path(path).suffix: Path(path) for path in made["files"]}
    assert set(files) == {".md", ".docx"}
    assert files[".md"].read_text().startswith(f"# {made['title']}")
    assert files[".md"].name == "essay-rivers-5.md"


def test_an_essay_is_shown_as_it_is_written(cli: Cli, tmp_path: Path) -> None:
    done = cli("essay", "rivers", "--words", "60", "--seed", "6", "--out", tmp_path)
    assert done.exit_code == 0, done.output
    assert len(done.stdout.split()) > 20 and "seed" not in done.stdout
    assert "seed: 6" in done.stderr and "essay-rivers-6.docx" in done.stderr


def test_a_batch_goes_in_at_once_and_comes_out_in_order(cli: Cli, tmp_path: Path) -> None:
    topics = ["rivers", "cats", "books", "trains", "songs", "lakes"]
    batch = tmp_path / "topics.txt"
    batch.write_text("\n\n".join(topics) + "\n")
    done = cli("essay", "--batch", batch, "--words", "50", "--json", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    made = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["topic"] for each in made] == topics
    assert len(list((tmp_path / "out").iterdir())) == 12


def test_one_bad_line_does_not_stop_a_batch(cli: Cli, tmp_path: Path) -> None:
    batch = tmp_path / "topics.txt"
    batch.write_text("rivers\n123\ncats\n")
    done = cli("essay", "--batch", batch, "--words", "50", "--json", "--out", tmp_path)
    assert done.exit_code == 1
    made = [json.loads(line) for line in done.stdout.splitlines()]
    assert ["error" in each for each in made] == [False, True, False]
    assert made[1]["topic"] == "123" and made[1]["error"] in done.stderr


def test_an_essay_goes_on_from_a_text_or_a_file(cli: Cli, tmp_path: Path) -> None:
    text = "The river was high that spring. Nobody could cross it."
    file = tmp_path / "begun.txt"
    file.write_text(f"\ufeff{text}\n")
    rest = ("--words", "70", "--seed", "5", "--json", "--out", tmp_path)
    typed = cli("essay", "rivers", "--opening", text, *rest)
    assert typed.exit_code == 0, typed.output
    made = json.loads(typed.stdout)
    assert made["topic"] == "rivers" and made["text"].startswith(text)
    assert len(made["text"]) > len(text)
    read = cli("essay", "--opening", f"@{file}", *rest)
    assert read.exit_code == 0, read.output
    assert json.loads(read.stdout)["topic"] == "The river was high that spring"
    assert json.loads(read.stdout)["text"].startswith(text)


@pytest.mark.parametrize(
    ("name", "said"),
    [("gone.txt", "gone.txt cannot be read: No such file or directory."), ("x.exe", "x.exe")],
)
def test_an_opening_that_cannot_be_read_is_one_sentence(
    bare: Cli, tmp_path: Path, name: str, said: str
) -> None:
    (tmp_path / "x.exe").write_bytes(b"MZ")
    done = bare("essay", "rivers", "--opening", f"@{name}")
    assert done.exit_code == 2 and done.stdout == "" and not (tmp_path / "data").exists()
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_beats_as_json(cli: Cli, tmp_path: Path) -> None:
    done = cli(
        "beat", "--bpm", "100", "--bars", "4", "--key", "a minor", "--seed", "9", "--count", "2",
        "--energy", "calm", "--format", "mid", "--json", "--out", tmp_path,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    made = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["seed"] for each in made] == [9, 10]
    for each in made:
        assert (each["bpm"], each["bars"], each["key"]) == (100, 4, "A minor")
        assert each["energy"] == "calm"
        assert each["duration"] > 0 and each["model_version"] == "tiny-music"
        assert {Path(path).suffix for path in each["files"]} == {".mid", ".png"}
        assert all(Path(path).stat().st_size > 50 for path in each["files"])


def test_an_unknown_style_is_one_sentence(cli: Cli, tmp_path: Path) -> None:
    done = cli("essay", "rivers", "--style", "haiku", "--out", tmp_path)
    assert done.exit_code == 2 and done.stdout == ""
    assert done.stderr.startswith("There is no style called “haiku”; choose one of ")


def test_an_unknown_energy_is_one_sentence(cli: Cli, tmp_path: Path) -> None:
    done = cli("beat", "--energy", "wild", "--json", "--out", tmp_path)
    said = "“wild” is not an energy I know; choose one of calm, moderate, full."
    assert (done.exit_code, done.stderr) == (2, f"{said}\n")
    assert json.loads(done.stdout) == {"energy": "wild", "format": "mp3", "error": said}


def test_the_demo_makes_one_of_each_with_its_own_service(
    bare: Cli, own_registry: Path, tmp_path: Path
) -> None:
    done = bare("demo", "--out", tmp_path / "out")
    assert done.exit_code == 0, done.output
    assert len(done.stdout.split()) > 50
    suffixes = sorted(path.suffix for path in (tmp_path / "out").iterdir())
    assert suffixes == [".docx", ".md", ".mid", ".mp3", ".png"]
    assert str(tmp_path / "out") in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("essay",),
        ("essay", "rivers", "--words", "49"),
        ("essay", "rivers", "--batch", __file__),
        ("essay", "--batch", "/nowhere/at/all"),
        ("beat", "--bpm", "500"),
        ("beat", "--format", "aiff"),
        ("dance",),
    ],
)
def test_wrong_usage_is_2(bare: Cli, arguments: tuple[str, ...]) -> None:
    assert bare(*arguments).exit_code == 2


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("GENERATION_URL", "http://127.0.0.1:1", "does not answer"),
        ("DATABASE_URL", "nonsense", "DATABASE_URL"),
        ("DATABASE_URL", "sqlite+pysqlite:///x.db", "DATABASE_URL"),
        ("DATABASE_URL", "sqlite:////", "a folder that can be written to, see DATA_DIR"),
        ("DATABASE_PASSWORD_FILE", "/nowhere", "DATABASE_PASSWORD_FILE: /nowhere cannot be read"),
        ("WORKERS", "0", "WORKERS"),
        ("SOUNDFONT", "/nowhere.sf2", "SOUNDFONT names /nowhere.sf2, and there is no such file."),
    ],
)
def test_a_missing_set_up_is_2_and_one_sentence(
    bare: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str, sentence: str
) -> None:
    if name == "DATABASE_PASSWORD_FILE":
        monkeypatch.setenv("DATABASE_URL", "postgresql://me@127.0.0.1:1/nothing")
    monkeypatch.setenv(name, value)
    done = bare("essay", "rivers", "--out", tmp_path)
    assert done.exit_code == 2
    assert sentence in done.stderr and "Traceback" not in done.stderr


def test_a_batch_that_is_no_text_is_one_sentence(bare: Cli, tmp_path: Path) -> None:
    batch = tmp_path / "topics.txt"
    batch.write_bytes(b"caf\xe9s\n")
    done = bare("essay", "--batch", batch)
    assert (done.exit_code, done.stderr) == (2, f"{batch} is not a text in UTF-8.\n")


def test_where_no_files_can_go_is_said_before_anything_is_made(bare: Cli, tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.touch()
    for out in (taken, taken / "below"):
        done = bare("beat", "--out", out)
        assert done.exit_code == 2
        assert done.stderr.strip().startswith(f"No files can be written into {out}: ")
    assert not (tmp_path / "data").exists()


def test_migrating(bare: Cli, tmp_path: Path) -> None:
    for _ in range(2):
        done = bare("migrate")
        assert done.exit_code == 0 and head() in done.stderr
    assert (tmp_path / "data" / "ghostwriter.db").is_file()


@pytest.mark.parametrize("command", ["run", "sync"])
def test_without_a_token_there_is_help_and_no_discord(environment: None, command: str) -> None:
    script = (
        "import sys\nfrom bot.cli import app\n"
        f"sys.argv[1:] = [{command!r}]\n"
        "try:\n    app()\nfinally:\n    print('discord' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "False\n")
    assert "DISCORD_TOKEN" in done.stderr and "applications.commands" in done.stderr


def test_a_sample_from_a_file_is_looked_at_before_anything_starts(
    bare: Cli, tmp_path: Path
) -> None:
    wrong = tmp_path / "notes.txt"
    wrong.write_text("no notes")
    done = bare("beat", "--sample", wrong)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == (
        "A sample can be .mid, .wav, .mp3, .flac or .ogg; “notes.txt” is none of them."
    )
    broken = tmp_path / "song.mid"
    broken.write_bytes(b"no song")
    done = bare("beat", "--sample", broken)
    assert done.exit_code == 2 and "cannot be read" in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (("beat", "--seed", "7", "--sample", "song.mid"), {"format": "mp3", "seed": 7}),
        (("beat", "--count", "3", "--sample", "song.mid"), {"format": "mp3"}),
        (("essay", "rivers", "--opening", "@song.docx"), {"topic": "rivers"}),
    ],
)
def test_a_bad_file_is_one_json_object(
    bare: Cli, tmp_path: Path, arguments: tuple[str, ...], asked: dict[str, object]
) -> None:
    for name in ("song.mid", "song.docx"):
        (tmp_path / name).write_bytes(b"no song")
    done = bare(*arguments, "--json")
    assert done.exit_code == 2
    (line,) = done.stdout.splitlines()
    assert json.loads(line) == {**asked, "error": done.stderr.rstrip("\n")}


def test_a_recording_that_only_the_models_find_damaged_is_2_as_well(
    cli: Cli, tmp_path: Path
) -> None:
    damaged = tmp_path / "song.mp3"
    damaged.write_bytes(b"ID3" + bytes(range(256)) * 20)
    done = cli("beat", "--sample", damaged, "--json", "--out", tmp_path / "out")
    assert done.exit_code == 2, done.output
    assert json.loads(done.stdout)["error"] == done.stderr.rstrip("\n") != ""


def test_a_beat_is_played_around_a_file(cli: Cli, tmp_path: Path) -> None:
    song = tmp_path / "tune.mid"
    song.write_bytes(midi(57, 60, 64, 69, 64, 60, 57, 60))
    arguments = (
        "beat",
        "--bars",
        "4",
        "--seed",
        "5",
        "--format",
        "mid",
        "--json",
        "--out",
        tmp_path,
    )
    plain, flipped = cli(*arguments), cli(*arguments, "--sample", song)
    assert flipped.exit_code == 0, flipped.output
    made = [json.loads(done.stdout) for done in (plain, flipped)]
    assert made[0]["seed"] == made[1]["seed"] == 5
    assert made[1]["bpm"] == 120 and made[1]["key"] == "A minor"

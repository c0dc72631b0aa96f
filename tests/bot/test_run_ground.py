"""The words of the command that trains."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bot.run_ground import training_command
from bot.settings import Settings
from bot.store import Run, RunState, utc_now


def test_the_command_continues_from_the_live_version(settings: Settings, tmp_path: Path) -> None:
    run = Run(
        id=7,
        family="music",
        minutes=9,
        requested_by=1,
        state=RunState.RUNNING,
        created_at=None,  # type: ignore[arg-type]
    )
    words = " ".join(training_command(run, tmp_path, settings))
    for part in ("-m training music", "--continue-from live", "--max-minutes 9", "--promote"):
        assert part in words


def test_recordings_are_heard_before_a_style_is_trained(settings: Settings, tmp_path: Path) -> None:
    run = Run(
        id=7,
        family="music",
        minutes=9,
        requested_by=1,
        style_id=3,
        state=RunState.RUNNING,
        created_at=utc_now(),
    )
    (tmp_path / "corpus").mkdir()
    assert training_command(run, tmp_path, settings)[:4] == [
        sys.executable,
        "-m",
        "training",
        "music",
    ]
    (tmp_path / "corpus" / "recordings").mkdir()
    shell, flag, script, python, *words = training_command(run, tmp_path, settings)
    told = subprocess.run(
        [
            shell,
            flag,
            script.replace('"$0"', '"$0" -c "import sys; print(sys.argv[2:])"'),
            python,
            *words,
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    heard = str((tmp_path / "corpus" / "heard").resolve())
    assert told[0].startswith("['training', 'transcribe'") and heard in told[0]
    kept = str((settings.data_dir / "corpus" / "styles" / "3" / "heard").resolve())
    assert f"'--memory', '{kept}', '--watch', '{tmp_path}'" in told[0]
    assert told[1].startswith("['training', 'music', '--corpus'") and "'s3.live'" in told[1]
    stopped = [shell, flag, script.replace('"$0"', '"$0" -c "exit(3)"'), python, *words]
    assert subprocess.run(stopped, check=True).returncode == 0, "no training follows a stop"

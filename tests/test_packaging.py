"""What ``pip install .`` would install is all that the packages read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = ("bot", "migrations", "models", "training")
#: Lists what a wheel would hold, without the minute that packing the models takes.
LIST = """
from setuptools.dist import Distribution
distribution = Distribution({"script_name": "setup.py"})
distribution.parse_config_files(["pyproject.toml"])
build = distribution.get_command_obj("build_py")
build.ensure_finalized()
build.build_lib = ""
print(*build.get_outputs(include_bytecode=False), sep="\\n")
"""


def test_a_wheel_has_every_file_of_the_packages() -> None:
    listed = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", LIST],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert listed.returncode == 0, listed.stderr
    packed = {Path(line).as_posix() for line in listed.stdout.splitlines()}
    there = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
    }
    assert packed == there

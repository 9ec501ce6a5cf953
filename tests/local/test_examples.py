"""The example pipelines, which a local installation is filled with."""

import subprocess
import sys
from pathlib import Path

import pytest

from local.demo import PIPELINE, examples_folder

EXAMPLES = sorted(examples_folder().glob("*.yaml"))


def test_the_demo_is_among_them() -> None:
    """`slipway up` releases it."""
    assert PIPELINE in [file.stem for file in EXAMPLES]


def test_all_are_valid() -> None:
    """As the command line's own check says."""
    command = [sys.executable, "-m", "authoring", *map(str, EXAMPLES)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (0, "") == (checked.returncode, checked.stderr)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_editors_find_the_schema(file: Path) -> None:
    """The first line names it, so that an editor completes and checks."""
    first = file.read_text("utf-8").splitlines()[0]
    assert "# yaml-language-server: $schema=http://127.0.0.1:8000/schemas/pipeline-v1.json" == first

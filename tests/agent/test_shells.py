"""The command lines of the shells that a step may be written for."""

from pathlib import Path

import pytest

from agent.step_environment import command_for
from domain.pipeline import Shell


@pytest.mark.parametrize(
    ("shell", "command", "written"),
    [
        (Shell.SH, "sh -e {}/script.sh", "a\r\nb"),
        (Shell.BASH, "bash --noprofile --norc -eo pipefail {}/script.bash", "a\r\nb"),
        (Shell.PYTHON, "python3 -u {}/script.py", "a\r\nb"),
        (
            Shell.PWSH,
            "pwsh -NoLogo -NoProfile -NonInteractive -File {}/script.ps1",
            "$ErrorActionPreference = 'Stop'\na\r\nb",
        ),
    ],
)
def test_each_shell_runs_the_script_from_a_file(tmp_path: Path, shell: Shell, command: str, written: str) -> None:
    """Byte for byte as its author wrote it; nobody's start-up files, no questions, and the first failure ends it."""
    assert command.format(tmp_path).split(" ") == command_for(shell, "a\r\nb", tmp_path)
    assert written.encode() == next(tmp_path.glob("script.*")).read_bytes()

"""``python -m authoring`` checks files from a shell."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from authoring.__main__ import main

GOOD = "pipeline: webshop\nstages: [{stage: test, jobs: [{job: d, steps: [{run: x}]}]}]\n"
BAD = GOOD.replace("run: x", "rnu: x").replace("stage: test", "stage: test, atfer: []")


@pytest.fixture
def good(tmp_path: Path) -> str:
    file = tmp_path / "good.yaml"
    file.write_text(GOOD)
    return str(file)


@pytest.fixture
def bad(tmp_path: Path) -> str:
    file = tmp_path / "bad.yaml"
    file.write_text(BAD)
    return str(file)


def test_a_good_file_is_told_in_one_line(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its pipeline and the number of its stages."""
    assert 0 == main([good])
    assert f"ok: {good} pipeline webshop, 1 stage\n" == capsys.readouterr().out


def test_problems_are_told_one_a_line_and_all_files_are_checked(
    good: str, bad: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken file does not hide the others."""
    assert 2 == main([bad, good])
    first, second, third = capsys.readouterr().out.splitlines()
    assert f'{bad}:2:24 stages[0].atfer: unknown key (did you mean "after"?)' == first
    assert f'{bad}:2:60 stages[0].jobs[0].steps[0].rnu: unknown key (did you mean "run"?)' == second
    assert third.startswith("ok: ")


def test_problems_are_told_as_json_for_programs(bad: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A list of objects, with nothing around it."""
    assert 2 == main(["--json", bad])
    first, _ = json.loads(capsys.readouterr().out)
    assert {
        "file": bad,
        "line": 2,
        "column": 24,
        "path": "stages[0].atfer",
        "message": "unknown key",
        "suggestion": "after",
    } == first


def test_a_good_file_as_json_has_no_problems(good: str, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty list."""
    assert 0 == main([good, "--json"])
    assert [] == json.loads(capsys.readouterr().out)


def test_a_file_that_cannot_be_read_is_a_problem_like_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Missing, a folder, another encoding, or endless."""
    other = tmp_path / "utf16.yaml"
    other.write_bytes(GOOD.encode("utf-16"))
    assert 2 == main([str(tmp_path / "none.yaml"), str(tmp_path), str(other), "/dev/zero"])
    none, folder, encoding, endless = capsys.readouterr().out.splitlines()
    assert none.endswith("none.yaml:1:1: cannot be read: No such file or directory")
    assert folder.endswith(":1:1: cannot be read: Is a directory")
    assert encoding.endswith("utf16.yaml:1:1: the file is not UTF-8 text")
    assert "/dev/zero:1:1: the file is larger than 256 KiB, the most a pipeline file may be" == endless


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """So that it may stand in a pipe."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(GOOD.encode())))
    assert 0 == main(["-"])
    assert "ok: - pipeline webshop, 1 stage\n" == capsys.readouterr().out


def test_the_schema_can_be_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """For editors and for other programs."""
    assert 0 == main(["--schema"])
    assert "/schemas/pipeline-v1.json" == json.loads(capsys.readouterr().out)["$id"]


def test_misuse_is_told_with_the_same_exit_status(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to check is no success."""
    with pytest.raises(SystemExit) as left:
        main([])
    assert 2 == left.value.code
    assert "FILE" in capsys.readouterr().err


def test_it_runs_as_a_module(good: str) -> None:
    """The command of the manual."""
    done = subprocess.run([sys.executable, "-m", "authoring", good], capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("ok: ")

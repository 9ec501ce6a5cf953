"""What a step's logging commands come to."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from agent.command_lines import command_line
from agent.masking import Masker
from agent.step_effects import StepEffects, Terms, spelled


class Step:
    """Says things, one line at a time."""

    def __init__(self, folder: Path, *secrets: str, **terms: Any) -> None:
        self.masker = Masker(secrets)
        self.effects = StepEffects(self.masker, folder, Terms(**terms), folder / "kept")

    def say(self, line: str) -> str:
        """What the log has of it."""
        return self.masker.masked(self.effects.take(command_line(line.encode())).decode())

    def set(self, name: str, value: str, flags: str = "") -> str:
        return self.say(f"##vso[task.setvariable variable={name};{flags}]{value}")

    @property
    def told(self) -> dict[str, Any]:
        return self.effects.end()[0]


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return Step(tmp_path, "hunter22")


def test_the_last_value_of_a_variable_counts(step: Step) -> None:
    """In whatever case its name is written."""
    step.set("a.b", "1")
    step.set("A_B", "2", "isoutput=true")
    assert [{"name": "A_B", "value": "2", "is_output": True, "is_read_only": False}] == step.told["variables"]


@pytest.mark.parametrize(
    ("name", "spelt"), [("my.var", "MY_VAR"), ("myVar", "MYVAR"), ("a b-c", "A_B_C"), ("A_1", "A_1")]
)
def test_names_are_spelt_as_azure_spells_them(name: str, spelt: str) -> None:
    """Capitals, and an underscore for everything that is no letter or digit."""
    assert spelt == spelled(name)


def test_a_secret_variable_is_told_by_name_only(step: Step) -> None:
    """Its value is masked from its own line on, and waits to be fetched."""
    line = step.set("TOKEN", "s3cr3t-value", "issecret=true;isoutput=true")
    assert "##vso[task.setvariable variable=TOKEN;issecret=true;isoutput=true]***" == line
    assert "it is ***" == step.masker.masked("it is s3cr3t-value")
    assert [{"name": "TOKEN", "is_output": True, "is_read_only": False}] == step.told["secret_variables"]
    assert {"variables": {"TOKEN": "s3cr3t-value"}, "masks": []} == step.effects.secrets()
    assert "s3cr3t" not in json.dumps(step.told)


def test_what_was_secret_once_stays_secret(tmp_path: Path) -> None:
    """In this step, and as a secret that the step was given."""
    step = Step(tmp_path, secret=("GIVEN",))
    step.set("TOKEN", "first-value", "issecret=true")
    assert step.set("token", "second-value").endswith("]***")
    assert step.set("Given", "third-value").endswith("]***")
    assert [] == step.told["variables"]
    assert {"token": "second-value", "Given": "third-value"} == step.effects.secrets()["variables"]


def test_a_variable_that_holds_a_secret_becomes_one(step: Step) -> None:
    """Also when the secret is told later; the log says so."""
    step.set("URL", "https://me:hunter22@example.com")
    step.set("KEY", "pre-late-secret")
    step.set("PLAIN", "x")
    step.say("##vso[task.setsecret]late-secret")
    told, notes = step.effects.end()
    assert (["PLAIN"], ["URL", "KEY"]) == tuple(
        [one["name"] for one in told[kind]] for kind in ("variables", "secret_variables")
    )
    assert b"##[warning]variable URL holds a secret, so it is kept as a secret\n##[warning]variable KEY" in notes


def test_a_secret_too_short_to_be_masked_is_still_kept(step: Step) -> None:
    """Not shown in its line, and the log warns of what follows."""
    line = step.set("PIN", "42", "issecret=true")
    assert "]***\n##[warning]a secret of fewer than 4 characters cannot be hidden in what follows" in line
    assert {"PIN": "42"} == step.effects.secrets()["variables"]


def test_a_wrong_command_stays_and_is_warned_of(step: Step) -> None:
    """What was meant to be a secret is hidden even then."""
    line = step.say("##vso[task.setvariable issecret=true]s3cr3t-value")
    assert line.startswith(
        "##vso[task.setvariable issecret=true]***\n##[warning]the command above is not done: variable= must name"
    )
    assert "***" == step.masker.masked("s3cr3t-value")


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("FIXED", "1", "FIXED was set as read-only"),
        ("SLIPWAY_RUN", "1", "Slipway's own"),
        ("A", "a\0b", "UTF-8"),
        ("A", "x" * 101, "this one has 101 bytes"),
        ("A", "é" * 51, "this one has 102 bytes"),
        ("A_hunter22", "1", "its name holds a secret"),
    ],
)
def test_what_may_not_be_set_is_refused_in_words(tmp_path: Path, name: str, value: str, why: str) -> None:
    """And nothing of it is kept."""
    step = Step(tmp_path, "hunter22", each=100, read_only=("FIXED",))
    assert why in step.set(name, value)
    assert [] == step.told["variables"]


def test_a_value_that_is_no_text_is_refused(step: Step) -> None:
    """An environment of another step could not hold it as it is."""
    said = step.effects.take(command_line(b"##vso[task.setvariable variable=A]\xff"))
    assert b"a value must be UTF-8" in said


def test_a_read_only_variable_cannot_be_set_again(step: Step) -> None:
    """As Azure has it."""
    step.set("A", "1", "isreadonly=true")
    assert "A was set as read-only" in step.set("A", "2")
    assert ["1"] == [one["value"] for one in step.told["variables"]]


def test_there_are_limits_to_all_variables_together(tmp_path: Path) -> None:
    """A refused value leaves the one before."""
    step = Step(tmp_path, number=2, size=10)
    step.set("A", "12345")
    assert "in all" in step.set("B", "123456")
    assert "" == step.set("B", "12345").partition("\n")[2]
    assert "may set 200 variables" in step.set("C", "")
    assert "in all" in step.set("A", "123456")
    assert ["12345", "12345"] == [one["value"] for one in step.told["variables"]]


def test_issues_are_counted_and_the_first_hundred_kept(step: Step) -> None:
    """With where they are, masked."""
    step.say("##vso[task.logissue type=error;sourcepath=a.cs;linenumber=7;code=C1]no hunter22")
    for number in range(150):
        step.say(f"##vso[task.logissue type=warning]{number}")
    told = step.told
    first = {"kind": "error", "message": "no ***", "source_path": "a.cs", "line": 7, "column": None, "code": "C1"}
    assert (1, 150, 100, first) == (told["errors"], told["warnings"], len(told["issues"]), told["issues"][0])


def test_an_issue_is_masked_before_it_is_cut(step: Step) -> None:
    """No half of a secret is left at the end."""
    step.say("##vso[task.logissue type=error]" + "x" * 496 + "hunter22")
    assert "x" * 496 + "***" == step.told["issues"][0]["message"]


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (["Succeeded"], "succeeded"),
        (["SucceededWithIssues", "Succeeded"], "succeeded with issues"),
        (["Succeeded", "Failed", "SucceededWithIssues"], "failed"),
    ],
)
def test_the_worst_result_counts(step: Step, results: list[str], expected: str) -> None:
    """As Azure merges them; no word is no result."""
    assert step.told["result"] is None
    for result in results:
        step.say(f"##vso[task.complete result={result}]because of {result}")
    assert expected == step.told["result"]


def test_summaries_are_read_when_they_are_named(step: Step, tmp_path: Path) -> None:
    """So that the step may remove them; masked, and cut to a size that can be told."""
    (tmp_path / "s.md").write_text("# Done\nhunter22\n")
    (tmp_path / "big.md").write_text("x" * 40_000)
    step.say("##vso[task.uploadsummary]s.md")
    (tmp_path / "s.md").unlink()
    assert "there is no file s.md to read" in step.say("##vso[task.uploadsummary]s.md")
    assert "only the first" in step.say(f"##vso[task.uploadsummary]{tmp_path}/big.md")
    assert "with 32 KiB in all" in step.say(f"##vso[task.uploadsummary]{tmp_path}/big.md")
    assert {"name": "s.md", "text": "# Done\n***\n"} == step.told["summaries"][0]
    assert 32 * 1024 == sum(len(one["text"]) for one in step.told["summaries"])


def test_a_folder_is_no_summary(step: Step, tmp_path: Path) -> None:
    """Nor is a pipe, for which the runner would wait."""
    assert "is no file" in step.say(f"##vso[task.uploadsummary]{tmp_path}")
    os.mkfifo(tmp_path / "pipe")
    assert "is no file" in step.say("##vso[task.uploadsummary]pipe")


def test_a_file_is_kept_as_it_is_when_it_is_named(step: Step, tmp_path: Path) -> None:
    """So that the step may remove it; told by name and size, and without a remark in the log."""
    report = tmp_path / "report.zip"
    report.write_bytes(bytes(range(256)))
    assert "##vso[task.uploadfile]report.zip" == step.say("##vso[task.uploadfile]report.zip")
    report.unlink()
    assert "not done: there is no file report.zip to read" in step.say("##vso[task.uploadfile]report.zip")
    assert bytes(range(256)) == (tmp_path / "kept" / "1").read_bytes()
    assert [{"name": "report.zip", "size": 256}] == step.told["files"]


def test_a_kept_file_has_no_secret_in_it(step: Step, tmp_path: Path) -> None:
    """Nor has its name, where it is told; the log says that the copy differs."""
    (tmp_path / "of-hunter22").write_bytes(b"\xff hunter22 later-one")
    step.say("##vso[task.setsecret]later-one")
    said = step.say(f"##vso[task.uploadfile]{tmp_path}/of-hunter22")
    assert said.endswith("\n##[warning]of-*** holds a secret, which is masked in the copy that is kept")
    assert b"\xff *** ***" == (tmp_path / "kept" / "1").read_bytes()
    assert [{"name": "of-***", "size": 9}] == step.told["files"]


def test_folders_in_front_of_path_are_told_in_order(step: Step) -> None:
    """Each once, the last named last; none with a colon, none from nowhere."""
    for folder in ("/a", "/b", "/a", "c", "/d:/e"):
        step.say(f"##vso[task.prependpath]{folder}")
    assert ["/b", "/a"] == step.told["paths"]


def test_progress_and_the_releases_name_are_the_last_told(step: Step) -> None:
    """On one line, masked."""
    step.say("##vso[task.setprogress value=10]one")
    step.say("##vso[task.setprogress value=20]hunter22")
    step.say("##vso[release.updatereleasename]web%0A42 hunter22")
    told = step.told
    assert (20, "***", "web 42 ***") == (told["progress"], told["progress_text"], told["release_name"])


def test_secrets_without_a_name_are_kept_for_masking(step: Step) -> None:
    """Following steps of the job mask them, too."""
    for value in ("s3cr3t-value", "s3cr3t-value", ""):
        step.say(f"##vso[task.setsecret]{value}")
    assert {"variables": {}, "masks": ["s3cr3t-value"]} == step.effects.secrets()


def test_a_silent_step_tells_nothing(step: Step) -> None:
    """No secrets to hand over, no last words."""
    assert ({}, b"") == (step.effects.secrets(), step.effects.end()[1])
    json.dumps(step.told)

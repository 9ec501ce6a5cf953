"""What is read out of a line of output, and what stays text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.logging_commands import (
    Command,
    Complete,
    LeftAsText,
    LogIssue,
    NotUnderstood,
    PrependPath,
    SetProgress,
    SetSecret,
    SetVariable,
    UpdateReleaseName,
    UploadFile,
    UploadSummary,
    understood,
    unescaped,
    written,
)


def read(line: str) -> Command:
    return understood(written(line))


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("##vso[task.setvariable variable=A]1", SetVariable("A", "1", False, False, False)),
        ("##vso[task.setvariable variable=A;]", SetVariable("A", "", False, False, False)),
        ("##vso[task.setvariable variable=a.B;issecret=true]x", SetVariable("a.B", "x", True, False, False)),
        (
            "##vso[TASK.SetVariable Variable=A;isOutput=True;isReadOnly=TRUE;isSecret=no]x=y;z]",
            SetVariable("A", "x=y;z]", False, True, True),
        ),
        ("now: ##vso[task.setvariable variable=A]1", SetVariable("A", "1", False, False, False)),
        ("##vso[task.setsecret]hunter2", SetSecret("hunter2")),
        ("##vso[task.logissue type=error]broken", LogIssue("error", "broken", "", None, None, "")),
        (
            "##vso[task.logissue type=Warning;sourcepath=a%3Bb.cs;linenumber=7;columnnumber=x;code=C1;]odd",
            LogIssue("warning", "odd", "a;b.cs", 7, None, "C1"),
        ),
        ("##vso[task.issue type=error]old", LogIssue("error", "old", "", None, None, "")),
        ("##vso[task.complete result=Failed]why", Complete("failed", "why")),
        ("##vso[task.complete result=succeededwithissues;]", Complete("succeeded with issues", "")),
        ("##vso[task.complete result=Succeeded;]DONE", Complete("succeeded", "DONE")),
        ("##vso[task.setprogress value=40;]copying", SetProgress(40, "copying")),
        ("##vso[task.setprogress value=400]", SetProgress(100, "")),
        ("##vso[task.uploadsummary]/tmp/s.md", UploadSummary("/tmp/s.md")),
        ("##vso[task.uploadfile]/tmp/f", UploadFile("/tmp/f")),
        ("##vso[task.prependpath]/opt/bin", PrependPath("/opt/bin")),
        ("##vso[release.updatereleasename]web 42", UpdateReleaseName("web 42")),
        ("##vso[task.debug]x", LeftAsText()),
    ],
)
def test_a_command_is_read_as_azures_agent_reads_it(line: str, command: Command) -> None:
    """Names in any case, properties in any order, the message up to the end of the line."""
    assert command == read(line)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("##vso[task.setvariable variable=A", "not written like"),
        ("##vso[setvariable variable=A]1", "not written like"),
        ("##vso[a.b.c]1", "not written like"),
        ("##vso[]1", "not written like"),
        ("##vso[task.unheardof]1", "task.unheardof is not known here"),
        ("##vso[build.addbuildtag]1", "build.addbuildtag is not known here"),
        ("##vso[task.setvariable]1", "variable= must name"),
        ("##vso[task.setvariable variable=9]1", "variable= must name"),
        ("##vso[task.setvariable variable=a=b]1", "variable= must name"),
        ("##vso[task.logissue type=info]1", "type= must be"),
        ("##vso[task.logissue]1", "type= must be"),
        ("##vso[task.complete result=Skipped]1", "result= must be"),
        ("##vso[task.setprogress]1", "value= must be"),
        ("##vso[task.setprogress value=-1]1", "value= must be"),
        ("##vso[task.setprogress value=٣]1", "value= must be"),
        ("##vso[task.prependpath] ", "the path of a folder must stand"),
        ("##vso[release.updatereleasename]", "the new name must stand"),
    ],
)
def test_what_is_not_understood_says_why(line: str, why: str) -> None:
    """In words for who wrote the script."""
    found = read(line)
    assert isinstance(found, NotUnderstood)
    assert why in found.why


@pytest.mark.parametrize(
    ("written_so", "meant"),
    [
        ("a%3Bb%0D%0Ac%5Dd", "a;b\r\nc]d"),
        ("100%25", "100%"),
        ("100%AZP25", "100%"),
        ("%AZP253B", "%3B"),
        ("%253B", "%3B"),
        ("%3b%5d", ";]"),
        ("50% off", "50% off"),
        ("%", "%"),
    ],
)
def test_escapes_are_replaced_once(written_so: str, meant: str) -> None:
    """What an escape stands for is not read as the beginning of another."""
    assert meant == unescaped(written_so)


@given(st.text())
def test_a_value_that_was_escaped_comes_back(value: str) -> None:
    """As the task libraries escape it."""
    escaped = value.replace("%", "%AZP25").replace("\r", "%0D").replace("\n", "%0A").replace("]", "%5D")
    command = read(f"##vso[task.setvariable variable=A]{escaped}")
    assert SetVariable("A", value, False, False, False) == command


@given(st.text(alphabet="##vso[task.setvariable ]=;A%25\n\0é", max_size=80))
def test_any_line_is_read_without_an_error(line: str) -> None:
    """Output is anything at all."""
    read(line)
    read("##vso[" + line)


@pytest.mark.parametrize(
    ("line", "is_confidential"),
    [
        ("##vso[task.setsecret]x", True),
        ("##vso[task.setvariable issecret=true]x", True),
        ("##vso[task.setvarible variable=A;isSecret=TRUE]x", True),
        ("##vso[task.setvariable variable=A;issecret=false]x", False),
    ],
)
def test_a_message_that_was_meant_to_be_secret_is_known_as_such(line: str, *, is_confidential: bool) -> None:
    """Also of a command that is wrong otherwise."""
    command = written(line)
    assert command is not None
    assert is_confidential == command.is_confidential

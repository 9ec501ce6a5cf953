"""Read Azure's logging commands, ``##vso[area.action key=value;key=value]message``, out of a line of output.

Standard library only: the step runner uses it. Where a script was written for Azure's agent it must be understood as
there: the first ``##vso[`` anywhere in the line, up to the first ``]``; names in any case; values escaped by ``%3B``,
``%0D``, ``%0A``, ``%5D`` and, for the percent sign itself, ``%25`` or ``%AZP25``.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

PREFIX = b"##vso["
_ESCAPES = {"%3B": ";", "%0D": "\r", "%0A": "\n", "%5D": "]", "%25": "%", "%AZP25": "%"}
_ESCAPED = re.compile("|".join(_ESCAPES), re.IGNORECASE)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_. -]{0,127}")


class SetVariable(NamedTuple):
    """Give following steps a variable."""

    name: str
    value: str
    is_secret: bool
    is_output: bool
    is_read_only: bool


class SetSecret(NamedTuple):
    """Mask this value from now on."""

    value: str


class LogIssue(NamedTuple):
    """An error or a warning that is shown beside the step."""

    kind: str
    message: str
    source_path: str
    line: int | None
    column: int | None
    code: str


class Complete(NamedTuple):
    """End as ``succeeded``, ``succeeded with issues`` or ``failed``, though the script itself ends well."""

    result: str
    message: str


class SetProgress(NamedTuple):
    """How far the step is, in percent, and what it is doing."""

    percent: int
    message: str


class UploadSummary(NamedTuple):
    """Show this Markdown file beside the step."""

    path: str


class UploadFile(NamedTuple):
    """Keep this file with the log."""

    path: str


class PrependPath(NamedTuple):
    """Put this folder in front of ``PATH`` for following steps."""

    path: str


class UpdateReleaseName(NamedTuple):
    """Call the release so."""

    name: str


class NotUnderstood(NamedTuple):
    """The line stays plain text; ``why`` is one sentence."""

    why: str


class LeftAsText(NamedTuple):
    """A command that means nothing but its line."""


Command = (
    SetVariable
    | SetSecret
    | LogIssue
    | Complete
    | SetProgress
    | UploadSummary
    | UploadFile
    | PrependPath
    | UpdateReleaseName
    | NotUnderstood
    | LeftAsText
)


class Written(NamedTuple):
    """A command as it was written: its name in small letters, its properties unescaped, by names in small letters."""

    name: str
    properties: Mapping[str, str]
    message: str

    @property
    def is_confidential(self) -> bool:
        """Whether the message is, or was meant to be, a secret."""
        return self.name == "task.setsecret" or _is_true(self.properties.get("issecret"))


class _Wrong(Exception):  # noqa: N818  reads as what it is
    """Why a command cannot be done."""


def written(line: str) -> Written | None:
    """Take the line's command apart; None when it has none, or one that is no command by its form."""
    _, begun, rest = line.partition(PREFIX.decode())
    head, closed, message = rest.partition("]")
    name, _, properties = head.partition(" ")
    parts = [part for part in name.split(".") if part]
    if not begun or not closed or len(parts) != 2:  # noqa: PLR2004  area and action
        return None
    pairs = [pair.partition("=") for pair in properties.split(";")]
    told = {key.strip().lower(): unescaped(value) for key, _, value in pairs if key.strip() and value}
    return Written(".".join(parts).lower(), told, unescaped(message))


def unescaped(text: str) -> str:
    """The text with Azure's escapes replaced, each once."""
    return _ESCAPED.sub(lambda escape: _ESCAPES[escape.group().upper()], text) if "%" in text else text


def understood(command: Written | None) -> Command:
    """What the command asks for."""
    if command is None:
        return NotUnderstood("it is not written like ##vso[area.action key=value;key=value]message")
    reader = _READERS.get(command.name)
    if reader is None:
        return NotUnderstood(f"{command.name} is not known here")
    try:
        return reader(command)
    except _Wrong as wrong:
        return NotUnderstood(str(wrong))


def _set_variable(command: Written) -> SetVariable:
    name = command.properties.get("variable", "")
    if not _VARIABLE.fullmatch(name):
        raise _Wrong(
            "variable= must name a variable: up to 128 letters, digits, underscores and dots, no digit or dot first"
        )
    is_secret, is_output, is_read_only = (
        _is_true(command.properties.get(flag)) for flag in ("issecret", "isoutput", "isreadonly")
    )
    return SetVariable(name, command.message, is_secret, is_output, is_read_only)


def _log_issue(command: Written) -> LogIssue:
    told = command.properties
    kind = told.get("type", "").lower()
    if kind not in {"error", "warning"}:
        raise _Wrong("type= must be error or warning")
    line, column = _number(told.get("linenumber")), _number(told.get("columnnumber"))
    return LogIssue(kind, command.message, told.get("sourcepath", ""), line, column, told.get("code", ""))


_RESULTS = {"succeeded": "succeeded", "succeededwithissues": "succeeded with issues", "failed": "failed"}


def _complete(command: Written) -> Complete:
    result = _RESULTS.get(command.properties.get("result", "").lower())
    if result is None:
        raise _Wrong("result= must be Succeeded, SucceededWithIssues or Failed")
    return Complete(result, command.message)


def _set_progress(command: Written) -> SetProgress:
    percent = _number(command.properties.get("value"))
    if percent is None:
        raise _Wrong("value= must be a whole number of percent")
    return SetProgress(min(percent, 100), command.message)


def _with_message(make: Callable[[str], Command], what: str) -> Callable[[Written], Command]:
    def read(command: Written) -> Command:
        if not command.message.strip():
            raise _Wrong(f"{what} must stand behind the bracket")
        return make(command.message)

    return read


def _is_true(written_flag: str | None) -> bool:
    return written_flag is not None and written_flag.strip().lower() == "true"


def _number(text: str | None) -> int | None:
    """Only what is plainly a number that fits."""
    text = (text or "").strip()
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


_READERS: dict[str, Callable[[Written], Command]] = {
    "task.setvariable": _set_variable,
    "task.setsecret": lambda command: SetSecret(command.message),
    "task.logissue": _log_issue,
    "task.issue": _log_issue,
    "task.complete": _complete,
    "task.setprogress": _set_progress,
    "task.uploadsummary": _with_message(UploadSummary, "the path of a file"),
    "task.uploadfile": _with_message(UploadFile, "the path of a file"),
    "task.prependpath": _with_message(PrependPath, "the path of a folder"),
    "task.debug": lambda _: LeftAsText(),
    "release.updatereleasename": _with_message(UpdateReleaseName, "the new name"),
}

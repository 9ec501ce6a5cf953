"""What a step says with logging commands, collected while it runs. Standard library only: the step runner uses it.

A command takes effect when the step ends. One that cannot be done leaves its line in the log and a warning below it.
"""

import json
from functools import singledispatchmethod
from pathlib import Path
from typing import Any, NamedTuple

from agent.command_lines import LONGEST, CommandLine
from agent.logging_commands import (
    Complete,
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
)
from agent.masking import SHORTEST, Masker
from agent.named_files import KeptFiles, NotDone, beginning

_ISSUES = 100
_SUMMARIES = 20
_PATHS = 50
_LONGEST_TEXT = 500
_LONGEST_NAME = 200
_SUMMARY_BYTES = 32 * 1024  # of all summaries of a step
_RESULTS = ("succeeded", "succeeded with issues", "failed")


class Terms(NamedTuple):
    """What a step may set: so many variables, bytes of each, bytes of all; and names with a meaning already."""

    number: int = 200
    each: int = 32 * 1024
    size: int = 256 * 1024
    read_only: tuple[str, ...] = ()
    secret: tuple[str, ...] = ()


_NOT_DONE = "the command above is not done"


class StepEffects:
    """Collects; ``masker`` learns every secret before anything after it is shown. ``kept`` is a folder for files."""

    def __init__(self, masker: Masker, folder: Path, terms: Terms, kept: Path) -> None:
        self._masker = masker
        self._folder = folder
        self._terms = terms
        self._variables: dict[str, SetVariable] = {}
        self._issues: list[LogIssue] = []
        self._counts = {"error": 0, "warning": 0}
        self._result: Complete | None = None
        self._progress: SetProgress | None = None
        self._summaries: list[tuple[str, str]] = []
        self._files = KeptFiles(kept, masker)
        self._paths: list[str] = []
        self._release_name: str | None = None
        self._masks: list[str] = []

    def take(self, line: CommandLine) -> bytes:
        """Note what the command asks for; what stands in the log instead of it, yet to be masked."""
        command = understood(line.command)
        hides = line.command is not None and line.command.is_confidential
        if isinstance(command, SetVariable) and self._is_secret(command):
            hides, command = True, command._replace(is_secret=True)
        try:
            remark = self._do(command) if not line.is_too_long else f"{_NOT_DONE}: it is longer than {LONGEST} bytes"
        except NotDone as refused:
            remark = f"{_NOT_DONE}: {refused}"
        if hides and line.command is not None:
            remark = self._hide(line.command.message) or remark
        return (line.without_message if hides else line.shown) + (_warning(remark) if remark else b"")

    def end(self) -> tuple[dict[str, Any], bytes]:
        """What is told of the run, free of secrets, and last words for the log, yet to be masked."""
        leaking = [name for name, variable in self._variables.items() if self._holds_secret(variable)]
        for name in leaking:
            self._variables[name] = self._variables[name]._replace(is_secret=True)
        plain = [variable for variable in self._variables.values() if not variable.is_secret]
        told = {
            "variables": [
                {"name": one.name, "value": one.value, "is_output": one.is_output, "is_read_only": one.is_read_only}
                for one in plain
            ],
            "secret_variables": [
                {"name": one.name, "is_output": one.is_output, "is_read_only": one.is_read_only}
                for one in self._variables.values()
                if one.is_secret
            ],
            "paths": [path for path in self._paths if self._masker.masked(path) == path],
            "issues": [self._masked_issue(issue) for issue in self._issues],
            "errors": self._counts["error"],
            "warnings": self._counts["warning"],
            "result": self._result and self._result.result,
            "result_reason": self._text(self._result.message if self._result else ""),
            "progress": self._progress and self._progress.percent,
            "progress_text": self._text(self._progress.message if self._progress else ""),
            "summaries": self._masked_summaries(),
            "masks": len(self._masks),
            "files": [{"name": self._text(name), "size": size} for name, size in self._files.names_and_sizes()],
            "release_name": self._text(self._release_name)[:_LONGEST_NAME] if self._release_name else None,
        }
        notes = [f"variable {name} holds a secret, so it is kept as a secret" for name in leaking]
        return told, b"".join(_warning(note) for note in notes).removeprefix(b"\n") + (b"\n" if notes else b"")

    def secrets(self) -> dict[str, Any]:
        """Values of the secret variables by name, and what else is to be masked in following steps."""
        variables = {one.name: one.value for one in self._variables.values() if one.is_secret}
        return {"variables": variables, "masks": self._masks} if variables or self._masks else {}

    def _hide(self, secret: str) -> str:
        """Short values cannot be masked, or every word would be; they are kept out of their own line only."""
        self._masker.add([secret])
        is_short = 0 < len(secret.strip()) < SHORTEST
        return f"a secret of fewer than {SHORTEST} characters cannot be hidden in what follows" if is_short else ""

    def _is_secret(self, command: SetVariable) -> bool:
        """What was a secret once stays one."""
        name = spelled(command.name)
        known = self._variables.get(name)
        return name in self._terms.secret or (known is not None and known.is_secret)

    def _holds_secret(self, variable: SetVariable) -> bool:
        return not variable.is_secret and self._masker.masked(variable.value) != variable.value

    @singledispatchmethod
    def _do(self, command: object) -> str:  # noqa: ARG002  nothing but its line
        """Do it; a remark that is to stand below it, or nothing. Raises NotDone."""
        return ""

    @_do.register
    def _not_understood(self, command: NotUnderstood) -> str:
        raise NotDone(command.why)

    @_do.register
    def _set_variable(self, command: SetVariable) -> str:
        name = spelled(command.name)
        before = self._variables.pop(name, None)
        try:
            self._check(name, command, before)
        except NotDone:
            if before is not None:
                self._variables[name] = before
            raise
        self._variables[name] = command
        return ""

    def _check(self, name: str, command: SetVariable, before: SetVariable | None) -> None:
        terms = self._terms
        size = len(command.value.encode(errors="surrogateescape"))
        if name in terms.read_only or (before is not None and before.is_read_only):
            raise NotDone(f"{command.name} was set as read-only")
        if name.startswith("SLIPWAY_"):
            raise NotDone("names that begin with SLIPWAY_ are Slipway's own")
        if self._masker.masked(name) != name or self._masker.masked(command.name) != command.name:
            raise NotDone("its name holds a secret")
        if "\0" in command.value or not _is_utf8(command.value):
            raise NotDone("a value must be UTF-8 and have no NUL in it")
        if size > terms.each:
            raise NotDone(f"a value may have {terms.each // 1024} KiB, this one has {size} bytes")
        if len(self._variables) >= terms.number:
            raise NotDone(f"the steps of a job may set {Terms().number} variables")
        if sum(written_size(one.value) for one in (*self._variables.values(), command)) > terms.size:
            raise NotDone(f"the variables that the steps of a job set may have {Terms().size // 1024} KiB in all")

    @_do.register
    def _set_secret(self, command: SetSecret) -> str:
        """For this run the masker learns it with its line."""
        size = sum(written_size(mask) for mask in (*self._masks, _readable(command.value)))
        if not _is_utf8(command.value) or len(self._masks) >= Terms().number or size > Terms().size:
            return "this secret is masked in this step, but not in following ones"
        self._masks += [command.value] if command.value not in (*self._masks, "") else []
        return ""

    @_do.register
    def _log_issue(self, command: LogIssue) -> str:
        self._counts[command.kind] += 1
        if len(self._issues) < _ISSUES:
            self._issues.append(command)
        return ""

    @_do.register
    def _complete(self, command: Complete) -> str:
        before = self._result
        if before is None or _RESULTS.index(command.result) >= _RESULTS.index(before.result):
            self._result = command
        return ""

    @_do.register
    def _set_progress(self, command: SetProgress) -> str:
        self._progress = command
        return ""

    @_do.register
    def _upload_summary(self, command: UploadSummary) -> str:
        left = _SUMMARY_BYTES - sum(len(text.encode(errors="replace")) for _, text in self._summaries)
        if len(self._summaries) >= _SUMMARIES or left <= 0:
            raise NotDone(f"the summaries of a step may be {_SUMMARIES}, with {_SUMMARY_BYTES // 1024} KiB in all")
        path = self._folder / command.path.strip()
        text, size = beginning(path, 2 * _SUMMARY_BYTES)
        self._summaries.append((path.name, text.decode(errors="replace")))
        return f"only the first {left} bytes of {path.name} are kept" if size > left else ""

    @_do.register
    def _upload_file(self, command: UploadFile) -> str:
        return self._files.keep(self._folder / command.path.strip())

    @_do.register
    def _prepend_path(self, command: PrependPath) -> str:
        path = command.path.strip()
        if not path.startswith("/") or {":", "\0", "\n"} & set(path) or not _is_utf8(path):
            raise NotDone("a folder is named from the root, without a colon or a line break")
        if len(path) > _LONGEST_TEXT or len(self._paths) >= _PATHS:
            raise NotDone(f"a step may put {_PATHS} folders in front of PATH, of {_LONGEST_TEXT} characters each")
        self._paths = [other for other in self._paths if other != path] + [path]
        return ""

    @_do.register
    def _rename(self, command: UpdateReleaseName) -> str:
        self._release_name = " ".join(command.name.split())
        return ""

    def _text(self, text: str) -> str:
        """Fit to be shown and to be told: masked before it is cut, so that no secret is cut out of its mask."""
        return _readable(self._masker.masked(text))[:_LONGEST_TEXT]

    def _masked_summaries(self) -> list[dict[str, str]]:
        """Masked before they are cut, too."""
        told, left = [], _SUMMARY_BYTES
        for name, text in self._summaries:
            kept = self._masker.masked(text).encode(errors="replace")[:left]
            left -= len(kept)
            told.append({"name": self._text(name), "text": kept.decode(errors="ignore")})
        return told

    def _masked_issue(self, issue: LogIssue) -> dict[str, Any]:
        return {
            "kind": issue.kind,
            "message": self._text(issue.message),
            "source_path": self._text(issue.source_path)[:_LONGEST_NAME],
            "line": issue.line,
            "column": issue.column,
            "code": self._text(issue.code)[:_LONGEST_NAME],
        }


def spelled(name: str) -> str:
    """How the environment spells a variable that a step sets: as Azure does, ``my.var`` is ``MY_VAR``."""
    return "".join(letter if letter.isalnum() else "_" for letter in name).upper()


def written_size(value: str) -> int:
    """How many bytes a value takes where it is written as JSON."""
    return len(json.dumps(value, ensure_ascii=False).encode()) - 2


def _warning(text: str) -> bytes:
    return f"\n##[warning]{_readable(text)}".encode()


def _readable(text: str) -> str:
    """Bytes that are no UTF-8 as question marks."""
    return text.encode(errors="surrogateescape").decode(errors="replace")


def _is_utf8(text: str) -> bool:
    return _readable(text) == text

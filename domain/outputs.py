"""What steps set for the steps and jobs after them, and the environment that comes of it.

A variable that a step sets is found by the following steps of its job in the spelling of Azure: capitals, dots as
underscores. An *output* of a step that has an ``id`` is found besides as ``<ID>_<NAME>``, and in later jobs of the
deployment as ``<JOB>_<ID>_<NAME>``. Of a secret only the name is known here, and the run that set it.
"""

import json
import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Self

from domain.frozen import Frozen
from domain.pipeline import Step
from domain.status import RunStatus

VARIABLES = 200
VALUE_BYTES = 32 * 1024
ALL_BYTES = 256 * 1024
FILES = 20  # that one step may have kept
FILE_BYTES = 10 * 2**20
FILES_BYTES = 50 * 2**20  # of all files of a step


class SetName(Frozen):
    """A variable that a step set; of a secret no more than this."""

    name: str
    is_output: bool = False
    is_read_only: bool = False


class SetValue(SetName):
    """A variable that a step set, and its value."""

    value: str


class IssueKind(StrEnum):
    """How grave an issue is. Neither decides how a step ends."""

    ERROR = "error"
    WARNING = "warning"


class Issue(Frozen):
    """What a step found worth telling beside its log."""

    kind: IssueKind
    message: str
    source_path: str = ""
    line: int | None = None
    column: int | None = None
    code: str = ""


class StepResult(StrEnum):
    """How a step says that it ended."""

    SUCCEEDED = "succeeded"
    SUCCEEDED_WITH_ISSUES = "succeeded with issues"
    FAILED = "failed"


class Summary(Frozen):
    """A Markdown text that a step wants shown beside it."""

    name: str
    text: str


class NotedFile(Frozen):
    """A file that a step wants kept; ``size`` is that of the copy, in which secrets are masked."""

    name: str
    size: int


class Told(Frozen):
    """What a step told of itself with logging commands; ``errors`` and ``warnings`` count also what is not kept.

    ``masks`` is how many values it wants masked without a name.
    """

    variables: tuple[SetValue, ...] = ()
    secret_variables: tuple[SetName, ...] = ()
    paths: tuple[str, ...] = ()
    issues: tuple[Issue, ...] = ()
    errors: int = 0
    warnings: int = 0
    result: StepResult | None = None
    result_reason: str = ""
    progress: int | None = None
    progress_text: str = ""
    summaries: tuple[Summary, ...] = ()
    files: tuple[NotedFile, ...] = ()
    release_name: str | None = None
    masks: int = 0

    @property
    def why(self) -> str:
        """What the step says of a result that is not plain success."""
        if self.result == StepResult.FAILED:
            return self.result_reason or "the step said that it has failed"
        return self.result_reason if self.result == StepResult.SUCCEEDED_WITH_ISSUES else ""


def run_status(exit_code: int | None, told: Told) -> RunStatus:
    """How a run that came to its end has ended: by its exit code, and what it said of itself if that is worse."""
    if exit_code or told.result == StepResult.FAILED:
        return RunStatus.FAILED
    return RunStatus.PARTIALLY_SUCCEEDED if told.result == StepResult.SUCCEEDED_WITH_ISSUES else RunStatus.SUCCEEDED


class Room(Frozen):
    """What a step may still set: so many variables, bytes of each, bytes of all; and what was set for good."""

    number: int = VARIABLES
    each: int = VALUE_BYTES
    size: int = ALL_BYTES
    read_only: tuple[str, ...] = ()


class Outputs(Frozen):
    """What was set so far, by environment name: values, and for secrets the run that set them with their name there.

    ``for_later_jobs`` and ``secrets_for_later_jobs`` are what the next job begins with. With ``are_masked`` there are
    values that every following step masks, whether it names them or not.
    """

    plain: dict[str, str] = {}
    secret: dict[str, str] = {}
    read_only: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    for_later_jobs: dict[str, str] = {}
    secrets_for_later_jobs: dict[str, str] = {}
    are_masked: bool = False

    @property
    def room(self) -> "Room":
        """What the next step may set."""
        taken = sum(written_size(value) for value in self.plain.values())
        number = len(self.plain) + len(self.secret)
        return Room(number=max(0, VARIABLES - number), size=max(0, ALL_BYTES - taken), read_only=self.read_only)

    def after_step(self, job: str, step: Step, run_id: str, told: Told) -> "Outputs":
        """With what one run of the step set. What was read-only before stays as it was."""
        changed = self
        for variable in told.variables:
            changed = _with(changed, _Names.of(job, step, variable), variable, plain=variable.value)
        for name in told.secret_variables:
            reference = secret_reference(run_id, name.name)
            changed = _with(changed, _Names.of(job, step, name), name, secret=reference)
        paths = [path for path in changed.paths if path not in told.paths]
        are_masked = changed.are_masked or bool(told.secret_variables or told.masks)
        return changed.model_copy(update={"paths": (*reversed(told.paths), *paths), "are_masked": are_masked})

    def for_next_job(self) -> "Outputs":
        """What of it the next job of the deployment finds."""
        return Outputs(
            plain=self.for_later_jobs,
            secret=self.secrets_for_later_jobs,
            for_later_jobs=self.for_later_jobs,
            secrets_for_later_jobs=self.secrets_for_later_jobs,
            are_masked=self.are_masked,
        )

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """The variables of the job with what steps set over them, in whatever case it was spelt there."""
        over = {name: self.plain[name.upper()] for name in variables if name.upper() in self.plain}
        seen = {name: value for name, value in variables.items() if name.upper() not in self.secret}
        return {**seen, **over, **self.plain}

    def secrets(self, wanted: Iterable[str]) -> dict[str, str]:
        """Of these environment names, those that a step set as secrets, and where."""
        return {name: self.secret[name.upper()] for name in wanted if name.upper() in self.secret}


def _with(
    before: Outputs, names: "_Names", variable: SetName, *, plain: str | None = None, secret: str | None = None
) -> Outputs:
    """With one variable that is set, either plain or secret."""
    if names.here[0] in before.read_only:
        return before
    update = {
        "plain": _set(before.plain, names.here, plain),
        "secret": _set(before.secret, names.here, secret),
        "for_later_jobs": _set(before.for_later_jobs, names.later, plain),
        "secrets_for_later_jobs": _set(before.secrets_for_later_jobs, names.later, secret),
        "read_only": (*before.read_only, *names.here) if variable.is_read_only else before.read_only,
    }
    return before.model_copy(update=update)


class _Names(Frozen):
    """Under which names a variable is found, in this job and in later ones."""

    here: tuple[str, ...]
    later: tuple[str, ...]

    @classmethod
    def of(cls, job: str, step: Step, variable: SetName) -> Self:
        own = environment_spelling(variable.name)
        if not variable.is_output or not step.id:
            return cls(here=(own,), later=())
        of_step = environment_spelling(f"{step.id}_{own}")
        return cls(here=(own, of_step), later=(environment_spelling(f"{job}_{of_step}"),))


def _set(values: dict[str, str], names: tuple[str, ...], value: str | None) -> dict[str, str]:
    """A name is either plain or secret: what becomes the one is no longer the other."""
    if value is None:
        return {name: old for name, old in values.items() if name not in names}
    return values | dict.fromkeys(names, value)


def environment_spelling(name: str) -> str:
    """How the environment spells a variable that a step sets: ``my.var`` is ``MY_VAR``."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name).upper()


def secret_reference(run_id: str, name: str) -> str:
    """``webshop/41/prod/1/deploy/2/1/TOKEN``: the secret TOKEN that this run set."""
    return f"{run_id}/{environment_spelling(name)}"


def split_secret_reference(reference: str) -> tuple[str, str]:
    """The run and the environment name; raises ValueError when it is no reference."""
    run_id, name = reference.rsplit("/", 1)
    return run_id, name


def written_size(value: str) -> int:
    """How many bytes a value takes where it is written as JSON."""
    return len(json.dumps(value, ensure_ascii=False).encode()) - 2


def names_of_secrets(earlier: Iterable[tuple[str, Step]], job: str) -> tuple[str, ...]:
    """How a step of ``job`` finds the secrets that earlier steps declare, each of which is given with its job."""
    names: dict[str, None] = {}
    for other, step in earlier:
        for declared in step.secret_outputs:
            of_step = [f"{step.id}_{declared}"] if step.id else []
            found = [declared, *of_step] if other == job else [f"{other}_{name}" for name in of_step]
            names |= dict.fromkeys(environment_spelling(name) for name in found)
    return tuple(names)

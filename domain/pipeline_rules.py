"""What a pipeline must fulfil beyond the types of its fields: names that exist, no cycles, one source per artifact."""

import re
from collections import Counter
from collections.abc import Collection, Iterator

from domain.approval_policy import ApprovalPolicy
from domain.duration import render
from domain.frozen import Frozen
from domain.jenkins_parameters import RUN_PARAMETER
from domain.outputs import environment_spelling, names_of_secrets
from domain.pipeline import Job, Pipeline, SecretVariable, Stage, Step
from domain.stage_graph import dependency_cycle

Path = tuple[str | int, ...]


class BrokenRule(Frozen):
    """What is wrong, where (``("stages", 1, "after", 0)``), and the names that would have been right."""

    path: Path
    message: str
    known: tuple[str, ...] = ()
    wrong: str | None = None


def broken_rules(pipeline: Pipeline) -> list[BrokenRule]:
    """Everything that is wrong with a well-typed pipeline, in the author's order."""
    return [
        *_artifacts(pipeline),
        *_repeated("stage", [stage.stage for stage in pipeline.stages], ("stages",)),
        *(broken for at, stage in enumerate(pipeline.stages) for broken in _stage(pipeline, at, stage)),
        *_cycle(pipeline),
    ]


def _artifacts(pipeline: Pipeline) -> Iterator[BrokenRule]:
    for alias, artifact in pipeline.artifacts.items():
        if len(artifact.sources) != 1:
            text = "name exactly one source: jenkins, azure-pipelines, url, directory, storage or github"
            yield BrokenRule(path=("artifacts", alias), message=text)


def _stage(pipeline: Pipeline, at: int, stage: Stage) -> Iterator[BrokenRule]:
    path: Path = ("stages", at)
    names = tuple(other.stage for other in pipeline.stages)
    for index, after in enumerate(stage.after):
        if after.stage not in names:
            text = f"there is no stage {after.stage}"
            yield BrokenRule(path=(*path, "after", index), message=text, known=names, wrong=after.stage)
    yield from _policy(stage.before.approval, (*path, "before", "approval"))
    yield from _policy(stage.after_deployment.approval, (*path, "after_deployment", "approval"))
    policy = stage.after_deployment.approval
    if policy and policy.skip_if_approved_before:
        where = (*path, "after_deployment", "approval", "skip_if_approved_before")
        yield BrokenRule(path=where, message="is for approvals before a deployment only")
    yield from _repeated("job", [job.job for job in stage.jobs], (*path, "jobs"))
    for index, job in enumerate(stage.jobs):
        yield from _job(pipeline, stage, job, (*path, "jobs", index))


def _policy(policy: ApprovalPolicy | None, path: Path) -> Iterator[BrokenRule]:
    if policy and policy.needed > len(policy.approvers):
        text = f"needs {policy.needed} approvals but asks only {len(policy.approvers)}"
        yield BrokenRule(path=(*path, "need"), message=text)
    if policy and policy.escalate and policy.escalate.after >= policy.timeout:
        text = f"must be less than the timeout, which is {render(policy.timeout)}"
        yield BrokenRule(path=(*path, "escalate", "after"), message=text)


def _job(pipeline: Pipeline, stage: Stage, job: Job, path: Path) -> Iterator[BrokenRule]:
    aliases = tuple(pipeline.artifacts)
    for index, alias in enumerate(job.download if isinstance(job.download, tuple) else ()):
        if alias not in aliases:
            text = f"there is no artifact {alias}"
            yield BrokenRule(path=(*path, "download", index), message=text, known=aliases, wrong=alias)
    variables = pipeline.variables | stage.variables
    secrets = dict.fromkeys(name for name, variable in variables.items() if isinstance(variable, SecretVariable))
    before = ((other.job, step) for other in stage.jobs[: stage.jobs.index(job)] for step in other.steps)
    secrets |= dict.fromkeys(names_of_secrets(before, job.job))
    ids = set[str]()
    for step_at, step in enumerate(job.steps):
        yield from _step(step, secrets, (*path, "steps", step_at))
        secrets |= dict.fromkeys(names_of_secrets([(job.job, step)], job.job))
        if step.id and step.id.upper() in ids:
            yield BrokenRule(path=(*path, "steps", step_at, "id"), message=f"there is already a step {step.id}")
        ids.add((step.id or "").upper())


def _step(step: Step, secrets: Collection[str], path: Path) -> Iterator[BrokenRule]:
    if (step.run is None) == (step.jenkins is None):
        yield BrokenRule(path=path, message="name exactly one of run, a script, and jenkins, a job of Jenkins")
    elif step.jenkins is not None:
        yield from _step_of_jenkins(step, path)
    for index, name in enumerate(step.secrets):
        if name not in secrets and environment_spelling(name) not in secrets:
            text = f"there is no secret variable {name}"
            yield BrokenRule(path=(*path, "secrets", index), message=text, known=tuple(secrets), wrong=name)
    if step.working_directory.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", step.working_directory):
        yield BrokenRule(
            path=(*path, "working_directory"), message="must stay below the workspace: no / in front, no .."
        )


def _step_of_jenkins(step: Step, path: Path) -> Iterator[BrokenRule]:
    for key in ("shell", "environment", "secret_outputs", "working_directory"):
        if getattr(step, key) != Step.model_fields[key].get_default(call_default_factory=True):
            text = "is for scripts (run); a Jenkins job is told what it needs by its parameters"
            yield BrokenRule(path=(*path, key), message=text)
    assert step.jenkins is not None, "asked only for such steps"
    if RUN_PARAMETER in step.jenkins.parameters:
        where = (*path, "jenkins", "parameters", RUN_PARAMETER)
        yield BrokenRule(path=where, message="is set by Slipway, so that no build is started twice")


def _repeated(kind: str, names: list[str], path: Path) -> Iterator[BrokenRule]:
    seen = Counter[str]()
    for at, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            yield BrokenRule(path=(*path, at, kind), message=f"there is already a {kind} {name}")


def _cycle(pipeline: Pipeline) -> Iterator[BrokenRule]:
    cycle = dependency_cycle(pipeline.stages)
    if cycle:
        at = next(index for index, stage in enumerate(pipeline.stages) if stage.stage == cycle[0])
        text = f"stages wait for each other: {' -> '.join(cycle)}"
        yield BrokenRule(path=("stages", at, "after"), message=text)

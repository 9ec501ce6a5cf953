"""How every thing is named, and the workflow id that belongs to it. No f-string of an id stands anywhere else.

A release is addressed by its pipeline and number, a deployment by its release, stage and attempt, an approval by
its deployment and moment, a step run by its deployment, job, step and try. All parts are slugs or numbers, so the
slash-separated spelling is unambiguous and the same in URLs, tables and Temporal Web UI.
"""

from typing import Annotated, Self

from pydantic import StringConstraints

from domain.frozen import Frozen

SLUG_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
Slug = Annotated[str, StringConstraints(pattern=SLUG_PATTERN)]


class ReleaseId(Frozen):
    """``webshop/41``."""

    pipeline: Slug
    number: int

    def __str__(self) -> str:
        return f"{self.pipeline}/{self.number}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``webshop/41``; raises ValueError otherwise."""
        pipeline, number = text.split("/")
        return cls(pipeline=pipeline, number=_number(number))

    @property
    def workflow_id(self) -> str:
        return f"release/{self}"


class DeploymentId(Frozen):
    """``webshop/41/prod/1``: one attempt to deploy one release to one stage."""

    release: ReleaseId
    stage: Slug
    attempt: int

    def __str__(self) -> str:
        return f"{self.release}/{self.stage}/{self.attempt}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``webshop/41/prod/1``; raises ValueError otherwise."""
        release, stage, attempt = text.rsplit("/", 2)
        return cls(release=ReleaseId.parse(release), stage=stage, attempt=_number(attempt))

    @property
    def workflow_id(self) -> str:
        return f"deployment/{self}"


def _number(text: str) -> int:
    """Only the one spelling that ``str`` gives: ``+41`` and ``041`` would be second names of the same thing."""
    if str(number := int(text)) != text:
        message = f"{text} is no number of ours"
        raise ValueError(message)
    return number


def approval_id(deployment: DeploymentId, moment: str) -> str:
    """``webshop/41/prod/1/before``."""
    return f"{deployment}/{moment}"


def split_approval_id(approval: str) -> tuple[DeploymentId, str]:
    """Deployment and moment of an approval id; raises ValueError when it is none."""
    deployment, moment = approval.rsplit("/", 1)
    return DeploymentId.parse(deployment), moment


def job_id(deployment: DeploymentId, job: str) -> str:
    """``webshop/41/prod/1/deploy``: one job of one deployment."""
    return f"{deployment}/{job}"


def step_run_id(job: str, step: int, try_number: int) -> str:
    """``webshop/41/prod/1/deploy/2/1``: one run of the job's step (counted from 1; 0 is the artifact download)."""
    return f"{job}/{step}/{try_number}"


def job_of_step_run(run: str) -> str:
    """The job id a step run id belongs to."""
    return run.rsplit("/", 2)[0]


def deployment_of_run(run: str) -> DeploymentId:
    """The deployment a step run id belongs to; raises ValueError when it is none."""
    return DeploymentId.parse(job_of_step_run(run).rsplit("/", 1)[0])


def environment_workflow_id(environment: str) -> str:
    """The workflow that hands out the turns of this environment."""
    return f"environment/{environment}"


def agent_queue(agent: str) -> str:
    """The task queue only this agent polls."""
    return f"agent/{agent}"


def schedule_id(pipeline: str, number: int) -> str:
    """The Temporal Schedule of one schedule of a pipeline, counted from 0; its runs add their time."""
    return f"schedule/{pipeline}/{number}"


def poll_id(pipeline: str, alias: str) -> str:
    """The Temporal Schedule by which the source of an artifact is asked; its runs add their time."""
    return f"poll/{pipeline}/{alias}"


def no_release_workflow_id(event: str) -> str:
    """The workflow that tells that nothing came of a trigger event."""
    return f"no-release/{event}"


OF_SCHEDULES = ("schedule/", "poll/")
RELEASE_QUEUE = "releases"

"""What each step of a job finds: the variables of its stage, and what the steps and jobs before it set."""

from domain.frozen import Frozen
from domain.ids import DeploymentId
from domain.outputs import Outputs, Room, Told
from domain.pipeline import Job, Stage, Step
from domain.release import ReleasePlan
from domain.variables import environment_name, of_stage, predefined

_SET_BY_STEP = "set by an earlier step"


class Found(Frozen):
    """What one step finds. Of the secrets it names, some are stored, and some were set by earlier steps."""

    environment: dict[str, str]
    stored: dict[str, str]
    set_by_steps: dict[str, str]
    secrets: dict[str, str]
    paths: tuple[str, ...]
    room: Room
    masks_of_job: bool


class JobVariables:
    """Goes along with one job, step by step."""

    def __init__(
        self, plan: ReleasePlan, stage: Stage, deployment: DeploymentId, job: Job, requested_by: str, before: Outputs
    ) -> None:
        self._job = job
        self._stage = of_stage(plan, stage)
        self._predefined = predefined(plan, deployment, job.job, requested_by)
        self._before = before
        self.outputs = before
        self._has_secrets = before.are_masked

    def found_by(self, step: Step) -> Found:
        """What it finds now. A secret that it names and nobody set is among ``secrets`` alone."""
        wanted = {environment_name(name): name for name in step.secrets}
        told = self.outputs.secrets(wanted)
        stored = {
            spelt: self._stage.secrets[name]
            for spelt, name in wanted.items()
            if spelt not in told and name in self._stage.secrets
        }
        masks_of_job, self._has_secrets = self._has_secrets, self._has_secrets or bool(wanted)
        plain = {environment_name(name): value for name, value in self._stage.plain.items()}
        return Found(
            environment=self.outputs.environment(self._predefined | plain) | step.environment,
            stored=stored,
            set_by_steps=told,
            secrets={spelt: stored.get(spelt, _SET_BY_STEP) for spelt in wanted},
            paths=self.outputs.paths,
            room=self.outputs.room,
            masks_of_job=masks_of_job,
        )

    def take(self, step: Step, run_id: str, told: Told) -> None:
        """A run of the step has ended, and told this."""
        self.outputs = self.outputs.after_step(self._job.job, step, run_id, told)
        self._has_secrets = self._has_secrets or self.outputs.are_masked

    def start_anew(self) -> None:
        """The job begins again with its first step."""
        self.outputs = self._before.model_copy(update={"are_masked": self.outputs.are_masked})

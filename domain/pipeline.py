"""The pipeline as its author writes it: artifacts, variables, stages, jobs, steps.

Every name in the file is a field here; the JSON Schema is generated from these models. What cannot be said in a
type (references between stages, cycles) is checked by ``domain.pipeline_rules``.
"""

from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, StrictBool, StrictInt, StringConstraints

from domain.approval_policy import ApprovalPolicy
from domain.business_hours import TIME_ZONE_PATTERN
from domain.duration import Duration, PositiveDuration
from domain.frozen import Frozen
from domain.ids import Slug

VARIABLE_NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.]{0,127}$"
ENVIRONMENT_NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,127}$"
PARAMETER_NAME_PATTERN = r"^.{1,200}$"
STEP_ID_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,62}$"
CAPABILITY_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"
DEMAND_PATTERN = (
    r"^(!?[A-Za-z0-9][A-Za-z0-9._-]{0,62}(=[A-Za-z0-9][A-Za-z0-9._-]{0,62})?"
    r"|[A-Za-z0-9][A-Za-z0-9._-]{0,62}>=[0-9]{1,9}(\.[0-9]{1,9}){0,4})$"
)
HREF_PATTERN = r"^https?://[^\s@]+$"
SHA256_PATTERN = r"^[0-9a-f]{64}$"
ABSOLUTE_PATH_PATTERN = r"^/"
STORAGE_URL_PATTERN = r"^(s3|az|gs)://[^\s/@?#]+(/[^\s?#]*)?$"
REPOSITORY_PATTERN = r"^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$"

VariableName = Annotated[str, StringConstraints(pattern=VARIABLE_NAME_PATTERN)]
EnvironmentName = Annotated[str, StringConstraints(pattern=ENVIRONMENT_NAME_PATTERN)]
StepId = Annotated[str, StringConstraints(pattern=STEP_ID_PATTERN)]
ParameterName = Annotated[str, StringConstraints(pattern=PARAMETER_NAME_PATTERN)]
Demand = Annotated[str, StringConstraints(pattern=DEMAND_PATTERN)]

_LONGEST_TITLE = 60


def _as_text(written: object) -> object:
    """Let numbers and true/false stand for their spelling, where only text makes sense."""
    if isinstance(written, bool):
        return "true" if written else "false"
    return str(written) if isinstance(written, int | float) else written


Text = Annotated[str, BeforeValidator(_as_text, json_schema_input_type=str | int | float | bool)]
Version = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200),
    BeforeValidator(_as_text, json_schema_input_type=str | int | float),
]


class JenkinsSource(Frozen):
    """Files archived by a Jenkins job."""

    server: Slug = Field(description="Name of the Jenkins connection.")
    job: str = Field(min_length=1, description="Path of the job, folders and branch included: team/webshop/main.")
    paths: tuple[str, ...] = Field(default=("**",), description="Patterns of the archived files to take.")


class AzurePipelinesSource(Frozen):
    """One artifact published by an Azure Pipelines build."""

    connection: Slug = Field(description="Name of the Azure DevOps connection.")
    project: str = Field(min_length=1, description="Name or id of the project.")
    pipeline: str = Field(min_length=1, description="Name or id of the build pipeline.")
    artifact: str = Field(min_length=1, description="Name of the published artifact.")
    paths: tuple[str, ...] = Field(default=("**",), description="Patterns of the files to take.")


class UrlSource(Frozen):
    """One file at an HTTP(S) address."""

    href: str = Field(pattern=HREF_PATTERN, description="Address of the file, without credentials.")
    sha256: str | None = Field(default=None, pattern=SHA256_PATTERN, description="Refuse any other bytes.")


class DirectorySource(Frozen):
    """Files of a directory that both the release worker and the agents can read."""

    path: str = Field(pattern=ABSOLUTE_PATH_PATTERN, description="The directory, from the root.")
    paths: tuple[str, ...] = Field(default=("**",), description="Patterns of the files to take.")


class StorageSource(Frozen):
    """Files below a prefix of an object store; each folder there is a version."""

    connection: Slug = Field(description="Name of the connection to the object store.")
    url: str = Field(pattern=STORAGE_URL_PATTERN, description="s3://bucket/prefix, az:// or gs://.")
    paths: tuple[str, ...] = Field(default=("**",), description="Patterns of the files to take.")


class GithubSource(Frozen):
    """Files of a GitHub release; the version is its tag."""

    repository: str = Field(pattern=REPOSITORY_PATTERN, description="owner/name.")
    connection: Slug | None = Field(default=None, description="Name of the GitHub connection. None: what is public.")
    paths: tuple[str, ...] = Field(default=("**",), description="Patterns of the files to take.")


Source = JenkinsSource | AzurePipelinesSource | UrlSource | DirectorySource | StorageSource | GithubSource


class LatestOf(Frozen):
    """The newest good version that fits: of a branch, with all these tags."""

    branch: str | None = Field(default=None, description="Only builds of this branch.")
    tags: tuple[str, ...] = Field(default=(), description="Only builds that carry all of these tags.")
    stable: StrictBool = Field(default=False, description="Only builds without failed tests.")


class Trigger(Frozen):
    """New versions of the artifact become releases by themselves. Names may hold the wildcard *."""

    branches: tuple[str, ...] = Field(default=(), description="Only builds of these branches: main, release/*.")
    exclude: tuple[str, ...] = Field(default=(), description="No builds of these branches.")
    tags: tuple[str, ...] = Field(default=(), description="Only builds that carry all of these tags.")
    poll: PositiveDuration | None = Field(
        default=None, description="Ask the source that often. Without it, a webhook is awaited."
    )


def _as_trigger(written: object) -> object:
    return {} if written is True else written


class Schedule(Frozen):
    """Releases at certain times."""

    cron: str = Field(min_length=1, max_length=120, description="Minute, hour, day, month, weekday: 0 6 * * MON-FRI.")
    timezone: Annotated[str, StringConstraints(pattern=TIME_ZONE_PATTERN)] = Field(
        default="UTC", description="Such as Europe/Berlin."
    )
    only_if_changed: StrictBool = Field(
        default=False, description="Only when an artifact has another version than in the release before."
    )


class Artifact(Frozen):
    """One artifact of the release. Exactly one of the sources is given."""

    jenkins: JenkinsSource | None = Field(default=None, description="From a Jenkins job.")
    azure_pipelines: AzurePipelinesSource | None = Field(
        default=None, alias="azure-pipelines", description="From an Azure Pipelines build."
    )
    url: UrlSource | None = Field(default=None, description="From an HTTP(S) address.")
    directory: DirectorySource | None = Field(default=None, description="From a directory.")
    storage: StorageSource | None = Field(default=None, description="From an object store.")
    github: GithubSource | None = Field(default=None, description="From a GitHub release.")
    version: Version | LatestOf = Field(
        default="latest",
        description="latest, a build number, {branch, tags, stable}, or ask (named when the release is made).",
    )
    trigger: Annotated[
        Trigger | None, BeforeValidator(_as_trigger, json_schema_input_type=Trigger | Literal[True] | None)
    ] = Field(default=None, description="A new version makes a release.")
    unpack: StrictBool = Field(default=False, description="Unpack .zip, .tar and .tar.gz files after the download.")

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources that are given: one, in a pipeline that keeps the rules."""
        given = (self.jenkins, self.azure_pipelines, self.url, self.directory, self.storage, self.github)
        return tuple(source for source in given if source is not None)

    @property
    def source(self) -> Source:
        found = self.sources
        assert found, "pipeline_rules lets no artifact without a source pass"
        return found[0]


class PlainVariable(Frozen):
    """A value, and whether it may be set when a release is made."""

    value: Text = Field(description="The value.")
    settable: StrictBool = Field(default=False, description="May be set when a release is made.")


class SecretVariable(Frozen):
    """A reference to a stored secret; the value is never part of the pipeline."""

    secret: str = Field(min_length=1, description="Name of the stored secret, such as webshop/db.")


def _as_variable(written: object) -> object:
    return {"value": written} if isinstance(written, str | int | float) else written


Variable = Annotated[
    PlainVariable | SecretVariable,
    BeforeValidator(_as_variable, json_schema_input_type=(PlainVariable | SecretVariable | str | int | float | bool)),
]
Variables = dict[VariableName, Variable]


class Condition(StrEnum):
    """When a job or step runs, by what ran before it."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ALWAYS = "always"


class Shell(StrEnum):
    """What runs an inline script."""

    SH = "sh"
    BASH = "bash"
    PWSH = "pwsh"
    PYTHON = "python"


class JenkinsJob(Frozen):
    """A job that Jenkins runs. Parameters may name what the step finds, as $(ARTIFACT_WEB_VERSION)."""

    server: Slug = Field(description="Name of the Jenkins connection.")
    job: str = Field(min_length=1, description="Path of the job, folders and branch included: team/webshop/tests.")
    parameters: dict[ParameterName, Text] = Field(
        default_factory=dict, description="Parameters of the build. $(NAME) is filled in."
    )
    accept_unstable: StrictBool = Field(
        default=False, description="An unstable build makes the step partially succeeded instead of failed."
    )


class OnFailure(StrEnum):
    """What becomes of a step that has failed for good."""

    FAIL = "fail"
    ASK = "ask"


class Step(Frozen):
    """A script on the agent, or a job of Jenkins. Exactly one of both is given."""

    run: str | None = Field(
        default=None, min_length=1, description="The script, run by the shell in the job's workspace."
    )
    jenkins: JenkinsJob | None = Field(default=None, description="The Jenkins job to run and follow.")
    id: StepId | None = Field(
        default=None,
        description="Unique in its job: its outputs are found as <ID>_<NAME>, in later jobs <JOB>_<ID>_<NAME>.",
    )
    name: str | None = Field(default=None, max_length=120, description="Default: the first line of the script.")
    shell: Shell = Field(default=Shell.SH, description="What runs the script.")
    enabled: StrictBool = Field(default=True, description="Whether the step runs at all.")
    timeout: PositiveDuration = Field(default=timedelta(hours=1), description="Then the step is killed and has failed.")
    retries: StrictInt = Field(default=0, ge=0, le=10, description="Runs again after a failure, at most so often.")
    condition: Condition = Field(
        default=Condition.SUCCEEDED, description="Whether it runs, by how the steps before it ended."
    )
    continue_on_error: StrictBool = Field(
        default=False, description="A failure makes the job partially succeeded at best."
    )
    on_failure: OnFailure = Field(
        default=OnFailure.FAIL,
        description="ask: people decide whether it runs again in the same workspace, is left out, or fails.",
    )
    environment: dict[EnvironmentName, Text] = Field(
        default_factory=dict, description="Added to the environment of this step."
    )
    secrets: tuple[VariableName, ...] = Field(
        default=(), description="Secret variables put in this step's environment. No other step sees them."
    )
    secret_outputs: tuple[VariableName, ...] = Field(
        default=(), description="Secrets that this step sets, so that later steps may name them under secrets."
    )
    working_directory: str = Field(default=".", description="Below the workspace.")

    @property
    def title(self) -> str:
        """The name, or the first line of the script, or the Jenkins job, cut to a readable length."""
        what = f"Jenkins job {self.jenkins.job}" if self.jenkins else self.run or ""
        first = next((line.strip() for line in what.splitlines() if line.strip()), "")
        return self.name or (first if len(first) <= _LONGEST_TITLE else first[: _LONGEST_TITLE - 1] + "…")


class AgentLost(StrEnum):
    """What becomes of a job whose agent stayed away, or of a step whose end nobody saw."""

    FAIL = "fail"
    ASK = "ask"
    RESTART = "restart"


class Job(Frozen):
    """Steps that run in order on one agent, in one workspace."""

    job: Slug = Field(description="Name of the job, unique in its stage.")
    pool: Slug = Field(default="default", description="The pool whose agents may take the job.")
    demands: tuple[Demand, ...] = Field(
        default=(), description="Capabilities the agent must have: docker, os=linux, python3>=3.10; or must not: !gpu."
    )
    condition: Condition = Field(
        default=Condition.SUCCEEDED, description="Whether it runs, by how the jobs before it ended."
    )
    timeout: PositiveDuration | None = Field(default=None, description="From the moment an agent took the job.")
    wait_for_agent: PositiveDuration | None = Field(
        default=None, description="Fail when no agent took the job within this time."
    )
    priority: StrictInt = Field(
        default=3, ge=1, le=5, description="Of jobs that wait for the same agents, 1 goes first, 5 last."
    )
    rejoin: Duration = Field(
        default=timedelta(minutes=5),
        description="How long an agent may stay away. A step that is cut off for 0.6 of it is ended.",
    )
    on_agent_lost: AgentLost = Field(
        default=AgentLost.FAIL,
        description="What becomes of the job then: it fails; people decide; or it starts anew on any agent, up to "
        "three times, which is for jobs whose steps may run twice.",
    )
    ask_timeout: PositiveDuration = Field(
        default=timedelta(days=1), description="How long people have to decide before the job fails."
    )
    download: Literal["all", "none"] | tuple[Slug, ...] = Field(
        default="all", description="Which artifacts are downloaded before the first step: all, none, or these."
    )
    steps: tuple[Step, ...] = Field(min_length=1, description="Run in order.")


class After(Frozen):
    """A stage to wait for."""

    stage: Slug = Field(description="Name of the stage.")
    accept_partially_succeeded: StrictBool = Field(
        default=False, description="Start also when that stage succeeded only in part."
    )


def _as_after(written: object) -> object:
    return {"stage": written} if isinstance(written, str) else written


class Checks(Frozen):
    """What must be given before, or after, a deployment."""

    approval: ApprovalPolicy | None = Field(default=None, description="People who must approve.")


class EnvironmentQueue(StrEnum):
    """Which waiting release goes next."""

    ALL_IN_ORDER = "all_in_order"
    LATEST_ONLY = "latest_only"


class Environment(Frozen):
    """Where a stage deploys to, and how many deployments it takes at once."""

    name: Slug | None = Field(default=None, description="Default: <pipeline>.<stage>. Name it to share it.")
    at_once: StrictInt = Field(default=1, ge=1, le=1000, description="So many deployments at the same time.")
    queue: EnvironmentQueue = Field(
        default=EnvironmentQueue.ALL_IN_ORDER, description="Whether all that wait go in order, or only the latest."
    )


class Stage(Frozen):
    """One environment-bound part of the pipeline."""

    stage: Slug = Field(description="Name of the stage, unique in the pipeline.")
    after: tuple[Annotated[After, BeforeValidator(_as_after, json_schema_input_type=After | str)], ...] = Field(
        default=(), description="Stages that must succeed first. None: starts with the release."
    )
    manual: StrictBool = Field(default=False, description="Starts only when a person deploys it.")
    environment: Environment = Field(default_factory=Environment, description="Where it deploys to.")
    variables: Variables = Field(default_factory=dict, description="Go before the pipeline's variables of that name.")
    before: Checks = Field(default_factory=Checks, description="Wanted before the jobs run.")
    jobs: tuple[Job, ...] = Field(min_length=1, description="Run in order.")
    after_deployment: Checks = Field(default_factory=Checks, description="Wanted after the jobs have run.")


class Pipeline(Frozen):
    """A pipeline: what is released, and through which stages."""

    pipeline: Slug = Field(description="Name of the pipeline.")
    description: str = Field(default="", max_length=4000, description="For people.")
    release_name: str = Field(
        default="{pipeline}-{number}",
        min_length=1,
        max_length=200,
        description="How releases are called; {pipeline}, {number}, {date} and plain variables are filled in.",
    )
    artifacts: dict[Slug, Artifact] = Field(
        default_factory=dict, description="What is released, by alias: the folder it gets on the agent."
    )
    variables: Variables = Field(default_factory=dict, description="Found in the environment of every step.")
    schedules: tuple[Schedule, ...] = Field(default=(), max_length=20, description="When releases make themselves.")
    stages: tuple[Stage, ...] = Field(min_length=1, max_length=100, description="What a release goes through.")

    def environment_of(self, stage: Stage) -> str:
        """The name of the environment a stage deploys to."""
        return stage.environment.name or f"{self.pipeline}.{stage.stage}"

    def stage(self, name: str) -> Stage:
        """The stage of that name; raises KeyError."""
        for stage in self.stages:
            if stage.stage == name:
                return stage
        raise KeyError(name)

"""What a step of a job finds."""

from typing import Any

from fakes.made_pipelines import NOON

from domain.ids import DeploymentId, ReleaseId
from domain.job_variables import JobVariables
from domain.outputs import Outputs, SetName, SetValue, Told
from domain.pipeline import Pipeline
from domain.release import ReleasePlan

RUN = "p/41/prod/1/d/1/1"


def variables(*steps: dict[str, Any], before: Outputs | None = None) -> JobVariables:
    """A job of these steps, in a pipeline with a variable and a secret."""
    pipeline = Pipeline.model_validate(
        {
            "pipeline": "p",
            "variables": {"REGION": "eu", "DB": {"secret": "shop/db"}},
            "stages": [{"stage": "prod", "jobs": [{"job": "d", "steps": [{"run": "x", **step} for step in steps]}]}],
        }
    )
    plan = ReleasePlan(
        id=ReleaseId(pipeline="p", number=41),
        name="p-41",
        revision=1,
        pipeline=pipeline,
        requested_by="ana@example.com",
        requested_at=NOON,
    )
    stage = pipeline.stages[0]
    deployment = DeploymentId(release=plan.id, stage="prod", attempt=1)
    return JobVariables(plan, stage, deployment, stage.jobs[0], "ana@example.com", before or Outputs())


def test_the_nearest_value_wins() -> None:
    """Pipeline, then what steps set, then the step's own environment."""
    job = variables({}, {"environment": {"ZONE": "own"}})
    first, second = job._job.steps
    assert "eu" == job.found_by(first).environment["REGION"]
    told = Told(variables=(SetValue(name="region", value="us"), SetValue(name="zone", value="set")), paths=("/a",))
    job.take(first, RUN, told)
    found = job.found_by(second)
    assert ("us", "own", "p-41") == tuple(found.environment[name] for name in ("REGION", "ZONE", "RELEASE_NAME"))
    assert ("/a",) == found.paths
    assert 198 == found.room.number


def test_a_secret_comes_from_the_store_or_from_an_earlier_step() -> None:
    """Only for the step that names it; one that nobody set is wanted all the same, so that its lack is told."""
    job = variables({}, {"secrets": ["DB", "Token", "GONE"]})
    first, second = job._job.steps
    job.take(first, RUN, Told(secret_variables=(SetName(name="token"),)))
    found = job.found_by(second)
    assert {"DB": "shop/db"} == found.stored
    assert {"Token": f"{RUN}/TOKEN"} == found.set_by_steps
    assert {"DB", "Token", "GONE"} == set(found.secrets)
    assert {} == job.found_by(first).secrets
    assert not [name for name in found.environment if name.upper() in {"DB", "TOKEN"}]


def test_what_a_step_sets_goes_before_a_stored_secret_of_that_name() -> None:
    """The nearer one."""
    job = variables({"secrets": ["DB"]})
    (step,) = job._job.steps
    job.take(step, RUN, Told(secret_variables=(SetName(name="DB"),)))
    assert ({}, {"DB": f"{RUN}/DB"}) == (job.found_by(step).stored, job.found_by(step).set_by_steps)


def test_a_step_waits_for_the_jobs_secrets_once_there_are_any() -> None:
    """Those that steps were given, and those that they or earlier jobs set, also without a name."""
    job = variables({"secrets": ["DB"]}, {})
    first, second = job._job.steps
    assert [False, True] == [job.found_by(step).masks_of_job for step in (first, second)]
    other = variables({}, {})
    other.take(other._job.steps[0], RUN, Told(masks=1))
    assert other.found_by(other._job.steps[1]).masks_of_job
    assert not variables({}).found_by(first).masks_of_job
    later = variables({}, before=other.outputs.for_next_job())
    assert later.found_by(later._job.steps[0]).masks_of_job
    other.start_anew()
    assert other.outputs.for_next_job().are_masked


def test_a_job_that_starts_anew_begins_as_it_began() -> None:
    """With what earlier jobs set."""
    job = variables({}, before=Outputs(plain={"ONE_A": "1"}))
    (step,) = job._job.steps
    job.take(step, RUN, Told(variables=(SetValue(name="B", value="2"),)))
    job.start_anew()
    found = job.found_by(step).environment
    assert ("1", False) == (found["ONE_A"], "B" in found)

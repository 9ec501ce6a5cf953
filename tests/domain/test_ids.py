"""Every id has one spelling, and the spelling gives the id back."""

import pytest
from fakes.made_pipelines import slugs
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import (
    DeploymentId,
    ReleaseId,
    agent_queue,
    approval_id,
    job_id,
    job_of_step_run,
    split_approval_id,
    step_run_id,
)

releases = st.builds(ReleaseId, pipeline=slugs, number=st.integers(1, 10**9))
deployments = st.builds(DeploymentId, release=releases, stage=slugs, attempt=st.integers(1, 10**6))


def test_ids_read_as_paths() -> None:
    """The same in URLs, tables and Temporal."""
    release = ReleaseId(pipeline="webshop", number=41)
    deployment = DeploymentId(release=release, stage="prod", attempt=1)
    job = job_id(deployment, "deploy")
    assert ("webshop/41", "release/webshop/41") == (str(release), release.workflow_id)
    assert ("webshop/41/prod/1", "deployment/webshop/41/prod/1") == (str(deployment), deployment.workflow_id)
    assert "webshop/41/prod/1/before" == approval_id(deployment, "before")
    assert "webshop/41/prod/1/deploy/2/1" == step_run_id(job, 2, 1)
    assert "agent/web-1" == agent_queue("web-1")


@given(deployments, slugs, st.integers(0, 99), st.integers(1, 99))
def test_an_id_that_is_read_is_the_one_that_was_written(
    deployment: DeploymentId, name: str, step: int, try_number: int
) -> None:
    """For releases, deployments, approvals and step runs."""
    assert deployment.release == ReleaseId.parse(str(deployment.release))
    assert deployment == DeploymentId.parse(str(deployment))
    assert (deployment, name) == split_approval_id(approval_id(deployment, name))
    job = job_id(deployment, name)
    assert job == job_of_step_run(step_run_id(job, step, try_number))


@given(deployments, deployments)
def test_different_things_have_different_spellings(one: DeploymentId, other: DeploymentId) -> None:
    """No part of an id can hold the separator."""
    assert (one == other) == (str(one) == str(other))


@pytest.mark.parametrize(
    "wrong",
    ["", "webshop", "webshop/", "webshop/x", "webshop/1/2", "/1", "a b/1", "../1"]
    + [f"webshop/{number}" for number in ("+41", "041", "4_1", " 41", "٤")],
)
def test_what_is_no_release_id_is_refused(wrong: str) -> None:
    """Also a second spelling of one that is."""
    with pytest.raises(ValueError, match=r".+"):
        ReleaseId.parse(wrong)


@pytest.mark.parametrize("wrong", ["webshop/41/prod", "webshop/41/prod/x", "webshop/41/prod/01", "webshop/41/a b/1"])
def test_what_is_no_deployment_id_is_refused(wrong: str) -> None:
    """The same for attempts."""
    with pytest.raises(ValueError, match=r".+"):
        DeploymentId.parse(wrong)

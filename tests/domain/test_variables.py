"""Which value wins, and what every step finds."""

import pytest
from fakes.made_pipelines import NOON, plans, variables
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.artifact import PinnedArtifact
from domain.ids import DeploymentId, ReleaseId
from domain.pipeline import Pipeline, PlainVariable, SecretVariable, Variables
from domain.release import ReleasePlan
from domain.variables import environment_name, of_stage, predefined, resolve


@given(st.lists(variables, max_size=4))
def test_the_nearer_scope_wins(scopes: list[Variables]) -> None:
    """For every name, the last scope that has it says all: value, or which secret."""
    resolved = resolve(scopes)
    names = {name for scope in scopes for name in scope}
    assert names == set(resolved.plain) | set(resolved.secrets)
    assert set(resolved.plain).isdisjoint(resolved.secrets)
    for name in names:
        nearest = [scope[name] for scope in scopes if name in scope][-1]
        if isinstance(nearest, SecretVariable):
            assert nearest.secret == resolved.secrets[name]
        else:
            assert nearest.value == resolved.plain[name]


def plan(variables: Variables, stage: Variables, chosen: dict[str, str]) -> ReleasePlan:
    """A release of a pipeline with one stage."""
    pipeline = Pipeline.model_validate(
        {"pipeline": "p", "stages": [{"stage": "prod", "jobs": [{"job": "d", "steps": [{"run": "x"}]}]}]}
    )
    stages = (pipeline.stages[0].model_copy(update={"variables": stage}),)
    return ReleasePlan(
        id=ReleaseId(pipeline="p", number=41),
        name="p-41",
        revision=1,
        pipeline=pipeline.model_copy(update={"variables": variables, "stages": stages}),
        requested_by="ana@example.com",
        requested_at=NOON,
        description="first of May",
        variables=chosen,
        artifacts=(
            PinnedArtifact(
                alias="web-app", kind="Jenkins", version="142", digest="d", manifest_id="m", file_count=1, size=1,
                branch="main", commit="c0ffee",
            ),
        ),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("pipeline", "stage", "chosen", "plain", "secrets"),
    [
        ({"A": "far"}, {}, {}, {"A": "far"}, {}),
        ({"A": "far"}, {"A": "near"}, {}, {"A": "near"}, {}),
        ({"A": "far"}, {"A": "near"}, {"A": "nearest"}, {"A": "nearest"}, {}),
        ({"A": SecretVariable(secret="s")}, {}, {}, {}, {"A": "s"}),
        ({"A": "far"}, {"A": SecretVariable(secret="s")}, {}, {}, {"A": "s"}),
        ({"A": "far"}, {"A": SecretVariable(secret="s")}, {"A": "nearest"}, {}, {"A": "s"}),
        ({"A": SecretVariable(secret="s")}, {"A": "near"}, {}, {"A": "near"}, {}),
    ],
)
def test_a_stage_goes_before_the_pipeline_and_the_request_before_both(
    pipeline: dict[str, object],
    stage: dict[str, object],
    chosen: dict[str, str],
    plain: dict[str, str],
    secrets: dict[str, str],
) -> None:
    """But no request puts a value in place of a secret of the stage."""
    made = plan(_variables(pipeline), _variables(stage), chosen)
    resolved = of_stage(made, made.pipeline.stages[0])
    assert (plain, secrets) == (resolved.plain, resolved.secrets)


def _variables(written: dict[str, object]) -> Variables:
    return {
        name: PlainVariable(value=value) if isinstance(value, str) else SecretVariable.model_validate(value)
        for name, value in written.items()
    }


@given(plans())
@settings(max_examples=20)
def test_a_secret_stays_secret(made: ReleasePlan) -> None:
    """What a stage keeps secret is never among its plain values, whatever was requested."""
    for stage in made.pipeline.stages:
        secret = {name for name, one in stage.variables.items() if isinstance(one, SecretVariable)}
        assert secret.isdisjoint(of_stage(made, stage).plain)
        assert secret <= set(of_stage(made, stage).secrets)


@pytest.mark.parametrize(
    ("variable", "expected"),
    [("REGION", "REGION"), ("region", "region"), ("Release.ReleaseName", "RELEASE_RELEASENAME"), ("a.b_c", "A_B_C")],
)
def test_a_dotted_name_is_spelt_for_the_environment(variable: str, expected: str) -> None:
    """As Azure's agent does it; other names stay as they are."""
    assert expected == environment_name(variable)


def test_every_step_finds_the_names_of_its_release_in_both_spellings() -> None:
    """Ours and Azure's, so that existing scripts run."""
    made = plan({}, {}, {})
    found = predefined(made, DeploymentId(release=made.id, stage="prod", attempt=2), "deploy", "bob@example.com")
    expected = {
        "RELEASE_NAME": "p-41",
        "RELEASE_RELEASENAME": "p-41",
        "RELEASE_NUMBER": "41",
        "RELEASE_REQUESTED_BY": "ana@example.com",
        "RELEASE_DESCRIPTION": "first of May",
        "STAGE_NAME": "prod",
        "RELEASE_ENVIRONMENTNAME": "prod",
        "DEPLOYMENT_ID": "p/41/prod/2",
        "DEPLOYMENT_ATTEMPT": "2",
        "DEPLOYMENT_REQUESTED_BY": "bob@example.com",
        "JOB_NAME": "deploy",
        "AGENT_JOBNAME": "deploy",
        "ARTIFACT_WEB_APP_VERSION": "142",
        "ARTIFACT_WEB_APP_BRANCH": "main",
        "ARTIFACT_WEB_APP_COMMIT": "c0ffee",
        "RELEASE_ARTIFACTS_WEB_APP_SOURCEVERSION": "c0ffee",
        "RELEASE_ARTIFACTS_WEB_APP_BUILDNUMBER": "142",
    }
    assert expected == {name: found[name] for name in expected}
    assert all(name == environment_name(name) for name in found)

"""The pipeline's own small rules: short forms, titles, the one source of an artifact."""

import pytest
from fakes.made_pipelines import pipelines
from hypothesis import given, settings
from pydantic import ValidationError

from domain.pipeline import (
    After,
    Artifact,
    JenkinsJob,
    JenkinsSource,
    Pipeline,
    PlainVariable,
    SecretVariable,
    Stage,
    Step,
    UrlSource,
)

JOBS = [{"job": "deploy", "steps": [{"run": "true"}]}]


@given(pipelines())
@settings(max_examples=25)
def test_a_pipeline_survives_its_journey_as_json(pipeline: Pipeline) -> None:
    """Under the names of the file and under those of the code."""
    assert pipeline == Pipeline.model_validate_json(pipeline.model_dump_json())
    assert pipeline == Pipeline.model_validate_json(pipeline.model_dump_json(by_alias=True))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("eu", PlainVariable(value="eu")),
        (8080, PlainVariable(value="8080")),
        (True, PlainVariable(value="true")),
        ({"value": 1, "settable": True}, PlainVariable(value="1", settable=True)),
        ({"secret": "webshop/db"}, SecretVariable(secret="webshop/db")),
    ],
)
def test_a_variable_may_be_written_short(written: object, expected: object) -> None:
    """A scalar is its value."""
    pipeline = Pipeline.model_validate({"pipeline": "p", "variables": {"V": written}, "stages": [_stage()]})
    assert {"V": expected} == pipeline.variables


def test_a_stage_to_wait_for_may_be_written_short() -> None:
    """Its name is enough."""
    stage = Stage.model_validate({**_stage(), "after": ["a", {"stage": "b", "accept_partially_succeeded": True}]})
    assert (After(stage="a"), After(stage="b", accept_partially_succeeded=True)) == stage.after


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Step(run="./deploy.sh"), "./deploy.sh"),
        (Step(run="\n  set -e\n./deploy.sh"), "set -e"),
        (Step(run="x" * 60), "x" * 60),
        (Step(run="x" * 61), "x" * 59 + "…"),
        (Step(run="./deploy.sh", name="Roll out"), "Roll out"),
        (Step(run="   "), ""),
        (Step(jenkins=JenkinsJob(server="ci", job="team/tests")), "Jenkins job team/tests"),
    ],
)
def test_a_step_is_titled_by_its_name_or_its_first_line(step: Step, expected: str) -> None:
    """Cut to a readable length."""
    assert expected == step.title


def test_an_artifact_knows_its_source() -> None:
    """Whichever of the four it is."""
    url = UrlSource(href="https://example.com/x.zip")
    jenkins = JenkinsSource(server="ci", job="webshop")
    assert [url, jenkins] == [Artifact(url=url).source, Artifact(jenkins=jenkins).source]


def test_a_stage_is_found_by_its_name() -> None:
    """One that does not exist is a KeyError."""
    pipeline = Pipeline.model_validate({"pipeline": "p", "stages": [_stage("a"), _stage("b")]})
    assert "b" == pipeline.stage("b").stage
    with pytest.raises(KeyError):
        pipeline.stage("c")


@pytest.mark.parametrize(
    "wrong",
    [
        {"pipeline": "../p"},
        {"pipeline": ""},
        {"pipeline": "p" * 64},
        {"stages": []},
        {"stages": [{"stage": "a", "jobs": []}]},
        {"artifacts": {"../x": {}}},
        {"artifacts": {"x": {"url": {"href": "https://user:secret@example.com/x"}}}},
        {"artifacts": {"x": {"url": {"href": "file:///etc/passwd"}}}},
        {"artifacts": {"x": {"directory": {"path": "relative"}}}},
    ],
)
def test_names_and_addresses_that_could_do_harm_are_refused(wrong: dict[str, object]) -> None:
    """They become folders, URLs and rows."""
    with pytest.raises(ValidationError):
        Pipeline.model_validate({"pipeline": "p", "stages": [_stage()]} | wrong)


def _stage(name: str = "test") -> dict[str, object]:
    return {"stage": name, "jobs": JOBS}

"""What a well-typed pipeline may still get wrong."""

from typing import Any

import pytest
from fakes.made_pipelines import pipelines
from hypothesis import given, settings

from domain.pipeline import Pipeline
from domain.pipeline_rules import broken_rules


def stage(name: str, **keys: Any) -> dict[str, Any]:
    """A stage with one job."""
    return {"stage": name, "jobs": [job("deploy")], **keys}


def job(name: str, **keys: Any) -> dict[str, Any]:
    """A job with one step."""
    return {"job": name, "steps": [{"run": "true"}], **keys}


def broken(*stages: dict[str, Any], **keys: Any) -> list[tuple[tuple[str | int, ...], str]]:
    """Where and what."""
    pipeline = Pipeline.model_validate({"pipeline": "p", "stages": stages, **keys})
    return [(rule.path, rule.message) for rule in broken_rules(pipeline)]


URL = {"href": "https://example.com/x"}
ONE_SOURCE = "name exactly one source: jenkins, azure-pipelines, url, directory, storage or github"


STEP = ("stages", 0, "jobs", 0, "steps", 0)
SET_BY_US = "is set by Slipway, so that no build is started twice"
ONE_KIND = "name exactly one of run, a script, and jenkins, a job of Jenkins"
FOR_SCRIPTS = "is for scripts (run); a Jenkins job is told what it needs by its parameters"
TESTS = {"server": "ci", "job": "team/webshop/tests"}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (broken(stage("a")), []),
        (broken(stage("a"), stage("b", after=["a"])), []),
        (broken(stage("a"), artifacts={"x": {}}), [(("artifacts", "x"), ONE_SOURCE)]),
        (
            broken(stage("a"), artifacts={"x": {"url": URL, "directory": {"path": "/x"}}}),
            [(("artifacts", "x"), ONE_SOURCE)],
        ),
        (broken(stage("a"), stage("a")), [(("stages", 1, "stage"), "there is already a stage a")]),
        (
            broken(stage("a", jobs=[job("d"), job("d"), job("d")])),
            [
                (("stages", 0, "jobs", 1, "job"), "there is already a job d"),
                (("stages", 0, "jobs", 2, "job"), "there is already a job d"),
            ],
        ),
        (broken(stage("a", after=["b"])), [(("stages", 0, "after", 0), "there is no stage b")]),
        (
            broken(stage("a", after=["a"])),
            [(("stages", 0, "after"), "stages wait for each other: a -> a")],
        ),
        (
            broken(stage("a", after=["c"]), stage("b", after=["a"]), stage("c", after=["b"])),
            [(("stages", 0, "after"), "stages wait for each other: a -> c -> b -> a")],
        ),
        (
            broken(stage("a", before={"approval": {"approvers": ["a@b.c"], "need": {"at_least": 3}}})),
            [(("stages", 0, "before", "approval", "need"), "needs 3 approvals but asks only 1")],
        ),
        (
            broken(stage("a", after_deployment={"approval": {"approvers": ["a@b.c"], "need": {"at_least": 2}}})),
            [(("stages", 0, "after_deployment", "approval", "need"), "needs 2 approvals but asks only 1")],
        ),
        (
            broken(stage("a", jobs=[job("d", download=["x", "y"])]), artifacts={"y": {"url": URL}}),
            [(("stages", 0, "jobs", 0, "download", 0), "there is no artifact x")],
        ),
        (
            broken(
                stage("a", jobs=[job("d", steps=[{"run": "x", "secrets": ["PLAIN", "DB", "OWN", "GONE"]}])],
                      variables={"OWN": {"secret": "own"}}),
                variables={"PLAIN": "x", "DB": {"secret": "db"}},
            ),
            [
                (("stages", 0, "jobs", 0, "steps", 0, "secrets", 0), "there is no secret variable PLAIN"),
                (("stages", 0, "jobs", 0, "steps", 0, "secrets", 3), "there is no secret variable GONE"),
            ],
        ),
        (
            broken(
                stage("a", jobs=[job("d", steps=[{"run": "x", "secrets": ["DB"]}])], variables={"DB": "plain here"}),
                variables={"DB": {"secret": "db"}},
            ),
            [(("stages", 0, "jobs", 0, "steps", 0, "secrets", 0), "there is no secret variable DB")],
        ),
        (broken(stage("a", jobs=[job("d", steps=[{"name": "nothing"}])])), [(STEP, ONE_KIND)]),
        (broken(stage("a", jobs=[job("d", steps=[{"run": "x", "jenkins": TESTS}])])), [(STEP, ONE_KIND)]),
        (
            broken(stage("a", jobs=[job("d", steps=[{"jenkins": TESTS, "timeout": "5m", "retries": 1, "id": "t"}])])),
            [],
        ),
        (
            broken(stage("a", jobs=[job("d", steps=[{
                "jenkins": {**TESTS, "parameters": {"SLIPWAY_RUN": "x"}},
                "shell": "bash", "environment": {"A": "x"}, "secret_outputs": ["B"], "working_directory": "sub",
            }])])),
            [
                ((*STEP, "shell"), FOR_SCRIPTS),
                ((*STEP, "environment"), FOR_SCRIPTS),
                ((*STEP, "secret_outputs"), FOR_SCRIPTS),
                ((*STEP, "working_directory"), FOR_SCRIPTS),
                ((*STEP, "jenkins", "parameters", "SLIPWAY_RUN"), SET_BY_US),
            ],
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_told_with_its_place(
    found: list[tuple[tuple[str | int, ...], str]], expected: list[tuple[tuple[str | int, ...], str]]
) -> None:
    """Everything at once, in the author's order."""
    assert expected == found


def test_a_broken_rule_names_what_would_have_been_right() -> None:
    """So that a suggestion can be made."""
    pipeline = Pipeline.model_validate({"pipeline": "p", "stages": [stage("test"), stage("prod", after=["tset"])]})
    (rule,) = broken_rules(pipeline)
    assert ("tset", ("test", "prod")) == (rule.wrong, rule.known)


@pytest.mark.parametrize("folder", ["/etc", "..", "a/../b", "a/..", "\\windows", "a\\..\\b"])
def test_a_step_stays_below_its_workspace(folder: str) -> None:
    """Whatever separator its agent uses."""
    steps = [{"run": "x", "working_directory": folder}]
    ((path, _),) = broken(stage("a", jobs=[job("d", steps=steps)]))
    assert ("stages", 0, "jobs", 0, "steps", 0, "working_directory") == path


@pytest.mark.parametrize("folder", [".", "web", "web/deploy", "..web", "./web"])
def test_folders_below_the_workspace_are_fine(folder: str) -> None:
    """Also with dots in their names."""
    assert [] == broken(stage("a", jobs=[job("d", steps=[{"run": "x", "working_directory": folder}])]))


@given(pipelines())
@settings(max_examples=20)
def test_what_is_made_to_fit_breaks_no_rule(pipeline: Pipeline) -> None:
    """No false alarm."""
    assert [] == broken_rules(pipeline)

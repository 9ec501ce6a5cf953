"""What later steps and jobs find of what a step set."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.outputs import (
    ALL_BYTES,
    VARIABLES,
    Outputs,
    SetName,
    SetValue,
    StepResult,
    Told,
    environment_spelling,
    names_of_secrets,
    run_status,
    secret_reference,
    split_secret_reference,
    written_size,
)
from domain.pipeline import Step
from domain.status import RunStatus

RUN = "webshop/41/prod/1/deploy/1/1"


def step(**more: Any) -> Step:
    return Step.model_validate({"run": "x", "id": "Build", **more})


def after(before: Outputs, *variables: SetName, by: Step | None = None, paths: tuple[str, ...] = ()) -> Outputs:
    told = Told(
        variables=tuple(one for one in variables if isinstance(one, SetValue)),
        secret_variables=tuple(one for one in variables if not isinstance(one, SetValue)),
        paths=paths,
    )
    return before.after_step("web-app", by or step(), RUN, told)


def test_a_variable_is_found_by_the_following_steps_only() -> None:
    """In Azure's spelling; no later job sees it."""
    outputs = after(Outputs(), SetValue(name="Shop.Region", value="eu"))
    assert {"SHOP_REGION": "eu"} == outputs.environment({})
    assert {} == outputs.for_next_job().environment({})


def test_an_output_is_found_under_its_step_and_in_later_jobs_under_its_job() -> None:
    """As long as the step has an id to be found by."""
    outputs = after(Outputs(), SetValue(name="url", value="u", is_output=True))
    assert {"URL": "u", "BUILD_URL": "u"} == outputs.environment({})
    assert {"WEB_APP_BUILD_URL": "u"} == outputs.for_next_job().environment({})
    assert {"WEB_APP_BUILD_URL": "u"} == outputs.for_next_job().for_next_job().environment({})
    nameless = after(Outputs(), SetValue(name="url", value="u", is_output=True), by=step(id=None))
    assert ({"URL": "u"}, {}) == (nameless.environment({}), nameless.for_next_job().environment({}))


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"REGION": "eu", "OTHER": "o"}, {"REGION": "us", "OTHER": "o"}),
        ({"region": "eu"}, {"region": "us", "REGION": "us"}),
        ({"Region": "eu", "REGION": "de"}, {"Region": "us", "REGION": "us"}),
    ],
)
def test_what_a_step_sets_goes_before_the_jobs_variables(variables: dict[str, str], expected: dict[str, str]) -> None:
    """However the pipeline spells them."""
    assert expected == after(Outputs(), SetValue(name="region", value="us")).environment(variables)


def test_a_secret_is_known_by_where_it_was_set() -> None:
    """It is in no environment, and nothing plain of its name is either."""
    outputs = after(Outputs(), SetValue(name="TOKEN", value="old"))
    outputs = after(outputs, SetName(name="token", is_output=True))
    assert {} == outputs.environment({"Token": "older"})
    reference = f"{RUN}/TOKEN"
    assert {"TOKEN": reference, "BUILD_TOKEN": reference} == outputs.secrets(["TOKEN", "BUILD_TOKEN", "OTHER"])
    assert {"WEB_APP_BUILD_TOKEN": reference} == outputs.for_next_job().secrets(["WEB_APP_BUILD_TOKEN", "TOKEN"])
    assert (RUN, "TOKEN") == split_secret_reference(secret_reference(RUN, "token"))


def test_what_becomes_plain_is_no_longer_secret() -> None:
    """A later step knows what it does."""
    outputs = after(after(Outputs(), SetName(name="A")), SetValue(name="A", value="1"))
    assert ({"A": "1"}, {}) == (outputs.environment({}), outputs.secrets(["A"]))


def test_what_was_read_only_stays() -> None:
    """Whatever a later step says; the runner of that step has warned already."""
    outputs = after(Outputs(), SetValue(name="A", value="1", is_read_only=True))
    outputs = after(outputs, SetValue(name="a", value="2"), SetName(name="A"))
    assert ({"A": "1"}, ("A",)) == (outputs.environment({}), outputs.room.read_only)


def test_the_folder_named_last_comes_first() -> None:
    """Of one step, and of all; each once."""
    outputs = after(after(Outputs(), paths=("/a", "/b")), paths=("/c", "/a"))
    assert ("/a", "/c", "/b") == outputs.paths
    assert () == outputs.for_next_job().paths


def test_the_room_that_is_left_shrinks() -> None:
    """By every name and every byte."""
    outputs = after(Outputs(), SetValue(name="A", value="é\n", is_output=True), SetName(name="B"))
    assert (VARIABLES - 3, ALL_BYTES - 2 * 4) == (outputs.room.number, outputs.room.size)


@given(st.text())
def test_a_values_size_is_what_it_takes_in_json(value: str) -> None:
    """It travels as JSON, and what travels is bounded."""
    text = value.encode(errors="replace").decode()
    written = SetValue(name="A", value=text).model_dump_json(include={"value"})
    assert len(written.encode()) - len('{"value":""}') <= written_size(text)


@given(st.text("aB.-_ 1", max_size=10))
def test_names_are_fit_for_an_environment(name: str) -> None:
    """Spelling a spelt name changes nothing."""
    assert environment_spelling(name) == environment_spelling(environment_spelling(name))


def test_a_step_may_name_what_earlier_steps_declare() -> None:
    """In its job by name and by step, in later jobs by job and step."""
    earlier = [("one", step(secret_outputs=["token"])), ("two", step(id=None, secret_outputs=["KEY"]))]
    assert ("ONE_BUILD_TOKEN", "KEY") == names_of_secrets(earlier, "two")
    assert ("TOKEN", "BUILD_TOKEN") == names_of_secrets(earlier, "one")


@pytest.mark.parametrize(
    ("exit_code", "result", "expected"),
    [
        (0, None, RunStatus.SUCCEEDED),
        (0, StepResult.SUCCEEDED, RunStatus.SUCCEEDED),
        (0, StepResult.SUCCEEDED_WITH_ISSUES, RunStatus.PARTIALLY_SUCCEEDED),
        (0, StepResult.FAILED, RunStatus.FAILED),
        (3, StepResult.SUCCEEDED, RunStatus.FAILED),
        (3, None, RunStatus.FAILED),
    ],
)
def test_the_worse_of_exit_code_and_word_counts(exit_code: int, result: StepResult | None, expected: RunStatus) -> None:
    """Issues alone change nothing."""
    assert expected == run_status(exit_code, Told(result=result, errors=5))


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (Told(result=StepResult.FAILED, result_reason="no disk"), "no disk"),
        (Told(result=StepResult.FAILED), "the step said that it has failed"),
        (Told(result=StepResult.SUCCEEDED_WITH_ISSUES, result_reason="odd"), "odd"),
        (Told(result=StepResult.SUCCEEDED, result_reason="DONE"), ""),
        (Told(), ""),
    ],
)
def test_a_result_says_why(told: Told, why: str) -> None:
    """Success needs no reason."""
    assert why == told.why

"""A pipeline file is read whole or refused with everything that is wrong with it."""

import json
from datetime import timedelta
from typing import Any

import pytest

from authoring.loading import load
from authoring.problem import BrokenPipeline
from authoring.wording import PATTERNS
from domain.approval_policy import APPROVER_PATTERN, AtLeast
from domain.ids import SLUG_PATTERN
from domain.pipeline import DEMAND_PATTERN, LatestOf, PlainVariable, SecretVariable, Step
from domain.refusal import Kind

WHOLE = """\
pipeline: webshop
artifacts:
  web:
    jenkins: {server: ci, job: team/webshop/main}
    version: 1.10
  infra:
    azure-pipelines: {connection: contoso, project: shop, pipeline: infra-ci, artifact: drop}
    version: {branch: main, tags: [good]}
variables:
  REGION: eu-west-1
  RELEASE_TRAIN: 1.10
  MASK: 0x1F
  LOUD: True
  LOG_LEVEL: {value: info, settable: true}
  DB_PASSWORD: {secret: webshop/db}
stages:
  - stage: test
    jobs:
      - job: deploy
        demands: [docker, os=linux]
        steps:
          - run: ./deploy.sh test
            timeout: 10m
            environment: {PORT: 8080}
            secrets: [DB_PASSWORD]
  - stage: prod
    after: [test]
    before:
      approval: {approvers: [Ana@example.com, "group:ops"], need: {at_least: 1}, timeout: 3d}
    jobs:
      - job: deploy
        steps: [{run: ./deploy.sh prod}]
"""

A_DURATION = "write a duration as a whole number and a unit, such as 90s, 10m, 3h or 30d"
A_STEP = "{" + ", ".join(Step.model_fields) + "}"
ONE_STAGE = (
    "pipeline: p\nstages:\n  - stage: test\n    jobs:\n      - job: deploy\n        steps:\n          - run: x\n"
)


def problems(text: str) -> list[str]:
    """What the loader says, a line each."""
    with pytest.raises(BrokenPipeline) as refused:
        load(text, "p.yaml")
    assert len(refused.value.problems) == len(str(refused.value).splitlines())
    return [str(problem) for problem in refused.value.problems]


def with_step(**keys: object) -> str:
    """A pipeline whose one step (line 1) has these keys."""
    return with_job(steps=[{"run": "x", **keys}])


def with_job(**keys: object) -> str:
    """A pipeline whose one job (line 1) has these keys."""
    job = {"job": "deploy", "steps": [{"run": "x"}], **keys}
    return json.dumps({"pipeline": "p", "stages": [{"stage": "test", "jobs": [job]}]})


def message(text: str) -> str:
    """The one message, without its place."""
    (line,) = problems(text)
    return line.split(" ", 1)[1]


def test_a_pipeline_is_read_as_it_was_meant() -> None:
    """Short forms, durations, addresses in lower case, and values as they were written."""
    pipeline = load(WHOLE, "p.yaml")
    assert ["test", "prod"] == [stage.stage for stage in pipeline.stages]
    assert "1.10" == pipeline.artifacts["web"].version
    assert LatestOf(branch="main", tags=("good",)) == pipeline.artifacts["infra"].version
    assert PlainVariable(value="1.10") == pipeline.variables["RELEASE_TRAIN"]
    assert PlainVariable(value="0x1F") == pipeline.variables["MASK"]
    assert PlainVariable(value="true") == pipeline.variables["LOUD"]
    assert SecretVariable(secret="webshop/db") == pipeline.variables["DB_PASSWORD"]
    step = pipeline.stages[0].jobs[0].steps[0]
    assert (timedelta(minutes=10), {"PORT": "8080"}) == (step.timeout, step.environment)
    policy = pipeline.stages[1].before.approval
    assert policy is not None
    assert ("ana@example.com", "group:ops") == policy.approvers
    assert AtLeast(at_least=1) == policy.need


def test_json_of_the_same_shape_is_read_the_same() -> None:
    """JSON is YAML, tabs between its parts included."""
    written = load(WHOLE, "p.yaml").model_dump(mode="json", by_alias=True, exclude_none=True)
    assert load(WHOLE, "p.yaml") == load(json.dumps(written, indent="\t"), "p.json")


def test_a_byte_order_mark_in_front_is_no_problem() -> None:
    """Some editors write one; columns do not count it."""
    assert "p" == load("\ufeff" + ONE_STAGE, "p.yaml").pipeline
    assert ['p.yaml:1:1 piepline: unknown key (did you mean "pipeline"?)'] == problems(
        "\ufeff" + ONE_STAGE.replace("pipeline", "piepline")
    )


def test_a_problem_reads_as_place_path_message_and_suggestion() -> None:
    """The form that editors, terminals and the console understand."""
    text = ONE_STAGE + "            tiemout: 10m\n"
    with pytest.raises(BrokenPipeline) as refused:
        load(text, "shop/pipeline.yaml")
    (problem,) = refused.value.problems
    assert (8, 13, "stages[0].jobs[0].steps[0].tiemout") == (problem.line, problem.column, problem.path)
    assert ("unknown key", "timeout") == (problem.message, problem.suggestion)
    assert 'shop/pipeline.yaml:8:13 stages[0].jobs[0].steps[0].tiemout: unknown key (did you mean "timeout"?)' == str(
        problem
    )
    assert Kind.INVALID == refused.value.kind


def test_all_problems_are_told_at_once_in_the_order_of_the_text() -> None:
    """A repeated key, an unknown one, a wrong value, a wrong name and a cycle, in one go."""
    text = """\
pipeline: p
pipeline: q
stages:
  - stage: test
    after: [prdo]
    jobs:
      - job: deploy
        steps:
          - {run: x, shel: bash, timeout: soon}
  - stage: prod
    after: [prod]
    jobs: [{job: deploy, download: [web], steps: [{run: x, secrets: [DB]}]}]
"""
    assert [
        'p.yaml:2:1 pipeline: the key "pipeline" stands here a second time; the first is in line 1',
        'p.yaml:5:13 stages[0].after[0]: there is no stage prdo (did you mean "prod"?)',
        'p.yaml:9:22 stages[0].jobs[0].steps[0].shel: unknown key (did you mean "shell"?)',
        f"p.yaml:9:43 stages[0].jobs[0].steps[0].timeout: {A_DURATION}",
        "p.yaml:11:5 stages[1].after: stages wait for each other: prod -> prod",
        "p.yaml:12:37 stages[1].jobs[0].download[0]: there is no artifact web",
        "p.yaml:12:70 stages[1].jobs[0].steps[0].secrets[0]: there is no secret variable DB",
    ] == problems(text)


def test_no_problem_comes_of_another() -> None:
    """A mistyped artifact is not also reported as missing where it is downloaded, nor as one without a source."""
    text = """\
pipeline: p
artifacts: {web: {jenkins: {server: ci, jbo: x}}}
variables: {DB: {secret: 5}}
stages: [{stage: test, jobs: [{job: d, download: [web], steps: [{run: x, secrets: [DB]}]}]}]
"""
    assert [
        'p.yaml:2:41 artifacts.web.jenkins.jbo: unknown key (did you mean "job"?)',
        'p.yaml:3:26 variables.DB.secret: must be text, not a number; put it in quotes: "5"',
    ] == problems(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "p.yaml:1:1: the file is empty; it must hold a pipeline"),
        ("# nothing yet\n", "p.yaml:1:1: the file is empty; it must hold a pipeline"),
        ("- a\n", "p.yaml:1:1: a pipeline is a mapping that begins with a key such as pipeline:"),
        ("webshop\n", "p.yaml:1:1: a pipeline is a mapping that begins with a key such as pipeline:"),
        ("a:\n\t- b\n", "p.yaml:2:1: a tab stands where the indentation is; indent with spaces"),
        ("a: b\0c\n", "p.yaml:1:5: the character U+0000 must not stand in the file"),
        ("a:\n  b\ufeff\n", "p.yaml:2:4: the character U+FEFF must not stand in the file"),
        ("a: 'b \u2028 c'\n", "p.yaml:1:7: the character U+2028 must not stand in the file"),
        ('{"a": "\\u0000"', "p.yaml:1:7 a: the character U+0000 must not stand in text"),
        ("a: {b\n", "p.yaml:1:4: the bracket that opens here is never closed"),
        ('a: "b\n', "p.yaml:1:4: the quotes that open here are never closed"),
        ("a: b: c\n", 'p.yaml:1:5: a ": " stands where none can be; put the text in quotes, or check the indentation'),
        ("a: @b\n", "p.yaml:1:4: @ cannot start a value; put the value in quotes"),
        ("a:\n  - b\n c: d\n", "p.yaml:3:2: the indentation does not fit what stands above it"),
        ("a: {{ b }}\n", "p.yaml:1:5 a: a key must be plain text; text that starts with { or [ needs quotes"),
        ("a: 1\n---\nb: 2\n", 'p.yaml:2:1: a second document starts here ("---"); write one pipeline per file'),
        ("a: &x [*x]\n", "p.yaml:1:8 a[0]: the alias *x stands inside what it refers to"),
        ("a: *x\n", "p.yaml:1:4 a: the alias *x refers to no anchor above it"),
        ("a: &x {}\nb: {<<: *x}\n", "p.yaml:2:5 b: merge keys (<<) are not part of YAML 1.2; write the keys out"),
    ],
)
def test_text_that_is_no_pipeline_at_all_is_one_clear_problem(text: str, expected: str) -> None:
    """Syntax is told in the author's words, where the trouble starts."""
    assert expected == problems(text)[0]


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "a:\n", "{", "? "])
def test_deep_nesting_is_refused_while_reading(opening: str) -> None:
    """No file reaches the limits of the interpreter."""
    (line, *_) = problems("".join(" " * at * opening.endswith("\n") + opening for at in range(500)))
    assert any(words in line for words in ("nested more than 40", "plain text", "never closed"))


def test_an_alias_bomb_is_refused_before_it_is_expanded() -> None:
    """A few hundred bytes that would be a billion values."""
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (line,) = problems("\n".join(rows))
    assert "the file holds more than 20,000 values, aliases expanded" in line


def test_an_alias_bomb_of_long_text_is_refused_too() -> None:
    """Few values, but too many characters for a release to carry."""
    text = f"a: &a '{'x' * 100_000}'\nb: [{', '.join(['*a'] * 50)}]\n"
    assert "the file holds more than 1,048,576 characters, aliases expanded" in problems(text)[0]


def test_aliases_are_fine_where_they_are_small() -> None:
    """Two stages may share their jobs."""
    text = "pipeline: p\nstages:\n- {stage: a, jobs: &jobs [{job: d, steps: [{run: x}]}]}\n- {stage: b, jobs: *jobs}\n"
    first, second = load(text, "p.yaml").stages
    assert first.jobs == second.jobs


def test_a_file_that_is_too_large_is_refused_unread() -> None:
    """256 KiB, counted in bytes."""
    (line,) = problems(ONE_STAGE + "#" + "ä" * 131_072)
    assert "p.yaml:1:1: the file is larger than 256 KiB, the most a pipeline file may be" == line


def test_a_pipeline_that_grows_too_large_with_its_defaults_is_refused() -> None:
    """What a release carries must fit into one message to Temporal."""
    steps = ", ".join(["{run: x}"] * 6000)
    (line,) = problems("pipeline: p\nstages: [{stage: a, jobs: [{job: d, steps: [" + steps + "]}]}]\n")
    assert "p.yaml:1:1: the pipeline is larger than 1024 KiB with all its defaults filled in" == line


def test_thousands_of_mistakes_are_cut_to_a_readable_number() -> None:
    """Nobody reads more than a hundred."""
    assert 100 == len(problems(with_job(steps=[{"rnu": "x"}] * 3000)))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("condition", "sometimes", "must be one of succeeded, failed, always"),
        ("condition", "suceeded", 'must be one of succeeded, failed, always (did you mean "succeeded"?)'),
        ("shell", 5, "must be one of sh, bash, pwsh, python"),
        ("enabled", "maybe", 'must be true or false, not the text "maybe"'),
        ("enabled", 1, "must be true or false, not a number"),
        ("retries", "many", 'must be a whole number, not the text "many"'),
        ("retries", "2", 'must be a whole number, not the text "2"'),
        ("retries", True, "must be a whole number, not true"),
        ("retries", 1.5, "must be a whole number, not a number"),
        ("retries", -1, "must be at least 0"),
        ("retries", 11, "must be at most 10"),
        ("name", 5, 'must be text, not a number; put it in quotes: "5"'),
        ("name", ["a"], "must be text, not a list"),
        ("name", "x" * 121, "must be at most 120 characters"),
        ("run", "", "must not be empty"),
        ("timeout", 600, A_DURATION),
        ("timeout", "0s", "must be more than 0"),
        ("timeout", "9999d", "must be at most 3650d"),
        ("environment", [], "must be a mapping, not a list"),
        ("secrets", "DB", 'must be a list, not the text "DB"'),
        ("working_directory", "../etc", "must stay below the workspace: no / in front, no .."),
        ("working_directory", "a/../../b", "must stay below the workspace: no / in front, no .."),
        ("working_directory", "/etc", "must stay below the workspace: no / in front, no .."),
    ],
)
def test_a_wrong_value_of_a_step_is_told_in_words(key: str, value: object, expected: str) -> None:
    """What it must be, and what it is instead."""
    assert f"stages[0].jobs[0].steps[0].{key}: {expected}" == message(with_step(**{key: value}))


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("download", "al", '.download: must be all, none or a list (did you mean "all"?)'),
        ("download", 3, ".download: must be all, none or a list"),
        ("download", {"web": 1}, ".download: must be all, none or a list"),
        ("download", ["a b"], f".download[0]: {PATTERNS[SLUG_PATTERN]}"),
        ("demands", ["a = b"], f".demands[0]: {PATTERNS[DEMAND_PATTERN]}"),
        ("steps", [], ".steps: must not be empty"),
        ("steps", ["x"], f'.steps[0]: must be {A_STEP}, not the text "x"'),
        ("wait_for_agent", "0m", ".wait_for_agent: must be more than 0"),
    ],
)
def test_a_wrong_value_of_a_job_is_told_in_words(key: str, value: object, expected: str) -> None:
    """Also where several forms are possible: one problem, not one for each form."""
    assert f"stages[0].jobs[0]{expected}" == message(with_job(**{key: value}))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (None, "variables.V: must be a plain value, {value, settable} or {secret}"),
        ([1], "variables.V: must be a plain value, {value, settable} or {secret}"),
        ({"secert": "x"}, 'variables.V.secert: unknown key (did you mean "secret"?)'),
        ({"value": 1, "sekret": 2}, "variables.V.sekret: unknown key; known here: value, settable"),
        ({"value": [1]}, "variables.V.value: must be a plain value, not a list"),
        ({"settable": True}, "variables.V.value: is required"),
        ({"secret": ""}, "variables.V.secret: must not be empty"),
    ],
)
def test_a_variable_that_fits_no_form_is_one_problem_of_the_form_meant(written: object, expected: str) -> None:
    """The names of our classes never reach an author."""
    text = json.dumps(json.loads(with_step()) | {"variables": {"V": written}})
    assert expected == message(text)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ({"approvers": []}, "approvers: must not be empty"),
        ({"approvers": ["ana"]}, f"approvers[0]: {PATTERNS[APPROVER_PATTERN]}"),
        ({"approvers": ["a@b.c", "A@B.c"]}, "approvers: names the same approver twice"),
        ({"approvers": ["a@b.c"], "need": "most"}, "need: must be all, any or {at_least}"),
        ({"approvers": ["a@b.c"], "need": {"at_leats": 1}}, 'need.at_leats: unknown key (did you mean "at_least"?)'),
        ({"approvers": ["a@b.c"], "need": {"at_least": 0}}, "need.at_least: must be at least 1"),
        ({"approvers": ["a@b.c"], "need": {"at_least": 2}}, "need: needs 2 approvals but asks only 1"),
        ({"approvers": ["a@b.c"], "timeout": "366d"}, "timeout: must be more than 0 and at most 365d"),
        ({"need": "all"}, "approvers: is required"),
    ],
)
def test_a_wrong_approval_is_told_in_words(policy: dict[str, Any], expected: str) -> None:
    """Who is asked, and how many."""
    whole = json.loads(with_step())
    whole["stages"][0]["before"] = {"approval": policy}
    assert f"stages[0].before.approval.{expected}" == message(json.dumps(whole))


def test_the_name_of_a_field_in_code_is_no_second_spelling() -> None:
    """``azure_pipelines`` is unknown; the suggestion is how it is spelt."""
    whole = json.loads(with_step()) | {"artifacts": {"w": {"azure_pipelines": {}}}}
    expected = 'artifacts.w.azure_pipelines: unknown key (did you mean "azure-pipelines"?)'
    assert expected in problems(json.dumps(whole))[0]


def test_an_empty_value_is_found_at_its_key() -> None:
    """Not on the line after it, where the parser noticed."""
    assert ["p.yaml:2:1 variables: must be a mapping, not empty"] == problems(
        ONE_STAGE.replace("stages:", "variables:\nstages:")
    )


def test_words_of_the_file_cannot_play_with_a_terminal() -> None:
    """Control characters in a wrong value or key are shown, not sent."""
    line = "".join(problems(with_step(retries="\x9b31m\u202e", **{"a\u202e\nb": 1})))
    assert line.isprintable()
    assert '["a\\u202e\\nb"]' in line


def test_a_time_zone_that_does_not_exist_is_named() -> None:
    """With the one that was meant, where it stands."""
    text = """\
pipeline: webshop
stages:
  - stage: prod
    before:
      approval:
        approvers: [ana@example.com]
        business_hours: {timezone: Europe/Berlyn, opens: 09:00, closes: "17:00"}
    jobs: [{job: deploy, steps: [{run: "true"}]}]
"""
    with pytest.raises(BrokenPipeline) as broken:
        load(text, "pipeline.yaml")
    (problem,) = broken.value.problems
    assert 'there is no time zone Europe/Berlyn (did you mean "Europe/Berlin"?)' in str(problem)
    assert (7, 36) == (problem.line, problem.column)
    assert load(text.replace("Berlyn", "Berlin"), "pipeline.yaml").stages[0].before.approval is not None


def test_schedules_and_triggers_that_could_never_make_a_release_are_named() -> None:
    """With their places: times that do not exist, zones, sources that nobody tells of, versions nobody would name."""
    text = """\
pipeline: webshop
artifacts:
  web: {jenkins: {server: ci, job: main}, trigger: {tags: [ready], poll: 1s}}
  fixed: {jenkins: {server: ci, job: main}, version: "7", trigger: true}
  files: {directory: {path: /srv}, trigger: true}
  page: {url: {href: "https://example.com/x"}, trigger: {poll: 1h}}
  named: {jenkins: {server: ci, job: other}, version: ask}
schedules:
  - {cron: "0 6 * * MOON"}
  - {cron: "0 6 * * MON", timezone: Europe/Berlyn}
stages: [{stage: prod, jobs: [{job: deploy, steps: [{run: "true"}]}]}]
"""
    told = [line.removeprefix("p.yaml:") for line in problems(text)]
    expected = [
        "3:53 artifacts.web.trigger.tags: builds of Jenkins have no tags; choose by branch",
        "3:74 artifacts.web.trigger.poll: must be at least 10s",
        "4:68 artifacts.fixed.trigger: would never come: the version is always 7",
        "5:45 artifacts.files.trigger: no webhook tells of this source; write how often it is asked, such as poll: 10m",
        "6:48 artifacts.page.trigger: a file at an address has no versions that could come; use schedules",
        "7:55 artifacts.named.version: schedules could make no release: nobody would name this version",
        "9:12 schedules[0].cron: weekday: MOON is none of *, 5, 1-5, */10, 1-5/2 or a list of them",
        '10:37 schedules[1].timezone: there is no time zone Europe/Berlyn (did you mean "Europe/Berlin"?)',
    ]
    assert expected == told


@pytest.mark.parametrize("zone", ["localtime", "Factory"])
def test_a_time_zone_that_is_another_on_every_machine_is_none(zone: str) -> None:
    """Temporal runs on another machine than whoever checks the file."""
    times = f'schedules: [{{cron: "0 6 * * *", timezone: {zone}}}]\n'
    assert [f"p.yaml:1:43 schedules[0].timezone: there is no time zone {zone}"] == problems(times + ONE_STAGE)

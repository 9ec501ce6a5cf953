"""The schema accepts what the loader accepts, and tells authors about typing mistakes."""

import json
from typing import Any

import pytest
from fakes.made_pipelines import pipelines
from hypothesis import given, settings
from jsonschema import Draft202012Validator

from authoring.json_schema import pipeline_schema
from authoring.loading import load
from authoring.problem import BrokenPipeline
from authoring.wording import PATTERNS
from domain.pipeline import Pipeline

SCHEMA = pipeline_schema()
VALIDATOR = Draft202012Validator(SCHEMA)

SHORT_FORMS: dict[str, Any] = {
    "pipeline": "webshop",
    "artifacts": {
        "web": {"jenkins": {"server": "ci", "job": "team/webshop/main"}, "version": 142},
        "infra": {
            "azure-pipelines": {"connection": "contoso", "project": "shop", "pipeline": "ci", "artifact": "drop"},
            "version": {"branch": "main", "tags": ["good"]},
        },
    },
    "variables": {"REGION": "eu", "PORT": 8080, "RATIO": 1.5, "LOUD": True, "DB": {"secret": "webshop/db"}},
    "stages": [
        {"stage": "test", "jobs": [{"job": "deploy", "steps": [{"run": "true", "environment": {"N": 1}}]}]},
        {
            "stage": "prod",
            "after": ["test"],
            "before": {"approval": {"approvers": ["ana@example.com", "group:ops"], "need": {"at_least": 1}}},
            "jobs": [{"job": "deploy", "download": ["web"], "steps": [{"run": "true", "secrets": ["DB"]}]}],
        },
    ],
}


def changed(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    """The example with one thing put in."""
    copy: dict[str, Any] = json.loads(json.dumps(SHORT_FORMS))
    place: Any = copy
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return copy


def test_the_schema_is_a_schema() -> None:
    """It follows the dialect that it names."""
    Draft202012Validator.check_schema(SCHEMA)
    assert "/schemas/pipeline-v1.json" == SCHEMA["$id"]


def test_short_forms_are_valid() -> None:
    """Scalars as variables, names as ``after``, plain approvers, numbers as versions."""
    assert [] == list(VALIDATOR.iter_errors(SHORT_FORMS))
    assert "webshop" == load(json.dumps(SHORT_FORMS), "short.json").pipeline


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("stagse",), []),
        (("artifacts", "web", "jenkins", "jbo"), "x"),
        (("artifacts", "a b"), SHORT_FORMS["artifacts"]["web"]),
        (("artifacts", "web", "url"), {"href": "https://example.com/x"}),
        (("artifacts", "web", "jenkins"), None),
        (("variables", "1ST"), "x"),
        (("variables", "REGION"), {"vlaue": "x"}),
        (("variables", "REGION"), None),
        (("stages",), []),
        (("stages", 0, "jobs", 0, "steps", 0, "tiemout"), "1m"),
        (("stages", 0, "jobs", 0, "steps", 0, "timeout"), 60),
        (("stages", 0, "jobs", 0, "steps", 0, "retries"), "2"),
        (("stages", 0, "jobs", 0, "steps", 0, "retries"), 11),
        (("stages", 0, "jobs", 0, "steps", 0, "enabled"), "yes"),
        (("stages", 0, "jobs", 0, "steps", 0, "condition"), "sometimes"),
        (("stages", 1, "before", "approval", "need"), "most"),
        (("stages", 1, "before", "approval", "approvers"), ["ana"]),
    ],
)
def test_the_schema_and_the_loader_refuse_the_same(path: tuple[str | int, ...], value: object) -> None:
    """An editor and the loader tell the author the same."""
    written = changed(path, value)
    assert [] != list(VALIDATOR.iter_errors(written))
    with pytest.raises(BrokenPipeline):
        load(json.dumps(written), "short.json")


@given(pipelines())
@settings(max_examples=20)
def test_every_pipeline_written_out_is_valid_and_loads_as_itself(pipeline: Pipeline) -> None:
    """Whatever the models can hold can be written down, validated and read again."""
    written = pipeline.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert [] == list(VALIDATOR.iter_errors(written))
    assert pipeline == load(json.dumps(written), "written.json")


def test_every_mapping_is_closed_and_every_key_explained() -> None:
    """An editor marks unknown keys, and shows a sentence for each known one."""
    models = [SCHEMA, *(one for one in SCHEMA["$defs"].values() if one["type"] == "object")]
    assert [] == [model["title"] for model in models if model["additionalProperties"] is not False]
    explained = {(model["title"], key): "description" in field for model in models for key, field in _fields(model)}
    assert [] == [key for key, is_explained in explained.items() if not is_explained]


def test_defaults_are_written_as_authors_write_them() -> None:
    """A duration is ``1h`` and not ``PT1H``."""
    assert "1h" == SCHEMA["$defs"]["Step"]["properties"]["timeout"]["default"]
    assert "30d" == SCHEMA["$defs"]["ApprovalPolicy"]["properties"]["timeout"]["default"]


def test_every_pattern_has_its_words() -> None:
    """No author has to read a regular expression."""
    used = set(_patterns(SCHEMA)) - {SCHEMA["$defs"]["Step"]["properties"]["timeout"]["pattern"]}
    assert used == set(PATTERNS)


def _fields(model: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return list(model["properties"].items())


def _patterns(schema: Any) -> list[str]:
    if isinstance(schema, list):
        return [found for part in schema for found in _patterns(part)]
    if not isinstance(schema, dict):
        return []
    own = [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
    return own + list(schema.get("patternProperties", {})) + [p for part in schema.values() for p in _patterns(part)]


def test_characters_that_json_writes_as_two_escapes_are_one_in_keys_too() -> None:
    """A job of Jenkins may call its parameters anything."""
    parameters = {"\U0001f6a2": "\U0001f680"}
    step = {"jenkins": {"server": "ci", "job": "ship", "parameters": parameters}}
    stage = {"stage": "test", "jobs": [{"job": "ship", "steps": [step]}]}
    pipeline = load(json.dumps({"pipeline": "ship", "stages": [stage]}), "ship.json")
    asked = pipeline.stages[0].jobs[0].steps[0].jenkins
    assert asked is not None
    assert parameters == asked.parameters

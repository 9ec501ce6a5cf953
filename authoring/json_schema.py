"""The JSON Schema of the pipeline file, made from the models, so that editors help while people write."""

from datetime import timedelta
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from domain import duration
from domain.pipeline import Pipeline

ADDRESS = "/schemas/pipeline-v1.json"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_SOURCES = ("jenkins", "azure-pipelines", "url", "directory")
Schema = dict[str, Any]


def pipeline_schema() -> Schema:
    """The schema as served under ``ADDRESS``. It knows no rules between places of the file: names, cycles."""
    schema = Pipeline.model_json_schema(mode="validation", by_alias=True, schema_generator=_AsWritten)
    schema["$defs"]["Artifact"]["oneOf"] = [_has(source) for source in _SOURCES]
    schema["$defs"]["Step"]["oneOf"] = [_has("run", "string"), _has("jenkins")]
    return {"$schema": _DIALECT, "$id": ADDRESS, **_closed(schema)}


class _AsWritten(GenerateJsonSchema):
    """Writes defaults as an author would."""

    def encode_default(self, dft: Any) -> Any:
        return duration.render(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def _has(key: str, kind: str = "object") -> Schema:
    return {"required": [key], "properties": {key: {"type": kind}}}


def _closed(schema: Any) -> Any:
    """The same schema in which no mapping takes a key it does not know."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(part) for key, part in schema.items()}
    if schema.get("type") == "object" and ("patternProperties" in schema or "title" in schema):
        closed["additionalProperties"] = False
    return closed

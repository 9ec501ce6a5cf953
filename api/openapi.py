"""The OpenAPI document: what FastAPI finds out by itself, the shape of problems, and how callers sign in."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from api.errors import Problem
from api.rights import rights_of

_SCHEMAS = "#/components/schemas/{model}"
_BEARER = {"type": "http", "scheme": "bearer", "description": "A token of `POST /api/v1/tokens`, or an agent's."}


def document(app: FastAPI) -> dict[str, Any]:
    """Made once; ``app.openapi`` is replaced by this."""
    if app.openapi_schema is None:
        told = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        _, problems = models_json_schema([(Problem, "serialization")], ref_template=_SCHEMAS)
        told["components"]["schemas"] |= problems["$defs"]
        told["components"]["securitySchemes"] = {"bearer": _BEARER}
        _say_who_signs_in(app, told["paths"])
        app.openapi_schema = told
    return app.openapi_schema


def _say_who_signs_in(app: FastAPI, paths: dict[str, dict[str, dict[str, Any]]]) -> None:
    """By the rights that the routes declare."""
    for right in rights_of(app):
        path = right.path.replace(":path}", "}")
        for method in right.methods:
            operation = paths.get(path, {}).get(method.lower())
            if operation is not None and right.needed:
                operation["security"] = [{"bearer": []}]
                operation["description"] += f"\n\nNeeds the role {', '.join(right.needed)}."

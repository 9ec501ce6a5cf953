"""The application as a whole: its OpenAPI document."""

from collections.abc import Iterator
from typing import Any

import pytest
from fakes.api_world import World


def _operations(world: World) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in world.app.openapi()["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_operation_is_described(world: World) -> None:
    """Tag, summary, description, and an id of its own that a client can be named by."""
    bare = [
        (path, method)
        for path, method, operation in _operations(world)
        if not (operation.get("tags") and operation.get("summary") and operation.get("description"))
    ]
    ids = [operation["operationId"] for _, _, operation in _operations(world)]
    assert [] == bare
    assert len(ids) == len(set(ids))
    assert all(name.islower() and name.isidentifier() for name in ids)


def test_operations_that_want_a_caller_tell_how_they_refuse(world: World) -> None:
    """401, 403 and 422 as problems."""
    silent = [
        path
        for path, _, operation in _operations(world)
        if path.startswith("/api/") and not {"401", "403", "422"} <= set(operation["responses"])
    ]
    problems = {
        content
        for path, _, operation in _operations(world)
        if path.startswith("/api/")
        for status, response in operation["responses"].items()
        if status >= "400"
        for content in response.get("content", {})
    }
    assert [] == silent
    assert {"application/problem+json"} == problems


def test_the_document_tells_what_role_each_operation_needs(world: World) -> None:
    """Taken from the rights themselves."""
    operation = world.app.openapi()["paths"]["/api/v1/secrets/{name}"]["put"]
    assert ([{"bearer": []}], True) == (operation["security"], "Needs the role admin." in operation["description"])


@pytest.mark.parametrize("name", ["Problem", "ReleaseView", "ApprovalView", "ReceiptView"])
def test_the_models_of_answers_are_in_the_document(world: World, name: str) -> None:
    """Clients can be generated."""
    assert name in world.app.openapi()["components"]["schemas"]


async def test_pages_are_not_in_the_document_but_are_served(world: World) -> None:
    """The console stands beside the API."""
    assert not [path for path, _, _ in _operations(world) if path in {"/", "/login"}]
    async with world.calling() as nobody:
        answer = await nobody.get("http://slipway.test/login", headers={"Accept": "text/html"})
    assert (200, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])


async def test_a_person_without_a_session_is_led_to_sign_in(world: World) -> None:
    """A program gets a 401, a browser the form."""
    async with world.calling() as nobody:
        answer = await nobody.get("http://slipway.test/", headers={"Accept": "text/html"})
    assert (303, True) == (answer.status_code, answer.headers["location"].startswith("/login?next="))

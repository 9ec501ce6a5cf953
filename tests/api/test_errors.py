"""Errors: every one a problem that says what to do about it."""

import json

import httpx2
import pytest
from fakes.api_world import World
from sqlalchemy.exc import InterfaceError, OperationalError

from domain.role import Role

PROBLEM_JSON = "application/problem+json"
JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ('{"pipeline": "webshop", "stage": "prod"}', "#/stage"),
        ("{}", "#/pipeline"),
        ('{"pipeline": "web shop"}', "#/pipeline"),
        ('{"pipeline": "webshop", "versions": {"web": 142}}', "#/versions/web"),
        ('{"pipeline": "webshop", "variables": {"a b": "x"}}', "#/variables/a b/[key]"),
        ('{"pipeline": "webshop", "description": "\\u0000"}', "#"),
        ('{"pipeline": "webshop", "description": "\\ud800"}', "#/description"),
        ('{"pipeline": ', "#"),
        ("[]", "#"),
        ("", "#"),
    ],
)
async def test_bad_input_is_pointed_at(releaser: httpx2.AsyncClient, body: str, pointer: str) -> None:
    """422 with a JSON pointer for each flaw."""
    answer = await releaser.post("/releases", content=body, headers={"Content-Type": "application/json"})
    assert (422, PROBLEM_JSON) == (answer.status_code, answer.headers["content-type"])
    assert [pointer] == [flaw["pointer"] for flaw in answer.json()["errors"]]


async def test_deeply_nested_json_is_a_bad_request(releaser: httpx2.AsyncClient) -> None:
    """A body that would exhaust the stack is no fault of ours."""
    headers = {"Content-Type": "application/json"}
    answer = await releaser.post("/releases", content="[" * 100_000, headers=headers)
    assert answer.status_code in {400, 422}


async def test_an_error_never_repeats_the_input(world: World) -> None:
    """It may be a secret."""
    async with world.calling(Role.ADMIN) as client:
        answer = await client.put("/secrets/webshop/db", json={"value": {"nested": "hunter2"}, "hunter2": 1})
    assert 422 == answer.status_code
    assert "hunter2" not in answer.text.replace("#/hunter2", "")


async def test_a_bad_parameter_is_named(viewer: httpx2.AsyncClient) -> None:
    """Query and path have no pointer, but a name."""
    answer = await viewer.get("/releases?limit=0&status=funny")
    assert ["status", "limit"] == [flaw["parameter"] for flaw in answer.json()["errors"]]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/nowhere", (404, "NotFound")),
        ("/releases/webshop/1", (404, "NoSuchRelease")),
        ("/releases/webshop/99999999999999999999", (422, "Invalid")),
        ("/deployments/webshop/1/prod/1", (404, "NoSuchDeployment")),
        ("/approvals/webshop/1/prod/1/before", (404, "NotFound")),
        ("/approvals/webshop/1/prod/1/during", (422, "Invalid")),
        ("/pipelines/webshop", (404, "NoSuchPipeline")),
        ("/logs/webshop/1/prod/1/deploy/1/1/text", (404, "NoSuchRun")),
        ("/logs/webshop/1/prod/1/deploy/1/1/follow", (404, "NoSuchRun")),
        ("/logs/nonsense/text", (422, "Invalid")),
        ("/releases?cursor=nonsense", (422, "BadCursor")),
    ],
)
async def test_what_is_not_there_is_told(viewer: httpx2.AsyncClient, path: str, expected: tuple[int, str]) -> None:
    """By the class of the refusal, in a problem."""
    answer = await viewer.get(path)
    assert expected == (answer.status_code, answer.json()["error"])
    assert (PROBLEM_JSON, expected[0]) == (answer.headers["content-type"], answer.json()["status"])


@pytest.mark.parametrize("error", [OperationalError("", {}, Exception()), InterfaceError("", {}, Exception()), OSError])
async def test_a_database_that_is_away_is_unavailable(world: World, error: Exception | type[Exception]) -> None:
    """503 with the time to wait, and nothing of what the database said."""
    raised = ConnectionRefusedError("secret host") if error is OSError else error

    async def broken() -> None:
        raise raised

    world = world.with_application_of_its_own()
    world.app.add_api_route("/broken", broken)
    async with world.calling(Role.VIEWER) as viewer:
        answer = await viewer.get("http://slipway.test/broken")
    assert (503, "5", "DatabaseUnavailable") == (
        answer.status_code,
        answer.headers["retry-after"],
        answer.json()["error"],
    )


async def test_temporal_that_is_away_is_unavailable(world: World, releaser: httpx2.AsyncClient) -> None:
    """A message that could not be delivered is said to be so."""
    await world.save()
    await releaser.post("/releases", json={"pipeline": "webshop"})
    world.orchestrator.is_reachable = False
    answer = await releaser.post("/releases/webshop/1/cancel", json={})
    assert (503, "TemporalUnavailable", "5") == (
        answer.status_code,
        answer.json()["error"],
        answer.headers["retry-after"],
    )


@pytest.mark.parametrize("name", ["/secrets/webshop/db", "/connections/ci"])
async def test_half_a_character_is_no_secret(world: World, name: str) -> None:
    """JSON can spell it, no byte can."""
    field = "value" if "secrets" in name else "token"
    more = {} if "secrets" in name else {"kind": "jenkins", "url": "https://ci.example.com"}
    async with world.calling(Role.ADMIN) as client:
        answer = await client.put(name, content=json.dumps(more | {field: "\ud800"}), headers=JSON)
    assert (422, [f"#/{field}"]) == (answer.status_code, [flaw["pointer"] for flaw in answer.json()["errors"]])


async def test_of_a_thousand_flaws_the_first_hundred_are_told(releaser: httpx2.AsyncClient) -> None:
    """The answer does not outgrow the request."""
    answer = await releaser.post("/releases", json={f"x{number}": 0 for number in range(1000)})
    assert (422, 100) == (answer.status_code, len(answer.json()["errors"]))

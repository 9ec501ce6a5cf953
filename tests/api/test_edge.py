"""The outermost layer: sizes, headers, log lines, and bugs."""

from collections.abc import AsyncIterator

import httpx2
import pytest
from fakes.api_world import World
from structlog.testing import capture_logs

from api.edge import LARGEST_BODY
from domain.role import Role


async def test_a_body_that_announces_ten_megabytes_is_refused_unread(releaser: httpx2.AsyncClient) -> None:
    """The answer is a problem like any other."""
    answer = await releaser.post("/releases", content=b"x" * 10_000_000)
    assert (413, "application/problem+json", "TooLarge") == (
        answer.status_code,
        answer.headers["content-type"],
        answer.json()["error"],
    )


async def test_a_body_that_does_not_announce_its_size_is_cut_off(releaser: httpx2.AsyncClient) -> None:
    """Chunks are counted as they come."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(LARGEST_BODY // 65_536 + 2):
            yield b"x" * 65_536

    headers = {"Content-Type": "application/json"}
    answer = await releaser.post("/releases", content=endless(), headers=headers)
    assert (413, "TooLarge") == (answer.status_code, answer.json()["error"])


@pytest.mark.parametrize("path", ["/me", "/releases", "/nowhere"])
async def test_every_answer_has_the_security_headers(viewer: httpx2.AsyncClient, path: str) -> None:
    """Errors included."""
    headers = (await viewer.get(path)).headers
    assert "nosniff" == headers["x-content-type-options"]
    assert "no-referrer" == headers["referrer-policy"]
    assert "no-store" == headers["cache-control"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]


@pytest.mark.parametrize(
    ("path", "logged"),
    [
        ("/approve/secret-token?x=secret-query", "/approve/***"),
        ("/approve/secret-token/", "/approve/***"),
        ("//approve//secret-token", "//approve/***"),
        ("/APPROVE/secret-token", "/APPROVE/***"),
        ("/approve;x/secret-token", "/approve/***"),
        ("/approve%2Fsecret-token", "/approve/***"),
        ("/%61pprove/secret-token%0a", "/approve/***"),
        ("/slipway/approve/secret-token", "/slipway/approve/***"),
        ("/approvals/webshop/41/prod/1/before", "/approvals/webshop/41/prod/1/before"),
    ],
)
async def test_the_token_of_a_mailed_link_is_not_logged(world: World, path: str, logged: str) -> None:
    """Who can read the log cannot answer for anybody, wherever a proxy or a typing error puts the link."""
    with capture_logs() as lines:
        async with world.client({}) as client:
            await client.get(f"http://slipway.test{path}")
    assert [logged] == [line["path"] for line in lines if line["event"] == "request"]
    assert "secret" not in str(lines)


async def test_a_bug_tells_nothing_but_its_trace_id(world: World) -> None:
    """The text of the exception stays here; the id finds it in the log."""

    async def broken() -> None:
        raise RuntimeError("the password is hunter2")

    world = world.with_application_of_its_own()
    world.app.add_api_route("/broken", broken)
    with capture_logs() as lines:
        async with world.calling(Role.RELEASER) as releaser:
            answer = await releaser.get("http://slipway.test/broken")
    assert (500, "InternalError") == (answer.status_code, answer.json()["error"])
    assert "hunter2" not in answer.text
    assert answer.headers["x-trace-id"] == answer.json()["trace_id"]
    assert "request failed" in [line["event"] for line in lines]


@pytest.mark.parametrize("path", ["/releases?pipeline=a%00b", "/outbox?to=%00", "/pipelines/a%00b"])
async def test_an_address_with_nul_is_refused_before_the_database_sees_it(world: World, path: str) -> None:
    """PostgreSQL would make a fault of ours of it."""
    async with world.calling(Role.ADMIN) as client:
        answer = await client.get(path)
    assert (400, "BadRequest") == (answer.status_code, answer.json()["error"])


async def test_a_length_of_thousands_of_digits_is_too_large(releaser: httpx2.AsyncClient) -> None:
    """Reading it as a number would be work for nothing."""
    answer = await releaser.post("/releases", content=b"{}", headers={"Content-Length": "9" * 5000})
    assert 413 == answer.status_code

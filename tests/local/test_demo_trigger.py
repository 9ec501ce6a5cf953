"""The page of the Jenkins stand-in that builds once more and tells a local installation."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from fakes.served import served
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from domain.trigger import JenkinsBuild
from integrations import told_by_jenkins
from local import demo_builds, jenkins
from local.demo_trigger import JOB, PATH, notification, with_new_builds

STAND_IN = (demo_builds.USER, demo_builds.TOKEN)


@pytest.fixture
async def browser() -> AsyncIterator[httpx2.AsyncClient]:
    """At the stand-in as an installation has it."""
    state = demo_builds.jenkins()
    transport = httpx2.ASGITransport(app=with_new_builds(jenkins.create_app(state), state))
    async with httpx2.AsyncClient(transport=transport, base_url="http://jenkins.test", follow_redirects=True) as client:
        yield client


async def builds(browser: httpx2.AsyncClient) -> list[int]:
    """Those that the stand-in tells of, as it always does."""
    path = f"/job/{JOB.replace('/', '/job/')}/api/json"
    answer = await browser.get(path, params={"tree": "builds[number]"}, auth=STAND_IN)
    return [build["number"] for build in answer.json()["builds"]]


async def test_a_new_build_is_told_as_jenkins_tells_it(browser: httpx2.AsyncClient) -> None:
    """With the secret in the address; what came of it stands on the page."""
    told: list[tuple[str, Any]] = []

    async def take(request: Request) -> Response:
        told.append((request.query_params["secret"], await request.json()))
        return JSONResponse({"message": "release webshop/2 was made"}, 202)

    with served(Starlette(routes=[Route("/hooks/ci", take, methods=["POST"])])) as there:
        listener = {"url": f"{there}/hooks/ci", "secret": "slh_1", "last": 144}
        assert 204 == (await browser.put(PATH, json=listener, auth=STAND_IN)).status_code
        page = await browser.post(PATH)
    assert [("slh_1", notification(145))] == told
    assert "release webshop/2 was made" in page.text
    assert [145, 144, 143, 142, 141] == await builds(browser)


async def test_nobody_else_says_who_is_told(browser: httpx2.AsyncClient) -> None:
    """No page that a browser has open."""
    assert 401 == (await browser.put(PATH, json={"url": "http://x", "secret": "y"})).status_code


@pytest.mark.parametrize("listener", [None, {"url": "http://127.0.0.1:1/", "secret": "s"}], ids=["nobody", "away"])
async def test_a_build_is_there_though_nobody_hears_of_it(
    browser: httpx2.AsyncClient, listener: dict[str, str] | None
) -> None:
    """And the page says so."""
    if listener:
        await browser.put(PATH, json=listener, auth=STAND_IN)
    page = await browser.post(PATH)
    assert ("no answer" if listener else "Nobody listens") in page.text
    assert 143 == (await builds(browser))[0]


async def test_what_was_built_is_built_again_byte_for_byte() -> None:
    """So that a release of it can be deployed after a restart."""
    assert demo_builds.webshop_files(143) == demo_builds.webshop_files(143)


def test_the_notification_is_read_as_one_of_jenkins() -> None:
    """In the shape of the plugin."""
    build = told_by_jenkins.read(notification(143), "ci")
    assert isinstance(build, JenkinsBuild)
    assert (JOB, 143, "main", ("Rita Rivers",)) == (build.job, build.number, build.built.branch, build.built.people)

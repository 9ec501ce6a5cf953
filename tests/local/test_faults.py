"""Faults happen as they were asked for, and are counted: a fault that never fired proves nothing."""

import http.client

import pytest
from fakes.exchanges import ask
from fakes.served import served
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from local.faults import Fault, Faults, FaultyApp

BODY = "0123456789"


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def seen() -> list[str]:
    """The paths that were handled."""
    return []


@pytest.fixture
def url(faults, seen):
    async def answer(request: Request) -> PlainTextResponse:
        seen.append(request.url.path)
        return PlainTextResponse(BODY)

    with served(FaultyApp(Starlette(routes=[Route("/{path:path}", answer)]), faults)) as address:
        yield address


def test_without_faults_all_is_well(url):
    """And other paths are not touched."""
    assert BODY.encode() == ask(url, "GET", "/x", {}).body


def test_a_fault_fires_for_its_path_and_so_often(url, faults):
    """Then it is spent."""
    fault = faults.add(Fault("/x", status=503, times=1))
    statuses = [ask(url, "GET", path, {}).status for path in ("/y", "/x", "/x")]
    assert ([200, 503, 200], 1) == (statuses, fault.fired)


@pytest.mark.parametrize("cut_at", [0, 5, 9])
def test_a_cut_ends_the_connection_at_that_byte(url, faults, cut_at):
    """The length that was announced does not come."""
    faults.add(Fault(cut_at=cut_at))
    with pytest.raises(http.client.IncompleteRead) as cut:
        ask(url, "GET", "/x", {})
    assert BODY[:cut_at].encode() == cut.value.partial


def test_a_longer_claim_is_not_kept(url, faults):
    """The server closes early."""
    faults.add(Fault(claims=11))
    with pytest.raises(http.client.IncompleteRead):
        ask(url, "GET", "/x", {})


def test_a_shorter_claim_cuts_the_body_to_match(url, faults):
    """Only a digest can tell."""
    faults.add(Fault(claims=4))
    assert b"0123" == ask(url, "GET", "/x", {}).body


def test_a_drip_is_slow_but_whole(url, faults):
    """Every byte comes at last."""
    faults.add(Fault(drip=(3, 0.001)))
    assert BODY.encode() == ask(url, "GET", "/x", {}).body


@pytest.mark.parametrize(("reset", "handled"), [("before", []), ("after", ["/x"])])
def test_a_reset_comes_before_or_after_the_request_is_handled(url, faults, seen, reset, handled):
    """The client cannot tell which."""
    fault = faults.add(Fault(reset=reset))
    with pytest.raises(ConnectionError):
        ask(url, "GET", "/x", {})
    assert (handled, 1) == (seen, fault.fired)


def test_a_redirect_names_the_place(url, faults):
    """With the status that was asked for."""
    faults.add(Fault(redirect_to="http://example.com/", status=307))
    answer = ask(url, "GET", "/x", {})
    assert (307, "http://example.com/") == (answer.status, answer.headers["location"])

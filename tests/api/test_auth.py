"""Who is calling: tokens, sessions, and where a browser's request came from."""

from datetime import timedelta

import httpx2
import pytest
from fakes.api_world import BOOTSTRAP, NOW, World
from pydantic import SecretStr

from api.auth import SESSION_COOKIE, caller_by_cookie, known
from api.rights import rights_of
from domain.approval_policy import Proof
from domain.role import Role
from storage import tokens


async def test_a_token_tells_who_calls(approver: httpx2.AsyncClient) -> None:
    """Subject and role come from the token, never from the request."""
    answer = await approver.get("/me")
    assert {"subject": "ana@example.com", "role": "approver", "owner": None} == answer.json()


async def test_every_token_that_is_not_good_is_refused_alike(world: World) -> None:
    """Unknown, expired, revoked and malformed tokens get the very same answer."""
    expired = await world.token(Role.ADMIN, good_for=timedelta(seconds=60))
    revoked = await world.token(Role.ADMIN)
    async with world.services.database.transaction() as session:
        row = await tokens.find(session, revoked, world.clock())
        assert row is not None
        await tokens.revoke(session, row.id, world.clock())
    world.clock.move(timedelta(seconds=61))
    answers = []
    for value in ("slw_forged", expired, revoked, "x" * 5000):
        async with world.client({"Authorization": f"Bearer {value}"}) as client:
            answer = await client.get("/me")
            answers.append((answer.status_code, answer.headers["www-authenticate"], answer.json()["detail"]))
    assert [(401, "Bearer", "this token is not valid (any more)")] * 4 == answers


async def test_without_a_token_the_answer_says_how_to_send_one(world: World) -> None:
    """A 401 names the scheme."""
    async with world.client({}) as client:
        answer = await client.get("/me")
    assert (401, "NotAuthenticated", "Bearer") == (
        answer.status_code,
        answer.json()["error"],
        answer.headers["www-authenticate"],
    )


async def test_a_token_of_another_scheme_is_no_token(world: World) -> None:
    """Basic credentials are not looked up."""
    value = await world.token(Role.ADMIN)
    async with world.client({"Authorization": f"Basic {value}"}) as client:
        assert 401 == (await client.get("/me")).status_code


async def test_the_bootstrap_token_makes_the_first_admin(world: World) -> None:
    """It is accepted as the configured admin's."""
    async with world.client({"Authorization": f"Bearer {BOOTSTRAP}"}) as client:
        answer = await client.get("/me")
    assert {"subject": "root@example.com", "role": "admin", "owner": None} == answer.json()


@pytest.mark.parametrize("configured", [None, SecretStr("")])
async def test_an_unset_bootstrap_token_lets_nobody_in(world: World, configured: SecretStr | None) -> None:
    """An empty token never equals an empty setting."""
    world = world.with_services(bootstrap_token=configured)
    async with world.client({"Authorization": "Bearer "}) as client:
        assert 401 == (await client.get("/me")).status_code


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Sec-Fetch-Site": "none"}, 201),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://slipway.example.com"}, 403),
        ({"Origin": "https://slipway.example.com"}, 201),
        ({"Origin": "http://slipway.test"}, 201),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({}, 403),
    ],
)
async def test_a_session_changes_things_only_from_our_own_pages(
    world: World, headers: dict[str, str], expected: int
) -> None:
    """A cookie travels by itself, so where the request came from must be known."""
    cookie = {"Cookie": f"{SESSION_COOKIE}={await world.token(Role.ADMIN)}"}
    async with world.client(cookie | headers) as client:
        answer = await client.post("/agents/enrolment-tokens", json={})
    assert expected == answer.status_code


async def test_a_session_reads_from_anywhere(world: World) -> None:
    """A link in a mail leads to the console, signed in."""
    cookie = {"Cookie": f"{SESSION_COOKIE}={await world.token(Role.VIEWER)}", "Sec-Fetch-Site": "cross-site"}
    async with world.client(cookie) as client:
        assert 200 == (await client.get("/me")).status_code


async def test_an_agents_credential_is_no_session(world: World) -> None:
    """What an agent holds opens no browser."""
    async with world.client({"Cookie": f"{SESSION_COOKIE}={await world.token(Role.AGENT)}"}) as client:
        assert 401 == (await client.get("/me")).status_code


async def test_a_bearer_token_wins_over_a_cookie(world: World) -> None:
    """What the caller sent on purpose counts."""
    headers = {
        "Authorization": f"Bearer {await world.token(Role.VIEWER)}",
        "Cookie": f"{SESSION_COOKIE}={await world.token(Role.ADMIN)}",
    }
    async with world.client(headers) as client:
        assert "viewer" == (await client.get("/me")).json()["role"]


async def _session(world: World, name: str = tokens.BROWSER_SESSION) -> str:
    async with world.services.database.transaction() as session:
        _, value = await tokens.issue(
            session,
            name=name,
            subject="ana@example.com",
            role=Role.APPROVER,
            expires_at=world.clock() + timedelta(hours=12),
            now=world.clock(),
        )
    return value


async def test_a_login_is_fresh_for_ten_minutes(world: World) -> None:
    """From the making of the session on; a clock that was set back makes none fresh."""
    cookie = await _session(world)
    seen = []
    for seconds in (0, 599, 600, 3600, -1):
        caller = await caller_by_cookie(world.services, cookie)
        seen.append(caller.proof(NOW + timedelta(seconds=seconds)))
    assert [Proof.FRESH_LOGIN, Proof.FRESH_LOGIN, Proof.LOGIN, Proof.LOGIN, Proof.LOGIN] == seen


@pytest.mark.parametrize("name", ["laptop", tokens.BROWSER_SESSION])
async def test_a_token_is_never_a_fresh_login(world: World, name: str) -> None:
    """However new it is: programs keep tokens. Nor is one that somebody has put into a browser by hand."""
    value = await _session(world, name)
    bearer = await known(world.services, value)
    assert Proof.LOGIN == bearer.proof(world.clock())
    by_hand = await caller_by_cookie(world.services, await _session(world, "laptop"))
    assert Proof.LOGIN == by_hand.proof(world.clock())


async def test_nobody_signs_in_with_a_session(world: World) -> None:
    """Whoever has got hold of a cookie does not make a fresh login of it."""
    async with world.client({"Sec-Fetch-Site": "same-origin"}) as browser:
        answer = await browser.post("http://slipway.test/login", data={"token": await _session(world)})
        assert (401, None) == (answer.status_code, browser.cookies.get(SESSION_COOKIE))


async def test_a_session_keeps_the_owner_of_the_service_it_was_made_for(world: World) -> None:
    """Signing in with a service's token makes nobody of the person behind it."""
    value = await world.token(Role.RELEASER, "service:ci", owner="rita@example.com")
    async with world.client({"Sec-Fetch-Site": "same-origin"}) as browser:
        await browser.post("http://slipway.test/login", data={"token": value})
        session = await caller_by_cookie(world.services, browser.cookies[SESSION_COOKIE])
    assert ("service:ci", "rita@example.com", True) == (session.subject, session.owner, session.is_browser)


@pytest.mark.parametrize("role", [Role.ADMIN, Role.RELEASE_MANAGER, Role.APPROVER])
async def test_a_service_takes_no_part_in_approvals(world: World, role: Role) -> None:
    """Whatever its role and whoever its owner is: people answer, and people override."""
    value = await world.token(role, "service:ci", owner="ana@example.com")
    told = {}
    async with world.client({"Authorization": f"Bearer {value}"}) as service:
        for right in rights_of(world.app):
            if right.path.startswith("/api/v1/approvals") and "POST" in right.methods:
                path = right.path.format(pipeline="webshop", number=1, stage="prod", attempt=1, moment="before")
                answer = await service.post(f"http://slipway.test{path}", json={})
                told[path] = answer.status_code, answer.json()["error"]
    assert len(told) >= 2
    assert {(403, "NotAllowed")} == set(told.values())


async def test_rights_that_only_people_have_do_not_end_other_rights_of_a_service(world: World) -> None:
    """It makes releases and looks at what waits."""
    value = await world.token(Role.RELEASER, "service:ci", owner="ana@example.com")
    await world.save()
    async with world.client({"Authorization": f"Bearer {value}"}) as service:
        made = await service.post("/releases", json={"pipeline": "webshop"})
        waiting = await service.get("/approvals")
    assert (201, 200, "service:ci") == (made.status_code, waiting.status_code, made.json()["requested_by"])

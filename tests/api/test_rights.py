"""Rights: declared on every route, and held to."""

import httpx2
import pytest
from fakes.api_world import World
from fastapi import FastAPI
from trials.release_desk import asking, release_desk

from api.rights import RouteRight, UndeclaredRight, require_declared_rights, rights_of
from domain.role import Role

OPENAPI = "/api/v1/openapi.json"
CALLERS = (None, *Role)
_ONE = "/approvals/{pipeline}/{number}/{stage}/{attempt}/{moment}"
# Whoever changes one of these lets other people decide, or say who is who: it belongs into the documents, too.
ABOUT_APPROVALS_AND_PEOPLE = {
    "GET /api/v1/approvals": Role.VIEWER,
    "POST /api/v1/approvals/votes": Role.APPROVER,
    f"GET /api/v1{_ONE}": Role.VIEWER,
    f"POST /api/v1{_ONE}/votes": Role.APPROVER,
    f"POST /api/v1{_ONE}/withdrawals": Role.APPROVER,
    f"POST /api/v1{_ONE}/reassignments": Role.APPROVER,
    f"POST /api/v1{_ONE}/overrides": Role.RELEASE_MANAGER,
    "GET /approvals": Role.VIEWER,
    "POST /approvals": Role.APPROVER,
    f"GET {_ONE}": Role.VIEWER,
    f"POST {_ONE}": Role.APPROVER,
    "PUT /api/v1/groups/{name}": Role.ADMIN,
    "GET /api/v1/groups": Role.VIEWER,
    "GET /api/v1/groups/{name}": Role.VIEWER,
    "DELETE /api/v1/groups/{name}": Role.ADMIN,
    "GET /api/v1/people": Role.ADMIN,
    "GET /api/v1/people/{address:path}": Role.ADMIN,
    "PUT /api/v1/people/{address:path}": Role.ADMIN,
    "DELETE /api/v1/people/{address:path}": Role.ADMIN,
    "GET /api/v1/me": Role.VIEWER,
    "GET /api/v1/tokens": Role.ADMIN,
    "POST /api/v1/tokens": Role.ADMIN,
    "DELETE /api/v1/tokens/{token_id}": Role.ADMIN,
    "GET /api/v1/outbox": Role.ADMIN,
    "GET /api/v1/outbox/{mail_id}": Role.ADMIN,
    "GET /outbox": Role.ADMIN,
    "GET /outbox/{mail_id}": Role.ADMIN,
    "GET /outbox/{mail_id}/html": Role.ADMIN,
    "POST /api/v1/pipelines": Role.ADMIN,
    "POST /api/v1/releases/{pipeline}/{number}/variables": Role.RELEASER,
}
_TOPICS = {"approvals", "groups", "people", "me", "tokens", "outbox"}


def test_every_route_declares_its_right(world: World) -> None:
    """No route is served that says neither who may call it nor that everybody may."""
    undeclared = [right.path for right in rights_of(world.app) if not right.is_declared]
    assert [OPENAPI] == undeclared


def test_an_application_with_a_forgotten_right_does_not_start() -> None:
    """Deny by default is a refusal to serve at all."""
    app = FastAPI(openapi_url=None)
    app.add_api_route("/forgotten", lambda: "")
    with pytest.raises(UndeclaredRight, match="/forgotten"):
        require_declared_rights(app, open_paths=frozenset())


def test_public_routes_are_the_known_few(world: World) -> None:
    """A route that becomes public is noticed here."""
    public = {right.path for right in rights_of(world.app) if right.is_public}
    expected = {
        "/healthz",
        "/readyz",
        "/version",
        "/schemas/pipeline-v1.json",
        "/api/v1/agents/enrol",
        "/login",
        "/approve/{token}",
        "/static/{name}",
        "/hooks/sendgrid",
        "/api/v1/hooks/{name}",
    }
    assert expected == public


async def test_each_role_may_call_exactly_what_includes_it(world: World) -> None:
    """Every route with every role: refused with 401 without a token, 403 with too little, and only then."""
    surprises = []
    for caller in CALLERS:
        async with world.calling(caller) as client:
            for right in rights_of(world.app):
                if not right.is_public and right.path != OPENAPI:
                    surprises += [s for s in [await _surprise(client, right, caller)] if s]
    assert [] == surprises


def _is_about_approvals_or_people(right: RouteRight) -> bool:
    return not _TOPICS.isdisjoint(right.path.split("/")) or _name(right) in ABOUT_APPROVALS_AND_PEOPLE


def _name(right: RouteRight) -> str:
    return f"{'/'.join(right.methods)} {right.path}"


def test_who_decides_and_who_says_who_is_who_has_the_known_rights(world: World) -> None:
    """A new route about approvals or people, and one whose right changes, is noticed here."""
    found = {_name(right): right.needed for right in rights_of(world.app) if _is_about_approvals_or_people(right)}
    assert {name: (role,) for name, role in ABOUT_APPROVALS_AND_PEOPLE.items()} == found


async def test_no_service_answers_whatever_its_role(world: World) -> None:
    """Every route that changes an approval is for people; looking is not."""
    told = []
    async with world.calling(Role.ADMIN, "service:ci", owner="otto@example.com") as service:
        for right in rights_of(world.app):
            if "approvals" in right.path.split("/"):
                answer = await service.request(right.methods[0], f"http://slipway.test{_sample(right.path)}")
                told.append(("POST" in right.methods, "is a service" in answer.text))
    assert 11 == len(told)
    assert [] == [one for one in told if one[0] != one[1]]


async def _surprise(client: httpx2.AsyncClient, right: RouteRight, caller: Role | None) -> str | None:
    is_allowed = caller is not None and all(caller.includes(needed) for needed in right.needed)
    method = next(method for method in right.methods if method != "HEAD")
    answer = await client.request(method, f"http://slipway.test{_sample(right.path)}")
    is_refused = answer.status_code in {401, 403} and answer.json()["error"] in {"NotAuthenticated", "NotAllowed"}
    if is_refused == (not is_allowed):
        return None
    return f"{caller} {method} {right.path}: {answer.status_code}"


def _sample(path: str) -> str:
    """A path that fits the route, of things that do not exist."""
    samples = {
        "{run_id:path}": "webshop/41/prod/1/deploy/2/1",
        "{name:path}": "webshop/db",
        "{address:path}": "nobody@example.com",
        "{number}": "41",
        "{attempt}": "1",
        "{moment}": "before",
        "{revision}": "1",
        "{mail_id}": "1",
        "{token_id}": "0" * 32,
    }
    for part, sample in samples.items():
        path = path.replace(part, sample)
    return path.replace("{", "").replace("}", "")


def _other_spellings(path: str) -> list[str]:
    """Ways to write the path which something on the way, or we, might read as the path itself."""
    first, _, rest = path.removeprefix("/").partition("/")
    last = path.rpartition("/")[2]
    return [
        f"{path}/",
        f"/{path}",
        f"/{first}//{rest}",
        f"/{first}%2f{rest}",
        f"/{first};x/{rest}",
        f"{path};x=1",
        f"{path}%3bx",
        f"{path}%2f",
        f"{path}%20",
        f"{path}.json",
        f"/x/..{path}",
        f"/static/..{path}",
        f"/static/%2e%2e{path}",
        f"/healthz/..{path}",
        f"/./{first}/{rest}",
        path.replace(last, f"%{ord(last[0]):x}{last[1:]}"),
        path.replace(first, first.upper()),
        f"{path}\\",
    ]


@pytest.mark.parametrize("caller", CALLERS)
async def test_other_spellings_of_a_path_open_nothing(world: World, caller: Role | None) -> None:
    """Whatever the path of an approval, of people or tokens is spelt like, it asks for the same right or is none.

    Each caller tries a third of the spellings, and every spelling is tried by two of them at least.
    """
    surprises, tried = [], 0
    async with world.calling(caller) as client:
        for right in filter(_is_about_approvals_or_people, rights_of(world.app)):
            if caller is not None and all(caller.includes(needed) for needed in right.needed):
                continue
            for path in _other_spellings(_sample(right.path))[CALLERS.index(caller) % 3 :: 3]:
                tried += 1
                answer = await client.request(right.methods[0], f"http://slipway.test{path}")
                if answer.status_code not in {401, 403, 404, 405}:
                    surprises.append(f"{right.methods[0]} {path}: {answer.status_code}")
    assert [] == surprises
    assert tried > 0 or caller == Role.ADMIN


@pytest.mark.parametrize("caller", [None, Role.VIEWER, Role.AGENT])
async def test_other_methods_open_nothing(world: World, caller: Role | None) -> None:
    """Methods that a route does not serve are refused, by their own name and by that of an override."""
    surprises = []
    rights = rights_of(world.app)
    served = {(method, right.path) for right in rights for method in right.methods}
    async with world.calling(caller) as client:
        for right in filter(_is_about_approvals_or_people, rights):
            url = f"http://slipway.test{_sample(right.path)}"
            for method in ("HEAD", "OPTIONS", "TRACE", "PUT", "PATCH", "DELETE", "POST", "PROPFIND"):
                if (method, right.path) not in served:
                    status = (await client.request(method, url)).status_code
                    surprises += [f"{method} {right.path}: {status}"] if status != 405 else []
    assert [] == surprises


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL"])
async def test_no_header_makes_another_request_of_one(world: World, header: str) -> None:
    """Who may look gets to look, and nothing is done; who may do nothing gets nothing."""
    async with release_desk(asking(world)) as desk:
        rita = await desk.caller(desk.address("rita"))
        ana = await desk.caller(desk.address("ana"), Role.VIEWER)
        approval = await desk.ask(await desk.release(rita, await desk.pipeline({"approvers": [desk.address("ana")]})))
        path = f"/api/v1/approvals/{approval}/votes"
        headers = {header: path if header.endswith("URL") else "POST"}
        ballot = desk.ballot(approval)
        url = f"http://slipway.test{path}"
        statuses = [
            (await ana.request("GET", url, json=ballot, headers=headers)).status_code,
            (await ana.get(f"{url}?_method=POST", headers=headers)).status_code,
            (await ana.post("http://slipway.test/healthz", json=ballot, headers=headers)).status_code,
            (await ana.post(url, json=ballot, headers={header: "GET"})).status_code,
        ]
        assert [405, 405, 405, 403] == statuses
        assert [] == desk.orchestrator.acted


async def test_no_form_does_more_than_its_sender_may(world: World) -> None:
    """Who only answers neither decides instead of others nor gives their place away, shown the form or not."""
    async with release_desk(asking(world)) as desk:
        rita = await desk.caller(desk.address("rita"))
        bo, ana = [await desk.caller(desk.address(name), Role.APPROVER) for name in ("bo", "ana")]
        asked = await desk.pipeline({"approvers": [desk.address("ana"), desk.address("cleo")]})
        approval = await desk.ask(await desk.release(rita, asked))
        link = (await desk.link(approval, desk.address("ana"))).url.removeprefix("http://slipway.test")
        console = f"/approvals/{approval}"
        override = {"do": "override", "comment": "now", "digest": desk.asked(approval).digest}
        give_away = {"do": "reassign", "approver": desk.address("cleo"), "to": desk.address("bo")}
        before = desk.asked(approval)
        ways = [(await desk.browser(), link), (await desk.browser(ana), console), (await desk.browser(bo), console)]
        answers = [await desk.send(browser, path, **form) for browser, path in ways for form in (override, give_away)]
        assert [403, 409] * 3 == [answer.status_code for answer in answers]
        assert before == desk.asked(approval)

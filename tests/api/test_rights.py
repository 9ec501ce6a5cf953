"""Rights: declared on every route, and held to."""

import httpx2
import pytest
from fakes.api_world import World
from fastapi import FastAPI

from api.rights import RouteRight, UndeclaredRight, require_declared_rights, rights_of
from domain.role import Role

OPENAPI = "/api/v1/openapi.json"
CALLERS = (None, *Role)


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


@pytest.mark.parametrize(
    "path", ["/api/v1//tokens", "/api/v1/tokens/", "/api/v1/%74okens", "/api/v1/x/../tokens", "/api/v1/tokens;x=1"]
)
async def test_other_spellings_of_a_path_open_nothing(world: World, path: str) -> None:
    """Whatever a path is spelt like, nobody reads tokens without being an admin."""
    async with world.calling(Role.VIEWER) as client:
        answer = await client.get(f"http://slipway.test{path}")
    assert answer.status_code in {403, 404}


async def test_head_and_options_open_nothing(world: World) -> None:
    """Methods that a route does not serve are refused, not served by another right."""
    async with world.calling() as client:
        statuses = {(await client.request(method, "/tokens")).status_code for method in ("HEAD", "OPTIONS", "TRACE")}
    assert {405} == statuses

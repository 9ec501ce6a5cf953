"""No address comes in, by whatever way, that would put a header or a second recipient into a mail."""

from collections.abc import Awaitable, Callable
from urllib.parse import quote

import httpx2
import pytest
from fakes.api_world import World
from trials.release_desk import Desk, asking, release_desk

from domain.role import Role

HOSTILE = (
    "ana@example.com\r\nBcc: eve@example.com",
    "ana@example.com\nBcc:eve@example.com",
    "ana\r\n@example.com",
    "ana@example.com\u2028Bcc:eve@example.com",
    "ana@example.com\x85eve",
    "ana@exam\x0bple.com",
    "ana@example.com,eve@example.com",
    "ana@example.com eve@example.com",
    "Ana <ana@example.com>",
    "<ana@example.com>",
    "ana@example.com%0d%0aBcc:%20eve@example.com",
)
Send = Callable[[str], Awaitable[httpx2.Response]]
Entry = Callable[[Desk], Awaitable[Send]]


async def _token(desk: Desk) -> Send:
    return lambda address: desk.admin.post("/tokens", json={"name": "x", "role": "viewer", "subject": address})


async def _owner(desk: Desk) -> Send:
    service = {"name": "x", "role": "viewer", "service": "ci"}
    return lambda address: desk.admin.post("/tokens", json=service | {"owner": address})


async def _person(desk: Desk) -> Send:
    return lambda address: desk.admin.put(f"/people/{quote(address, safe='')}", json={})


async def _alias(desk: Desk) -> Send:
    return lambda address: desk.admin.put(f"/people/{desk.address('ana')}", json={"aliases": [address]})


async def _member(desk: Desk) -> Send:
    return lambda address: desk.admin.put("/groups/ops", json={"members": [desk.address("ana"), address]})


async def _approver(desk: Desk) -> Send:
    return lambda address: _save(desk, {"approvers": [address]})


async def _deputy(desk: Desk) -> Send:
    return lambda address: _save(desk, {"approvers": [desk.address("ana")], "escalate": {"to": [address]}})


async def _save(desk: Desk, approval: dict[str, object]) -> httpx2.Response:
    stage = {"stage": "prod", "before": {"approval": approval}, "jobs": [{"job": "j", "steps": [{"run": "true"}]}]}
    return await desk.admin.post("/pipelines", json={"pipeline": "other", "stages": [stage]})


async def _requested_for(desk: Desk) -> Send:
    pipeline = await desk.pipeline({"approvers": [desk.address("ana")]})
    return lambda address: desk.admin.post("/releases", json={"pipeline": pipeline, "requested_for": address})


async def _successor(desk: Desk) -> Send:
    approval, ana = await _asked(desk)
    return lambda address: ana.post(f"/approvals/{approval}/reassignments", json={"to": address})


async def _successor_on_the_page(desk: Desk) -> Send:
    approval, ana = await _asked(desk)
    form = {"do": "reassign", "approver": desk.address("ana")}
    browser = await desk.browser(ana)
    return lambda address: desk.send(browser, f"/approvals/{approval}", **form, to=address)


async def _successor_by_link(desk: Desk) -> Send:
    approval, _ = await _asked(desk)
    path = (await desk.link(approval, desk.address("ana"))).url.removeprefix("http://slipway.test")
    form = {"do": "reassign", "approver": desk.address("ana")}
    browser = await desk.browser()
    return lambda address: desk.send(browser, path, **form, to=address)


async def _asked(desk: Desk) -> tuple[str, httpx2.AsyncClient]:
    rita = await desk.caller(desk.address("rita"))
    pipeline = await desk.pipeline({"approvers": [desk.address("ana")]})
    ana = await desk.caller(desk.address("ana"), Role.APPROVER)
    return await desk.ask(await desk.release(rita, pipeline)), ana


ENTRIES: tuple[Entry, ...] = (
    _token,
    _owner,
    _person,
    _alias,
    _member,
    _approver,
    _deputy,
    _requested_for,
    _successor,
    _successor_on_the_page,
    _successor_by_link,
)


async def test_an_address_with_more_than_an_address_in_it_is_refused_wherever_it_comes_in(world: World) -> None:
    """Of tokens, people, groups, policies, releases and reassignments, over HTTP and by forms alike."""
    served = asking(world)
    let_in = []
    for entry in ENTRIES:
        async with release_desk(served) as desk:
            send = await entry(desk)
            answers = {address: (await send(address)).status_code for address in HOSTILE}
            plain = (await send(desk.address("new"))).status_code
        let_in += [
            (entry.__name__, address, status) for address, status in answers.items() if status not in {400, 404, 422}
        ]
        let_in += [] if plain in {200, 201, 204} else [(entry.__name__, "a plain address", plain)]
    assert [] == let_in


@pytest.mark.parametrize("written", ["ana@example.com\r\n", " ana@example.com\t", "\u2028ana@example.com"])
async def test_what_stands_around_an_address_is_not_kept(world: World, written: str) -> None:
    """Blanks and line breaks come along when people copy; the address itself is kept."""
    async with world.calling(Role.ADMIN) as admin:
        await admin.put("/groups/ops", json={"members": [written]})
        assert ["ana@example.com"] == (await admin.get("/groups/ops")).json()["members"]

"""SendGrid's events over HTTP: signed ones change what is known of a mail, and one that came back is told."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import httpx2
import pytest
from fakes.api_world import World
from fakes.asked_approval import ANA, PATH, PROD, RITA, ask

from activities.notifications import LetterKind
from api.edge import LARGEST_BODY
from domain.approval import Moment
from domain.role import Role
from integrations.mail_events import SignedMailEvents
from local.mail_events import EventKey
from storage.deliveries import SqlDeliveries
from storage.tables import DeliveryRow

KEY = EventKey("1f" * 31)
APPROVAL = f"{PROD}/before"
HOOK = "http://slipway.test/hooks/sendgrid"

Post = Callable[..., Awaitable[httpx2.Response]]


@pytest.fixture
async def hooked(world: World) -> World:
    """An installation that takes events, with an approval for which two people are asked."""
    hooked = world.with_services(mail_events=SignedMailEvents(KEY.public))
    await ask(hooked)
    return hooked


@pytest.fixture
async def post(hooked: World) -> AsyncIterator[Post]:
    """Post events, signed now with the right key unless told otherwise."""
    async with hooked.client({}) as client:

        async def post_events(*events: object, body: bytes | None = None, **headers: str) -> httpx2.Response:
            content = json.dumps(events).encode() if body is None else body
            signed = KEY.signed(content, hooked.clock().timestamp())
            return await client.post(HOOK, content=content, headers=signed | headers)

        yield post_events


async def mailed(world: World, person: str = ANA, kind: str = LetterKind.WANTED) -> str:
    """A mail that was sent; its delivery id."""
    mails = SqlDeliveries(world.services.database, world.clock)
    claim = await mails.claim(APPROVAL, person, kind)
    assert claim is not None
    await mails.sent(claim.delivery_id, "m-1")
    return claim.delivery_id


def event(name: str, delivery: str, **more: object) -> dict[str, object]:
    return {"event": name, "delivery_id": delivery, "email": "x@example.com", "sg_event_id": "e-1", **more}


async def shown(world: World) -> dict[str, str]:
    """What people see of the mails, by approver."""
    async with world.calling(Role.VIEWER) as viewer:
        asked = (await viewer.get(PATH)).json()["asked"]
    return {one["approver"]: one["delivery"] for one in asked}


async def test_what_became_of_a_mail_is_shown_beside_the_approver(hooked: World, post: Post) -> None:
    """Delivered to the one, back from the other."""
    ana, rita = await mailed(hooked), await mailed(hooked, RITA)
    answer = await post(event("processed", ana), event("delivered", ana), event("bounce", rita, reason="550 unknown"))
    assert 204 == answer.status_code
    assert {ANA: "delivered", RITA: "bounced"} == {key: (await shown(hooked))[key] for key in (ANA, RITA)}


@pytest.mark.parametrize(("name", "reason"), [("bounce", "550 5.1.1 no such user"), ("dropped", "Bounced Address")])
async def test_a_mail_that_came_back_is_told_to_its_deployment(
    hooked: World, post: Post, name: str, reason: str
) -> None:
    """So that somebody else is asked at once."""
    delivery = await mailed(hooked)
    assert 204 == (await post(event(name, delivery, reason=reason))).status_code
    assert [(PROD, Moment.BEFORE, ANA, reason)] == hooked.orchestrator.bounced


async def test_other_events_are_told_to_nobody(hooked: World, post: Post) -> None:
    """Nor are those of the mails that tell requesters something."""
    ana = await mailed(hooked)
    told = await mailed(hooked, RITA, f"{LetterKind.UNREACHABLE}: {ANA}")
    asked = await mailed(hooked, RITA, f"{LetterKind.DECISION}: deploy/2/1")
    answer = await post(
        *(event(name, ana) for name in ("deferred", "delivered", "open")),
        *(event("bounce", mail) for mail in (told, asked)),
    )
    assert (204, []) == (answer.status_code, hooked.orchestrator.bounced)


async def test_events_that_come_again_change_nothing(hooked: World, post: Post) -> None:
    """A person is told of once in a request, however many events say so."""
    ana = await mailed(hooked)
    events = [event("bounce", ana, reason="550"), event("dropped", ana, reason="later"), event("bounce", ana)]
    for _ in range(3):
        assert 204 == (await post(*events)).status_code
    assert [(PROD, Moment.BEFORE, ANA, "550")] * 3 == hooked.orchestrator.bounced
    assert "bounced" == (await shown(hooked))[ANA]


async def test_events_that_come_again_a_day_later_are_taken(hooked: World, post: Post) -> None:
    """Under their first signature, as the answer to the first time may have got lost."""
    ana = await mailed(hooked)
    bounce = event("bounce", ana, reason="550")
    first = KEY.signed(json.dumps([bounce]).encode(), hooked.clock().timestamp())
    hooked.clock.move(timedelta(hours=24))
    assert 204 == (await post(bounce, **first)).status_code
    assert "bounced" == (await shown(hooked))[ANA]


@pytest.mark.parametrize("names", [("bounce", "delivered"), ("deferred", "delivered"), ("dropped", "delivered")])
async def test_an_old_event_that_is_sent_again_changes_no_more_than_it_did(
    hooked: World, post: Post, names: tuple[str, str]
) -> None:
    """Whatever was told since then: who kept a copy of what SendGrid sent gains nothing by it."""
    ana = await mailed(hooked)
    old, later = event(names[0], ana, reason="550"), event(names[1], ana)
    copy = KEY.signed(json.dumps([old]).encode(), hooked.clock().timestamp())
    assert 204 == (await post(old, **copy)).status_code
    hooked.clock.move(timedelta(hours=1))
    assert 204 == (await post(later)).status_code
    known, told = await _known(hooked, ana), set(hooked.orchestrator.bounced)
    hooked.clock.move(timedelta(hours=1))
    assert 204 == (await post(old, **copy)).status_code
    assert (known, told) == (await _known(hooked, ana), set(hooked.orchestrator.bounced))


async def _known(world: World, delivery: str) -> tuple[object, ...]:
    """All that is kept of a mail."""
    async with world.services.database.reading() as session:
        row = await session.get(DeliveryRow, delivery)
    assert row is not None
    return row.status, row.error, row.tries, row.message_id, row.updated_at


async def test_unknown_mails_are_passed_over(hooked: World, post: Post) -> None:
    """The account may send for other programs, and what is known of ours is kept."""
    ana = await mailed(hooked)
    answer = await post(event("bounce", "unknown"), event("delivered", ana), {"event": "bounce"}, "?")
    assert (204, []) == (answer.status_code, hooked.orchestrator.bounced)
    assert "delivered" == (await shown(hooked))[ANA]


async def test_a_deployment_that_is_over_needs_no_word(hooked: World, post: Post) -> None:
    """SendGrid need not come again."""
    ana = await mailed(hooked)
    hooked.orchestrator.end(PROD)
    assert 204 == (await post(event("bounce", ana))).status_code
    assert "bounced" == (await shown(hooked))[ANA]


async def test_while_temporal_is_down_sendgrid_is_asked_to_come_again(hooked: World, post: Post) -> None:
    """And what it told is kept already; the second time, the deployment hears of it."""
    ana = await mailed(hooked)
    hooked.orchestrator.is_reachable = False
    answer = await post(event("bounce", ana, reason="550"))
    assert (503, "TemporalUnavailable") == (answer.status_code, answer.json()["error"])
    assert "Retry-After" in answer.headers
    assert "bounced" == (await shown(hooked))[ANA]
    hooked.orchestrator.is_reachable = True
    assert 204 == (await post(event("bounce", ana, reason="550"))).status_code
    assert [(PROD, Moment.BEFORE, ANA, "550")] == hooked.orchestrator.bounced


async def test_forged_and_old_events_are_refused(hooked: World, post: Post) -> None:
    """They change nothing; the answer is a problem like any other."""
    ana = await mailed(hooked)
    bounce = event("bounce", ana)
    forged = EventKey("2e" * 31).signed(json.dumps([bounce]).encode(), hooked.clock().timestamp())
    old = KEY.signed(json.dumps([bounce]).encode(), (hooked.clock() - timedelta(hours=26)).timestamp())
    nothing = dict.fromkeys(forged, "")
    for headers in (forged, old, nothing):
        answer = await post(bounce, **headers)
        assert (403, "ForgedMailEvents") == (answer.status_code, answer.json()["error"])
        assert "application/problem+json" == answer.headers["content-type"]
    assert "sent" == (await shown(hooked))[ANA]
    assert [] == hooked.orchestrator.bounced


async def test_a_signature_for_one_body_is_none_for_another(hooked: World, post: Post) -> None:
    """Down to the last byte."""
    ana = await mailed(hooked)
    signed = KEY.signed(json.dumps([event("delivered", ana)]).encode(), hooked.clock().timestamp())
    answer = await post(event("bounce", ana), **signed)
    assert (403, "sent") == (answer.status_code, (await shown(hooked))[ANA])


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b"\xff"])
async def test_what_is_no_list_of_events_is_refused(post: Post, body: bytes) -> None:
    """Signed or not."""
    assert (await post(body=body)).status_code in {403, 422}


async def test_a_body_that_is_too_large_is_refused(post: Post) -> None:
    """Before it is read whole."""
    answer = await post(body=b"x" * (LARGEST_BODY + 1))
    assert (413, "TooLarge") == (answer.status_code, answer.json()["error"])


async def test_without_a_key_there_is_no_such_hook(world: World) -> None:
    """And the answer says which setting is missing."""
    async with world.client({}) as client:
        answer = await client.post(HOOK, json=[])
    assert (404, "NoMailEvents") == (answer.status_code, answer.json()["error"])
    assert "SLIPWAY_SENDGRID_WEBHOOK_KEY" in answer.json()["detail"]

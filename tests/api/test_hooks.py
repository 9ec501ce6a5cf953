"""Webhooks over HTTP: builds and signed orders become releases, once, of those who know the secret."""

import asyncio
import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from fakes.api_world import PIPELINE, World
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

from api.edge import LARGEST_BODY
from domain.connection import Connection, ConnectionKind
from domain.person import Person
from domain.role import Role
from storage import connections, people

WEB = {"jenkins": {"server": "ci", "job": "team/webshop/main"}, "trigger": {"branches": ["main"]}}
INFRA = {
    "azure-pipelines": {"connection": "contoso", "project": "shop", "pipeline": "infra-ci", "artifact": "drop"},
    "trigger": True,
}
WEBSHOP = PIPELINE | {"artifacts": {"web": WEB, "infra": INFRA}}
AZURE = {
    "eventType": "build.complete",
    "resourceVersion": "2.0",
    "resource": {
        "id": 2102,
        "buildNumber": "20261120.1",
        "result": "succeeded",
        "definition": {"id": 12, "name": "infra-ci", "path": "\\"},
        "project": {"id": "be9b3917", "name": "shop"},
        "sourceBranch": "refs/heads/main",
        "requestedFor": {"uniqueName": "ana@example.com", "displayName": "Ana Lang"},
    },
}
ORDER = {"pipeline": "webshop", "versions": {"web": "142"}, "variables": {"LOG_LEVEL": "debug"}}


def jenkins(number: int = 142, phase: str = "FINALIZED", status: str | None = "SUCCESS", **scm: object) -> Any:
    """As the notification plugin tells it; what it does not know it leaves out."""
    build = {"number": number, "phase": phase, "scm": {"branch": "origin/main", **scm}}
    build |= {"status": status} if status else {}
    return {"name": "main", "url": "job/team/job/webshop/job/main/", "build": build}


@pytest.fixture
async def hooked(world: World) -> World:
    """A pipeline with triggers, and connections to what they are about."""
    return await prepared(world)


async def prepared(world: World) -> World:
    await world.save(WEBSHOP)
    kinds = {"ci": ConnectionKind.JENKINS, "contoso": ConnectionKind.AZURE_PIPELINES}
    async with world.services.database.transaction() as session:
        for name, kind in kinds.items():
            made = Connection(name=name, kind=kind, url="https://x.example", token=SecretStr("t"))
            await connections.put(session, world.services.sealing, made, world.clock())
    return world


async def make(world: World, kind: str, **more: object) -> str:
    """A hook called after its kind; its secret."""
    where = {"jenkins": {"connection": "ci"}, "azure": {"connection": "contoso"}, "generic": {"pipelines": ["webshop"]}}
    async with world.calling(Role.ADMIN) as admin:
        answer = await admin.post("/hooks", json={"name": kind, "kind": kind, **where[kind], **more})
    assert 201 == answer.status_code, answer.text
    return str(answer.json()["secret"])


async def post(world: World, path: str, body: object, headers: Mapping[str, str] | None = None) -> httpx2.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with world.client(headers or {}) as anybody:
        return await anybody.post(path, content=content)


async def post_signed(
    world: World, secret: str, body: object, *, message: str = "m-1", at: datetime | None = None
) -> httpx2.Response:
    """As Standard Webhooks are signed; now by the clock of this machine, by which the library checks it."""
    content, moment = json.dumps(body), at or datetime.now(UTC)
    signed = Webhook(secret).sign(message, moment, content)
    headers = {"webhook-id": message, "webhook-timestamp": str(int(moment.timestamp())), "webhook-signature": signed}
    return await post(world, "/hooks/generic", content.encode(), headers)


async def told(world: World, body: object) -> Any:
    """What a Jenkins hook answers."""
    secret = await make(world, "jenkins")
    answer = await post(world, f"/hooks/jenkins?secret={secret}", body)
    assert 202 == answer.status_code, answer.text
    return answer.json()


async def test_a_build_of_jenkins_makes_a_release(hooked: World) -> None:
    """Of that very build, in the name of the trigger."""
    answer = await told(hooked, jenkins())
    [plan] = hooked.orchestrator.started
    assert ("trigger:jenkins", {"web": "142"}) == (plan.requested_by, plan.versions)
    assert "Started by build #142 of main." == plan.description
    [event] = answer["events"]
    assert ("made", "webshop/1", "web", "#142") == (event["outcome"], event["release"], event["alias"], event["label"])
    assert "release webshop/1 was made" == answer["message"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (jenkins(phase="STARTED", status=None), "has not ended: STARTED"),
        (jenkins(status="FAILURE"), "is not good: FAILURE"),
        (jenkins() | {"url": "job/other/"}, "no pipeline has a trigger for builds of other at ci"),
        (jenkins(branch="origin/dev"), "ignored for webshop: branch dev is none of main"),
    ],
)
async def test_what_makes_no_release_is_told_why(hooked: World, body: object, message: str) -> None:
    """In the answer, which Jenkins keeps in its log."""
    answer = await told(hooked, body)
    assert message in answer["message"]
    assert [] == hooked.orchestrator.started


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"url": "job/a\\u0000/"}', b"[" * 100_000, b"{}"),
        json.dumps(jenkins() | {"url": "../../etc"}).encode(),
        json.dumps(jenkins() | {"url": "job/a%00b/"}).encode(),
        json.dumps(jenkins() | {"build": {"number": -1, "phase": "FINALIZED"}}).encode(),
        json.dumps(jenkins() | {"name": "\ud800", "url": "job/\ud800/"}).encode(),
    ],
)
async def test_what_is_no_notification_is_refused(hooked: World, body: bytes) -> None:
    """In words, and leaves nothing behind."""
    secret = await make(hooked, "jenkins")
    answer = await post(hooked, f"/hooks/jenkins?secret={secret}", body)
    assert 422 == answer.status_code
    assert [] == hooked.orchestrator.started


async def test_what_is_too_large_is_refused(hooked: World) -> None:
    """As everywhere."""
    secret = await make(hooked, "jenkins")
    assert 413 == (await post(hooked, f"/hooks/jenkins?secret={secret}", b" " * (LARGEST_BODY + 1))).status_code


async def test_a_build_of_azure_makes_a_release(hooked: World) -> None:
    """Believed by the password of basic authentication, whoever the user is; its author counts as requester."""
    secret = await make(hooked, "azure")
    basic = base64.b64encode(f"anybody:{secret}".encode()).decode()
    mark = b"\xef\xbb\xbf"
    answer = await post(hooked, "/hooks/azure", mark + json.dumps(AZURE).encode(), {"Authorization": f"Basic {basic}"})
    assert 202 == answer.status_code
    [plan] = hooked.orchestrator.started
    assert ("trigger:azure", {"infra": "2102"}) == (plan.requested_by, plan.versions)
    assert ("ana@example.com",) == plan.requester_addresses


async def test_a_project_that_is_told_by_its_id_is_named_by_the_hook(hooked: World) -> None:
    """As events of resource version 1.0 do."""
    resource = {"id": 2102, "status": "succeeded", "definition": {"id": 12, "name": "infra-ci"}}
    old = {"eventType": "build.complete", "resource": resource, "resourceContainers": {"project": {"id": "be9b"}}}
    secret = await make(hooked, "azure", project="shop")
    assert "webshop/1" in (await post(hooked, f"/hooks/azure?secret={secret}", old)).text


async def test_a_project_that_is_told_by_its_name_is_no_other(hooked: World) -> None:
    """Whatever the hook is for: another team's pipeline of the same name releases nothing of this one."""
    definition = {"id": 7, "name": "infra-ci", "project": {"id": "0ff1", "name": "lab"}}
    event = {"eventType": "build.complete", "resource": {"id": 9, "result": "succeeded", "definition": definition}}
    secret = await make(hooked, "azure", project="shop")
    assert "nothing to do" in (await post(hooked, f"/hooks/azure?secret={secret}", event)).text


async def test_a_signed_order_makes_a_release(hooked: World) -> None:
    """Of any version and with any variable that may be set; who answers for the hook counts as requester."""
    secret = await make(hooked, "generic", owner="otto@example.com")
    answer = await post_signed(hooked, secret, ORDER | {"requested_for": "bo@example.com"})
    assert 202 == answer.status_code, answer.text
    [plan] = hooked.orchestrator.started
    assert ("trigger:webhook", {"web": "142"}, {"LOG_LEVEL": "debug"}) == (
        plan.requested_by,
        plan.versions,
        plan.variables,
    )
    assert ("otto@example.com", "bo@example.com") == plan.requester_addresses


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (ORDER | {"pipeline": "other"}, 403, "NotItsPipeline"),
        (ORDER | {"version": {}}, 422, "Invalid"),
        ({"versions": {}}, 422, "Invalid"),
    ],
)
async def test_an_order_is_held_to_its_hook(hooked: World, body: object, status: int, error: str) -> None:
    """Other pipelines, and fields that mean nothing, are refused."""
    answer = await post_signed(hooked, await make(hooked, "generic"), body)
    assert (status, error) == (answer.status_code, answer.json()["error"])


async def test_an_order_that_cannot_be_made_is_written_down(hooked: World) -> None:
    """With the reason; the same message makes a release once what was wrong is right."""
    secret = await make(hooked, "generic")
    wrong = ORDER | {"variables": {"REGION": "us"}}
    answer = await post_signed(hooked, secret, wrong)
    assert "failed for webshop: variable REGION may not be set" in answer.json()["message"]
    variables = WEBSHOP["variables"] | {"REGION": {"value": "eu", "settable": True}}  # type: ignore[operator]
    await hooked.save(WEBSHOP | {"variables": variables})
    assert "made" == (await post_signed(hooked, secret, wrong)).json()["events"][0]["outcome"]


async def test_who_does_not_know_the_secret_learns_nothing(hooked: World) -> None:
    """Not even which hooks there are: the answers are the same."""
    secrets = {kind: await make(hooked, kind) for kind in ("jenkins", "azure", "generic")}
    other = "whsec_" + base64.b64encode(b"x" * 32).decode()
    basic = {"Authorization": "Basic " + base64.b64encode(b"a:b").decode()}
    late = datetime.now(UTC) - timedelta(minutes=6)
    answers = [
        *[await post(hooked, f"/hooks/{name}", jenkins()) for name in ("jenkins", "azure", "generic", "none")],
        *[await post(hooked, f"/hooks/{name}?secret=x", jenkins()) for name in ("jenkins", "none")],
        await post(hooked, f"/hooks/azure?secret={secrets['jenkins']}", AZURE),
        await post(hooked, f"/hooks/generic?secret={secrets['generic']}", ORDER),
        await post(hooked, "/hooks/azure", AZURE, basic),
        await post(hooked, "/hooks/azure", AZURE, {"Authorization": "Basic !"}),
        await post_signed(hooked, other, ORDER),
        await post_signed(hooked, secrets["generic"], ORDER, at=late),
        await post(hooked, "/hooks/generic", b"\xff", {"webhook-id": "1", "webhook-timestamp": "1"}),
    ]
    details = {(answer.status_code, answer.json()["detail"]) for answer in answers}
    assert {(401, "there is no such hook, or this is not its secret")} == details
    assert [] == hooked.orchestrator.started


@pytest.mark.parametrize("signature", ["v1", "v1,!", "v2,AAAA", "", "v1,AAAA v1", "\x80"])
async def test_no_signature_makes_us_stumble(hooked: World, signature: str) -> None:
    """However odd it is."""
    await make(hooked, "generic")
    now = str(int(datetime.now(UTC).timestamp()))
    headers = {"webhook-id": "1", "webhook-timestamp": now, "webhook-signature": signature}
    async with hooked.client({}) as anybody:
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        answer = await anybody.post("/hooks/generic", content=json.dumps(ORDER).encode(), headers=raw)
    assert 401 == answer.status_code


async def test_a_removed_hook_believes_nobody(hooked: World, admin: httpx2.AsyncClient) -> None:
    """From now on."""
    secret = await make(hooked, "jenkins")
    assert [204, 404] == [(await admin.delete("/hooks/jenkins")).status_code for _ in range(2)]
    assert 401 == (await post(hooked, f"/hooks/jenkins?secret={secret}", jenkins())).status_code


async def test_hooks_are_listed_without_their_secrets(hooked: World, admin: httpx2.AsyncClient) -> None:
    """With their addresses, and when they were used."""
    secret = await make(hooked, "jenkins")
    await post(hooked, f"/hooks/jenkins?secret={secret}", jenkins(status="FAILURE"))
    answer = await admin.get("/hooks")
    [hook] = answer.json()
    assert secret not in answer.text
    assert "https://slipway.example.com/api/v1/hooks/jenkins" == hook["url"]
    assert ("adam@example.com", True) == (hook["owner"], hook["last_used_at"] is not None)


@pytest.mark.parametrize(
    "new",
    [
        {"kind": "jenkins"},
        {"kind": "jenkins", "connection": "contoso"},
        {"kind": "azure", "connection": "nowhere"},
        {"kind": "generic"},
        {"kind": "generic", "pipelines": ["webshop"], "connection": "ci"},
        {"kind": "jenkins", "connection": "ci", "project": "shop"},
        {"kind": "jenkins", "connection": "ci", "pipelines": ["webshop"]},
    ],
)
async def test_a_hook_that_makes_no_sense_is_refused(hooked: World, new: dict[str, object]) -> None:
    """Each kind says what it needs."""
    async with hooked.calling(Role.ADMIN) as admin:
        assert 422 == (await admin.post("/hooks", json={"name": "x", **new})).status_code


async def test_a_service_that_makes_a_hook_names_who_answers_for_it(hooked: World) -> None:
    """Its own owner, unless it says so."""
    async with hooked.calling(Role.ADMIN, "service:setup", owner="otto@example.com") as service:
        answer = await service.post("/hooks", json={"name": "ci", "kind": "jenkins", "connection": "ci"})
    assert "otto@example.com" == answer.json()["owner"]


@pytest.mark.parametrize("times", [5])
async def test_a_webhook_sent_five_times_makes_one_release(either_world: World, times: int) -> None:
    """At once, on either database; and so does the second phase of the same build."""
    world = await prepared(either_world)
    secret = await make(world, "jenkins")
    bodies = [jenkins(phase=phase) for phase in ("COMPLETED", "FINALIZED")] * times
    answers = await asyncio.gather(*(post(world, f"/hooks/jenkins?secret={secret}", body) for body in bodies))
    assert {202} == {answer.status_code for answer in answers}
    assert {"webshop/1"} == {event["release"] for answer in answers for event in answer.json()["events"]}
    assert ["webshop/1"] == [str(plan.id) for plan in world.orchestrator.started]


async def test_a_message_signed_once_makes_one_release(either_world: World) -> None:
    """However often it is sent; another message with the same order makes another."""
    world = await prepared(either_world)
    secret = await make(world, "generic")
    await asyncio.gather(*(post_signed(world, secret, ORDER) for _ in range(5)))
    await post_signed(world, secret, ORDER, message="m-2")
    assert 2 == len(world.orchestrator.started)


async def test_secrets_are_in_no_log(hooked: World, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither that of a query nor that of a header; the address is."""
    secret = await make(hooked, "jenkins")
    await post(hooked, f"/hooks/jenkins?secret={secret}", jenkins())
    await post(hooked, f"/hooks/none?secret={secret}", jenkins())
    written = "".join(capsys.readouterr())
    assert "/api/v1/hooks/jenkins" in written
    assert secret not in written


@pytest.mark.parametrize(
    "culprit",
    ["ana", "ANA", "Ana Lang", "ana@example.com", "Ana <ana+git@example.com>", "SHOP\\ana", "ana@old.example.com"],
)
async def test_who_made_the_commit_counts_as_requester(hooked: World, culprit: str) -> None:
    """By address, by any alias, by name, and by the name that the server knows them by."""
    async with hooked.services.database.transaction() as session:
        person = Person(address="ana@example.com", name="Ana Lang", also=("ana@old.example.com",))
        await people.put(session, person, hooked.clock())
    await told(hooked, jenkins(culprits=[culprit]))
    [plan] = hooked.orchestrator.started
    assert {"ana@example.com", "ana+git@example.com"} & set(plan.requester_addresses)


@pytest.mark.parametrize("told_as", ["Bo Berg", "Berg, Bo", "bo.berg", "BO_BERG", "bo-berg"])
async def test_a_full_name_is_found_in_an_address(hooked: World, told_as: str) -> None:
    """As companies make addresses of names; half of it is not enough."""
    approval = {"approvers": ["bo.berg@example.com", "bo@example.com", "berg.lisa@example.com"], "need": "any"}
    stage = {"stage": "prod", "before": {"approval": approval}, "jobs": [{"job": "deploy", "steps": [{"run": "x"}]}]}
    await hooked.save({"pipeline": "webshop", "artifacts": {"web": WEB}, "stages": [stage]})
    await told(hooked, jenkins(culprits=[told_as]))
    [plan] = hooked.orchestrator.started
    assert ("bo.berg@example.com",) == plan.requester_addresses


async def test_an_approver_who_was_never_entered_is_known_by_their_address(hooked: World) -> None:
    """The pipeline names them."""
    await told(hooked, jenkins(culprits=["rita", "stranger"]))
    [plan] = hooked.orchestrator.started
    assert ("rita@example.com",) == plan.requester_addresses

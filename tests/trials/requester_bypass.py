"""Every way that is known for somebody to approve what they requested themselves: none may count.

Each case says what was tried and what must be told; then somebody honest goes the same way, which must count, so that
a server that refuses everything does not pass.
"""

import json
import random
import re
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

import httpx2
from fakes.api_world import BOOTSTRAP, World, api_world_in
from standardwebhooks.webhooks import Webhook
from trials.release_desk import Desk, asking, release_desk
from trials.verdict import Verdict

from activities.notifications import AskApprover
from domain.approval_policy import LinkLevel
from domain.ids import ReleaseId
from domain.role import Role
from storage.approvals import SqlApprovalLinks

REQUESTED = "requested this deployment, and its requester may not approve it"
_COUNTED = "Your answer was counted"
_TAG = re.compile(r"<[^>]*>")
_HEADERS = ("X-Forwarded-User", "X-Remote-User", "X-Forwarded-Email", "X-Auth-Request-Email", "From", "On-Behalf-Of")
_CLAIMS = ("by", "voter", "also", "person", "approver", "on_behalf_of", "requested_by", "proof", "channel", "vote_id")
Answers = Sequence[httpx2.Response]
Honest = Callable[[], Awaitable[httpx2.Response]]


@dataclass(frozen=True)
class Attempt:
    """What was tried, and what came of it. ``why`` is in every answer; ``honest`` does the same rightfully.

    ``voters`` are those whose votes count before the honest one, ``decides`` says that the honest one is no vote.
    """

    approval: str
    answers: Answers
    honest: Honest
    why: str = REQUESTED
    voters: tuple[str, ...] = ()
    decides: bool = False


Case = Callable[[Desk], Awaitable[Attempt]]


@dataclass(frozen=True)
class Cast:
    """Who takes part in most cases: Rita requests, Ana approves."""

    desk: Desk
    rita: httpx2.AsyncClient
    ana: httpx2.AsyncClient

    def vote(self, who: httpx2.AsyncClient, approval: str, /, **more: object) -> Awaitable[httpx2.Response]:
        return self.desk.vote(who, approval, **more)


async def _cast(desk: Desk, requester: Role = Role.RELEASER) -> Cast:
    rita = await desk.caller(desk.address("rita"), requester)
    return Cast(desk, rita, await desk.caller(desk.address("ana"), Role.APPROVER))


async def _asked(cast: Cast, *approvers: str, by: httpx2.AsyncClient | None = None, **policy: object) -> str:
    """A release of Rita's (or another's), with these asked, and Ana."""
    desk = cast.desk
    pipeline = await desk.pipeline({"approvers": [*approvers, desk.address("ana")], "need": "any", **policy})
    return await desk.ask(await desk.release(by or cast.rita, pipeline))


async def _as_stored(desk: Desk, subject: str, role: Role = Role.RELEASER, **more: Any) -> httpx2.AsyncClient:
    """With a token whose subject is spelt just so, as no route would store it."""
    return await desk.stack.enter_async_context(desk.world.calling(role, subject, **more))


async def own_name(desk: Desk) -> Attempt:
    """The plain way: asked by name, and answering."""
    cast = await _cast(desk)
    approval = await _asked(cast, desk.address("rita"))
    return Attempt(approval, [await cast.vote(cast.rita, approval)], partial(cast.vote, cast.ana, approval))


async def as_admin(desk: Desk) -> Attempt:
    """The role of a token changes nothing about who holds it."""
    cast = await _cast(desk, Role.ADMIN)
    approval = await _asked(cast, desk.address("rita"))
    return Attempt(approval, [await cast.vote(cast.rita, approval)], partial(cast.vote, cast.ana, approval))


async def as_bootstrap_admin(desk: Desk) -> Attempt:
    """Who sets up an installation is a person as well."""
    cast = await _cast(desk)
    root = await desk.stack.enter_async_context(desk.world.client({"Authorization": f"Bearer {BOOTSTRAP}"}))
    approval = await _asked(cast, desk.world.services.bootstrap_admin, by=root)
    return Attempt(approval, [await cast.vote(root, approval)], partial(cast.vote, cast.ana, approval))


def spelt(one: str, other: str) -> Case:
    """She requests by one spelling of her address, and is asked and answers by another. ``{}`` is the desk's name."""

    async def case(desk: Desk) -> Attempt:
        cast = await _cast(desk)
        requester, again = [await _as_stored(desk, spelling.format(desk.name)) for spelling in (one, other)]
        approval = await _asked(cast, other.format(desk.name), by=requester)
        return Attempt(approval, [await cast.vote(again, approval)], partial(cast.vote, cast.ana, approval))

    return case


async def through_a_group(desk: Desk) -> Attempt:
    """A group of hers answers by another member only; another address of hers in it is hers."""
    cast = await _cast(desk)
    await desk.person(desk.address("rita"), desk.address("rita.old"))
    ops = await desk.group("ops", desk.address("rita"), desk.address("ana"))
    old = await desk.group("old", desk.address("rita.old"))
    approval = await _asked(cast, ops, old)
    by_alias = await desk.caller(desk.address("rita.old"), Role.APPROVER)
    answers = [await cast.vote(who, approval) for who in (cast.rita, by_alias)]
    return Attempt(approval, answers, partial(cast.vote, cast.ana, approval))


async def with_another_token(desk: Desk) -> Attempt:
    """Whoever has two tokens is one person."""
    cast = await _cast(desk)
    approval = await _asked(cast, desk.address("rita"))
    second = await desk.caller(desk.address("rita"), Role.APPROVER)
    return Attempt(approval, [await cast.vote(second, approval)], partial(cast.vote, cast.ana, approval))


async def signed_in_to_the_console(desk: Desk) -> Attempt:
    """The page offers no form; one that is sent all the same counts nothing."""
    cast = await _cast(desk)
    approval = await _asked(cast, desk.address("rita"))
    digest = desk.asked(approval).digest
    sent = [await desk.send(await desk.browser(cast.rita), f"/approvals/{approval}", digest=digest)]
    return Attempt(approval, sent, partial(desk.send, await desk.browser(cast.ana), f"/approvals/{approval}"))


async def with_a_service_of_theirs(desk: Desk) -> Attempt:
    """Programs do not approve, whoever owns them, by the API or in a browser."""
    cast = await _cast(desk)
    approval = await _asked(cast, desk.address("rita"))
    robot = await desk.caller(f"robot-{desk.name}", Role.RELEASE_MANAGER, owner=desk.address("rita"))
    digest = desk.asked(approval).digest
    ways = [
        await cast.vote(robot, approval),
        await robot.post("/approvals/votes", json={"ballots": [desk.ballot(approval, approval=approval)]}),
        await robot.post(f"/approvals/{approval}/overrides", json=desk.ballot(approval, comment="because")),
        await desk.send(await desk.browser(robot), f"/approvals/{approval}", digest=digest),
        await desk.send(await desk.browser(robot), "/approvals", **_ticked(approval, digest)),
    ]
    return Attempt(approval, ways, partial(cast.vote, cast.ana, approval), why="is a service")


async def forwarded_link_of_level_login(desk: Desk) -> Attempt:
    """The mail leads to the console only; a link that came about all the same answers nothing."""
    cast = await _cast(desk)
    approval = await _asked(cast, link="login")
    mailed = await desk.link(approval, desk.address("ana"))
    assert "/approve/" not in mailed.url, mailed
    path, digest = mailed.url.removeprefix("http://slipway.test"), desk.asked(approval).digest
    strong = await _link_of_level(desk, approval, LinkLevel.LINK)
    signed_in = await desk.send(await desk.browser(cast.rita), path, digest=digest)
    alone = [
        await desk.send(await desk.browser(), strong, digest=digest),
        await (await desk.browser()).get(path),
    ]
    ana = await desk.browser(cast.ana)
    why = "is not asked|A mailed link does not answer here|/login"
    return Attempt(approval, [signed_in, *alone], partial(desk.send, ana, path), why=why)


async def _link_of_level(desk: Desk, approval: str, level: LinkLevel) -> str:
    """A link to Ana that the policy would not have sent; its path."""
    asked = desk.asked(approval)
    ask = AskApprover(
        approval_id=approval,
        approver=desk.address("ana"),
        members=(desk.address("ana"),),
        level=level,
        release_name="",
        pipeline="",
        stage="prod",
        moment="before",
        requested_by="",
        digest=asked.digest,
        expires_at=asked.expires_at,
    )
    links = SqlApprovalLinks(desk.world.services.database, bytes(32), "", desk.world.clock)
    return (await links.issue(ask, desk.address("ana"))).url


async def forwarded_link_without_its_code(desk: Desk) -> Attempt:
    """Where digits are wanted, the link alone is nothing."""
    cast = await _cast(desk)
    approval = await _asked(cast, link="code")
    mailed = await desk.link(approval, desk.address("ana"))
    path = mailed.url.removeprefix("http://slipway.test")
    alone = [await desk.send(await desk.browser(), path, code=code) for code in ("", "000000", "12345", "abcdef")]
    honest = partial(desk.send, await desk.browser(), path, code=mailed.code)
    return Attempt(approval, alone, honest, why="six digits")


async def forwarded_link_while_signed_in(desk: Desk) -> Attempt:
    """The browser says who it is: not the one whom the link was mailed to."""
    cast = await _cast(desk)
    approval = await _asked(cast, desk.address("rita"))
    path = (await desk.link(approval, desk.address("ana"))).url.removeprefix("http://slipway.test")
    robot = await desk.caller(f"robot-{desk.name}", Role.RELEASER, owner=desk.address("rita"))
    digest = desk.asked(approval).digest
    signed_in = [await desk.send(await desk.browser(who), path, digest=digest) for who in (cast.rita, robot)]
    honest = partial(desk.send, await desk.browser(cast.ana), path)
    return Attempt(approval, signed_in, honest, why="This link was mailed to")


async def own_link(desk: Desk) -> Attempt:
    """Who is asked gets no link when they requested it; one that came about answers nothing."""
    cast = await _cast(desk)
    approval = await _asked(cast, desk.address("rita"))
    path = (await desk.link(approval, desk.address("rita"))).url.removeprefix("http://slipway.test")
    digest = desk.asked(approval).digest
    sent = [await desk.send(await desk.browser(who), path, digest=digest) for who in (None, cast.rita)]
    ana = (await desk.link(approval, desk.address("ana"))).url.removeprefix("http://slipway.test")
    return Attempt(approval, sent, partial(desk.send, await desk.browser(), ana))


async def somebody_elses_name_in_the_body(desk: Desk) -> Attempt:
    """Bodies say nothing about who acts; a field that seems to is refused."""
    cast = await _cast(desk)
    approval = await _asked(cast, desk.address("rita"))
    answers = [await cast.vote(cast.rita, approval, **{claim: desk.address("ana")}) for claim in _CLAIMS]
    return Attempt(
        approval, answers, partial(cast.vote, cast.ana, approval), why="Extra inputs are not permitted|extra"
    )


async def somebody_elses_name_beside_the_body(desk: Desk) -> Attempt:
    """Neither headers, nor the address, nor fields of a form say who acts."""
    cast = await _cast(desk)
    approval = await _asked(cast, desk.address("rita"))
    ana, ballot = desk.address("ana"), desk.ballot(approval)
    path = f"/approvals/{approval}/votes"
    answers = [
        *[await cast.rita.post(path, json=ballot, headers={name: ana}) for name in _HEADERS],
        *[await cast.rita.post(path, json=ballot, params={claim: ana}) for claim in _CLAIMS],
        await cast.rita.post(path, json=ballot, headers={"Cookie": f"person={ana}; subject={ana}"}),
        await desk.send(
            await desk.browser(cast.rita),
            f"/approvals/{approval}",
            digest=str(ballot["digest"]),
            **dict.fromkeys(_CLAIMS, ana),
        ),
    ]
    return Attempt(approval, answers, partial(cast.vote, cast.ana, approval))


async def after_a_rename(desk: Desk) -> Attempt:
    """She requested under the old address and answers under the new one, with tokens of both."""
    cast = await _cast(desk)
    new = desk.address("rita.new")
    approval = await _asked(cast, new, desk.address("rita"))
    await desk.person(new, desk.address("rita"))
    renamed = await desk.caller(new)
    answers = [await cast.vote(who, approval) for who in (renamed, cast.rita)]
    return Attempt(approval, answers, partial(cast.vote, cast.ana, approval))


async def alias_known_before(desk: Desk) -> Attempt:
    """Two addresses of one person; the policy asks the other."""
    cast = await _cast(desk)
    await desk.person(desk.address("rita"), desk.address("rita.too"))
    approval = await _asked(cast, desk.address("rita.too"))
    other = await desk.caller(desk.address("rita.too"), Role.APPROVER)
    answers = [await cast.vote(who, approval) for who in (other, cast.rita)]
    return Attempt(approval, answers, partial(cast.vote, cast.ana, approval))


async def alias_known_after(desk: Desk) -> Attempt:
    """That both are hers is entered only after the release was made."""
    cast = await _cast(desk)
    approval = await _asked(cast, desk.address("rita.too"))
    await desk.person(desk.address("rita"), desk.address("rita.too"))
    other = await desk.caller(desk.address("rita.too"), Role.APPROVER)
    return Attempt(approval, [await cast.vote(other, approval)], partial(cast.vote, cast.ana, approval))


async def alias_forgotten_after(desk: Desk) -> Attempt:
    """What was known when the release was made stays true for it."""
    cast = await _cast(desk)
    await desk.person(desk.address("rita"), desk.address("rita.too"))
    approval = await _asked(cast, desk.address("rita.too"))
    gone = await desk.admin.delete(f"/people/{desk.address('rita')}")
    assert gone.is_success, gone.text
    other = await desk.caller(desk.address("rita.too"), Role.APPROVER)
    answers = [await cast.vote(who, approval) for who in (other, cast.rita)]
    honest = partial(cast.vote, cast.ana, approval)
    return Attempt(approval, answers, honest, why=f"{REQUESTED}|is not asked")


async def added_to_the_group_after_the_start(desk: Desk) -> Attempt:
    """The members are those of the moment when the release was made."""
    cast = await _cast(desk)
    ops = await desk.group("ops", desk.address("ana"))
    pipeline = await desk.pipeline({"approvers": [ops]})
    approval = await desk.ask(await desk.release(cast.rita, pipeline))
    await desk.group("ops", desk.address("ana"), desk.address("rita"))
    return Attempt(
        approval, [await cast.vote(cast.rita, approval)], partial(cast.vote, cast.ana, approval), why="is not asked"
    )


async def started_by_a_bot_for_a_person(desk: Desk) -> Attempt:
    """Neither whom it was requested for nor who owns the bot approves it."""
    cast = await _cast(desk)
    otto, bo = [await desk.caller(desk.address(name), Role.APPROVER) for name in ("otto", "bo")]
    await desk.person(desk.address("rita"), desk.address("rita.too"))
    bot = await desk.caller(f"chat-{desk.name}", Role.RELEASER, owner=desk.address("otto"))
    pipeline = await desk.pipeline({"approvers": [desk.address(n) for n in ("rita", "otto", "ana")], "need": "any"})
    approval = await desk.ask(await desk.release(bot, pipeline, requested_for=desk.address("rita.too").upper()))
    answers = [await cast.vote(who, approval) for who in (cast.rita, otto)]
    stranger = await cast.vote(bo, approval)
    assert "is not asked" in stranger.text, "the control of the control"
    return Attempt(approval, answers, partial(cast.vote, cast.ana, approval))


async def started_by_a_service_of_theirs(desk: Desk) -> Attempt:
    """Over HTTP and in a browser: a service's owner counts as its requester."""
    cast = await _cast(desk)
    robot = await desk.caller(f"robot-{desk.name}", Role.RELEASER, owner=desk.address("rita"))
    first = await _asked(cast, desk.address("rita"), by=robot)
    answers = [await cast.vote(cast.rita, first)]
    browser = await desk.browser(robot)
    page = f"/pipelines/shop-{desk.name}"
    hidden = re.findall(r'name="(csrf|key)" value="([^"]*)"', (await browser.get(page)).text)
    made = await browser.post(f"{page}/releases", data=dict(hidden))
    assert made.status_code == httpx2.codes.SEE_OTHER, made.text
    approval = await desk.ask(desk.orchestrator.started[-1])
    answers.append(await cast.vote(cast.rita, approval))
    return Attempt(approval, answers, partial(cast.vote, cast.ana, approval))


async def started_for_the_commits_author(desk: Desk) -> Attempt:
    """A webhook's service names the author of the commit, spelt as their editor spells it."""
    cast = await _cast(desk)
    hook = await desk.caller(f"hook-{desk.name}", Role.RELEASER, owner=desk.address("otto"))
    pipeline = await desk.pipeline({"approvers": [desk.address("rita"), desk.address("ana")], "need": "any"})
    author = _tagged(desk.address("rita")).replace("rita", "Rita").replace("example", "EXAMPLE")
    approval = await desk.ask(await desk.release(hook, pipeline, requested_for=f" {author} "))
    return Attempt(approval, [await cast.vote(cast.rita, approval)], partial(cast.vote, cast.ana, approval))


def build_of_their_own_commit(culprit: str) -> Case:
    """Jenkins tells of a build and names who made the commit, as it knows them. ``{}`` is the desk's name."""

    async def case(desk: Desk) -> Attempt:
        cast = await _cast(desk)
        entered = await desk.admin.put(f"/people/{desk.address('rita')}", json={"name": f"Rita Rivers {desk.name}"})
        assert entered.is_success, entered.text
        hook = await _jenkins_hook(desk)
        job = f"job-{desk.name}"
        web = {"jenkins": {"server": f"ci-{desk.name}", "job": job}, "trigger": True}
        approval = {"approvers": [desk.address("rita"), desk.address("ana")], "need": "any"}
        await desk.pipeline(approval, artifacts={"web": web})
        build = {
            "number": 7,
            "phase": "FINALIZED",
            "status": "SUCCESS",
            "scm": {"culprits": [culprit.format(desk.name)]},
        }
        told = await desk.admin.post(hook, json={"name": job, "url": f"job/{job}/", "build": build})
        [event] = told.json()["events"]
        asked = await desk.ask(desk.started(ReleaseId.parse(event["release"])))
        return Attempt(asked, [await cast.vote(cast.rita, asked)], partial(cast.vote, cast.ana, asked))

    return case


async def order_signed_with_a_secret_of_theirs(desk: Desk) -> Attempt:
    """Who answers for a hook answers for what it starts."""
    cast = await _cast(desk)
    pipeline = await desk.pipeline({"approvers": [desk.address("rita"), desk.address("ana")], "need": "any"})
    new = {"name": f"h-{desk.name}", "kind": "generic", "pipelines": [pipeline], "owner": desk.address("rita")}
    made = (await desk.admin.post("/hooks", json=new)).json()
    body, now = json.dumps({"pipeline": pipeline}), datetime.now(UTC)
    signed = Webhook(made["secret"]).sign("m", now, body)
    headers = {"webhook-id": "m", "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signed}
    told = await desk.admin.post(f"/hooks/{made['name']}", content=body, headers=headers)
    [event] = told.json()["events"]
    approval = await desk.ask(desk.started(ReleaseId.parse(event["release"])))
    return Attempt(approval, [await cast.vote(cast.rita, approval)], partial(cast.vote, cast.ana, approval))


async def _jenkins_hook(desk: Desk) -> str:
    """Its path, with its secret."""
    name = f"ci-{desk.name}"
    connection = {"kind": "jenkins", "url": "https://ci.example.com", "user": "u", "token": "t"}
    stored = await desk.admin.put(f"/connections/{name}", json=connection)
    assert stored.is_success, stored.text
    made = await desk.admin.post("/hooks", json={"name": name, "kind": "jenkins", "connection": name})
    return f"/hooks/{name}?secret={made.json()['secret']}"


async def creator_after_another_ran_it_again(desk: Desk) -> Attempt:
    """Bo deploys Rita's release again: both of them requested what is deployed then."""
    cast = await _cast(desk)
    bo = await desk.caller(desk.address("bo"))
    pipeline = await desk.pipeline({"approvers": [desk.address(n) for n in ("rita", "bo", "ana")], "need": "any"})
    approval = await desk.deploy_again(bo, await desk.release(cast.rita, pipeline))
    answers = [await cast.vote(who, approval) for who in (cast.rita, bo)]
    return Attempt(approval, answers, partial(cast.vote, cast.ana, approval))


async def deployed_again_by_a_bot_for_a_person(desk: Desk) -> Attempt:
    """Rita tells the bot to deploy Bo's release again: she, he and the bot's owner requested that."""
    cast = await _cast(desk)
    otto, bo = [await desk.caller(desk.address(name)) for name in ("otto", "bo")]
    bot = await desk.caller(f"chat-{desk.name}", Role.RELEASER, owner=desk.address("otto"))
    everybody = [desk.address(name) for name in ("rita", "otto", "bo", "ana")]
    plan = await desk.release(bo, await desk.pipeline({"approvers": everybody, "need": "any"}))
    approval = await desk.deploy_again(bot, plan, requested_for=desk.address("rita"))
    answers = [await cast.vote(who, approval) for who in (cast.rita, otto, bo)]
    return Attempt(approval, answers, partial(cast.vote, cast.ana, approval))


async def changed_by_a_bot_for_a_person(desk: Desk) -> Attempt:
    """Rita approves Bo's release, and has the bot change it."""
    cast = await _cast(desk)
    bo = await desk.caller(desk.address("bo"))
    bot = await desk.caller(f"chat-{desk.name}", Role.RELEASER, owner=desk.address("otto"))
    plan = await desk.release(bo, await desk.pipeline({"approvers": [desk.address("rita"), desk.address("ana")]}))
    approval = await desk.ask(plan)
    counted = await cast.vote(cast.rita, approval)
    assert counted.json()["stands"], counted.text
    await desk.change(bot, plan, approval, requested_for=desk.address("rita"))
    answers = [await cast.vote(who, approval) for who in (cast.rita, bo)]
    why = f"{REQUESTED}|is not asked"
    return Attempt(approval, answers, partial(cast.vote, cast.ana, approval), why=why)


async def starter_by_an_alias(desk: Desk) -> Attempt:
    """Who deploys another's release again is asked by another address of theirs."""
    cast = await _cast(desk)
    bo = await desk.caller(desk.address("bo"))
    await desk.person(desk.address("rita"), desk.address("rita.too"))
    pipeline = await desk.pipeline({"approvers": [desk.address(n) for n in ("rita.too", "ana")], "need": "any"})
    approval = await desk.deploy_again(cast.rita, await desk.release(bo, pipeline))
    return Attempt(approval, [await cast.vote(cast.rita, approval)], partial(cast.vote, cast.ana, approval))


async def requester_by_changing_the_plan(desk: Desk) -> Attempt:
    """Bo approves, then changes what is deployed: the vote is void, and another of his counts no more."""
    cast = await _cast(desk)
    bo = await desk.caller(desk.address("bo"))
    pipeline = await desk.pipeline({"approvers": [desk.address("bo"), desk.address("ana")]})
    plan = await desk.release(cast.rita, pipeline)
    approval = await desk.ask(plan)
    first = await cast.vote(bo, approval, action_id="before")
    assert first.json()["stands"], first.text
    await desk.change(bo, plan, approval)
    answers = [await cast.vote(bo, approval, action_id=name) for name in ("before", "after")]
    return Attempt(approval, answers, partial(cast.vote, cast.ana, approval))


async def requester_by_a_clone(desk: Desk) -> Attempt:
    """Bo approved Rita's release, and requests the same again: his vote was for hers only."""
    cast = await _cast(desk)
    bo = await desk.caller(desk.address("bo"))
    pipeline = await desk.pipeline({"approvers": [desk.address("bo"), desk.address("ana")], "need": "any"})
    first = await desk.ask(await desk.release(cast.rita, pipeline, description="the same"))
    ballot = desk.ballot(first, action_id="once")
    counted = await bo.post(f"/approvals/{first}/votes", json=ballot)
    assert counted.json()["stands"], counted.text
    clone = await desk.ask(await desk.release(bo, pipeline, description="the same"))
    answers = [
        await bo.post(f"/approvals/{clone}/votes", json=ballot),
        await cast.vote(bo, clone, action_id="once"),
        await cast.vote(bo, clone),
    ]
    return Attempt(clone, answers, partial(cast.vote, cast.ana, clone))


async def with_the_id_of_a_vote_that_counts(desk: Desk) -> Attempt:
    """An id is nobody's proof: what Ana sent counts for Ana."""
    cast = await _cast(desk)
    approval = await _asked(cast, desk.address("rita"), desk.address("bo"), need={"at_least": 2})
    counted = await cast.vote(cast.ana, approval, action_id="known")
    assert counted.json()["stands"], counted.text
    bo = await desk.caller(desk.address("bo"), Role.APPROVER)
    answers = [await cast.vote(cast.rita, approval, action_id="known")]
    honest = partial(cast.vote, bo, approval, action_id="known")
    return Attempt(approval, answers, honest, voters=(desk.address("ana"),))


async def reassigned_to_themselves(desk: Desk) -> Attempt:
    """Nobody may let the requester be asked, whichever address of hers is named."""
    cast = await _cast(desk)
    mona = await desk.caller(desk.address("mona"), Role.RELEASE_MANAGER)
    approval = await _asked(cast)
    await desk.person(desk.address("rita"), desk.address("rita.too"))
    names = [
        desk.address("rita"),
        desk.address("rita.too"),
        desk.address("rita").upper(),
        _tagged(desk.address("rita")),
    ]
    answers = [await _reassign(who, approval, name) for who in (cast.ana, mona) for name in names]
    return Attempt(approval, answers, partial(_reassign_and_vote, desk, approval))


async def reassigned_to_a_group_of_theirs(desk: Desk) -> Attempt:
    """She joined the group since; its other members answer, she does not."""
    cast = await _cast(desk)
    ops = await desk.group("ops", desk.address("bo"))
    approval = await _asked(cast)
    await desk.group("ops", desk.address("bo"), desk.address("rita"))
    moved = await _reassign(cast.ana, approval, ops)
    assert moved.json()["stands"], moved.text
    bo = await desk.caller(desk.address("bo"), Role.APPROVER)
    return Attempt(approval, [await cast.vote(cast.rita, approval)], partial(cast.vote, bo, approval))


async def reassigned_by_themselves_to_a_friend(desk: Desk) -> Attempt:
    """The requester chooses no approver: not in her place, her group's or, as a manager, anybody's."""
    cast = await _cast(desk, Role.RELEASE_MANAGER)
    ops = await desk.group("ops", desk.address("rita"), desk.address("cleo"))
    approval = await _asked(cast, desk.address("rita"), ops)
    places = (desk.address("rita"), ops, desk.address("ana"))
    friend = desk.address("bo")
    answers = [await _reassign(cast.rita, approval, friend, approver=place) for place in places]
    browser = await desk.browser(cast.rita)
    form = {"do": "reassign", "approver": desk.address("ana"), "to": friend}
    answers.append(await desk.send(browser, f"/approvals/{approval}", **form))
    return Attempt(approval, answers, partial(_reassign_and_vote, desk, approval))


async def _reassign(who: httpx2.AsyncClient, approval: str, to: str, **more: str) -> httpx2.Response:
    return await who.post(f"/approvals/{approval}/reassignments", json={"to": to, **more})


async def _reassign_and_vote(desk: Desk, approval: str) -> httpx2.Response:
    """Ana lets Bo be asked, and he answers."""
    ana, bo = desk.address("ana"), desk.address("bo")
    moved = await _reassign(await desk.caller(ana, Role.APPROVER), approval, bo)
    assert moved.json()["stands"], moved.text
    return await desk.vote(await desk.caller(bo, Role.APPROVER), approval)


async def as_a_deputy(desk: Desk) -> Attempt:
    """Time asked her and Bo, because Ana did not answer."""
    cast = await _cast(desk)
    approval = await _asked(cast)
    await desk.escalate(approval, desk.address("ana"), desk.address("rita"), desk.address("bo"))
    bo = await desk.caller(desk.address("bo"), Role.APPROVER)
    return Attempt(approval, [await cast.vote(cast.rita, approval)], partial(cast.vote, bo, approval))


async def override_as_release_manager(desk: Desk) -> Attempt:
    """A manager decides about others' releases, by the API and on the page."""
    cast = await _cast(desk, Role.RELEASE_MANAGER)
    approval = await _asked(cast)
    body = desk.ballot(approval, comment="it is urgent")
    form = {"do": "override", "comment": "it is urgent", "digest": str(body["digest"])}
    answers = [
        await cast.rita.post(f"/approvals/{approval}/overrides", json=body),
        await desk.send(await desk.browser(cast.rita), f"/approvals/{approval}", **form),
    ]
    mona = await desk.caller(desk.address("mona"), Role.RELEASE_MANAGER)
    honest = partial(mona.post, f"/approvals/{approval}/overrides", json=body)
    return Attempt(approval, answers, honest, decides=True)


async def several_at_once(desk: Desk) -> Attempt:
    """One answer to many holds each to its own rule, by the API and in the list."""
    cast = await _cast(desk)
    approval = await _asked(cast, desk.address("rita"))
    digest = desk.asked(approval).digest
    ballots = {"ballots": [desk.ballot(approval, approval=approval)]}
    answers = [
        await cast.rita.post("/approvals/votes", json=ballots),
        await desk.send(await desk.browser(cast.rita), "/approvals", **_ticked(approval, digest)),
    ]
    return Attempt(approval, answers, partial(cast.ana.post, "/approvals/votes", json=ballots))


def _ticked(approval: str, digest: str) -> dict[str, str]:
    return {"approval": approval, f"digest.{approval}": digest}


async def carried_over_from_an_earlier_stage(desk: Desk) -> Attempt:
    """She may approve the stage before; that is not carried to where she may not. Ana's is."""
    cast = await _cast(desk)
    everybody = [desk.address("rita"), desk.address("ana"), desk.address("bo")]
    policy = {"approvers": everybody, "skip_if_approved_before": True}
    before = {"approvers": everybody, "requester_may_approve": True}
    plan = await desk.release(cast.rita, await desk.pipeline(policy, earlier=before))
    earlier = await desk.ask(plan, "test")
    for who in (cast.rita, cast.ana):
        counted = await cast.vote(who, earlier)
        assert counted.json()["stands"], counted.text
    votes = [counted.vote for counted in desk.asked(earlier).votes]
    approval = await desk.ask(plan, "prod", earlier=votes)
    bo = await desk.caller(desk.address("bo"), Role.APPROVER)
    answers = [await cast.vote(cast.rita, approval)]
    return Attempt(approval, answers, partial(cast.vote, bo, approval), voters=(desk.address("ana"),))


def _tagged(address: str) -> str:
    return address.replace("@", "+me@")


CASES: dict[str, Case] = {
    case.__name__: case
    for case in (
        own_name,
        as_admin,
        as_bootstrap_admin,
        through_a_group,
        with_another_token,
        signed_in_to_the_console,
        with_a_service_of_theirs,
        forwarded_link_of_level_login,
        forwarded_link_without_its_code,
        forwarded_link_while_signed_in,
        own_link,
        somebody_elses_name_in_the_body,
        somebody_elses_name_beside_the_body,
        after_a_rename,
        alias_known_before,
        alias_known_after,
        alias_forgotten_after,
        added_to_the_group_after_the_start,
        started_by_a_bot_for_a_person,
        started_by_a_service_of_theirs,
        started_for_the_commits_author,
        order_signed_with_a_secret_of_theirs,
        creator_after_another_ran_it_again,
        deployed_again_by_a_bot_for_a_person,
        starter_by_an_alias,
        requester_by_changing_the_plan,
        changed_by_a_bot_for_a_person,
        requester_by_a_clone,
        with_the_id_of_a_vote_that_counts,
        reassigned_to_themselves,
        reassigned_to_a_group_of_theirs,
        reassigned_by_themselves_to_a_friend,
        as_a_deputy,
        override_as_release_manager,
        several_at_once,
        carried_over_from_an_earlier_stage,
    )
} | {
    "build_by_address": build_of_their_own_commit("Rita Rivers <rita.{}+git@example.com>"),
    "build_by_user_name": build_of_their_own_commit("RITA.{}"),
    "build_by_windows_user": build_of_their_own_commit("SHOP\\rita.{}"),
    "build_by_full_name": build_of_their_own_commit("rita rivers {}"),
    "other_case": spelt("rita.{}@example.com", "RITA.{}@EXAMPLE.com"),
    "plus_tag": spelt("rita.{}@example.com", "rita.{}+prod@example.com"),
    "full_width_letters": spelt("rita.{}@example.com", "\uff52\uff49\uff54\uff41.{}@example.com"),
    "composed_accents": spelt("rene\u0301.{}@example.com", "ren\u00e9.{}@example.com"),
    "decomposed_accents": spelt("ren\u00e9.{}@example.com", "rene\u0301.{}@example.com"),
    "ligature": spelt("fiona.{}@example.com", "\ufb01ona.{}@example.com"),
    "quotes": spelt("rita.{}@example.com", '"rita.{}"@example.com'),
    "unseen_characters": spelt("rita.{}@example.com", "ri\u200b\u00adta.{}@exam\u2060ple.com"),
    "root_domain": spelt("rita.{}@example.com", "rita.{}@example.com."),
    "other_full_stop": spelt("rita.{}@example.com", "rita.{}@example\u3002com"),
    "international_domain_as_ascii": spelt("rita.{}@b\u00fccher.example", "rita.{}@xn--bcher-kva.example"),
    "international_domain_as_letters": spelt("rita.{}@xn--bcher-kva.example", "rita.{}@BU\u0308CHER.example"),
    "newer_form_of_a_domain": spelt("rita.{}@stra\u00dfe.example", "rita.{}@xn--strae-oqa.example"),
}


async def violations(case: Case, desk: Desk) -> list[str]:
    """What one case came to that it must not."""
    attempt = await case(desk)
    found = [words[:300] for words in map(_words, attempt.answers) if not _is_refused(words, attempt.why)]
    found += [f"refused, but {note}" for note in await _notes(desk, attempt.approval, attempt.voters)]
    answer = await attempt.honest()
    is_decided = attempt.decides and desk.asked(attempt.approval).is_overridden
    if not is_decided and len(await _voters(desk, attempt.approval)) != len(attempt.voters) + 1:
        found.append(f"an honest answer does not count: {_words(answer)[:300]}")
    return found


def _words(answer: httpx2.Response) -> str:
    """What it says, to a person or a program, and where it leads."""
    text = unescape(_TAG.sub(" ", answer.text))
    return f"{answer.status_code} {answer.headers.get('location', '')} {' '.join(text.split())}"


def _is_refused(words: str, why: str) -> bool:
    return bool(re.search(why, words)) and _COUNTED not in words and '"stands":true' not in words


async def _notes(desk: Desk, approval: str, voters: tuple[str, ...]) -> list[str]:
    """What is wrong about an approval for which only these people have voted."""
    counted = await _voters(desk, approval)
    verdicts = {desk.asked(approval).verdict, (await desk.kept(approval)).verdict}
    wrong = [f"{counted} voted, not {voters}"] if counted != voters else []
    return wrong + [f"it is {verdict}" for verdict in verdicts if verdict.is_final]


async def _voters(desk: Desk, approval: str) -> tuple[str, ...]:
    """Whose votes count, which workflow and tables agree about."""
    known = [tuple(c.vote.by for c in one.votes) for one in (desk.asked(approval), await desk.kept(approval))]
    assert known[0] == known[1], "the desk keeps the tables in step"
    return known[0]


_CHANGES: tuple[Callable[[str], str], ...] = (
    str.upper,
    str.title,
    partial(unicodedata.normalize, "NFD"),
    partial(unicodedata.normalize, "NFKC"),
    lambda address: address.replace("@", "+x@"),
    lambda address: f"{address[:2]}\u200b{address[2:]}",
    lambda address: f"{address}.",
    lambda address: address.replace(".example", "\u3002example"),
    lambda address: address.replace("ri", "\uff52\uff49"),
    lambda address: address.replace("b\u00fccher", "xn--bcher-kva").replace("stra\u00dfe", "xn--strae-oqa"),
)


def _any_spelling(chosen: random.Random) -> Case:
    """Of an address with accents, and some of all that can be done to it without making it another person's."""
    one = other = "ri\u00e9ta.{}@" + chosen.choice(["b\u00fccher.example", "stra\u00dfe.example", "shop.example"])
    for change in chosen.sample(_CHANGES, chosen.randint(1, 4)):
        other = change(other)
    return spelt(*chosen.sample([one, other], 2))


async def try_all(world: World, cases: Iterable[tuple[str, Case]]) -> dict[str, list[str]]:
    """Every one of these cases in this world, at a desk of its own; what it violated."""
    world, found = asking(world), dict[str, list[str]]()
    for name, case in cases:
        async with release_desk(world) as desk:
            try:
                texts = await violations(case, desk)
            except AssertionError as failed:
                texts = [f"could not be tried: {failed}"]
        found.setdefault(name, []).extend(f"{name}: {text}" for text in texts)
    return found


async def run(seed: int, amount: int) -> Verdict:
    """So many cases: every one in turn, in an order that the seed decides, and after each an address spelt anyhow."""
    chosen = random.Random(seed)
    cases: list[tuple[str, Case]] = []
    while len(cases) < amount:
        for name in chosen.sample(sorted(CASES), len(CASES)):
            cases += [(name, CASES[name]), ("any_spelling", _any_spelling(chosen))]
    with tempfile.TemporaryDirectory() as folder:
        async with api_world_in(Path(folder)) as world:
            found = await try_all(world, cases[:amount])
    return Verdict(
        trial="requester bypass",
        seed=seed,
        counts={"cases": amount},
        fired=dict(Counter(name for name, _ in cases[:amount])),
        violations=tuple(text for texts in found.values() for text in texts),
    )

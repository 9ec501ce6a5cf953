"""The real application over HTTP, with an orchestrator in memory that asks for approvals as the workflows do.

Everything that is asked of it comes in by HTTP, people and pipelines included. Each desk makes names of its own, so
that one application serves many of them.
"""

import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import count
from typing import Any

import httpx2
from fakes.api_world import World
from fakes.orchestrator import FakeOrchestrator

from activities.notifications import AskApprover, IssuedLink
from activities.records import ApprovalFact, DeploymentFact, Fact, PlanFact
from api.auth import SESSION_COOKIE
from domain.answering import carry_over
from domain.approval import Action, Approval, Moment, Receipt, Vote
from domain.approval_actions import ask_anew, escalate
from domain.ids import DeploymentId, ReleaseId, approval_id, split_approval_id
from domain.person import Requester
from domain.release import ReleasePlan, with_change
from domain.role import Role
from domain.status import StageStatus
from storage import approvals
from storage.approvals import SqlApprovalLinks

KEY = "5e" * 32  # of the world's seals, and so of its links
ORIGIN = "http://slipway.test"
_JOBS = [{"job": "deploy", "steps": [{"run": "./deploy.sh"}]}]
_HIDDEN = re.compile(r'name="(csrf|digest|action_id)" value="([^"]*)"')
_NAMES = count(1)
Write = Callable[[str, Fact], Any]


class Deployments(FakeOrchestrator):
    """Writes down what an action did to an approval before it tells so, as a deployment's workflow does soon."""

    def __init__(self, clock: Callable[[], datetime], write: Write) -> None:
        super().__init__(clock)
        self._write = write

    async def act(self, deployment: DeploymentId, moment: Moment, action: Action) -> Receipt | None:
        before = self.approvals.get((deployment, moment))
        told = await super().act(deployment, moment, action)
        if self.approvals.get((deployment, moment)) != before:
            await self.keep(deployment, moment)
        return told

    async def keep(self, deployment: DeploymentId, moment: Moment) -> None:
        fact = ApprovalFact(
            approval_id=approval_id(deployment, moment),
            deployment=str(deployment),
            moment=moment,
            approval=self.approvals[deployment, moment],
        )
        await self._write(deployment.workflow_id, fact)


@dataclass
class Desk:
    """What a case works with. ``name`` is in every name that it makes."""

    world: World
    orchestrator: Deployments
    stack: AsyncExitStack
    admin: httpx2.AsyncClient
    name: str = field(default_factory=lambda: f"d{next(_NAMES)}")

    def address(self, person: str) -> str:
        """``rita`` has an address that nobody of another desk has."""
        return f"{person}.{self.name}@example.com"

    async def caller(self, subject: str, role: Role = Role.RELEASER, owner: str | None = None) -> httpx2.AsyncClient:
        """Somebody with an API token of their own; with an ``owner``, the service of that name."""
        whose = {"service": subject, "owner": owner} if owner else {"subject": subject}
        issued = await self.admin.post("/tokens", json={"name": "of a trial", "role": role, **whose})
        assert issued.status_code == httpx2.codes.CREATED, issued.text
        client = self.world.client({"Authorization": f"Bearer {issued.json()['value']}"})
        return await self.stack.enter_async_context(client)

    async def browser(self, who: httpx2.AsyncClient | None = None) -> httpx2.AsyncClient:
        """One that is signed in with the token of this caller; without a caller, one that is not."""
        transport = httpx2.ASGITransport(app=self.world.app)
        headers = {"Accept": "text/html", "Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
        client = httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers)
        await self.stack.enter_async_context(client)
        if who is not None:
            token = who.headers["authorization"].removeprefix("Bearer ")
            answer = await client.post("/login", data={"token": token, "next": "/"})
            session = answer.cookies.get(SESSION_COOKIE)
            assert session, answer.text
            client.cookies.clear()  # it is for https only, and this is none
            client.headers["Cookie"] = f"{SESSION_COOKIE}={session}"
        return client

    async def person(self, address: str, *aliases: str) -> None:
        """Enter them, with exactly these aliases."""
        answer = await self.admin.put(f"/people/{address}", json={"aliases": list(aliases)})
        assert answer.is_success, answer.text

    async def group(self, name: str, *members: str) -> str:
        """Make or change it; how a policy names it."""
        answer = await self.admin.put(f"/groups/{name}-{self.name}", json={"members": list(members)})
        assert answer.is_success, answer.text
        return f"group:{name}-{self.name}"

    async def pipeline(
        self,
        approval: Mapping[str, Any],
        *,
        earlier: Mapping[str, Any] | None = None,
        artifacts: Mapping[str, Any] | None = None,
    ) -> str:
        """Keep one with the approval before ``prod``, perhaps after a stage ``test`` with another one; its name."""
        stages: list[dict[str, Any]] = [{"stage": "prod", "before": {"approval": dict(approval)}, "jobs": _JOBS}]
        if earlier is not None:
            stages[0]["after"] = ["test"]
            stages.insert(0, {"stage": "test", "before": {"approval": dict(earlier)}, "jobs": _JOBS})
        variables = {"LOG_LEVEL": {"value": "info", "settable": True}}
        name = f"shop-{self.name}"
        written = {"pipeline": name, "artifacts": artifacts or {}, "variables": variables, "stages": stages}
        answer = await self.admin.post("/pipelines", json=written)
        assert answer.is_success, answer.text
        return name

    async def release(self, who: httpx2.AsyncClient, pipeline: str, **fields: Any) -> ReleasePlan:
        """Make one over HTTP; the plan that its workflow was started with."""
        answer = await who.post("/releases", json={"pipeline": pipeline, **fields})
        assert answer.status_code == httpx2.codes.CREATED, answer.text
        return self.started(ReleaseId.parse(answer.json()["id"]))

    def started(self, release: ReleaseId) -> ReleasePlan:
        return next(plan for plan in self.orchestrator.started if plan.id == release)

    async def ask(
        self,
        plan: ReleasePlan,
        stage: str = "prod",
        *,
        attempt: int = 1,
        starter: Requester | None = None,
        earlier: Iterable[Vote] = (),
    ) -> str:
        """Ask for the approval before the stage, as its deployment's workflow does; its id."""
        deployment = DeploymentId(release=plan.id, stage=stage, attempt=attempt)
        by = starter or plan.requester
        policy = plan.pipeline.stage(stage).before.approval
        assert policy is not None
        opened = Approval(
            policy=policy,
            asked=plan.asked(policy.approvers),
            digest=plan.digest,
            requesters=tuple(dict.fromkeys((plan.requested_by, *plan.changed_by, by.name))),
            requester_addresses=tuple(dict.fromkeys((*plan.requester_addresses, *by.addresses))),
            opened_at=self.world.clock(),
        )
        self.orchestrator.ask(deployment, Moment.BEFORE, carry_over(opened, earlier, self.world.clock()))
        started = DeploymentFact(
            deployment=str(deployment),
            status=StageStatus.WAITING,
            requested_by=by.name,
            started_at=self.world.clock(),
        )
        await self.world.record(deployment.workflow_id, started)
        await self.orchestrator.keep(deployment, Moment.BEFORE)
        return approval_id(deployment, Moment.BEFORE)

    async def deploy_again(self, who: httpx2.AsyncClient, plan: ReleasePlan, stage: str = "prod", **fields: str) -> str:
        """Deploy the stage over HTTP, and ask for its approval; its id."""
        answer = await who.post(f"/releases/{plan.id}/stages/{stage}/deploy", json=fields)
        assert answer.is_success, answer.text
        _, request = self.orchestrator.deployed[-1]
        starter = Requester(name=request.requested_by, addresses=request.requester_addresses)
        return await self.ask(plan, stage, attempt=2, starter=starter)

    async def change(self, who: httpx2.AsyncClient, plan: ReleasePlan, approval: str, **fields: str) -> None:
        """Set a variable over HTTP, and ask those who were asked anew."""
        answer = await who.post(f"/releases/{plan.id}/variables", json={"variables": {"LOG_LEVEL": "debug"}, **fields})
        assert answer.is_success, answer.text
        _, change = self.orchestrator.changed[-1]
        changed = with_change(plan, change.variables, change.requester)
        await self._replace(approval, ask_anew(self.asked(approval), changed, change.requester.name, self._now()))
        included = {"variables", "changed_by", "requester_addresses"}
        fact = PlanFact(release=str(plan.id), digest=changed.digest, **changed.model_dump(include=included))
        await self.world.record(plan.id.workflow_id, fact)

    async def escalate(self, approval: str, approver: str, *deputies: str) -> None:
        """Let deputies be asked, as time does."""
        now = escalate(self.asked(approval), approver, deputies, "nobody answered", self._now())
        await self._replace(approval, now)

    async def _replace(self, approval: str, now: Approval) -> None:
        deployment, moment = split_approval_id(approval)
        self.orchestrator.ask(deployment, Moment(moment), now)
        await self.orchestrator.keep(deployment, Moment(moment))

    def asked(self, approval: str) -> Approval:
        """As the workflow has it."""
        deployment, moment = split_approval_id(approval)
        return self.orchestrator.approvals[deployment, Moment(moment)]

    async def kept(self, approval: str) -> Approval:
        """As the tables have it."""
        async with self.world.services.database.reading() as session:
            row = await approvals.get(session, approval)
        assert row is not None
        return Approval.model_validate(row.approval)

    async def link(self, approval: str, person: str, approver: str | None = None) -> IssuedLink:
        """What stands in the mail to this person."""
        asked, (deployment, moment) = self.asked(approval), split_approval_id(approval)
        place = next(one for one in asked.asked if one.approver == (approver or person))
        ask = AskApprover(
            approval_id=approval,
            approver=place.approver,
            members=place.people,
            round=place.round,
            level=asked.policy.link,
            release_name=f"{deployment.release}",
            pipeline=deployment.release.pipeline,
            stage=deployment.stage,
            moment=moment,
            requested_by=asked.requesters[0],
            digest=asked.digest,
            expires_at=asked.expires_at,
        )
        links = SqlApprovalLinks(self.world.services.database, bytes.fromhex(KEY), ORIGIN, self.world.clock)
        return await links.issue(ask, person)

    def ballot(self, approval: str, /, **more: object) -> dict[str, object]:
        """The body of an approving answer to the plan as it stands."""
        return {"choice": "approve", "digest": self.asked(approval).digest, **more}

    async def vote(self, who: httpx2.AsyncClient, approval: str, /, **more: object) -> httpx2.Response:
        """Approve through the API."""
        return await who.post(f"/approvals/{approval}/votes", json=self.ballot(approval, **more))

    async def send(self, browser: httpx2.AsyncClient, path: str, **fields: str) -> httpx2.Response:
        """Open the page, and send its form with what is hidden in it; approving, unless the fields say otherwise."""
        hidden = dict(_HIDDEN.findall((await browser.get(path)).text))
        return await browser.post(path, data={"choice": "approve"} | hidden | fields)

    def _now(self) -> datetime:
        return self.world.clock()


def asking(world: World) -> World:
    """The same world with such an orchestrator. Making an application takes longer than all that a desk does."""
    orchestrator = Deployments(world.clock, world.record)
    return replace(world.with_services(orchestrator=orchestrator), orchestrator=orchestrator)


@asynccontextmanager
async def release_desk(world: World) -> AsyncIterator[Desk]:
    """A desk in a world that is ``asking``."""
    assert isinstance(world.orchestrator, Deployments), "asking() makes it so"
    async with AsyncExitStack() as stack:
        admin = await stack.enter_async_context(world.calling(Role.ADMIN))
        yield Desk(world, world.orchestrator, stack, admin)

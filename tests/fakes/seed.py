"""A small history to look at: one release that went well, and one in mid-flight with people asked and steps running.

Everything is written the way workflows write it: as facts through the record store.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from activities.notifications import AskApprover, Letter
from activities.records import (
    ApprovalFact,
    DeploymentFact,
    Entry,
    Event,
    Fact,
    JobFact,
    ReleaseFact,
    StageFact,
    StepFact,
)
from domain.answering import answer
from domain.approval import Approval, Asked, Channel, Choice, Moment, Vote
from domain.approval_policy import Proof
from domain.artifact import Change, PinnedArtifact
from domain.changes import Found, with_found
from domain.ids import DeploymentId, ReleaseId, approval_id, job_id, step_run_id
from domain.pipeline import Pipeline
from domain.release import ReleasePlan
from domain.status import ReleaseStatus, RunStatus, StageStatus
from storage import agents, groups, logs, pipelines, releases
from storage.approvals import SqlApprovalLinks
from storage.changes import SqlChanges
from storage.database import Database
from storage.deliveries import SqlDeliveries
from storage.records import SqlRecords
from storage.token_hash import token_hash

LINK_KEY = bytes(32)
ANA, BO, CLEO = "ana@example.com", "bo@example.com", "cleo@example.com"
DEV = "dev@example.com"
PIPELINE = Pipeline.model_validate(
    {
        "pipeline": "webshop",
        "description": "The shop, from build to both regions.",
        "artifacts": {
            "app": {"jenkins": {"server": "ci", "job": "webshop/main"}, "version": "ask"},
            "config": {
                "azure-pipelines": {"connection": "ado", "project": "shop", "pipeline": "config", "artifact": "drop"}
            },
        },
        "variables": {"log_level": {"value": "info", "settable": True}, "region": "eu"},
        "stages": [
            {"stage": "test", "jobs": [{"job": "deploy", "steps": [{"run": "./deploy.sh test"}]}]},
            {"stage": "staging", "after": ["test"], "jobs": [{"job": "deploy", "steps": [{"run": "./deploy.sh"}]}]},
            {
                "stage": "prod-eu",
                "after": ["staging"],
                "before": {
                    "approval": {
                        "approvers": [ANA, "group:ops"],
                        "instructions": "Check the dashboards of staging first.\nNo deployment on a Friday afternoon.",
                        "timeout": "3d",
                    }
                },
                "jobs": [{"job": "deploy", "demands": ["docker"], "steps": [{"run": "./deploy.sh eu"}]}],
            },
            {
                "stage": "prod-us",
                "after": ["staging"],
                "jobs": [{"job": "deploy", "demands": ["docker", "os=linux"], "steps": [{"run": "./deploy.sh us"}]}],
            },
            {
                "stage": "announce",
                "after": ["prod-eu", "prod-us"],
                "manual": True,
                "jobs": [{"job": "post", "steps": [{"run": "./announce.sh"}]}],
            },
        ],
    }
)
RUNNING_LOG = (
    b"\x1b[1m##[section]Rolling out webshop 2.14.0 to us-east\x1b[0m\n"
    b"\x1b[32m\xe2\x9c\x93\x1b[0m image pulled on 6 of 6 hosts\n"
    b"web-us-1  draining  0%\rweb-us-1  draining 60%\rweb-us-1  draining 100%\n"
    b"web-us-1  \x1b[32mhealthy\x1b[0m after 4.1 s\n"
    b"\x1b[33m##[warning]web-us-2 answered slowly (812 ms), waiting for it to settle\x1b[0m\n"
    b"web-us-2  \x1b[36mstarting\x1b[0m\n"
)


_MESSAGES = ("Checkout v2 behind a flag", "Search answers twice as fast", "Round prices as the law wants it")
COMMITS = tuple(
    Change(
        version=f"2.14.0-rc{number}",
        commit=hashlib.sha256(message.encode()).hexdigest()[:40],
        message=f"{message}\n\nReviewed by Bo.",
        author="Ana Lima",
        url=f"https://git.example.com/webshop/commit/{number}",
    )
    for number, message in enumerate(_MESSAGES, start=1)
)


@dataclass(frozen=True)
class Seeded:
    """What a test needs to find its way."""

    release: ReleaseId
    earlier: ReleaseId
    approval_id: str
    links: dict[str, str]
    running_step: str


class Seeder:
    """Writes one history, at a time of the caller's choosing."""

    def __init__(self, database: Database, now: datetime, public_url: str = "http://testserver") -> None:
        self._database = database
        self._records = SqlRecords(database)
        self._now = now
        self._public_url = public_url
        self._sequence = 0

    async def write(self, *, description: str = "Checkout v2 behind a flag; faster product search.") -> Seeded:
        """All of it."""
        await self._pipeline_and_people()
        earlier = await self._earlier_release()
        plan = await self._plan(41, "2.14.0", "2.3.1", description, timedelta(minutes=19))
        await self._begun(plan, timedelta(minutes=19))
        await self._went_well(plan, "test", 1, timedelta(minutes=18))
        await self._failed(plan, "staging", timedelta(minutes=15))
        await self._went_well(plan, "staging", 2, timedelta(minutes=9))
        asked = await self._asks(plan)
        running = await self._runs(plan)
        return Seeded(plan.id, earlier, asked, await self._links(plan, asked), running)

    async def say(self, workflow: str, ago: timedelta, *facts: Fact) -> None:
        """Record facts as a workflow would."""
        self._sequence += 1
        entry = Entry(
            workflow_id=workflow,
            run_id="0d3f6b1e-8a4c-4f53-9d1b-7c2a5e9f4b10",
            sequence=self._sequence,
            at=self._now - ago,
            facts=facts,
        )
        await self._records.apply(entry)

    async def _pipeline_and_people(self) -> None:
        async with self._database.transaction() as session:
            await pipelines.save_revision(
                session, PIPELINE, "pipeline: webshop\nstages:\n  - stage: test\n", DEV, self._now
            )
            await groups.put(session, "ops", (BO, CLEO))
            for name, online in (("web-1", True), ("web-2", True), ("mac-1", False)):
                await self._agent(session, name, is_online=online)

    async def _agent(self, session: AsyncSession, name: str, *, is_online: bool) -> None:
        capabilities = {"os": "linux", "arch": "x86_64", "docker": "27.3.1", "python": "3.11", "region": "eu"}
        _, token = await agents.enrolment(
            session, pool="default", created_by=DEV, expires_at=self._now + timedelta(hours=1)
        )
        await agents.enrol(
            session,
            token_hash(token),
            name=name,
            instance_id=f"instance-{name}",
            capabilities=capabilities,
            slots=2,
            now=self._now - timedelta(days=9),
        )
        await agents.heartbeat(
            session,
            name,
            f"instance-{name}",
            capabilities=capabilities,
            slots=2,
            busy=int(name == "web-2"),
            version="0.1.0",
            now=self._now - (timedelta(seconds=2) if is_online else timedelta(hours=5)),
        )

    async def _plan(self, number: int, app: str, config: str, description: str, ago: timedelta) -> ReleasePlan:
        plan = ReleasePlan(
            id=ReleaseId(pipeline="webshop", number=number),
            name=f"webshop-{number}",
            revision=1,
            pipeline=PIPELINE,
            requested_by=DEV,
            requester_addresses=(DEV,),
            requested_at=self._now - ago,
            description=description,
            versions={"app": app},
            variables={"log_level": "debug"} if number > 40 else {},
            groups={"ops": (BO, CLEO)},
            artifacts=(_pin("app", "jenkins", app), _pin("config", "azure-pipelines", config)),
        )
        async with self._database.transaction() as session:
            await releases.add(session, plan, plan.requested_at)
        return plan

    async def _begun(self, plan: ReleasePlan, ago: timedelta) -> None:
        fact = ReleaseFact(
            release=str(plan.id), status=ReleaseStatus.ACTIVE, digest=plan.digest, artifacts=plan.artifacts
        )
        event = Event(release=str(plan.id), text=f"release {plan.name} started", by=plan.requested_by)
        await self.say(plan.id.workflow_id, ago, fact, event)

    async def _earlier_release(self) -> ReleaseId:
        plan = await self._plan(40, "2.13.2", "2.3.1", "Fixes the rounding of prices.", timedelta(days=3))
        await self._begun(plan, timedelta(days=3))
        for position, stage in enumerate(plan.pipeline.stages):
            await self._went_well(plan, stage.stage, 1, timedelta(days=3, minutes=-10 * position))
        end = ReleaseFact(
            release=str(plan.id),
            status=ReleaseStatus.SUCCEEDED,
            digest=plan.digest,
            finished_at=self._now - timedelta(days=3, minutes=-58),
        )
        await self.say(plan.id.workflow_id, timedelta(days=3, minutes=-58), end)
        return plan.id

    async def _went_well(self, plan: ReleasePlan, stage: str, attempt: int, ago: timedelta) -> None:
        deployment = DeploymentId(release=plan.id, stage=stage, attempt=attempt)
        start = self._now - ago
        end = start + timedelta(minutes=2, seconds=7)
        steps = self._steps(
            deployment, [("Download artifacts", 0), (f"Deploy to {stage}", 0), ("Smoke test", 0)], start
        )
        await self.say(
            deployment.workflow_id,
            ago - timedelta(minutes=2),
            _deployed(deployment, StageStatus.SUCCEEDED, start, end),
            _stage(deployment, StageStatus.SUCCEEDED),
            _job(deployment, RunStatus.SUCCEEDED, start, end),
            *steps,
            Event(release=str(plan.id), deployment=str(deployment), text=f"deployment to {stage} succeeded"),
        )

    async def _failed(self, plan: ReleasePlan, stage: str, ago: timedelta) -> None:
        deployment = DeploymentId(release=plan.id, stage=stage, attempt=1)
        start = self._now - ago
        reason = "step Smoke test failed with exit code 7"
        await self.say(
            deployment.workflow_id,
            ago - timedelta(minutes=1),
            _deployed(
                deployment, StageStatus.FAILED, start, start + timedelta(minutes=1), reason=f"job deploy: {reason}"
            ),
            _stage(deployment, StageStatus.FAILED),
            _job(deployment, RunStatus.FAILED, start, start + timedelta(minutes=1)),
            *self._steps(deployment, [("Download artifacts", 0), (f"Deploy to {stage}", 0), ("Smoke test", 7)], start),
            Event(release=str(plan.id), deployment=str(deployment), text=f"deployment to {stage} failed: {reason}"),
        )

    def _steps(self, deployment: DeploymentId, titles: Iterable[tuple[str, int]], start: datetime) -> list[StepFact]:
        return [
            StepFact(
                run_id=step_run_id(job_id(deployment, "deploy"), number, 1),
                job_id=job_id(deployment, "deploy"),
                step=number,
                try_number=1,
                title=title,
                status=RunStatus.FAILED if code else RunStatus.SUCCEEDED,
                exit_code=code if number else None,
                log_size=0,
                started_at=start + timedelta(seconds=20 * number),
                finished_at=start + timedelta(seconds=20 * number + 13),
            )
            for number, (title, code) in enumerate(titles)
        ]

    async def _asks(self, plan: ReleasePlan) -> str:
        """prod-eu waits; Ana has approved, the group has not answered."""
        deployment = DeploymentId(release=plan.id, stage="prod-eu", attempt=1)
        policy = plan.pipeline.stage("prod-eu").before.approval
        assert policy is not None
        opened = self._now - timedelta(minutes=6)
        approval = Approval(
            policy=policy,
            asked=(Asked(approver=ANA, members=(ANA,)), Asked(approver="group:ops", members=(BO, CLEO))),
            digest=plan.digest,
            requesters=(DEV,),
            requester_addresses=(DEV,),
            opened_at=opened,
        )
        vote = Vote(
            action_id="vote-of-ana",
            by=ANA,
            choice=Choice.APPROVE,
            digest=plan.digest,
            comment="Error rate in staging is flat.",
            channel=Channel.LINK,
            proof=Proof.LINK,
        )
        approval, _ = answer(approval, vote, self._now - timedelta(minutes=3))
        await self._changes(deployment)
        approval_name = approval_id(deployment, Moment.BEFORE)
        waiting_for = f"approval before the deployment by {ANA}, group:ops"
        await self.say(
            deployment.workflow_id,
            timedelta(minutes=3),
            _deployed(deployment, StageStatus.WAITING, opened, None, waiting_for=waiting_for),
            _stage(deployment, StageStatus.WAITING),
            ApprovalFact(
                approval_id=approval_name, deployment=str(deployment), moment=Moment.BEFORE, approval=approval
            ),
            Event(release=str(plan.id), deployment=str(deployment), text=f"approval before asked of {ANA}, group:ops"),
            Event(release=str(plan.id), deployment=str(deployment), text="approve (before)", by=ANA),
        )
        return approval_name

    async def _changes(self, deployment: DeploymentId) -> None:
        """Found before people are asked: the commits of the artifact that changes."""
        store = SqlChanges(self._database)
        compared = await store.compared(deployment)
        assert compared is not None
        app, *others = compared.changes.artifacts
        artifacts = (with_found(app, Found(commits=COMMITS)), *others)
        await store.keep(deployment, compared.changes.model_copy(update={"artifacts": artifacts}))

    async def _links(self, plan: ReleasePlan, asked: str) -> dict[str, str]:
        """The path of each person's link."""
        issuer = SqlApprovalLinks(self._database, LINK_KEY, self._public_url)
        deliveries = SqlDeliveries(self._database)
        found = {}
        for person in (ANA, BO, CLEO):
            approver = ANA if person == ANA else "group:ops"
            ask = _mail_to(plan, asked, approver, person, self._now + timedelta(days=3))
            link = await issuer.issue(ask, person)
            found[person] = link.url.removeprefix(self._public_url)
            claim = await deliveries.claim(asked, person, ask.delivery_kind)
            assert claim is not None
            await deliveries.sent(claim.delivery_id, f"message-{person}")
        return found

    async def _runs(self, plan: ReleasePlan) -> str:
        """prod-us runs its second step."""
        deployment = DeploymentId(release=plan.id, stage="prod-us", attempt=1)
        start = self._now - timedelta(minutes=2, seconds=12)
        job = job_id(deployment, "deploy")
        step = step_run_id(job, 1, 1)
        download = self._steps(deployment, [("Download artifacts", 0)], start)
        running = StepFact(
            run_id=step,
            job_id=job,
            step=1,
            try_number=1,
            title="Roll out to us-east",
            status=RunStatus.RUNNING,
            started_at=start + timedelta(seconds=20),
        )
        fact = _job(deployment, RunStatus.RUNNING, start, None)
        await self.say(
            deployment.workflow_id,
            timedelta(minutes=2),
            _deployed(deployment, StageStatus.IN_PROGRESS, start, None),
            _stage(deployment, StageStatus.IN_PROGRESS),
            fact.model_copy(update={"agent": "web-2", "demands": ("docker", "os=linux")}),
            *download,
            running,
        )
        async with self._database.transaction() as session:
            await logs.append(session, step, 0, RUNNING_LOG)
        return step


def _mail_to(plan: ReleasePlan, asked: str, approver: str, person: str, expires_at: datetime) -> AskApprover:
    return AskApprover(
        approval_id=asked,
        approver=approver,
        members=(person,),
        release_name=plan.name,
        pipeline=plan.id.pipeline,
        stage="prod-eu",
        moment=Moment.BEFORE,
        requested_by=plan.requested_by,
        digest=plan.digest,
        expires_at=expires_at,
    )


def _pin(alias: str, kind: str, version: str) -> PinnedArtifact:
    digest = hashlib.sha256(f"{alias} {version}".encode()).hexdigest()
    return PinnedArtifact(
        alias=alias,
        kind=kind,
        version=version,
        digest=digest,
        manifest_id=digest,
        file_count=3,
        size=18_493_021,
        branch="main",
        commit=digest[:40],
        url=f"https://ci.example.com/job/{alias}/{version}/",
    )


def _deployed(
    deployment: DeploymentId,
    status: StageStatus,
    start: datetime,
    end: datetime | None,
    *,
    waiting_for: str = "",
    reason: str = "",
) -> DeploymentFact:
    return DeploymentFact(
        deployment=str(deployment),
        status=status,
        requested_by=DEV,
        started_at=start,
        finished_at=end,
        waiting_for=waiting_for,
        reason=reason,
    )


def _stage(deployment: DeploymentId, status: StageStatus) -> StageFact:
    return StageFact(release=str(deployment.release), stage=deployment.stage, status=status, attempt=deployment.attempt)


def _job(deployment: DeploymentId, status: RunStatus, start: datetime, end: datetime | None) -> JobFact:
    return JobFact(
        job_id=job_id(deployment, "deploy"),
        deployment=str(deployment),
        position=0,
        job="deploy",
        status=status,
        pool="default",
        demands=("docker",),
        agent="web-1",
        started_at=start,
        finished_at=end,
    )


def letter(link: str) -> Letter:
    """A mail for the outbox."""
    html = f'<html><head><title>x</title></head><body><p>Hello</p><a href="{link}">Answer</a></body></html>'
    return Letter(
        delivery_id="delivery-1", to=BO, subject="Approve webshop-41 for prod-eu?", text=f"Answer: {link}", html=html
    )

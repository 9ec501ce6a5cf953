"""Text of people and of other systems, as hostile as it comes: every page shows it as text."""

import asyncio
from datetime import timedelta

import pytest
from fakes.seed import BO, PIPELINE, Seeder

from activities.notifications import Letter
from activities.records import ApprovalFact, DeploymentFact, Event, JobFact, ReleaseFact, StageFact, StepFact
from domain.approval import Approval, Asked, Channel, Choice, CountedVote, Happening, Vote
from domain.approval_policy import ApprovalPolicy, AtLeast
from domain.artifact import PinnedArtifact
from domain.ids import ReleaseId
from domain.outputs import Issue, IssueKind, Summary
from domain.release import ReleasePlan
from domain.role import Role
from domain.status import ReleaseStatus, RunStatus, StageStatus
from storage import agents, logs, pipelines, releases
from storage.deliveries import SqlDeliveries
from storage.mails import SqlOutbox
from storage.token_hash import token_hash

HOSTILE = "<script>alert('1')</script>\"onmouseover=alert(2) {{7*7}} </title><img src=x>\u202egnp\u2066"
QUOTED = '"\'onfocus=1&amp;"@x.example'
STAGE, RELEASE, DEPLOYMENT = "prod-eu", "webshop/66", "webshop/66/prod-eu/1"


async def _hostile_release(console) -> str:
    """A release in which everything that may be any text is hostile; the path of a link to its approval."""
    now, database = console.services.clock(), console.services.database
    pin = PinnedArtifact(
        alias="app",
        kind=HOSTILE,
        version=HOSTILE,
        digest="d" * 64,
        manifest_id="m",
        file_count=1,
        size=1,
        branch=HOSTILE,
        commit=HOSTILE,
        url="javascript:alert(3)",
    )
    plan = ReleasePlan(
        id=ReleaseId.parse(RELEASE),
        name=HOSTILE,
        revision=1,
        pipeline=PIPELINE,
        requested_by=HOSTILE,
        requested_at=now,
        description=HOSTILE,
        variables={"log_level": HOSTILE},
        artifacts=(pin,),
    )
    policy = ApprovalPolicy(approvers=(BO, QUOTED), need=AtLeast(at_least=2), instructions=HOSTILE)
    vote = Vote(action_id=HOSTILE, by=HOSTILE, choice=Choice.APPROVE, digest="", comment=HOSTILE, channel=Channel.API)
    approval = Approval(
        policy=policy,
        asked=(
            Asked(approver=BO, members=(BO,), deputies=(QUOTED,), instead_of=HOSTILE),
            Asked(approver=QUOTED, members=(HOSTILE,)),
        ),
        history=(Happening(at=now, text=HOSTILE, by=HOSTILE),),
        digest=plan.digest,
        requesters=(HOSTILE,),
        opened_at=now,
        votes=(CountedVote(approver=QUOTED, vote=vote, at=now),),
    )
    async with database.transaction() as session:
        await releases.add(session, plan, now)
        await pipelines.save_revision(
            session, PIPELINE.model_copy(update={"description": HOSTILE}), HOSTILE, HOSTILE, now
        )
        await logs.append(session, f"{DEPLOYMENT}/deploy/1/1", 0, HOSTILE.encode())
        await _hostile_agent(session, now)
    await _facts(console.seeder, approval, pin)
    deliveries = SqlDeliveries(database)
    claim = await deliveries.claim(f"{DEPLOYMENT}/before", BO, f"reminder {HOSTILE}")
    assert claim is not None
    await deliveries.failed(claim.delivery_id, HOSTILE, for_good=True)
    return (await console.mail(BO, approval_id=f"{DEPLOYMENT}/before", approver=BO)).url


async def _hostile_agent(session, now) -> None:
    _, token = await agents.enrolment(session, pool="default", created_by=BO, expires_at=now + timedelta(hours=1))
    capabilities = {HOSTILE: HOSTILE}
    await agents.enrol(
        session, token_hash(token), name="evil", instance_id="e", capabilities=capabilities, slots=1, now=now
    )
    await agents.heartbeat(
        session, "evil", "e", capabilities=capabilities, slots=1, busy=0, version=HOSTILE[:40], now=now
    )


async def _facts(seeder: Seeder, approval: Approval, pin: PinnedArtifact) -> None:
    job, run = f"{DEPLOYMENT}/deploy", f"{DEPLOYMENT}/deploy/1/1"
    await seeder.say(
        f"release/{RELEASE}",
        timedelta(0),
        ReleaseFact(
            release=RELEASE, status=ReleaseStatus.ACTIVE, waiting_for=HOSTILE, digest="d" * 64, artifacts=(pin,)
        ),
        StageFact(release=RELEASE, stage=STAGE, status=StageStatus.WAITING, reason=HOSTILE, attempt=1),
        DeploymentFact(
            deployment=DEPLOYMENT,
            status=StageStatus.WAITING,
            requested_by=HOSTILE,
            waiting_for=HOSTILE,
            reason=HOSTILE,
            started_at=approval.opened_at,
        ),
        ApprovalFact(approval_id=f"{DEPLOYMENT}/before", deployment=DEPLOYMENT, moment="before", approval=approval),
        JobFact(
            job_id=job,
            deployment=DEPLOYMENT,
            position=0,
            job="deploy",
            status=RunStatus.RUNNING,
            pool="default",
            demands=(HOSTILE,),
            agent=HOSTILE[:60],
            waiting_for=HOSTILE,
            started_at=approval.opened_at,
        ),
        StepFact(
            run_id=run,
            job_id=job,
            step=1,
            try_number=1,
            title=HOSTILE,
            status=RunStatus.RUNNING,
            reason=HOSTILE,
            started_at=approval.opened_at,
            issues=(Issue(kind=IssueKind.ERROR, message=HOSTILE, source_path=HOSTILE, code=HOSTILE),),
            errors=1,
            summaries=(Summary(name=HOSTILE, text=HOSTILE),),
        ),
        Event(release=RELEASE, text=HOSTILE, by=HOSTILE),
    )


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/?pipeline=%3Cscript%3Ealert(1)%3C/script%3E&status=%22onload=",
        "/pipelines",
        "/pipelines/webshop",
        "/pipelines/webshop/new",
        f"/releases/{RELEASE}/stages/{STAGE}/changes",
        f"/releases/{RELEASE}",
        f"/logs/{DEPLOYMENT}/deploy/1/1",
        "/approvals?everybody=yes",
        f"/approvals/{DEPLOYMENT}/before",
        "/agents",
        "/outbox",
        "/outbox/1",
        "link",
        "/login?next=/%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
        "/releases/%3Cscript%3Ealert(1)%3C/script%3E/1",
    ],
)
async def test_hostile_text_stays_text(console, path):
    """Neither markup nor attributes nor templates nor turned text get through."""
    link = await _hostile_release(console)
    outbox = SqlOutbox(console.services.database, console.services.sealing, asyncio.get_running_loop())
    letter = Letter(delivery_id="d", to=BO, subject=HOSTILE, text=HOSTILE, html=HOSTILE)
    await asyncio.to_thread(outbox.send, letter)
    browser = await console.sign_in(BO, Role.ADMIN)
    page = (await browser.get(link if path == "link" else path)).text
    for forbidden in (
        "<script>alert",
        "<img",
        '"onmouseover',
        '"onload',
        "javascript:",
        "\u202e",
        "\u2066",
        ">49",
        " onmouseover=alert(2) 49",
    ):
        assert forbidden not in page
    assert 1 == page.split("</head>", maxsplit=1)[0].count("</title>")

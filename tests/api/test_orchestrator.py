"""The way to the workflows, on a real Temporal server."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from fakes.release_world import World, plan_of, stage
from fakes.temporal_binaries import TIME_SKIPPING_SERVER
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from activities import search_attributes
from api.orchestrator import NothingRuns, TemporalOrchestrator, TemporalUnavailable
from domain.approval import Action, Approval, Choice, Moment, ReceiptKind, Verdict, Vote
from domain.approval_actions import Override, Reassignment, Withdrawal
from domain.ids import DeploymentId
from domain.person import Requester
from domain.status import ReleaseStatus, StageStatus
from workflows.deployment import PlanChange
from workflows.release import DeployRequest, ReleaseInput, ReleaseWorkflow
from workflows.stopping import CancelRequest

APPROVAL = {"approval": {"approvers": ["ana@example.com"]}}
LEVEL = {"LEVEL": {"value": "info", "settable": True}}
PLAN = plan_of({"pipeline": "webshop", "variables": LEVEL, "stages": [stage("prod", before=APPROVAL)]})
BOTH = {"approval": {"approvers": ["ana@example.com", "ben@example.com"]}}
TWO_ASKED = plan_of({"pipeline": "webshop", "stages": [stage("prod", before=BOTH)]})
PROD = DeploymentId(release=PLAN.id, stage="prod", attempt=1)
CONSOLE = "https://slipway.example.com"
CANCEL = CancelRequest(by="rita@example.com", reason="enough")


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=TIME_SKIPPING_SERVER, data_converter=pydantic_data_converter
    ) as started:
        kinds = {key.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD for key in search_attributes.ALL}
        await started.client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(namespace="default", search_attributes=kinds)
        )
        yield started.client


def _vote(digest: str) -> Vote:
    return Vote(action_id="v-1", by="ana@example.com", choice=Choice.APPROVE, digest=digest)


async def _recorded(world: World, is_so: Callable[[Approval], bool]) -> Approval:
    """The approval before prod, once what is recorded of it is so."""
    async with asyncio.timeout(20):
        while not is_so(world.tables.approvals()[f"{PROD}/before"]):
            await asyncio.sleep(0.01)
    return world.tables.approvals()[f"{PROD}/before"]


async def test_a_release_is_started_once(client: Client) -> None:
    """Starting again, also by another process, is the same run."""
    runs = [await TemporalOrchestrator(client, CONSOLE).start_release(PLAN) for _ in range(3)]
    assert 1 == len(set(runs))
    assert runs[0] == (await client.get_workflow_handle(PLAN.id.workflow_id).describe()).run_id


async def test_votes_and_stops_reach_what_runs(client: Client) -> None:
    """A vote brings its receipt; a stage is deployed again after the end, but the release never started again."""
    orchestrator = TemporalOrchestrator(client, CONSOLE)
    async with World(client).running() as world:
        await orchestrator.start_release(PLAN)
        approval = await world.open_approval(f"{PROD}/before")
        receipt = await orchestrator.act(PROD, Moment.BEFORE, _vote(approval.digest))
        assert receipt is not None
        assert ReceiptKind.COUNTED == receipt.kind
        handle = client.get_workflow_handle_for(ReleaseWorkflow.run, PLAN.id.workflow_id)
        end = await handle.result()
        assert ReleaseStatus.SUCCEEDED == end.status
        await orchestrator.start_release(PLAN)
        assert WorkflowExecutionStatus.COMPLETED == (await handle.describe()).status
        resumed = ReleaseInput(plan=PLAN, statuses=end.stages, attempts={"prod": 1}, is_resumed=True)
        request = DeployRequest(stage="prod", requested_by="otto@example.com", request_id="r-1")
        await orchestrator.deploy_stage(resumed, request)
        again = PROD.model_copy(update={"attempt": 2})
        await world.open_approval(f"{again}/before")
        await orchestrator.cancel_deployment(again, CANCEL)
        assert {"prod": StageStatus.CANCELED} == (await handle.result()).stages
        with pytest.raises(NothingRuns):
            await orchestrator.act(PROD, Moment.BEFORE, _vote(approval.digest))


async def test_all_that_people_do_reaches_the_approval(client: Client) -> None:
    """A vote taken back, a place given to somebody else, and the decision of a manager: each with its receipt."""
    orchestrator = TemporalOrchestrator(client, CONSOLE)
    ana, mona = "ana@example.com", "mona@example.com"
    async with World(client).running() as world:
        await orchestrator.start_release(TWO_ASKED)
        digest = (await world.open_approval(f"{PROD}/before")).digest
        actions: list[Action] = [
            _vote(digest),
            Withdrawal(action_id="w-1", by=ana, vote_id="v-1"),
            Reassignment(action_id="r-1", by=ana, approver=ana, to="cy@example.com", members=("cy@example.com",)),
            _vote(digest).model_copy(update={"action_id": "v-2"}),
            Override(action_id="o-1", by=mona, choice=Choice.APPROVE, digest=digest, comment="all are ill"),
        ]
        receipts = [await orchestrator.act(PROD, Moment.BEFORE, action) for action in actions]
        assert [
            (ReceiptKind.COUNTED, Verdict.PENDING),
            (ReceiptKind.DONE, Verdict.PENDING),
            (ReceiptKind.DONE, Verdict.PENDING),
            (ReceiptKind.NOT_AN_APPROVER, Verdict.PENDING),
            (ReceiptKind.DONE, Verdict.APPROVED),
        ] == [(receipt.kind, receipt.verdict) for receipt in receipts if receipt is not None]
        end = await client.get_workflow_handle_for(ReleaseWorkflow.run, PLAN.id.workflow_id).result()
        assert ReleaseStatus.SUCCEEDED == end.status


async def test_bounces_and_changes_reach_the_open_approval(client: Client) -> None:
    """A mail that came back is in its history; once the plan has changed, what was shown before is approved no more."""
    orchestrator = TemporalOrchestrator(client, CONSOLE)
    async with World(client).running() as world:
        await orchestrator.start_release(PLAN)
        before = await world.open_approval(f"{PROD}/before")
        await orchestrator.mail_bounced(PROD, Moment.BEFORE, "ana@example.com", "no such user")
        told = await _recorded(world, lambda approval: bool(approval.history))
        assert "no mail reaches ana@example.com: no such user" == told.history[0].text
        otto = Requester(name="otto@example.com", addresses=("otto@example.com",))
        change = PlanChange(change_id="c-1", variables={"LEVEL": "debug"}, requester=otto)
        for _ in range(2):
            await orchestrator.change_plan(PLAN.id, change)
        after = await _recorded(world, lambda approval: approval.digest != before.digest)
        assert "otto@example.com" in after.requesters
        receipt = await orchestrator.act(PROD, Moment.BEFORE, _vote(before.digest))
        assert receipt is not None
        assert ReceiptKind.PLAN_CHANGED == receipt.kind


async def test_an_action_without_a_worker_is_stored(client: Client) -> None:
    """No receipt, but no loss either: it counts when a worker is there."""
    orchestrator = TemporalOrchestrator(client, CONSOLE)
    world = World(client)
    # Without a cache no task waits for the worker that knew the workflow.
    async with world.running(max_cached_workflows=0):
        await orchestrator.start_release(PLAN)
        digest = (await world.open_approval(f"{PROD}/before")).digest
    assert await orchestrator.act(PROD, Moment.BEFORE, _vote(digest)) is None
    async with world.running(max_cached_workflows=0):
        decided = await _recorded(world, lambda approval: approval.verdict.is_final)
    assert (Verdict.APPROVED, "ana@example.com") == (decided.verdict, decided.decided_by)


async def test_what_does_not_run_takes_no_messages(client: Client) -> None:
    """Told apart from Temporal being away."""
    orchestrator = TemporalOrchestrator(client, CONSOLE)
    with pytest.raises(NothingRuns):
        await orchestrator.act(PROD, Moment.BEFORE, _vote("d" * 64))
    with pytest.raises(NothingRuns):
        await orchestrator.cancel_release(PLAN.id, CANCEL)
    with pytest.raises(NothingRuns):
        await orchestrator.cancel_deployment(PROD, CANCEL)
    with pytest.raises(NothingRuns):
        await orchestrator.change_plan(
            PLAN.id, PlanChange(change_id="c-1", variables={}, requester=Requester(name="rita@example.com"))
        )
    with pytest.raises(NothingRuns):
        await orchestrator.mail_bounced(PROD, Moment.BEFORE, "ana@example.com", "no such user")
    assert await orchestrator.is_healthy()


async def test_temporal_that_is_away_is_told_within_seconds() -> None:
    """And the process that speaks to it lives on."""
    away = await Client.connect("127.0.0.1:1", lazy=True, data_converter=pydantic_data_converter)
    orchestrator = TemporalOrchestrator(away, CONSOLE)
    assert not await orchestrator.is_healthy()
    with pytest.raises(TemporalUnavailable):
        await orchestrator.start_release(PLAN)


async def test_the_run_in_temporal_leads_back_to_the_console(client: Client) -> None:
    """Whoever comes upon a workflow in Temporal Web UI finds the release's page, and its stage's place there."""
    async with World(client).running() as world:
        await TemporalOrchestrator(client, CONSOLE).start_release(PLAN)
        await world.open_approval(f"{PROD}/before")
        release = await client.get_workflow_handle(PLAN.id.workflow_id).describe()
        deployment = await client.get_workflow_handle(PROD.workflow_id).describe()
        assert f"[webshop/1]({CONSOLE}/releases/webshop/1)" in str(await release.static_details())
        link = f"[webshop/1/prod/1]({CONSOLE}/releases/webshop/1#stage-prod)"
        assert link in str(await deployment.static_details())

"""Votes as they come when everybody is nervous, and when nobody is there to count them."""

import asyncio
from pathlib import Path

import pytest
from trials.acts import Act, send
from trials.agreement import disagreements, end_disagreements
from trials.amounts import AMOUNTS
from trials.approval_world import MANAGER, approval_world
from trials.vote_model import Asked, possible_verdicts
from trials.vote_storm import run

ANA, BEN, CLEO = "ana@example.com", "ben@example.com", "cleo@example.com"


@pytest.mark.timeout(300)
async def test_a_storm_of_votes_is_counted_as_the_model_says() -> None:
    """Each sent up to five times, shuffled, at once: workflow, table, page and receipts agree, and nothing fails."""
    verdict = await run(seed=1, amount=AMOUNTS["vote_storm"].gate)
    assert () == verdict.violations
    assert verdict.holds, verdict.fired


async def test_what_is_done_while_every_worker_is_down_counts_when_one_is_back(tmp_path: Path) -> None:
    """A vote, one that is taken back, and a place given to somebody else: each is told to be stored, and is."""
    job = {"job": "deploy", "condition": "failed", "steps": [{"run": "deploy"}]}
    policy = {"approvers": [ANA, BEN], "remind": "never"}
    async with approval_world(tmp_path) as world:
        await world.save("webshop", [{"stage": "prod", "before": {"approval": policy}, "jobs": [job]}])
        approval = f"{await world.release('webshop')}/prod/1/before"

        await world.seen(approval)
        digest = (await world.page(approval))["digest"]

        def vote(person: str, action_id: str) -> Act:
            return Act(approval, person, "votes", {"action_id": action_id, "choice": "approve", "digest": digest})

        counted = await send(world, vote(ANA, "first"))
        await world.stop_worker()
        back = Act(approval, ANA, "withdrawals", {"action_id": "back", "vote_id": "first"})
        given = Act(approval, MANAGER, "reassignments", {"action_id": "given", "approver": BEN, "to": CLEO})
        stored = await asyncio.gather(*(send(world, act) for act in (back, given)))
        again = await send(world, vote(ANA, "second"))
        assert ["counted", "stored", "stored", "stored"] == [told.kind for told in (counted, *stored, again)]
        assert {"pending"} == {told.answer.body["verdict"] for told in (*stored, again)}
        await world.start_worker()
        await world.seen(approval, lambda row: CLEO in [asked.approver for asked in row.asked])
        last = await send(world, vote(CLEO, "last"))
        assert ("counted", "approved") == (last.kind, last.answer.body["verdict"])
        told = [counted, *stored, again, last]
        assert [] == await disagreements(world, approval, told)
        assert [] == await end_disagreements(world, approval)
        row = await world.row(approval)
    assert row is not None
    assert [(ANA, "second"), (CLEO, "last")] == [(c.vote.by, c.vote.action_id) for c in row.votes]


@pytest.mark.parametrize(
    ("approving", "rejecting", "expected"),
    [
        ("a", "", {"pending"}),
        ("ab", "", {"approved"}),
        ("bc", "", {"pending"}),
        ("bd", "", {"pending"}),
        ("", "x", {"pending"}),
        ("a", "d", {"rejected"}),
        ("ad", "b", {"approved", "rejected"}),
        ("b", "c", {"rejected", "pending"}),
    ],
)
def test_the_model_knows_what_votes_come_to(approving: str, rejecting: str, expected: set[str]) -> None:
    """``a`` is asked by name, and for a group of b, c and d."""
    asked = Asked(places={"a": frozenset("a"), "group": frozenset("abcd")}, needed=2, barred=frozenset("x"))
    assert expected == possible_verdicts(asked, approving, rejecting)

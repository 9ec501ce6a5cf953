"""Leases and their workspaces on the disk."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from activities.agent_job import HoldRequest, LeaseGone
from agent.leases import Leases
from agent.state_folder import StateFolder

Hold = Callable[..., HoldRequest]


def test_a_restarted_agent_still_holds_its_leases(state: StateFolder, leases: Leases, hold: Hold) -> None:
    """With their terms, and what the steps left in the workspace."""
    request = hold(rejoin=timedelta(seconds=7))
    (leases.add(request).workspace / "left").write_text("here")
    (recovered,) = Leases(state).recover()
    assert request == recovered.request
    assert "here" == (recovered.workspace / "left").read_text()


def test_half_made_leases_are_removed(state: StateFolder, leases: Leases) -> None:
    """A crash between the folder and what it is for."""
    (state.leases / "half").mkdir()
    assert [] == leases.recover()
    assert [] == list(state.leases.iterdir())


def test_a_workspace_goes_with_its_lease(state: StateFolder, leases: Leases, hold: Hold) -> None:
    """It disappears at once, its space is freed later."""
    request = hold()
    folder = leases.add(request).folder
    leases.remove(request.lease_id)
    assert not folder.exists()
    assert request.lease_id not in leases
    state.empty_trash()
    assert [] == list((state.path / "trash").iterdir())


def test_work_needs_a_lease_that_is_not_being_ended(leases: Leases, hold: Hold) -> None:
    """Otherwise a step could start while everything is killed."""
    request = hold()
    lease = leases.add(request)
    assert lease == leases.usable(request.lease_id)
    lease.is_ending = True
    with pytest.raises(LeaseGone):
        leases.usable(request.lease_id)
    with pytest.raises(LeaseGone):
        leases.usable("unknown")


@pytest.mark.parametrize("lease_id", ["../../etc", "/etc/passwd", "a/../b", ".", "..", "x" * 5000, "é\n\0"])
def test_no_id_leads_out_of_the_state_folder(state: StateFolder, leases: Leases, hold: Hold, lease_id: str) -> None:
    """Ids come from elsewhere; folders are ours."""
    lease = leases.add(hold(lease_id=lease_id))
    assert state.leases == lease.folder.parent
    assert len(lease.folder.name) < 100


def test_a_slot_counts_once(leases: Leases, hold: Hold) -> None:
    """Leases a worker accounts for are not counted beside it."""
    first, second = leases.add(hold(lease_id="a")), leases.add(hold(lease_id="b"))
    first.has_permit = True
    assert (2, 1) == (len(leases), leases.without_permit())
    second.has_permit = True
    assert 0 == leases.without_permit()

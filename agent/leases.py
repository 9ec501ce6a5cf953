"""The leases this agent holds and their workspaces, remembered on disk: a restarted agent still holds them."""

from dataclasses import dataclass
from pathlib import Path

from activities.agent_job import HoldRequest, LeaseGone
from agent.runner import write_durably
from agent.safe_names import folder_name
from agent.state_folder import StateFolder

_PART_OF_REJOIN = 0.6
_SHORTEST_SILENCE = 6.0


@dataclass
class Lease:
    """One lease. ``has_permit``: the slot is accounted for by the worker whose task took it."""

    request: HoldRequest
    folder: Path
    has_permit: bool = False
    is_ending: bool = False

    @property
    def workspace(self) -> Path:
        """Where artifacts lie and steps run."""
        return self.folder / "work"

    @property
    def heard(self) -> Path:
        """When the server last knew this hold. Runners end their step by it, before another agent gets the job."""
        return self.folder / "heard"

    @property
    def cut_off_after(self) -> float:
        """Seconds without a word after which a runner ends its step; below the time that the server waits for us."""
        return max(_PART_OF_REJOIN * self.request.rejoin.total_seconds(), _SHORTEST_SILENCE)

    @property
    def temporary(self) -> Path:
        """Scratch space that goes with the lease."""
        return self.folder / "tmp"


class Leases:
    """All leases of this agent."""

    def __init__(self, state: StateFolder) -> None:
        self._state = state
        self._held: dict[str, Lease] = {}

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, lease_id: str) -> bool:
        return lease_id in self._held

    def get(self, lease_id: str) -> Lease | None:
        return self._held.get(lease_id)

    def without_permit(self) -> int:
        """How many slots are taken that no worker knows of."""
        return sum(not lease.has_permit for lease in self._held.values())

    def usable(self, lease_id: str) -> Lease:
        """The lease, for new work under it. Raises LeaseGone."""
        lease = self._held.get(lease_id)
        if lease is None or lease.is_ending:
            raise LeaseGone(f"this agent does not hold {lease_id} any more")
        return lease

    def add(self, request: HoldRequest) -> Lease:
        """Make the workspace, empty, and remember the lease."""
        folder = self._state.leases / folder_name(request.lease_id)
        self._state.discard(folder)
        lease = Lease(request, folder)
        folder.mkdir(mode=0o700)
        lease.workspace.mkdir()
        lease.temporary.mkdir()
        write_durably(folder / "lease.json", request.model_dump(mode="json"))
        self._held[request.lease_id] = lease
        return lease

    def recover(self) -> list[Lease]:
        """The leases of the agent that ran here before; half-made ones are removed."""
        for folder in sorted(self._state.leases.iterdir()):
            file = folder / "lease.json"
            if file.exists():
                request = HoldRequest.model_validate_json(file.read_bytes())
                self._held[request.lease_id] = Lease(request, folder)
            else:
                self._state.discard(folder)
        return list(self._held.values())

    def remove(self, lease_id: str) -> None:
        """Forget the lease and its workspace."""
        lease = self._held.pop(lease_id, None)
        if lease is not None:
            self._state.discard(lease.folder)

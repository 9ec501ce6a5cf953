"""Make a set of demands known to the agents, and say whether anyone can answer it now."""

from typing import Protocol

from temporalio import activity

from domain.frozen import Frozen
from domain.matching import AgentOffer, DemandSet, explain_absence


class AgentDirectory(Protocol):
    """Where agents and the known demand sets are kept."""

    async def want(self, demands: DemandSet) -> None:
        """Remember the set, so that able agents start polling its queue with their next heartbeat."""
        ...

    async def offers(self, pool: str) -> list[AgentOffer]: ...


class AgentSearch(Frozen):
    """``absence`` says in one sentence why nobody can take the job now; None when somebody can."""

    absence: str | None = None


class Agents:
    """Runs on the release worker. Safe to run twice: it only remembers and reads."""

    def __init__(self, directory: AgentDirectory) -> None:
        self._directory = directory

    @activity.defn
    async def find_agent(self, demands: DemandSet) -> AgentSearch:
        await self._directory.want(demands)
        return AgentSearch(absence=explain_absence(await self._directory.offers(demands.pool), demands))

"""Which agent can do which job: demands, capabilities, and the task queue named for a set of demands.

Names and values compare without regard to case, as in Azure Pipelines.
"""

import hashlib
from collections.abc import Iterable, Mapping

from domain.frozen import Frozen
from domain.ids import Slug

Capabilities = Mapping[str, str]
_LONGEST_QUEUE_TAIL = 180
_NO_DEMANDS = "any"


class DemandSet(Frozen):
    """What a job demands of an agent, in canonical form: sorted, lower case, no repetition."""

    pool: Slug
    demands: tuple[str, ...]

    @classmethod
    def of(cls, pool: str, demands: Iterable[str]) -> "DemandSet":
        return cls(pool=pool, demands=tuple(sorted({demand.strip().lower() for demand in demands})))

    @property
    def queue(self) -> str:
        """The task queue: ``agents/<pool>/docker+os=linux``, ``agents/<pool>/any`` for no demands."""
        tail = "+".join(self.demands) or _NO_DEMANDS
        # A capability may itself be called "any": its queue must not be the one that every agent polls.
        if len(tail) > _LONGEST_QUEUE_TAIL or self.demands == (_NO_DEMANDS,):
            tail = "sha256-" + hashlib.sha256(tail.encode()).hexdigest()
        return f"agents/{self.pool}/{tail}"

    def __str__(self) -> str:
        return " + ".join(self.demands) or "any capabilities"


class AgentOffer(Frozen):
    """One agent as a candidate: its pool, what it can do, whether it is online."""

    name: str
    pool: str
    capabilities: dict[str, str]
    is_online: bool


def missing(capabilities: Capabilities, demands: Iterable[str]) -> list[str]:
    """The demands that these capabilities do not satisfy."""
    have = {name.lower(): value.lower() for name, value in capabilities.items()}
    return [demand for demand in demands if not _satisfies(have, demand.lower())]


def _satisfies(have: Capabilities, demand: str) -> bool:
    name, equals, value = demand.partition("=")
    return have.get(name) == value if equals else name in have


def eligible(agents: Iterable[AgentOffer], wanted: DemandSet) -> list[AgentOffer]:
    """The online agents of the pool that satisfy every demand."""
    return [a for a in agents if a.is_online and a.pool == wanted.pool and not missing(a.capabilities, wanted.demands)]


def explain_absence(agents: Iterable[AgentOffer], wanted: DemandSet) -> str | None:
    """Why nobody can take the job now, naming the nearest agent; None when somebody can."""
    agents = list(agents)
    if eligible(agents, wanted):
        return None
    in_pool = [agent for agent in agents if agent.pool == wanted.pool]
    if not in_pool:
        return f"pool {wanted.pool} has no agents"
    online = [agent for agent in in_pool if agent.is_online]
    sentence = f"no online agent of pool {wanted.pool} has {wanted}"
    able = [agent.name for agent in in_pool if not missing(agent.capabilities, wanted.demands)]
    if able:
        return f"{sentence}; {', '.join(sorted(able)[:3])} would do, but is offline"
    if not online:
        return f"{sentence}; none of its {len(in_pool)} agents is online"
    nearest = min(online, key=lambda agent: (len(missing(agent.capabilities, wanted.demands)), agent.name))
    return f"{sentence}; nearest: {nearest.name} lacks {', '.join(missing(nearest.capabilities, wanted.demands))}"

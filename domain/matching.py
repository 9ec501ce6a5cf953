"""Which agent can do which job: demands, capabilities, and the task queue named for a set of demands.

Names and values compare without regard to case, as in Azure Pipelines.
"""

import hashlib
from collections.abc import Iterable, Mapping

from domain.demand import in_queue_name, is_met, is_refusal, refused, shortfall
from domain.frozen import Frozen
from domain.ids import Slug

Capabilities = Mapping[str, str]
_LONGEST_QUEUE_TAIL = 180
_NO_DEMANDS = "any"
_NAMED_AT_MOST = 3


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
        tail = "+".join(in_queue_name(demand) for demand in self.demands) or _NO_DEMANDS
        # A capability may itself be called "any": its queue must not be the one that every agent polls.
        if len(tail) > _LONGEST_QUEUE_TAIL or self.demands == (_NO_DEMANDS,):
            tail = "sha256-" + hashlib.sha256(tail.encode()).hexdigest()
        return f"agents/{self.pool}/{tail}"

    def __str__(self) -> str:
        return " + ".join(self.demands) or "any capabilities"


class AgentOffer(Frozen):
    """One agent as a candidate: its pool, what it can do, whether it is online.

    ``closed_because`` says why it takes no new jobs though it may be online; empty when it takes them.
    """

    name: str
    pool: str
    capabilities: dict[str, str]
    is_online: bool
    closed_because: str = ""

    @property
    def takes_jobs(self) -> bool:
        return self.is_online and not self.closed_because


def missing(capabilities: Capabilities, demands: Iterable[str]) -> list[str]:
    """The demands that these capabilities do not satisfy."""
    have = _lower(capabilities)
    return [demand for demand in demands if not is_met(demand.lower(), have)]


def eligible(agents: Iterable[AgentOffer], wanted: DemandSet) -> list[AgentOffer]:
    """The agents of the pool that take jobs now and satisfy every demand."""
    return [a for a in agents if a.takes_jobs and a.pool == wanted.pool and not missing(a.capabilities, wanted.demands)]


def explain_absence(agents: Iterable[AgentOffer], wanted: DemandSet) -> str | None:
    """Why nobody can take the job now, naming the nearest agent; None when somebody can."""
    agents = list(agents)
    if eligible(agents, wanted):
        return None
    in_pool = [agent for agent in agents if agent.pool == wanted.pool]
    if not in_pool:
        return f"pool {wanted.pool} has no agents"
    able = [agent for agent in in_pool if not missing(agent.capabilities, wanted.demands)]
    if able:
        return f"{_nobody_with(wanted, able)}; {_who_would_do(able)}"
    online = [agent for agent in in_pool if agent.is_online]
    if not online:
        return f"{_nobody_with(wanted, able)}; none of its {len(in_pool)} agents is online"
    nearest = min(online, key=lambda agent: _distance(agent, wanted))
    return f"{_nobody_with(wanted, able)}; nearest: {_why_unable(nearest, wanted)}"


def _nobody_with(wanted: DemandSet, able: Iterable[AgentOffer]) -> str:
    if any(agent.is_online for agent in able):
        return f"no agent of pool {wanted.pool} that has {wanted} takes jobs now"
    return f"no online agent of pool {wanted.pool} has {wanted}"


def _who_would_do(able: Iterable[AgentOffer]) -> str:
    nearest = sorted(able, key=lambda agent: (not agent.is_online, agent.name))[:_NAMED_AT_MOST]
    return "; ".join(f"{agent.name} would do, but {agent.closed_because or 'is offline'}" for agent in nearest)


def _distance(agent: AgentOffer, wanted: DemandSet) -> tuple[int, bool, str]:
    return len(missing(agent.capabilities, wanted.demands)), not agent.takes_jobs, agent.name


def _why_unable(agent: AgentOffer, wanted: DemandSet) -> str:
    """``build-7 lacks docker, os=linux and has gpu``; then also why it takes no jobs at all."""
    have = _lower(agent.capabilities)
    unmet = missing(have, wanted.demands)
    lacks = ", ".join(shortfall(demand, have) for demand in unmet if not is_refusal(demand))
    has = ", ".join(refused(demand) for demand in unmet if is_refusal(demand))
    told = " and ".join([f"lacks {lacks}"] * bool(lacks) + [f"has {has}"] * bool(has))
    return f"{agent.name} {told}" + (f", and {agent.closed_because}" if agent.closed_because else "")


def _lower(capabilities: Capabilities) -> dict[str, str]:
    return {name.lower(): value.lower() for name, value in capabilities.items()}

"""Which agent can do which job."""

from string import ascii_lowercase, digits

import pytest
from fakes.made_pipelines import demands, slugs
from hypothesis import given
from hypothesis import strategies as st

from domain.matching import AgentOffer, DemandSet, eligible, explain_absence, missing


def offer(name: str, *, pool: str = "default", online: bool = True, **capabilities: str) -> AgentOffer:
    """An agent with these capabilities."""
    return AgentOffer(name=name, pool=pool, capabilities=capabilities, is_online=online)


offers = st.lists(
    st.builds(
        AgentOffer,
        name=slugs,
        pool=st.sampled_from(["default", "web"]),
        capabilities=st.dictionaries(slugs, slugs, max_size=4),
        is_online=st.booleans(),
        closed_because=st.sampled_from(["", "is draining"]),
    ),
    max_size=4,
)


@pytest.mark.parametrize(
    ("have", "wanted", "expected"),
    [
        ({}, [], []),
        ({"docker": "24"}, ["docker"], []),
        ({"docker": "24"}, ["docker=24"], []),
        ({"docker": "24"}, ["docker=25"], ["docker=25"]),
        ({"Docker": "24", "OS": "Linux"}, ["docker", "os=linux"], []),
        ({"docker": "24"}, ["DOCKER", "Os=Linux"], ["Os=Linux"]),
        ({}, ["docker", "gpu"], ["docker", "gpu"]),
        ({"os": ""}, ["os"], []),
        ({"docker": ""}, ["docker", "docker="], ["docker="]),
        ({"Docker": "27.3"}, ["!gpu", "!docker=24", "DOCKER>=24"], []),
        ({"gpu": "", "os": "Windows"}, ["!GPU", "!os=windows", "!os=linux"], ["!GPU", "!os=windows"]),
    ],
)
def test_a_demand_is_a_capability_or_one_with_its_value(
    have: dict[str, str], wanted: list[str], expected: list[str]
) -> None:
    """Compared without regard to case."""
    assert expected == missing(have, wanted)


@given(offers, st.lists(demands, max_size=3), demands)
def test_more_demands_never_find_more_agents(agents: list[AgentOffer], wanted: list[str], more: str) -> None:
    """And those that are found take jobs, are of the pool, and lack nothing."""
    few = eligible(agents, DemandSet.of("default", wanted))
    fewer = eligible(agents, DemandSet.of("default", [*wanted, more]))
    assert all(agent in few for agent in fewer)
    assert all(a.takes_jobs and a.pool == "default" and not missing(a.capabilities, wanted) for a in few)


@given(slugs, st.lists(demands, max_size=5), st.data())
def test_equal_demands_share_a_queue_however_they_are_written(
    pool: str, wanted: list[str], data: st.DataObject
) -> None:
    """In any order, case and repetition."""
    again = [data.draw(st.sampled_from([one, one.upper(), f" {one} "])) for one in data.draw(st.permutations(wanted))]
    assert DemandSet.of(pool, wanted) == DemandSet.of(pool, [*again, *wanted])
    assert DemandSet.of(pool, wanted).queue == DemandSet.of(pool, again).queue


@given(st.lists(demands, max_size=30), st.lists(demands, max_size=30))
def test_different_demands_have_different_queues_of_bounded_length(one: list[str], other: list[str]) -> None:
    """Long sets are named by their digest."""
    first, second = DemandSet.of("default", one), DemandSet.of("default", other)
    assert (first.demands == second.demands) == (first.queue == second.queue)
    assert len(first.queue) < 260


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([], "agents/web/any"),
        (["os=Linux", "docker", "docker"], "agents/web/docker+os=linux"),
        (["Python3>=3.10", "!GPU", "!os=windows"], "agents/web/not~gpu+not~os=windows+python3=from~3.10"),
    ],
)
def test_a_queue_is_named_for_what_it_demands(wanted: list[str], expected: str) -> None:
    """So that an operator reads it."""
    assert expected == DemandSet.of("web", wanted).queue


@given(st.lists(demands, max_size=5))
def test_a_queue_is_spelt_with_what_needs_no_escaping_in_an_address(wanted: list[str]) -> None:
    """Slashes and plus signs were always there; Temporal Web UI puts the name into its links."""
    assert set(DemandSet.of("web", wanted).queue) <= set(ascii_lowercase + digits + "/+=._-~")


def test_a_capability_called_any_is_not_served_by_every_agent() -> None:
    """The queue of no demands is polled by agents that lack it."""
    assert DemandSet.of("web", ["any"]).queue != DemandSet.of("web", []).queue


def test_a_long_set_is_named_by_its_digest() -> None:
    """It stays the same for the same set."""
    many = [f"capability-{n}" for n in range(60)]
    queue = DemandSet.of("web", many).queue
    assert queue.startswith("agents/web/sha256-")
    assert queue == DemandSet.of("web", reversed(many)).queue


@pytest.mark.parametrize(
    ("agents", "expected"),
    [
        ([], "pool default has no agents"),
        ([offer("a", pool="web")], "pool default has no agents"),
        ([offer("a", docker="1", os="linux")], None),
        (
            [offer("a", online=False), offer("b", online=False)],
            "no online agent of pool default has docker + os=linux; none of its 2 agents is online",
        ),
        (
            [offer("a", docker="1", os="linux", online=False), offer("b")],
            "no online agent of pool default has docker + os=linux; a would do, but is offline",
        ),
        (
            [offer("a"), offer("b", docker="1"), offer("c", os="linux")],
            "no online agent of pool default has docker + os=linux; nearest: b lacks os=linux",
        ),
    ],
)
def test_an_absence_is_explained_by_the_nearest_agent(agents: list[AgentOffer], expected: str | None) -> None:
    """One sentence that tells an operator what to do."""
    assert expected == explain_absence(agents, DemandSet.of("default", ["docker", "os=linux"]))


@pytest.mark.parametrize(
    ("agents", "wanted", "expected"),
    [
        ([offer("a", docker="20.10.7")], ["docker>=24"], "nearest: a lacks docker>=24 (it has 20.10.7)"),
        ([offer("a", docker="")], ["docker>=24"], "nearest: a lacks docker>=24 (it has no known version)"),
        ([offer("a")], ["docker>=24"], "nearest: a lacks docker>=24"),
        ([offer("a", gpu="")], ["docker", "git", "!gpu"], "nearest: a lacks docker, git and has gpu"),
        ([offer("a", os="windows")], ["!os=windows"], "nearest: a has os=windows"),
    ],
)
def test_an_absence_tells_the_version_and_what_an_agent_must_not_have(
    agents: list[AgentOffer], wanted: list[str], expected: str
) -> None:
    """In the words of who operates the agent."""
    demanded = DemandSet.of("default", wanted)
    assert f"no online agent of pool default has {demanded}; {expected}" == explain_absence(agents, demanded)


def test_an_absence_names_who_would_do_but_takes_no_jobs() -> None:
    """Who is online goes before who is not; a closed agent is never the one that can."""
    able = [offer("a", online=False, docker=""), offer("b", docker="")]
    closed = [agent.model_copy(update={"closed_because": "is under maintenance: disk swap"}) for agent in able[1:]]
    assert (
        "no agent of pool default that has docker takes jobs now; "
        "b would do, but is under maintenance: disk swap; a would do, but is offline"
    ) == explain_absence([able[0], *closed], DemandSet.of("default", ["docker"]))
    assert (
        "no online agent of pool default has gpu; nearest: b lacks gpu, and is under maintenance: disk swap"
    ) == explain_absence([able[0], *closed], DemandSet.of("default", ["gpu"]))


@given(offers, st.lists(demands, max_size=3))
def test_an_absence_is_explained_exactly_when_nobody_can(agents: list[AgentOffer], wanted: list[str]) -> None:
    """No job waits without a word."""
    demanded = DemandSet.of("default", wanted)
    assert (explain_absence(agents, demanded) is None) == bool(eligible(agents, demanded))

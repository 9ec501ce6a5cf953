"""Agents enrol once, keep their name to themselves, and learn their queues."""

import asyncio
from datetime import timedelta

import pytest

from domain.matching import DemandSet
from domain.refusal import NotFound
from storage import agents
from storage.agents import EnrolmentRefused, NameTaken, SqlAgentDirectory
from storage.token_hash import token_hash

_SECOND = timedelta(seconds=1)
_LINUX = {"docker": "27", "os": "linux"}


@pytest.fixture
async def token(database, now):
    """Makes enrolment tokens, for the pool ``linux`` where none is named."""

    async def make(expires_in=timedelta(hours=1), pool="linux") -> str:
        async with database.transaction() as session:
            row, value = await agents.enrolment(
                session, pool=pool, created_by="ann@example.com", expires_at=now + expires_in
            )
        assert token_hash(value) == row.token_hash
        return value

    return make


async def _enrol(database, value, at, name="web-1", instance="one"):
    async with database.transaction() as session:
        return await agents.enrol(
            session, token_hash(value), name=name, instance_id=instance, capabilities=_LINUX, slots=2, now=at
        )


async def _beat(database, at, name="web-1", instance="one", **said):
    said = {"capabilities": _LINUX, "slots": 2, "busy": 0, "version": "0.1.0"} | said
    async with database.transaction() as session:
        return await agents.heartbeat(session, name, instance, **said, now=at)


async def test_an_agent_enrols_with_a_token_and_is_offline_until_it_speaks(database, token, now):
    """The token says the pool; the first heartbeat brings it online."""
    row = await _enrol(database, await token(), now)
    assert ("web-1", "linux", 2, False) == (row.name, row.pool, row.slots, agents.is_online(row, now))
    row = await _beat(database, now + _SECOND, busy=1)
    assert (1, "0.1.0", True) == (row.busy, row.version, agents.is_online(row, now + _SECOND))


async def test_a_token_enrols_one_agent(database, token, now):
    """Used by ten at once it serves one, whoever comes first."""
    value = await token()
    tries = (_enrol(database, value, now, name=f"web-{n}", instance=str(n)) for n in range(10))
    results = await asyncio.gather(*tries, return_exceptions=True)
    refused = [result for result in results if isinstance(result, EnrolmentRefused)]
    assert len(refused) == 9
    async with database.reading() as session:
        assert len(await agents.all_agents(session)) == 1


@pytest.mark.parametrize("age", [timedelta(hours=1), timedelta(days=2)])
async def test_an_expired_token_is_refused(database, token, now, age):
    """From the very moment on."""
    value = await token()
    with pytest.raises(EnrolmentRefused):
        await _enrol(database, value, now + age)


async def test_an_invented_token_is_refused(database, now):
    """Nothing is kept of the attempt."""
    with pytest.raises(EnrolmentRefused):
        await _enrol(database, "slw_enrol_guess", now)
    async with database.reading() as session:
        assert await agents.all_agents(session) == []


async def test_a_name_in_use_is_taken(database, token, now):
    """Two machines cannot be one agent; the refused one's token is not used up."""
    await _enrol(database, await token(), now)
    await _beat(database, now)
    value = await token()
    with pytest.raises(NameTaken):
        await _enrol(database, value, now + _SECOND, instance="two")
    with pytest.raises(NameTaken):
        await _beat(database, now + _SECOND, instance="two")
    row = await _enrol(database, value, now + _SECOND, name="web-2", instance="two")
    assert row.name == "web-2"


async def test_a_name_is_free_once_its_bearer_was_silent_for_fifteen_seconds(database, token, now):
    """A machine that was set up anew takes its name back; the old installation is then refused."""
    await _enrol(database, await token(), now)
    await _beat(database, now)
    with pytest.raises(NameTaken):
        await _beat(database, now + agents.ONLINE_FOR - _SECOND, instance="two")
    await _beat(database, now + agents.ONLINE_FOR, instance="two")
    with pytest.raises(NameTaken):
        await _beat(database, now + agents.ONLINE_FOR + _SECOND, instance="one")


async def test_of_many_installations_that_claim_a_free_name_one_gets_it(database, token, now):
    """At the same moment."""
    await _enrol(database, await token(), now)
    results = await asyncio.gather(*(_beat(database, now, instance=str(n)) for n in range(10)), return_exceptions=True)
    assert len([result for result in results if isinstance(result, NameTaken)]) == 9


async def test_a_removed_agent_is_told_so(database, token, now):
    """Its next heartbeat is refused, and there is nothing left to remove."""
    await _enrol(database, await token(), now)
    async with database.transaction() as session:
        assert await agents.remove(session, "web-1") is True
        assert await agents.remove(session, "web-1") is False
        assert await agents.agent(session, "web-1") is None
    with pytest.raises(NotFound):
        await _beat(database, now)


async def test_an_agent_polls_the_queues_whose_demands_it_satisfies(database, token, now):
    """Of its own pool, and none that it would have to refuse."""
    directory = SqlAgentDirectory(database, lambda: now)
    for pool, demands in (
        ("linux", []),
        ("linux", ["Docker", "os=Linux"]),
        ("linux", ["gpu"]),
        ("other", []),
    ):
        await directory.want(DemandSet.of(pool, demands))
    row = await _enrol(database, await token(), now)
    async with database.reading() as session:
        assert ["agents/linux/any", "agents/linux/docker+os=linux"] == await agents.queues_for(session, row)


async def test_a_set_that_is_wanted_all_the_time_is_written_once_a_minute(database, now):
    """Searching for an agent reads; it does not queue for the write lock every time."""
    moment = now
    directory = SqlAgentDirectory(database, lambda: moment)
    wanted = DemandSet.of("linux", ["docker"])
    seen = []
    for seconds in (0, 59, 60, 61):
        moment = now + timedelta(seconds=seconds)
        await directory.want(wanted)
        async with database.reading() as session:
            row = await session.get(agents.DemandSetRow, wanted.queue)
        seen.append((row.wanted_at - now).total_seconds())
    assert [0, 0, 60, 60] == seen


async def test_offers_are_the_agents_of_the_pool_and_say_who_is_online(database, token, now):
    """As the workflow needs them to explain why nobody comes."""
    for name in ("web-1", "web-2"):
        await _enrol(database, await token(), now, name=name, instance=name)
    await _beat(database, now, name="web-2", instance="web-2")
    directory = SqlAgentDirectory(database, lambda: now + _SECOND)
    offers = await directory.offers("linux")
    assert [("web-1", False, _LINUX), ("web-2", True, _LINUX)] == [
        (o.name, o.is_online, o.capabilities) for o in offers
    ]
    assert await directory.offers("other") == []


async def test_a_token_of_one_pool_takes_no_name_of_another(database, token, now):
    """The name would bring the running jobs, and their secrets, with it; even of an agent that is away."""
    await _enrol(database, await token(), now)
    foreign = await token(pool="other")
    with pytest.raises(NameTaken):
        await _enrol(database, foreign, now, instance="two")
    async with database.transaction() as session:
        await agents.remove(session, "web-1")
    assert "other" == (await _enrol(database, foreign, now, instance="two")).pool

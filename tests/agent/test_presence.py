"""The agent towards the API."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from fakes.agent_server import AgentServer
from pydantic import SecretStr

from agent.api_client import AboutAgent, AgentApi, Standing
from agent.presence import CannotServe, Presence
from agent.state_folder import StateFolder

TOKEN = SecretStr("slw_enrol_x")
Eventually = Callable[..., Awaitable[None]]


@pytest.fixture
def presence(api: AgentApi, state: StateFolder) -> Presence:
    return Presence(api, state, lambda: AboutAgent(instance_id=state.instance_id, capabilities={"git": ""}, slots=1))


async def test_an_agent_enrols_once(server: AgentServer, state: StateFolder, presence: Presence) -> None:
    """The token is spent; the credential is remembered."""
    credential = await presence.enrol("web-1", TOKEN)
    assert credential == await presence.enrol("web-1", None) == state.credential()
    told = {"token": "slw_enrol_x", "name": "web-1", "instance_id": state.instance_id}
    assert [{**told, "capabilities": {"git": ""}, "slots": 1}] == server.enrolments


async def test_without_a_token_it_says_what_to_do(presence: Presence) -> None:
    """Naming the setting."""
    with pytest.raises(CannotServe, match="SLIPWAY_AGENT_ENROLMENT_TOKEN"):
        await presence.enrol("web-1", None)


async def test_a_refused_token_ends_it(server: AgentServer, presence: Presence) -> None:
    """Used, expired or unknown: trying again changes nothing."""
    server.refusals["agents/enrol"] = (403, "EnrolmentRefused")
    with pytest.raises(CannotServe, match="EnrolmentRefused as told"):
        await presence.enrol("web-1", TOKEN)


async def test_it_waits_for_an_api_that_is_not_up_yet(server: AgentServer, presence: Presence) -> None:
    """Agent and API may be started in any order."""
    server.faults.append("500")
    assert "web-1" == (await presence.enrol("web-1", TOKEN)).name
    assert ["500"] == server.fired


async def test_it_goes_on_while_the_api_is_away(
    server: AgentServer, presence: Presence, eventually: Eventually
) -> None:
    """And is heard again when it is back."""
    heard: list[Standing] = []
    server.faults.extend(["cut", "500"])
    keeping = asyncio.create_task(presence.keep(heard.append))
    await eventually(lambda: heard)
    keeping.cancel()
    assert ["cut", "500"] == server.fired


async def test_what_is_urgent_is_told_at_once(server: AgentServer, presence: Presence, eventually: Eventually) -> None:
    """Such as that the agent drains: no job shall wait for it."""
    keeping = asyncio.create_task(presence.keep(lambda _: None))
    await eventually(lambda: len(server.heartbeats) == 1)
    async with asyncio.timeout(1):
        presence.hurry()
        await eventually(lambda: len(server.heartbeats) == 2)
    keeping.cancel()


async def test_an_agent_that_was_removed_stops(server: AgentServer, presence: Presence) -> None:
    """Or whose name another installation bears."""
    server.refusals["heartbeat"] = (409, "NameTaken")
    with pytest.raises(CannotServe, match="NameTaken as told"):
        await presence.keep(lambda _: None)


async def test_a_removed_agent_enrols_anew_with_a_new_token(
    server: AgentServer, state: StateFolder, presence: Presence
) -> None:
    """Its old credential is refused; without a token it is kept, to be refused in words later."""
    await presence.enrol("web-1", TOKEN)
    server.refusals["heartbeat"] = (401, "NotSignedIn")
    await presence.enrol("web-1", None)
    await presence.enrol("web-1", SecretStr("slw_enrol_y"))
    assert ["slw_enrol_x", "slw_enrol_y"] == [told["token"] for told in server.enrolments]
    assert state.credential() is not None


async def test_a_known_agent_does_not_spend_its_token_again(server: AgentServer, presence: Presence) -> None:
    """Its unit file may name the token for ever; also while the API is away."""
    await presence.enrol("web-1", TOKEN)
    await presence.enrol("web-1", TOKEN)
    server.is_down = True
    await presence.enrol("web-1", TOKEN)
    assert 1 == len(server.enrolments)


async def test_a_folder_of_another_agent_is_refused(presence: Presence) -> None:
    """Two names with one memory would ask for each other's secrets."""
    await presence.enrol("web-1", TOKEN)
    with pytest.raises(CannotServe, match="belongs to agent web-1"):
        await presence.enrol("web-2", TOKEN)

"""What the agent makes of the API's answers."""

import pytest
from fakes.agent_server import AgentServer

from agent.api_client import AboutAgent, AgentApi, ApiRefused, ApiUnreachable, LogGap

RUN = "webshop/41/prod/1/deploy/1/1"
ABOUT = AboutAgent(instance_id="0123456789", capabilities={"docker": ""}, slots=2, version="0.1.0")


async def test_a_heartbeat_tells_and_learns(server: AgentServer, api: AgentApi) -> None:
    """What the agent can do, for the queues it may serve."""
    server.queues.append("agents/default/docker")
    assert ("agents/default/docker",) == (await api.heartbeat(ABOUT)).queues
    assert [ABOUT.model_dump()] == server.heartbeats


@pytest.mark.parametrize("fault", ["500", "cut", "hang up early", "lost"])
async def test_trouble_is_worth_another_try(server: AgentServer, api: AgentApi, fault: str) -> None:
    """Whatever it was, it is no refusal."""
    server.faults.append(fault)
    with pytest.raises(ApiUnreachable):
        await api.heartbeat(ABOUT)
    await api.heartbeat(ABOUT)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_not_now_is_no_refusal(server: AgentServer, api: AgentApi, status: int) -> None:
    """A proxy without a server, or a server with too much to do."""
    server.refusals["heartbeat"] = (status, "")
    with pytest.raises(ApiUnreachable):
        await api.heartbeat(ABOUT)


@pytest.mark.parametrize("status", [401, 403, 404, 409, 422])
async def test_a_refusal_has_a_name_and_words(server: AgentServer, api: AgentApi, status: int) -> None:
    """Both are the server's."""
    server.refusals["heartbeat"] = (status, "NameTaken")
    with pytest.raises(ApiRefused, match="NameTaken as told") as refused:
        await api.heartbeat(ABOUT)
    assert (status, "NameTaken") == (refused.value.status, refused.value.error)


async def test_a_gap_says_where_to_go_on(api: AgentApi) -> None:
    """By the server's word."""
    assert 3 == await api.append_log(RUN, 0, b"abc")
    with pytest.raises(LogGap) as gap:
        await api.append_log(RUN, 10, b"x")
    assert 3 == gap.value.size


async def test_an_api_that_is_not_there_is_unreachable() -> None:
    """Not yet, perhaps."""
    async with AgentApi("http://127.0.0.1:9") as api:
        with pytest.raises(ApiUnreachable):
            await api.heartbeat(ABOUT)

"""The agent: offers this machine's slots to jobs. ``python -m workers.agent``. SIGTERM drains, a second one leaves."""

import asyncio
import os
import signal
import socket
import sys
from functools import partial
from importlib.metadata import version

import structlog
from temporalio.client import Client

import process_log
from agent.presence import CannotServe
from agent.process import AgentOptions, run_agent
from agent.state_folder import StateFolderInUse
from integrations.artifact_sources import open_source
from integrations.jenkins_builds import open_builds
from integrations.temporal import connect, tls_of
from settings import AgentSettings, read

_log = structlog.get_logger("slipway.agent")


async def run(settings: AgentSettings) -> None:
    """Serve until SIGTERM or SIGINT, then finish the jobs at hand. A second signal leaves them to the next agent."""
    drain = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _asked_to_stop, drain)

    async def to_temporal(identity: str) -> Client:
        tls = tls_of(*settings.temporal_tls)
        return await connect(settings.temporal_address, settings.temporal_namespace, identity, tls=tls)

    opener = partial(open_source, allowed=settings.allowed)
    await run_agent(_options(settings), to_temporal, opener, open_builds, drain)


def _options(settings: AgentSettings) -> AgentOptions:
    return AgentOptions(
        api_url=settings.api_url,
        name=settings.agent_name or socket.gethostname(),
        state=settings.agent_state,
        slots=settings.agent_slots,
        labels=settings.agent_labels,
        version=version("slipway"),
        enrolment_token=settings.agent_enrolment_token,
        inherited=dict(os.environ),
        environment=settings.handed_on,
        log_limit=settings.agent_log_limit,
        disk_reserve=settings.agent_disk_reserve,
        cache_size=settings.agent_cache_size,
    )


def _asked_to_stop(drain: asyncio.Event) -> None:
    if drain.is_set():
        _log.warning("leaving at once; running steps go on and wait for the next agent")
        _leave(1)
    drain.set()


def _leave(code: int) -> None:
    """Temporal's core may abort a process that tears itself down."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


async def _run_to_the_end(settings: AgentSettings) -> None:
    """Leaves from inside the loop: ending the loop would wait for workers that wait for jobs."""
    try:
        await run(settings)
    except (StateFolderInUse, CannotServe) as trouble:
        _log.error("agent cannot serve", trouble=str(trouble))
        _leave(2)
    except Exception:  # noqa: BLE001  the last stop of this process, and it is logged
        _log.exception("agent failed")
        _leave(1)
    _leave(0)


def main() -> None:
    """Never returns."""
    settings = read(AgentSettings)
    process_log.configure(settings.log_format)
    asyncio.run(_run_to_the_end(settings))


if __name__ == "__main__":
    main()

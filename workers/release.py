"""The release worker: runs the workflows and the activities beside them. ``python -m workers.release``."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from functools import partial
from importlib.metadata import version
from typing import Any

import structlog
from temporalio.worker import Worker

import process_log
from activities.agents import Agents
from activities.changes import Changes
from activities.notifications import Notifications
from activities.pinning import Pinning
from activities.records import Records
from activities.source_desk import SourceDesk
from activities.triggers import Triggers
from domain.ids import RELEASE_QUEUE
from integrations.artifact_sources import open_source
from integrations.letters import HtmlLetters
from integrations.temporal import connect, register_search_attributes, tls_of
from settings import Settings, read
from storage.agents import SqlAgentDirectory
from storage.approvals import SqlApprovalLinks
from storage.changes import SqlChanges
from storage.clock import utc_now
from storage.connections import SqlConnections
from storage.database import Database
from storage.deliveries import SqlDeliveries
from storage.mails import SqlOutbox
from storage.manifests import SqlManifests
from storage.records import SqlRecords
from storage.sealing import Sealing
from storage.triggers import SqlTriggers
from workers.mail_ways import first_way, second_way
from workers.registry import WORKFLOWS, release_activities
from workers.sandbox import shared
from workflows.options import CHANGES_ASKED_FOR_SECONDS

_log = structlog.get_logger()
_STOP_WITHIN = timedelta(seconds=10)
TRIGGERS_ASK_FOR_SECONDS = 60.0


async def run(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, then finish what is at hand."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    database = Database(settings.database_url)
    # Before Temporal is waited for, so that a setting that cannot be right is told at once.
    activities = _activities(settings, database)
    worker = await _unless(stop, _worker(settings, database, activities))
    if worker is not None:
        await _work(worker, stop)
    await database.close()


async def _unless(stop: asyncio.Event, preparing: Coroutine[None, None, Worker]) -> Worker | None:
    """The worker, or None when we are asked to stop while Temporal is still waited for."""
    prepared, stopping = asyncio.create_task(preparing), asyncio.create_task(stop.wait())
    await asyncio.wait([prepared, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if prepared.done():
        return prepared.result()
    prepared.cancel()
    return None


async def _worker(settings: Settings, database: Database, activities: Sequence[Callable[..., Any]]) -> Worker:
    await database.migrate()
    identity = f"release-worker@{socket.gethostname()}:{os.getpid()}"
    tls = tls_of(*settings.temporal_tls)
    client = await connect(settings.temporal_address, settings.temporal_namespace, identity, tls=tls)
    await register_search_attributes(client, settings.temporal_namespace)
    return Worker(
        client,
        task_queue=RELEASE_QUEUE,
        workflows=WORKFLOWS,
        activities=activities,
        workflow_runner=shared(),
        # Without one, every process computes one of all the code it has loaded, which takes half a second.
        build_id=f"slipway {version('slipway')}",
        max_cached_workflows=5000,
        # While a mail service hangs, each mail keeps a place for a minute; no deployment waits behind them.
        max_concurrent_activities=1000,
        # After a kill -9 of another worker, its workflows answer queries again this soon.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
        graceful_shutdown_timeout=_STOP_WITHIN,
    )


async def _work(worker: Worker, stop: asyncio.Event) -> None:
    working, stopping = asyncio.create_task(worker.run()), asyncio.create_task(stop.wait())
    _log.info("release worker started", queue=RELEASE_QUEUE)
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        _log.info("release worker stopping")
        # The SDK's shutdown can hang behind a proxy that does not know it.
        async with asyncio.timeout(_STOP_WITHIN.total_seconds() + 5):
            await worker.shutdown()
    await working


def _activities(settings: Settings, database: Database) -> list[Callable[..., Any]]:
    key = settings.secret_key.get_secret_value()
    sealing = Sealing(key)
    notifications = Notifications(
        SqlApprovalLinks(database, bytes.fromhex(key), settings.public_url),
        HtmlLetters(settings.public_url),
        SqlDeliveries(database),
        first_way(settings, lambda: SqlOutbox(database, sealing, asyncio.get_running_loop())),
        fallback=second_way(settings),
    )
    connections = SqlConnections(database, sealing)
    opener = partial(open_source, allowed=settings.allowed)
    desk = SourceDesk(opener, connections, seconds=CHANGES_ASKED_FOR_SECONDS)
    return release_activities(
        Records(SqlRecords(database)),
        Pinning(opener, connections, SqlManifests(database)),
        Agents(SqlAgentDirectory(database, utc_now)),
        notifications,
        Changes(desk, SqlChanges(database)),
        Triggers(SourceDesk(opener, connections, seconds=TRIGGERS_ASK_FOR_SECONDS), SqlTriggers(database)),
    )


def main() -> None:
    """Leave by ``os._exit``: Temporal's core may abort a process that tears itself down."""
    settings = read(Settings)
    process_log.configure(settings.log_format)
    code = 0
    try:
        asyncio.run(run(settings))
    except Exception:  # noqa: BLE001  the last stop of this process, and it is logged
        _log.exception("release worker failed")
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()

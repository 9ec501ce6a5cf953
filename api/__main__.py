"""``python -m api``: bring the schema to its newest revision and serve HTTP until told to stop."""

import asyncio
import os
import signal
import sys
from functools import partial

import structlog
import uvicorn
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

import process_log
from api.app import create_app
from api.orchestrator import TemporalOrchestrator
from api.services import Services
from integrations.artifact_sources import open_source
from integrations.mail_events import SignedMailEvents
from integrations.temporal import tls_of
from settings import Settings, read
from storage.database import Database
from storage.sealing import Sealing

_STREAMS_MAY_LINGER_SECONDS = 3
_log = structlog.get_logger("slipway.api")


async def serve(settings: Settings) -> None:
    """Until SIGTERM or SIGINT."""
    database = Database(settings.database_url)
    try:
        await database.migrate()
        await _server(settings, await _services(settings, database)).serve()
    finally:
        await database.close()


async def _services(settings: Settings, database: Database) -> Services:
    # A lazy client connects with its first call: this process serves what it can while Temporal is down.
    client = await Client.connect(
        settings.temporal_address,
        namespace=settings.temporal_namespace,
        data_converter=pydantic_data_converter,
        lazy=True,
        tls=tls_of(*settings.temporal_tls),
    )
    webhook_key = settings.sendgrid_webhook_key
    return Services(
        database=database,
        sealing=Sealing(settings.secret_key.get_secret_value()),
        orchestrator=TemporalOrchestrator(client, settings.public_url),
        public_url=settings.public_url,
        temporal_ui_url=settings.temporal_ui_url,
        temporal_namespace=settings.temporal_namespace,
        bootstrap_admin=settings.bootstrap_admin,
        bootstrap_token=settings.bootstrap_admin_token,
        mail=settings.mail,
        mail_events=SignedMailEvents(webhook_key) if webhook_key else None,
        log_retention_days=settings.log_retention_days,
        open_source=partial(open_source, allowed=settings.allowed),
    )


def _server(settings: Settings, services: Services) -> uvicorn.Server:
    config = uvicorn.Config(
        create_app(services),
        host=settings.api_host,
        port=settings.api_port,
        log_config=None,
        access_log=False,  # api.edge writes one that masks mailed links
        server_header=False,
        timeout_graceful_shutdown=_STREAMS_MAY_LINGER_SECONDS,
    )
    return uvicorn.Server(config)


def main() -> int:
    """The exit code: 1 for a failure to serve. Settings that make no sense end it with 2."""
    settings = read(Settings)
    process_log.configure(settings.log_format)
    for asked_to_stop in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again after an orderly shutdown; that must not kill us with work left to do.
        signal.signal(asked_to_stop, lambda *_: None)
    try:
        asyncio.run(serve(settings))
    except Exception:  # noqa: BLE001  recorded with its traceback; the process ends
        _log.exception("the API stops")
        return 1
    except SystemExit:  # uvicorn's word for a port that is taken
        return 1
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # temporalio's threads abort the interpreter while it shuts down in order

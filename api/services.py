"""What the routes and pages work with, handed to the application once, when it is made."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Annotated, Literal

from fastapi import Depends, Request
from pydantic import SecretStr

from activities.artifact_source import SourceOpener
from activities.source_desk import SourceDesk
from api.orchestrator import Orchestrator
from integrations.artifact_sources import open_source
from integrations.mail_events import SignedMailEvents
from storage.clock import utc_now
from storage.connections import SqlConnections
from storage.database import Database
from storage.link_codes import LinkCodes
from storage.sealing import Sealing

_SOURCES_ANSWER_WITHIN_SECONDS = 10.0


@dataclass(frozen=True)
class Services:
    """The database, the way to Temporal, and the few settings that answers depend on."""

    database: Database
    sealing: Sealing
    orchestrator: Orchestrator
    public_url: str = "http://127.0.0.1:8000"
    temporal_ui_url: str = "http://127.0.0.1:8233"
    temporal_namespace: str = "default"
    bootstrap_admin: str = "admin@localhost"
    bootstrap_token: SecretStr | None = None
    mail: Literal["outbox", "sendgrid", "smtp"] = "outbox"
    mail_events: SignedMailEvents | None = None
    log_retention_days: int = 0
    clock: Callable[[], datetime] = utc_now
    open_source: SourceOpener = open_source

    @property
    def link_codes(self) -> LinkCodes:
        return LinkCodes(self.sealing)

    @cached_property
    def desk(self) -> SourceDesk:
        """Asks the sources of artifacts what people wait for."""
        connections = SqlConnections(self.database, self.sealing)
        return SourceDesk(self.open_source, connections, seconds=_SOURCES_ANSWER_WITHIN_SECONDS)


def services_of(request: Request) -> Services:
    """The services of the application that serves this request."""
    services = request.app.state.services
    assert isinstance(services, Services), "create_app puts them there"
    return services


ServicesHere = Annotated[Services, Depends(services_of)]

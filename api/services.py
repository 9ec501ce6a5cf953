"""What the routes and pages work with, handed to the application once, when it is made."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal

from fastapi import Depends, Request
from pydantic import SecretStr

from api.orchestrator import Orchestrator
from integrations.mail_events import SignedMailEvents
from storage.clock import utc_now
from storage.database import Database
from storage.link_codes import LinkCodes
from storage.sealing import Sealing


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

    @property
    def link_codes(self) -> LinkCodes:
        return LinkCodes(self.sealing)


def services_of(request: Request) -> Services:
    """The services of the application that serves this request."""
    services = request.app.state.services
    assert isinstance(services, Services), "create_app puts them there"
    return services


ServicesHere = Annotated[Services, Depends(services_of)]

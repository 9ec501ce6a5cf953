"""Settings of every Slipway process as one typed object, read from the environment (and ``.env``) by entry points only.

Every variable may also be given as a file of the same name in ``/run/secrets``.
"""

import sys
from pathlib import Path
from typing import Literal, Self, TypeVar

from pydantic import ByteSize, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from integrations.guarded_addresses import AllowedHosts

_Kind = TypeVar("_Kind", bound=BaseSettings)


def read(kind: type[_Kind]) -> _Kind:
    """The settings of this process. With any that make no sense it ends with code 2, and says which, and why."""
    try:
        return kind()
    except ValidationError as error:
        for flaw in error.errors(include_input=False, include_url=False):
            name = "_".join(str(part) for part in flaw["loc"]).upper()
            sys.stderr.write(f"SLIPWAY_{name}: {flaw['msg']}\n" if name else f"{flaw['msg']}\n")
        raise SystemExit(2) from None


class Reach(BaseSettings):
    """Where artifacts may come from."""

    allowed_hosts: str = Field(
        default="",
        description="Hosts of inside networks that artifacts may come from, comma-separated: files.corp.example, "
        "*.build.corp.example, 10.0.0.7:8081. Public hosts, and those of connections, need not be named.",
    )

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts(cls, text: str) -> str:
        AllowedHosts.parsed(text)
        return text

    @property
    def allowed(self) -> AllowedHosts:
        return AllowedHosts.parsed(self.allowed_hosts)


class TemporalTls(BaseSettings):
    """The files with which a process shows Temporal who it is. Without them the connection is not encrypted."""

    temporal_tls_ca: Path | None = Field(default=None, description="Whom to believe; default: the system's own.")
    temporal_tls_certificate: Path | None = Field(default=None, description="Shown to Temporal, with its key.")
    temporal_tls_key: Path | None = None

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if (self.temporal_tls_certificate is None) != (self.temporal_tls_key is None):
            message = "SLIPWAY_TEMPORAL_TLS_CERTIFICATE and SLIPWAY_TEMPORAL_TLS_KEY go together"
            raise ValueError(message)
        return self

    @property
    def temporal_tls(self) -> tuple[Path | None, Path | None, Path | None]:
        """Whom to believe, what to show, and its key."""
        return self.temporal_tls_ca, self.temporal_tls_certificate, self.temporal_tls_key


class Settings(TemporalTls, Reach):
    """All of them have a default that suits one machine, except where a wrong guess would be dangerous."""

    model_config = SettingsConfigDict(env_prefix="SLIPWAY_", env_file=".env", extra="ignore")

    temporal_address: str = "127.0.0.1:7233"
    temporal_namespace: str = "default"
    temporal_ui_url: str = "http://127.0.0.1:8233"
    database_url: str = "sqlite+aiosqlite:///slipway.db"
    public_url: str = Field(
        default="http://127.0.0.1:8000", description="Where people reach the console; mails link to it."
    )
    api_host: str = "127.0.0.1"
    api_port: int = 8000
    secret_key: SecretStr = Field(description="32 bytes as 64 hex digits; seals secrets and derives mail links.")
    bootstrap_admin_token: SecretStr | None = Field(
        default=None, description="Accepted as an admin's token; to create the first real ones."
    )
    bootstrap_admin: str = "admin@localhost"
    mail: Literal["outbox", "sendgrid", "smtp"] = "outbox"
    mail_from: str = "slipway@localhost"
    sendgrid_api_key: SecretStr = SecretStr("")
    sendgrid_host: str = "https://api.sendgrid.com"
    sendgrid_allow_http: bool = Field(default=False, description="Only for a stand-in on this machine.")
    sendgrid_webhook_key: str = Field(
        default="", description="The verification key of SendGrid's signed event webhook at /hooks/sendgrid."
    )
    smtp_host: str = Field(default="", description="With mail=sendgrid, the way for mails that SendGrid does not take.")
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_user: str = Field(default="", description="Without one, nobody signs in.")
    smtp_password: SecretStr = SecretStr("")
    smtp_tls: Literal["starttls", "implicit", "none"] = Field(
        default="starttls", description="none only for a server on this machine."
    )
    log_retention_days: int = Field(
        default=0, ge=0, le=36_500, description="Days after the end of a release until its logs are removed; 0: never."
    )
    log_format: Literal["json", "text"] = "json"


class AgentSettings(TemporalTls, Reach):
    """What an agent needs; it knows neither the database nor the secret key."""

    model_config = SettingsConfigDict(env_prefix="SLIPWAY_", env_file=".env", extra="ignore")

    api_url: str = "http://127.0.0.1:8000"
    temporal_address: str = "127.0.0.1:7233"
    temporal_namespace: str = "default"
    agent_name: str = Field(default="", description="Default: the host's name.")
    agent_state: Path = Path("agent-state")
    agent_slots: int = Field(default=1, ge=1, le=256)
    agent_labels: str = Field(default="", description="Own capabilities, comma-separated: gpu,region=eu.")
    agent_environment: str = Field(
        default="",
        pattern=r"^[A-Za-z0-9_, ]*$",
        description="Variables of the agent's environment that become capabilities and reach steps, comma-separated.",
    )
    agent_enrolment_token: SecretStr | None = None
    agent_log_limit: ByteSize = Field(
        default=ByteSize(2 * 2**30), ge=1024, description="Of each step's log; what a step prints beyond it is dropped."
    )
    agent_disk_reserve: ByteSize = Field(
        default=ByteSize(256 * 2**20), description="Left free by steps: with less, none starts or goes on; 0: no limit."
    )
    agent_cache_size: ByteSize = Field(
        default=ByteSize(10 * 2**30),
        description="Of artifacts kept for the next jobs that want them; 0: none.",
    )
    log_format: Literal["json", "text"] = "json"

    @property
    def handed_on(self) -> tuple[str, ...]:
        """The variables that ``agent_environment`` names."""
        return tuple(name.strip() for name in self.agent_environment.split(",") if name.strip())

    @field_validator("agent_environment")
    @classmethod
    def _without_our_own(cls, names: str) -> str:
        if "SLIPWAY_" in names.upper():
            message = "the agent's own settings are never shown nor handed on"
            raise ValueError(message)
        return names

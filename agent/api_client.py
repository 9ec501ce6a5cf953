"""The calls an agent makes to Slipway's API: enrol, heartbeat, secrets and artifacts of a step, its log and files."""

from collections.abc import Mapping
from datetime import datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx2
from pydantic import SecretStr, TypeAdapter

from agent.state_folder import Credential
from domain.artifact import Manifest
from domain.connection import Connection
from domain.frozen import Frozen

_CONNECT_SECONDS = 3.0
_ANSWER_SECONDS = 15.0
# Statuses that say "not now": a proxy without a server, a server that starts, too many at once.
_COME_BACK = frozenset({408, 425, 429, 500, 502, 503, 504})


class ApiUnreachable(Exception):  # noqa: N818  reads as what happened
    """The API did not answer, or not now. Worth another try."""


class ApiRefused(Exception):  # noqa: N818  reads as what happened
    """The API says no; ``error`` is the class of its refusal."""

    def __init__(self, status: int, error: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.error = error


class LogGap(Exception):  # noqa: N818  reads as what happened
    """The server has other bytes than we thought; ``size`` is where to go on."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the server has {size} bytes")
        self.size = size


class AboutAgent(Frozen):
    """What an agent says of itself. ``sent_at`` is by its own clock, which decides nothing."""

    instance_id: str
    capabilities: dict[str, str]
    slots: int
    busy: int = 0
    version: str = ""
    is_draining: bool = False
    sent_at: datetime | None = None


class Standing(Frozen):
    """What the API answers to a heartbeat. ``slots`` is how many jobs to run at once; None: as many as we said."""

    pool: str
    queues: tuple[str, ...]
    slots: int | None = None


class ArtifactToFetch(Frozen):
    """One artifact of a job: its files, and the connection its source needs."""

    alias: str
    manifest: Manifest
    connection: Connection | None = None


class GivenSecrets(Frozen):
    """Secrets of one step by environment name, and what else must not be shown in its log."""

    values: dict[str, str] = {}
    masks: tuple[str, ...] = ()


_ARTIFACTS = TypeAdapter(tuple[ArtifactToFetch, ...])


class AgentApi:
    """One connection pool to the API. Every call raises ApiUnreachable or ApiRefused when it does not succeed."""

    def __init__(self, url: str) -> None:
        timeout = httpx2.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS)
        self._http = httpx2.AsyncClient(base_url=f"{url.rstrip('/')}/api/v1/", timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    def sign_in(self, credential: Credential) -> None:
        """Use this credential from now on."""
        self._http.headers["Authorization"] = f"Bearer {credential.token.get_secret_value()}"

    async def enrol(self, name: str, token: SecretStr, about: AboutAgent) -> Credential:
        """Use up a one-time token."""
        told = {
            "token": token.get_secret_value(),
            "name": name,
            "instance_id": about.instance_id,
            "capabilities": about.capabilities,
            "slots": about.slots,
        }
        answer = await self._call("POST", "agents/enrol", json=told)
        return Credential(name=answer["name"], pool=answer["pool"], token=answer["credential"])

    async def heartbeat(self, about: AboutAgent) -> Standing:
        return Standing.model_validate(await self._call("POST", "agent/heartbeat", json=about.model_dump(mode="json")))

    async def secrets(self, run_id: str) -> GivenSecrets:
        """Values by environment name, of the secrets this run names."""
        return GivenSecrets.model_validate(await self._call("GET", f"agent/step-runs/{quote(run_id)}/secrets"))

    async def keep_secrets(self, run_id: str, variables: dict[str, str], masks: list[str]) -> None:
        """Have the secrets kept that a run set; instead of what it told before."""
        told = {"variables": variables, "masks": masks}
        await self._call("PUT", f"agent/step-runs/{quote(run_id)}/secret-outputs", json=told)

    async def artifacts(self, run_id: str) -> tuple[ArtifactToFetch, ...]:
        answer = await self._call("GET", f"agent/step-runs/{quote(run_id)}/artifacts")
        return _ARTIFACTS.validate_python(answer["artifacts"])

    async def upcoming(self) -> tuple[ArtifactToFetch, ...]:
        """The artifacts of jobs that this agent could take, once people have approved."""
        return _ARTIFACTS.validate_python((await self._call("GET", "agent/upcoming-artifacts"))["artifacts"])

    async def jenkins(self, run_id: str) -> Connection:
        """Where the Jenkins of a step is, and how to sign in there."""
        return Connection.model_validate(await self._call("GET", f"agent/step-runs/{quote(run_id)}/jenkins"))

    async def append_log(self, run_id: str, offset: int, piece: bytes) -> int:
        """Send bytes that begin at ``offset``; returns how many the server has then. Raises LogGap."""
        return await self._append(f"agent/step-runs/{quote(run_id)}/log", offset, piece)

    async def append_file(self, run_id: str, number: int, offset: int, piece: bytes) -> int:
        """The same for the file of this number (from 1) that the step wants kept."""
        return await self._append(f"agent/step-runs/{quote(run_id)}/files/{number}", offset, piece)

    async def _append(self, path: str, offset: int, piece: bytes) -> int:
        headers = {"Content-Type": "application/octet-stream"}
        answer = await self._call("PUT", path, params={"offset": offset}, content=piece, headers=headers)
        return int(answer["size"])

    async def _call(self, method: str, path: str, **more: Any) -> Mapping[str, Any]:
        try:
            answer = await self._http.request(method, path, **more)
            told = answer.json() if answer.content else {}
        except (httpx2.HTTPError, ValueError) as error:
            raise ApiUnreachable(f"{method} {path}: {type(error).__name__}") from error
        if answer.is_success and isinstance(told, dict):
            return told
        raise _refusal(answer.status_code, told if isinstance(told, dict) else {})


def _refusal(status: int, told: Mapping[str, Any]) -> Exception:
    if told.get("error") == "LogGap":
        return LogGap(int(told["size"]))
    if status in _COME_BACK or not 400 <= status < 500:  # noqa: PLR2004  the range of refusals
        return ApiUnreachable(f"the API answered {status}")
    return ApiRefused(status, str(told.get("error", "")), str(told.get("detail", f"the API answered {status}")))

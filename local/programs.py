"""The processes of a local installation: what each is started with, in the order they start."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from local.child import Program
from local.mail_events import EventKey
from local.ports import HOST
from local.state_folder import Memory
from local.trouble import Trouble

Mail = Literal["outbox", "sendgrid"]

SEARCH_ATTRIBUTES = (
    "SlipwayPipeline",
    "SlipwayRelease",
    "SlipwayStage",
    "SlipwayEnvironment",
    "SlipwayStatus",
    "SlipwayWaitingFor",
    "SlipwayRequestedBy",
)
# Without the first two, a canceled step hears of it only with its next heartbeat; the third lifts a floor of 50 ms
# under every dispatch of a small server; the last two keep the many queues of agents cheap.
_TEMPORAL_SETTINGS = (
    "frontend.WorkerCommandsEnabled=true",
    "system.enableCancelActivityWorkerCommand=true",
    "history.transferProcessorMaxPollRPS=1000",
    "matching.numTaskqueueReadPartitions=1",
    "matching.numTaskqueueWritePartitions=1",
)
# Everything here is on this machine, from which artifacts must not come elsewhere.
_STAND_IN_HOSTS = f"{HOST}, localhost"
_SQLITE_SETTINGS = ("journal_mode=WAL", "synchronous=NORMAL")


def url(port: int) -> str:
    """A web address on this machine."""
    return f"http://{HOST}:{port}"


class Programs:
    """Makes the programs of one installation. ``surroundings`` is the environment that ``slipway up`` was given."""

    def __init__(self, folder: Path, memory: Memory, surroundings: Mapping[str, str], mail: Mail) -> None:
        self._folder = folder
        self._memory = memory
        self._mail = mail
        self._temporal_cli = surroundings.get("SLIPWAY_TEMPORAL_CLI", "")
        # Settings meant for a real installation must not leak into this one. And without kept byte code, every start
        # of every process would compile a thousand modules anew.
        inherited = {
            name: value
            for name, value in surroundings.items()
            if not name.startswith("SLIPWAY_") and name != "PYTHONDONTWRITEBYTECODE"
        }
        self._inherited = inherited | {"PYTHONUNBUFFERED": "1", "SLIPWAY_LOG_FORMAT": "text"}

    def temporal(self) -> Program:
        """The development server on a file, with its Web UI and our search attributes."""
        ports = self._memory.ports
        database = ["--db-filename", str(self._folder / "temporal.db")]
        pragmas = [part for setting in _SQLITE_SETTINGS for part in ("--sqlite-pragma", setting)]
        places = ["--ip", HOST, "--port", str(ports["temporal"]), "--ui-port", str(ports["ui"])]
        settings = [part for setting in _TEMPORAL_SETTINGS for part in ("--dynamic-config-value", setting)]
        attributes = [part for name in SEARCH_ATTRIBUTES for part in ("--search-attribute", f"{name}=Keyword")]
        quiet = ["--log-level", "error", "--ui-disable-news-fetch"]
        command = [self._temporal(), "server", "start-dev", *database, *pragmas, *places, *settings, *attributes]
        return self._program("temporal", [*command, *quiet], {})

    def _temporal(self) -> str:
        beside = str(Path(sys.executable).parent)
        found = self._temporal_cli or shutil.which("temporal", path=beside) or shutil.which("temporal")
        if found is None or not Path(found).is_file():
            hint = "install the group: `uv sync --group local`; or name one by SLIPWAY_TEMPORAL_CLI"
            raise Trouble(f"there is no Temporal server {found or 'beside this Python or on the PATH'}", hint)
        return found

    def stand_ins(self) -> Program:
        """Jenkins, Azure DevOps and SendGrid, as far as Slipway uses them."""
        ports = [f"--{name}-port={self._memory.ports[name]}" for name in ("jenkins", "azure", "sendgrid")]
        events = [f"--sendgrid-events-to={self._memory.api_url}/hooks/sendgrid"]
        settings = {"SENDGRID_EVENT_KEY": self._memory.mail_event_key}
        return self._python("stand-ins", "local.standins", [*ports, *events], settings)

    def api(self) -> Program:
        return self._python("api", "api", [], self._server_settings())

    def worker(self) -> Program:
        return self._python("worker", "workers.release", [], self._server_settings())

    def agent(self, enrolment_token: str) -> Program:
        """An agent for everything; the label ``web`` is what the demo pipelines demand."""
        settings = {
            "SLIPWAY_API_URL": self._memory.api_url,
            "SLIPWAY_TEMPORAL_ADDRESS": self._temporal_address,
            "SLIPWAY_AGENT_NAME": "local-1",
            "SLIPWAY_AGENT_STATE": str(self._folder / "agent"),
            "SLIPWAY_AGENT_SLOTS": "4",
            "SLIPWAY_ALLOWED_HOSTS": _STAND_IN_HOSTS,
            "SLIPWAY_AGENT_LABELS": "web",
            "SLIPWAY_AGENT_ENROLMENT_TOKEN": enrolment_token,
        }
        return self._python("agent", "workers.agent", [], settings)

    @property
    def _temporal_address(self) -> str:
        return f"{HOST}:{self._memory.ports['temporal']}"

    def _server_settings(self) -> dict[str, str]:
        ports = self._memory.ports
        return {
            "SLIPWAY_TEMPORAL_ADDRESS": self._temporal_address,
            "SLIPWAY_TEMPORAL_UI_URL": url(ports["ui"]),
            "SLIPWAY_DATABASE_URL": f"sqlite+aiosqlite:///{self._folder / 'slipway.db'}",
            "SLIPWAY_PUBLIC_URL": self._memory.api_url,
            "SLIPWAY_API_HOST": HOST,
            "SLIPWAY_ALLOWED_HOSTS": _STAND_IN_HOSTS,
            "SLIPWAY_API_PORT": str(ports["api"]),
            "SLIPWAY_SECRET_KEY": self._memory.secret_key,
            "SLIPWAY_BOOTSTRAP_ADMIN_TOKEN": self._memory.admin_token,
            "SLIPWAY_MAIL": self._mail,
            "SLIPWAY_SENDGRID_API_KEY": "SG.stand-in",
            "SLIPWAY_SENDGRID_HOST": url(ports["sendgrid"]),
            "SLIPWAY_SENDGRID_ALLOW_HTTP": "true",
            "SLIPWAY_SENDGRID_WEBHOOK_KEY": EventKey(self._memory.mail_event_key).public,
        }

    def _python(self, name: str, module: str, arguments: list[str], settings: dict[str, str]) -> Program:
        return self._program(name, [sys.executable, "-m", module, *arguments], settings)

    def _program(self, name: str, command: list[str], settings: dict[str, str]) -> Program:
        environment = self._inherited | settings
        return Program(name=name, command=tuple(command), environment=environment, folder=self._folder)

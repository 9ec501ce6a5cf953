"""Which API a command talks to, and as whom.

From near to far: options, environment, the local installation in this folder (or one above), the login kept in
``~/.config/slipway/config.json``. A token is only ever sent to the address it was kept for.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

from cli.exit_codes import ExitCode
from cli.failure import Failure

DEFAULT_URL = "http://127.0.0.1:8000"
LOCAL_STATE = Path(".slipway") / "local.json"


@dataclass(frozen=True)
class Access:
    """Where the API is, the token for it, and (for people) where these came from."""

    url: str
    token: str | None
    source: str


@dataclass(frozen=True)
class Asked:
    """What the options of the command say; empty where they say nothing."""

    url: str = ""
    token: str = ""
    person: str = ""


@dataclass(frozen=True)
class Surroundings:
    """What is read besides the options, given by the entry point."""

    environment: Mapping[str, str]
    folder: Path

    @property
    def config_file(self) -> Path:
        configured = self.environment.get("XDG_CONFIG_HOME")
        home = Path(self.environment.get("HOME", "~")).expanduser()
        return (Path(configured) if configured else home / ".config") / "slipway" / "config.json"


def find_access(asked: Asked, surroundings: Surroundings) -> Access:
    """Decide address and token. Raises Failure when ``--as`` names nobody of a local installation."""
    local = local_state(surroundings.folder)
    if asked.person:
        return _as_person(asked.person, local)
    url = asked.url or surroundings.environment.get("SLIPWAY_API_URL", "")
    token = asked.token or surroundings.environment.get("SLIPWAY_TOKEN", "")
    kept = _kept_access(url, local, surroundings.config_file)
    return Access(url=kept.url, token=token or kept.token, source=kept.source)


def _kept_access(url: str, local: Mapping[str, object], config_file: Path) -> Access:
    """The address (the given one, or the nearest kept one) with the token that was kept for exactly this address."""
    local_url = str(local.get("api_url", ""))
    if local_url and url in {"", local_url}:
        return Access(url=local_url, token=str(local.get("admin_token", "")) or None, source=str(local["file"]))
    config = _read(config_file)
    servers = cast("dict[str, dict[str, str]]", config.get("servers", {}))
    chosen = (url or str(config.get("current", ""))).rstrip("/")
    if chosen in servers:
        return Access(url=chosen, token=servers[chosen].get("token"), source=str(config_file))
    return Access(url=chosen or DEFAULT_URL, token=None, source="option or environment" if chosen else "default")


def _as_person(person: str, local: Mapping[str, object]) -> Access:
    people = cast("dict[str, str]", local.get("people", {}))
    if person not in people:
        known = ", ".join(sorted(people)) or "nobody: there is no .slipway folder here"
        raise Failure(ExitCode.MISUSE, f"--as knows the people of a local installation; here: {known}")
    return Access(url=str(local["api_url"]), token=people[person], source=str(local["file"]))


def local_state(folder: Path) -> dict[str, object]:
    """The state of the local installation of this folder or one above; empty when there is none."""
    for above in (folder, *folder.parents):
        state = _read(above / LOCAL_STATE)
        if state.get("api_url"):
            return state | {"file": str(above / LOCAL_STATE)}
    return {}


def _read(file: Path) -> dict[str, object]:
    try:
        content = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def keep_login(url: str, token: str, config_file: Path) -> None:
    """Remember address and token; the file is readable by its owner only, and replaced in one go."""
    config = _read(config_file)
    servers = cast("dict[str, dict[str, str]]", config.get("servers", {}))
    servers[url] = {"token": token}
    content = json.dumps({"current": url, "servers": servers}, indent=2) + "\n"
    config_file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = config_file.with_suffix(f".{os.getpid()}")
    beside.touch(mode=0o600, exist_ok=False)
    beside.write_text(content, encoding="utf-8")
    beside.replace(config_file)


def is_plain_text_to_afar(url: str) -> bool:
    """Whether a token sent there would cross a network unencrypted."""
    return urlsplit(url).scheme == "http" and not is_this_machine(url)


def is_this_machine(url: str) -> bool:
    """Whether the address never leaves the machine; no proxy belongs in between."""
    return urlsplit(url).hostname in {"127.0.0.1", "localhost", "::1"}

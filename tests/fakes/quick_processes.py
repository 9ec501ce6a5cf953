"""API, agents and workers forked from a process that has imported everything: the real ones, started at once."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

_MODULES = {"api": "api.__main__", "workers.agent": "workers.agent", "workers.release": "workers.release"}
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([*_MODULES.values()])


class QuickProcess:
    """What a story does with a ``Popen`` of ``python -m module``. It has a session of its own."""

    @staticmethod
    def starts(module: str) -> bool:
        """Whether this is one of the modules that can be started so."""
        return module in _MODULES

    def __init__(self, module: str, environment: Mapping[str, str], folder: Path, log: Path) -> None:
        arguments = (_MODULES[module], dict(environment), str(folder), str(log))
        self._process = _FORKS.Process(target=_serve, args=arguments, daemon=False)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise TimeoutError(f"process {self.pid} still runs after {timeout} s")
        self._process.close()
        return code

    def send_signal(self, number: int) -> None:
        os.kill(self.pid, number)


def _serve(module: str, environment: Mapping[str, str], folder: str, log: str) -> None:
    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(output, stream)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # the fork server ignores it
    code = import_module(module).main()
    sys.stdout.flush()
    os._exit(code or 0)

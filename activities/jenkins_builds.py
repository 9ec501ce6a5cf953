"""The port behind which Jenkins runs jobs for us: start a build, find it again, follow it, stop it.

Implemented by ``integrations``; used by agents. All methods block for some seconds at most, or as long as bytes come;
callers run them in a thread, one at a time. They raise SourceUnreachable where another try may help, and SourceDenied
or ArtifactNotFound where Jenkins has answered.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from domain.connection import Connection
from domain.frozen import Frozen
from domain.refusal import Refusal


class BuildRefused(Refusal):
    """Jenkins was asked for a build and said no: nothing was started."""


class NothingSent(Exception):  # noqa: N818  reads as what happened
    """Jenkins could not be reached, and has not been asked. Worth another try."""


class PerhapsStarted(Exception):  # noqa: N818  reads as what happened
    """Jenkins was asked for a build, and did not say whether it took it: look before asking again.

    ``is_answer``: it said that something went wrong, so that asking the same again would not help.
    """

    def __init__(self, text: str, *, is_answer: bool = False) -> None:
        super().__init__(text)
        self.is_answer = is_answer


class Parameter(Frozen):
    """A parameter that a job declares; one that has ``choices`` takes nothing else."""

    name: str
    choices: tuple[str, ...] = ()


class JobToBuild(Frozen):
    """A job before it is built. ``parameters`` is None where it takes none."""

    is_buildable: bool
    next_build: int
    parameters: tuple[Parameter, ...] | None = None


class Trace(Frozen):
    """What is to be seen of one request for a build: an item of the queue, or the build that came of it."""

    queue_id: int | None = None
    number: int | None = None
    parameters: dict[str, str] = {}


class QueueItem(Frozen):
    """A build on its way. ``why`` it waits; ``build`` once there is one; ``asked_times`` above one: it is shared."""

    why: str = ""
    is_cancelled: bool = False
    build: int | None = None
    asked_times: int = 1


class Build(Frozen):
    """A build under way, or its end: SUCCESS, UNSTABLE, FAILURE, ABORTED, NOT_BUILT."""

    is_building: bool
    result: str | None
    url: str


class LogTaken(Frozen):
    """Where the log goes on, in Jenkins' own count, and whether there is more to come."""

    offset: int
    is_complete: bool


class BuildServer(Protocol):
    """One Jenkins with its connection."""

    def job(self, job: str) -> JobToBuild: ...

    def start(self, job: str, parameters: Mapping[str, str] | None) -> int:
        """Ask for a build, once; the id of its item in the queue. ``parameters`` is None for a job that takes none.

        Raises BuildRefused, NothingSent, PerhapsStarted, and nothing else.
        """
        ...

    def traces(self, job: str) -> tuple[Trace, ...]:
        """Items of this job in the queue, and then its latest builds: who is on the way is seen at least once."""
        ...

    def item(self, queue_id: int) -> QueueItem | None:
        """None when Jenkins has forgotten it, as it does some minutes after its build began."""
        ...

    def build(self, job: str, number: int) -> Build: ...

    def log(self, job: str, number: int, start: int, write: Callable[[bytes], None]) -> LogTaken:
        """Write what the log says from ``start`` on, as far as it is known; whole lines while the build runs."""
        ...

    def cancel(self, queue_id: int) -> None:
        """Take the item out of the queue; nothing happens when it has left."""
        ...

    def stop(self, job: str, number: int) -> None:
        """Make the build end; nothing happens when it has ended."""
        ...


class BuildServerOpener(Protocol):
    """Opens the Jenkins at the other end; raises UnknownConnection, SourceDenied."""

    def __call__(self, connection: Connection) -> BuildServer: ...

"""What Jenkins' notification plugin tells of a build. It signs nothing: who sends it is found out elsewhere.

The plugin leaves out whatever it does not know, tells of every phase of a build, and tells of its end twice.
"""

from typing import Annotated
from urllib.parse import unquote

from pydantic import Field, ValidationError

from domain.frozen import Frozen
from domain.refusal import Refusal
from domain.trigger import JenkinsBuild, NewVersion, plain_branch

_ENDED = {"COMPLETED", "FINALIZED"}
_GOOD = {"SUCCESS", "UNSTABLE"}
_UNSTABLE = "UNSTABLE"
_NOT_OURS = "this is not what the notification plugin sends"


class UnreadableNotification(Refusal):
    """The body is not what the notification plugin sends."""


class _Scm(Frozen):
    branch: str | None = None
    culprits: tuple[str, ...] = ()


class _Build(Frozen):
    number: Annotated[int, Field(ge=1, le=2**31 - 1)]
    phase: str
    status: str | None = None
    full_url: str | None = None
    scm: _Scm | None = None


class _Notification(Frozen):
    url: str
    build: _Build


def read(told: object, server: str) -> JenkinsBuild | str:
    """The good build that ended at this server; or in words why there is none. Raises UnreadableNotification."""
    try:
        notification = _Notification.model_validate(told)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise UnreadableNotification(
            f"this is not what the notification plugin sends: look at {place or 'it'}"
        ) from None
    build, job = notification.build, _job(notification.url)
    if build.phase not in _ENDED:
        return f"build {build.number} of {job} has not ended: {build.phase}"[:500]
    if build.status not in _GOOD:
        return f"build {build.number} of {job} is not good: {build.status}"[:500]
    scm = build.scm or _Scm()
    built = NewVersion(
        version=str(build.number),
        label=f"#{build.number}",
        branch=plain_branch(scm.branch) if scm.branch else None,
        is_stable=build.status != _UNSTABLE,
        url=build.full_url,
        people=scm.culprits,
    )
    return JenkinsBuild(server=server, job=job, number=build.number, built=built)


def _job(url: str) -> str:
    """``job/team/job/webshop/`` is team/webshop. The names of folders and jobs stand behind ``job``."""
    parts = url.strip("/").split("/")
    names = [unquote(name) for before, name in zip(parts[::2], parts[1::2], strict=False) if before == "job"]
    path = "/".join(names)
    if not names or len(parts) != 2 * len(names) or not path.isprintable():
        raise UnreadableNotification(f"{_NOT_OURS}: url is the address of no job")
    return path

"""How values are worded for people: times, spans of time, sizes, sources, channels."""

import re
from datetime import UTC, datetime, timedelta

from markupsafe import Markup, escape

from activities.notifications import LetterKind
from domain.approval import Channel
from domain.pipeline import (
    Artifact,
    AzurePipelinesSource,
    GithubSource,
    JenkinsSource,
    LatestOf,
    StorageSource,
    UrlSource,
)

_CHANNELS = {
    Channel.LINK: "by mail link",
    Channel.CONSOLE: "in the console",
    Channel.API: "through the API",
    Channel.EARLIER: "as for the stage before",
}
_DELIVERIES = {
    "pending": "not sent yet",
    "failed": "could not be sent",
    "sent": "sent",
    "deferred": "delayed",
    "dropped": "not sent on by the mail service",
    "delivered": "delivered",
    "bounced": "came back",
}
_LINK = re.compile(r"https?://[^\s<>\"']+")
_KIB = 1024
_TURNING = (*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C)
_MARKED = dict.fromkeys(_TURNING, "\N{REPLACEMENT CHARACTER}")
_SIZES = ("KiB", "MiB", "GiB", "TiB")
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def iso(moment: datetime) -> str:
    """For the ``datetime`` attribute."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def utc(moment: datetime) -> str:
    """``23 Nov 2026, 14:05 UTC``."""
    moment = moment.astimezone(UTC)
    return f"{moment.day} {moment:%b %Y, %H:%M} UTC"


def utc_exact(moment: datetime) -> str:
    """``2026-11-23 14:05:09 UTC``."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def span(duration: timedelta) -> str:
    """Its two largest units: ``2 d 3 h``, ``5 min 20 s``, ``0 s``. A negative one (clocks differ) is none."""
    left = max(0, int(duration.total_seconds()))
    for index, (unit, size) in enumerate(_UNITS[:-1]):
        if left >= size:
            smaller, smaller_size = _UNITS[index + 1]
            rest = left % size // smaller_size
            return f"{left // size} {unit}" + (f" {rest} {smaller}" if rest else "")
    return f"{left} s"


def size(count: int) -> str:
    """``512 bytes``, ``3.4 KiB``, ``1.2 GiB``."""
    if count < _KIB:
        return f"{count} byte{'' if count == 1 else 's'}"
    power = min(len(_SIZES), (count.bit_length() - 1) // 10)
    return f"{count / _KIB**power:.1f} {_SIZES[power - 1]}"


def cut(text: str, length: int) -> str:
    """The text, or its beginning with an ellipsis."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def channel(name: str) -> str:
    """How an answer came; a channel of a newer version as it is spelt."""
    return _CHANNELS.get(Channel(name), name) if name in set(Channel) else name


def delivery(state: str) -> str:
    """What became of a mail."""
    return _DELIVERIES.get(state, state)


def requester(name: str, requested_for: str) -> str:
    """``service:ci for dev@example.com``; who asks for themselves is named once."""
    return f"{name} for {requested_for}" if requested_for not in {"", name} else name


def mail_kind(kind: str) -> str:
    """``reminder 2`` for ``reminder 2, round 1``; what asks for an answer is simply the mail."""
    name = kind.partition(",")[0]
    return name if name.startswith(LetterKind.REMINDER) else "mail"


def span_of(seconds: int) -> str:
    """``span`` of whole seconds."""
    return span(timedelta(seconds=seconds))


def version_rule(rule: str | LatestOf) -> str:
    """Which version a release gets when none is named."""
    if isinstance(rule, str):
        return "the latest" if rule == "latest" else rule
    of = [
        "without failed tests" if rule.stable else "",
        f"of branch {rule.branch}" if rule.branch else "",
        f"tagged {', '.join(rule.tags)}" if rule.tags else "",
    ]
    return " ".join(["the latest", *filter(None, of)])


def source(artifact: Artifact) -> str:
    """Where an artifact comes from, in a few words."""
    match artifact.source:
        case JenkinsSource() as jenkins:
            return f"Jenkins {jenkins.server}: {jenkins.job}"
        case AzurePipelinesSource() as azure:
            return f"Azure Pipelines {azure.connection}: {azure.project}/{azure.pipeline}, {azure.artifact}"
        case UrlSource() as url:
            return url.href
        case StorageSource() as storage:
            return f"{storage.url} ({storage.connection})"
        case GithubSource() as github:
            return f"GitHub {github.repository}"
        case directory:
            return f"directory {directory.path}"


def slug(text: str) -> str:
    """An id for an element: letters, digits and hyphens; different for different run ids."""
    return re.sub(r"[^A-Za-z0-9_.]", "-", text)


def web(address: str) -> str:
    """The address if a browser should open it, else one that leads nowhere: no ``javascript:``."""
    return address if address.startswith(("https://", "http://")) else "#"


def tame(text: str) -> str:
    """Text without the characters that turn the direction of what stands after them; a mark shows where they were."""
    return text.translate(_MARKED)


def links(text: str) -> Markup:
    """Plain text with its web addresses clickable."""
    text = tame(text)
    parts: list[Markup] = []
    end = 0
    for found in _LINK.finditer(text):
        parts += [escape(text[end : found.start()]), Markup('<a href="{0}">{0}</a>').format(found[0])]
        end = found.end()
    return Markup("").join([*parts, escape(text[end:])])

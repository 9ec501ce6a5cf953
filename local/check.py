"""One whole release through a fresh installation, its approvals answered by the links in the mails."""

import asyncio
import re
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urljoin

import httpx2

from local import demo
from local.api_client import ApiClient
from local.child import Say
from local.state_folder import Memory
from local.trouble import Trouble

_WITHIN_SECONDS = 90.0
_LOOK_EVERY_SECONDS = 0.1
_FINAL = frozenset({"succeeded", "partially succeeded", "failed", "canceled", "abandoned"})
_ARTIFACTS = {"web", "infra"}
_APPROVALS = 2

# A release as the API shows it.
Release = Any


class Stopwatch:
    """Says how long each part took."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._since = time.monotonic()

    def lap(self, text: str) -> None:
        now = time.monotonic()
        self._say(f"{now - self._since:5.1f} s  {text}")
        self._since = now


async def run_one_release(memory: Memory, say: Say) -> None:
    """Raises Trouble, saying what was not as it should be."""
    watch = Stopwatch(say)
    release_id = await demo.release(memory, key="check", description="slipway up --check")
    async with ApiClient(memory.api_url, memory.admin_token) as api:
        release = await _to_the_end(api, release_id, Mailbox(api), watch)
        _must_have_succeeded(release)
        count, size = await _logs(api, release)
        watch.lap(f"logs of {count} step runs read, {size} bytes")


async def _to_the_end(api: ApiClient, release_id: str, mailbox: "Mailbox", watch: Stopwatch) -> Release:
    """Follow the release, answer its approvals as they open, and tell of every stage that ends."""
    deadline = time.monotonic() + _WITHIN_SECONDS
    told: set[str] = set()
    while True:
        release = await api.get(f"/releases/{release_id}")
        for stage in release["stages"]:
            if stage["stage"] not in told and stage["status"] not in {"not started", "waiting", "in progress"}:
                told.add(stage["stage"])
                watch.lap(f"stage {stage['stage']}: {stage['status']}")
        for approval in _open_approvals(release):
            if await mailbox.approve(approval["id"]):
                watch.lap(f"approval {approval['id']} answered by the link in the mail")
        if release["status"] in _FINAL:
            return release
        if time.monotonic() > deadline:
            text = f"{release_id} is not over after {_WITHIN_SECONDS:.0f} s; it waits for: {release['waiting_for']}"
            raise Trouble(text)
        await asyncio.sleep(_LOOK_EVERY_SECONDS)


def _open_approvals(release: Release) -> Iterator[Any]:
    for deployment in release["deployments"]:
        for approval in deployment["approvals"]:
            if approval["verdict"] == "pending":
                yield approval


class Mailbox:
    """The approver's mails, each answered once."""

    def __init__(self, api: ApiClient) -> None:
        self._api = api
        self._answered: set[str] = set()

    async def approve(self, approval_id: str) -> bool:
        """Open the link of the approval's mail and send its form; False while the mail is not there yet."""
        if approval_id in self._answered:
            return False
        link = await self._link(len(self._answered))
        if link is None:
            return False
        await approve_by_link(link)
        self._answered.add(approval_id)
        return True

    async def _link(self, already_read: int) -> str | None:
        """The link in the newest mail, when there is one more mail than were read."""
        mails = await self._api.get("/outbox")
        if len(mails) <= already_read:
            return None
        text = (await self._api.get(f"/outbox/{mails[0]['id']}"))["text"]
        found = re.search(r"https?://\S+/approve/[A-Za-z0-9_-]+", text)
        if found is None:
            raise Trouble(f"the mail holds no link to approve: {text[:300]}")
        return found[0]


async def approve_by_link(link: str) -> None:
    """As a person would: look at the page (which answers nothing), choose, send."""
    async with httpx2.AsyncClient(timeout=10.0, follow_redirects=True, trust_env=False) as browser:
        page = await browser.get(link)
        form = Form(page.text)
        if not page.is_success or not form.found:
            raise Trouble(f"the link in the mail leads to no form ({page.status_code})")
        answers = form.hidden | {"choice": "approve", "comment": "checked"}
        sent = await browser.post(urljoin(link, form.action), data=answers, headers={"Origin": _origin(link)})
        if not sent.is_success:
            raise Trouble(f"the form of the mailed link was refused ({sent.status_code})")


def _origin(link: str) -> str:
    return "/".join(link.split("/")[:3])


class Form(HTMLParser):
    """The form of a page that asks for a choice: where it goes, and its hidden fields."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found = False
        self._is_over = False
        self.action = ""
        self.hidden: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.found:
            self.action, self.hidden = attributes.get("action", ""), {}
        elif tag == "input" and attributes.get("name") == "choice":
            self.found = True
        elif tag == "input" and attributes.get("type") == "hidden" and not self._is_over:
            self.hidden[attributes["name"]] = attributes.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        self._is_over = self._is_over or (tag == "form" and self.found)


def _must_have_succeeded(release: Release) -> None:
    stages = {stage["stage"]: stage["status"] for stage in release["stages"]}
    if release["status"] != "succeeded":
        raise Trouble(f"{release['id']} ended {release['status']}: {release['reason'] or stages}")
    artifacts = {artifact["alias"] for artifact in release["artifacts"]}
    if artifacts != _ARTIFACTS:
        raise Trouble(f"{release['id']} has the artifacts {sorted(artifacts)}, not {sorted(_ARTIFACTS)}")
    asked = [a for d in release["deployments"] for a in d["approvals"] if not a["is_automatic"]]
    approved = [a for a in asked if a["verdict"] == "approved"]
    if len(approved) != _APPROVALS:
        raise Trouble(f"{len(approved)} approvals were given, not {_APPROVALS}")


async def _logs(api: ApiClient, release: Release) -> tuple[int, int]:
    """How many step runs there are and how many bytes they printed; raises Trouble for an empty or short log."""
    runs = [step for d in release["deployments"] for job in d["jobs"] for step in job["steps"]]
    total = 0
    for run in runs:
        size = len((await api.text(f"/logs/{run['run_id']}/text?offset=0")).encode())
        if size == 0:
            raise Trouble(f"the log of {run['run_id']} is empty")
        total += size
    return len(runs), total

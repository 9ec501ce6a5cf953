"""The stand-ins as a process, with what they hold in a local installation."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from pydantic import SecretStr

from activities.notifications import Letter
from domain.connection import Connection, ConnectionKind
from domain.pipeline import AzurePipelinesSource, JenkinsSource, LatestOf
from integrations.artifact_sources import open_source
from integrations.guarded_addresses import AllowedHosts
from integrations.sendgrid_mail import SendGridTransport
from local import demo_builds

_ROOT = Path(__file__).parent.parent.parent


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def urls() -> Iterator[dict[str, str]]:
    """Addresses by name; the process must end well when it is asked to."""
    names = ("jenkins", "azure", "sendgrid")
    ports = dict(zip(names, free_ports(3), strict=True))
    command = [sys.executable, "-m", "local.standins", *(f"--{name}-port={port}" for name, port in ports.items())]
    process = subprocess.Popen(command, cwd=_ROOT)
    try:
        found = {name: f"http://127.0.0.1:{port}" for name, port in ports.items()}
        for url in found.values():
            until_up(url)
        yield found
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) in {0, -signal.SIGTERM}
    finally:
        process.kill()
        process.wait()


def until_up(url: str) -> None:
    """Ask until somebody listens, for at most twenty seconds."""
    ends_at = time.monotonic() + 20
    while not listens(url):
        assert time.monotonic() < ends_at, f"nobody listens at {url}"
        time.sleep(0.05)


def listens(url: str) -> bool:
    with socket.socket() as trying:
        return trying.connect_ex(("127.0.0.1", int(url.rsplit(":", 1)[1]))) == 0


@pytest.mark.parametrize(
    ("name", "words"), [("jenkins", "team/webshop/main"), ("azure", "infra-ci"), ("sendgrid", "No mail")]
)
def test_people_see_what_a_stand_in_holds(urls, name, words):
    """On a page at its root, without signing in."""
    page = httpx2.get(urls[name], trust_env=False).text
    assert words in page
    assert "no real" in page


def test_the_web_shop_comes_from_jenkins(urls):
    """Its newest build on main, and a branch with a slash."""
    connection = Connection(
        name="ci",
        kind=ConnectionKind.JENKINS,
        url=urls["jenkins"],
        user=demo_builds.USER,
        token=SecretStr(demo_builds.TOKEN),
    )
    main = open_source(JenkinsSource(server="ci", job="team/webshop/main"), connection)
    found = main.resolve("latest")
    assert ("142", ["dist/webshop-142.tar.gz", "dist/release notes.txt"]) == (
        found.version,
        [f.path for f in found.files],
    )
    branches = open_source(JenkinsSource(server="ci", job="team/webshop"), connection)
    assert "feature/dark-mode#7" == branches.resolve(LatestOf(branch="feature/dark-mode")).version


@pytest.mark.parametrize("artifact", ["drop", "drop-container"])
def test_the_infrastructure_comes_from_azure_pipelines(urls, artifact):
    """From both kinds of store."""
    connection = Connection(
        name="contoso",
        kind=ConnectionKind.AZURE_PIPELINES,
        url=f"{urls['azure']}/contoso",
        token=SecretStr(demo_builds.TOKEN),
    )
    source = AzurePipelinesSource(connection="contoso", project="shop", pipeline="infra-ci", artifact=artifact)
    found = open_source(source, connection, allowed=AllowedHosts.parsed("localhost")).resolve("latest")
    assert ("2102", ["infra/deploy.sh", "infra/smoke.sh"]) == (found.version, [f.path for f in found.files])


def test_mails_are_taken_and_shown(urls):
    """With the key of the local installation."""
    key = SecretStr(demo_builds.SENDGRID_KEY)
    letter = Letter(delivery_id="d", to="ana@example.com", subject="Deploy <b>?", text="plain", html="<p>rich</p>")
    message_id = SendGridTransport(key, urls["sendgrid"], "slipway@localhost", allow_http=True).send(letter)
    assert "Deploy &lt;b&gt;?" in httpx2.get(urls["sendgrid"], trust_env=False).text
    mail = httpx2.get(f"{urls['sendgrid']}/mails/{message_id}", trust_env=False).text
    assert "plain" in mail
    assert "<p>rich</p>" not in mail


def test_a_mail_in_its_frame_may_run_and_load_nothing(urls):
    """Mails are written by programs that may be wrong."""
    key = SecretStr(demo_builds.SENDGRID_KEY)
    letter = Letter(delivery_id="d", to="ana@example.com", subject="x", text="x", html="<script>alert(1)</script>")
    message_id = SendGridTransport(key, urls["sendgrid"], "slipway@localhost", allow_http=True).send(letter)
    answer = httpx2.get(f"{urls['sendgrid']}/mails/{message_id}/html", trust_env=False)
    assert letter.html == answer.text
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert "allow-scripts" not in answer.headers["Content-Security-Policy"]


def test_the_demo_has_the_same_bytes_at_every_start():
    """What a release pinned yesterday is still there today."""
    one, other = demo_builds.jenkins(), demo_builds.jenkins()
    build = one.job("team/webshop/main").builds[142]
    assert build.artifacts == other.job("team/webshop/main").builds[142].artifacts

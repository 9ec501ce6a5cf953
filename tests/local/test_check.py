"""One whole release as a check: what must be so for it to pass."""

import pytest
from fakes.api_server import Answer, ApiServer, serving

from local.api_client import ApiClient
from local.check import Form, Mailbox, approve_by_link, run_one_release
from local.state_folder import Memory
from local.trouble import Trouble

PAGE = b"""
<form action="/logout" method="post"><input type="hidden" name="csrf" value="other"></form>
<form method="post" action="/approve/t0ken"><input type="hidden" name="digest" value="d1gest">
<input type="radio" name="choice" value="approve"><textarea name="comment"></textarea></form>
<form action="/approve/t0ken" method="post"><input type="hidden" name="digest" value="another form's"></form>
"""
HTML = {"Content-Type": "text/html"}


@pytest.fixture
def api():
    with serving() as server:
        yield server


@pytest.fixture
def memory(api: ApiServer) -> Memory:
    """What the check knows of the installation."""
    return Memory(api_url=api.url, people={"rita@example.com": "slw_rita"})


def release(*, status: str = "succeeded", verdict: str = "approved") -> dict[str, object]:
    """A release that has what the check wants."""
    asked = [{"id": f"webshop/1/prod/1/{moment}", "is_automatic": False} for moment in ("before", "after")]
    nobody_asked = {"id": "webshop/1/test/1/before", "is_automatic": True, "verdict": "approved"}
    approvals = [nobody_asked, *({**approval, "verdict": verdict} for approval in asked)]
    jobs = [{"steps": [{"run_id": "webshop/1/prod/1/deploy/1/1"}]}]
    return {
        "id": "webshop/1",
        "status": status,
        "waiting_for": "",
        "reason": "",
        "artifacts": [{"alias": "web"}, {"alias": "infra"}],
        "stages": [{"stage": "prod", "status": status}],
        "deployments": [{"approvals": approvals, "jobs": jobs}],
    }


def answer_well(api: ApiServer, log: bytes = b"hello\n") -> None:
    """Everything a passing check asks for."""
    api.on("POST /api/v1/releases", Answer({"id": "webshop/1"}, 201))
    api.on("GET /api/v1/releases/webshop/1", Answer(release(status="active", verdict="pending")), Answer(release()))
    mails = [{"id": 1}], [{"id": 2}, {"id": 1}]
    api.on("GET /api/v1/outbox", *(Answer(page) for page in mails))
    for number in (1, 2):
        text = {"text": f"Answer here: {api.url}/approve/t0ken (until tomorrow)"}
        api.on(f"GET /api/v1/outbox/{number}", Answer(text))
    api.on("GET /approve/t0ken", Answer(PAGE, headers=HTML))
    api.on("POST /approve/t0ken", Answer(b"counted", headers=HTML))
    api.on("GET /api/v1/logs/webshop/1/prod/1/deploy/1/1/text", Answer(log, headers={"Content-Type": "text/plain"}))


async def test_a_good_release_passes(api: ApiServer, memory: Memory) -> None:
    """Made by the releaser, approved twice through the mailed links, its logs read."""
    answer_well(api)
    said: list[str] = []
    await run_one_release(memory, said.append)
    assert "Bearer slw_rita" == api.asked("POST /api/v1/releases")[0].headers["authorization"]
    sent = [request.body for request in api.asked("POST /approve/t0ken")]
    assert [b"digest=d1gest&choice=approve&comment=checked"] * 2 == sent
    assert "logs of 1 step runs read, 6 bytes" in said[-1]


async def test_an_empty_log_fails_it(api: ApiServer, memory: Memory) -> None:
    """A release without logs is not a working installation."""
    answer_well(api, log=b"")
    with pytest.raises(Trouble, match="log of webshop/1/prod/1/deploy/1/1 is empty"):
        await run_one_release(memory, lambda _: None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"status": "failed", "reason": "step Deploy failed"}, "ended failed: step Deploy failed"),
        ({"artifacts": [{"alias": "web"}]}, "has the artifacts"),
        ({"deployments": []}, "0 approvals were given"),
    ],
)
async def test_what_is_not_as_it_should_be_is_named(api: ApiServer, memory: Memory, change, words: str) -> None:
    """A release that only looks finished does not pass."""
    answer_well(api)
    api.on("GET /api/v1/releases/webshop/1", Answer(release() | change))
    with pytest.raises(Trouble, match=words):
        await run_one_release(memory, lambda _: None)


async def test_a_mail_that_is_not_there_yet_is_waited_for(api: ApiServer) -> None:
    """The approval opens before its mail is in the outbox."""
    answer_well(api)
    api.on("GET /api/v1/outbox", Answer([]), Answer([{"id": 1}]))
    async with ApiClient(api.url, "t") as client:
        mailbox = Mailbox(client)
        assert [False, True, False] == [await mailbox.approve("a") for _ in range(3)]


async def test_a_link_without_form_is_trouble(api: ApiServer) -> None:
    """As when the link has expired."""
    api.on("GET /approve/x", Answer(b"<p>gone</p>", 410, HTML))
    with pytest.raises(Trouble, match=r"leads to no form \(410\)"):
        await approve_by_link(f"{api.url}/approve/x")


def test_the_form_that_asks_for_a_choice_is_found() -> None:
    """Not the first one, such as signing out, nor the last, such as letting somebody else answer."""
    form = Form(PAGE.decode())
    assert (True, "/approve/t0ken", {"digest": "d1gest"}) == (form.found, form.action, form.hidden)

"""The SendGrid stand-in refuses as the real service does, and takes what Slipway sends."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from fakes.exchanges import ask, recorded
from fakes.served import Place

from local import sendgrid
from local.faults import Fault
from local.sendgrid import SendGridState

MAIL = {
    "personalizations": [{"to": [{"email": "ana@example.com"}]}],
    "from": {"email": "slipway@example.com"},
    "subject": "Hello",
    "content": [{"type": "text/plain", "value": "Hello"}],
}


def answers_in(file: Path) -> list[dict[str, Any]]:
    return [answer for answer in json.loads(file.read_text()) if isinstance(answer["status"], int)]


ANSWERS = [
    pytest.param(answer, id=f"{param.id}:{number}-{answer['status']}")  # type: ignore[attr-defined]
    for param in recorded("sendgrid/errors/*.json")
    for number, answer in enumerate(answers_in(param.values[0]))  # type: ignore[attr-defined]
]


def provoke(status: int) -> tuple[SendGridState, bytes, str]:
    """A state, a body and a key for which the service gives that status."""
    state, body, key = SendGridState(keys={"right"}), json.dumps(MAIL).encode(), "right"
    if status == 401:
        key = "wrong"
    elif status == 403:
        state.senders.add("else@example.com")
    elif status == 400:
        body = b"{"
    elif status == 413:
        body = b"x" * (31 << 20)
    elif status == 429:
        state.busy_until = int(time.time()) + 60
    elif status >= 500:
        state.faults.add(Fault(status=status))
    return state, body, key


@pytest.mark.parametrize("expected", ANSWERS)
def test_the_stand_in_answers_like_the_real_service(here: tuple[Place, str], expected: dict[str, Any]):
    """The same status, the headers that matter, and errors of the same shape."""
    place, url = here
    state, body, key = provoke(expected["status"])
    place.app = sendgrid.create_app(state)
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    actual = ask(url, "POST", "/v3/mail/send", headers, body)
    assert expected["status"] == actual.status
    limits = {name.lower() for name in expected.get("headers", {}) if name.startswith("X-RateLimit")}
    assert limits <= actual.headers.keys()
    if "body_text" in expected:
        assert expected["body_text"].split() == actual.body.decode().split()
    elif expected["status"] == 202:
        assert (b"", True) == (actual.body, "x-message-id" in actual.headers)
    elif "body" in expected and expected["status"] < 500:
        compare(expected["body"], json.loads(actual.body))


def compare(expected: dict[str, Any], actual: dict[str, Any]) -> None:
    """The key ``help`` comes and goes in real answers."""
    for one in expected["errors"]:
        for other in actual["errors"]:
            assert one.keys() - {"help"} == other.keys() - {"help"}
            assert isinstance(other["message"], str)
            assert other["field"] is None or isinstance(other["field"], str)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("personalizations", []),
        ("personalizations", [{"to": []}]),
        ("personalizations", [{"to": [{"email": "ana"}]}]),
        ("from", {}),
        ("subject", ""),
        ("content", []),
        ("content", [{"type": "text/plain", "value": ""}]),
    ],
)
def test_what_lacks_something_is_refused_and_says_where(here: tuple[Place, str], field: str, value: object):
    """Nothing is kept of it."""
    place, url = here
    state = SendGridState()
    place.app = sendgrid.create_app(state)
    body = json.dumps(MAIL | {field: value}).encode()
    answer = ask(url, "POST", "/v3/mail/send", {"Authorization": "Bearer x"}, body)
    assert 400 == answer.status
    assert json.loads(answer.body)["errors"][0]["field"].startswith(field)
    assert not state.mails

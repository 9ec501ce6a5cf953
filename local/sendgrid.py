"""A stand-in for SendGrid: takes mails as the real one does, refuses what it would refuse, and shows them on a page."""

import json
import secrets
import time
from collections import deque
from dataclasses import dataclass, field

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from local.faults import Faults, FaultyApp
from local.mail_events import EventWebhook, events_of
from local.pages import page

_LARGEST_BODY = 30 * 1024 * 1024
_KEPT_MAILS = 500
_RATE_LIMIT = 600


class _Strict(BaseModel):
    """The service ignores what it does not know, and is strict about types."""

    model_config = ConfigDict(strict=True, extra="ignore", populate_by_name=True)


class Address(_Strict):
    """A mail address, and a name for people."""

    email: str = Field(min_length=3, pattern=r"^[^\s@]+@[^\s@]+$")
    name: str | None = None


class Personalization(_Strict):
    """Who gets the mail."""

    to: list[Address] = Field(min_length=1, max_length=1000)
    subject: str | None = Field(default=None, min_length=1)
    headers: dict[str, str] = {}
    custom_args: dict[str, str] = {}


class Content(_Strict):
    """One form of the text."""

    type: str = Field(min_length=1)
    value: str = Field(min_length=1)


class MailRequest(_Strict):
    """The part of the body of ``POST /v3/mail/send`` that is checked."""

    personalizations: list[Personalization] = Field(min_length=1, max_length=1000)
    sender: Address = Field(alias="from")
    subject: str = Field(min_length=1)
    content: list[Content] = Field(min_length=1)
    headers: dict[str, str] = {}
    tracking_settings: dict[str, dict[str, object]] = {}


@dataclass(frozen=True)
class TakenMail:
    """A mail that was accepted, as it came; ``received_at`` is in seconds since 1970."""

    message_id: str
    received_at: float
    mail: MailRequest
    body: dict[str, object]

    @property
    def to(self) -> str:
        return ", ".join(address.email for person in self.mail.personalizations for address in person.to)

    def text(self, content_type: str) -> str:
        """The text in that form, or nothing."""
        return next((content.value for content in self.mail.content if content.type == content_type), "")


@dataclass
class SendGridState:
    """Keys that are known (none: every key is), addresses that may send (none: all), and the mails taken.

    ``busy_until`` (seconds since 1970) makes it answer 429 with that time. ``webhook`` is told what becomes of mails.
    """

    keys: set[str] = field(default_factory=set)
    senders: set[str] = field(default_factory=set)
    mails: deque[TakenMail] = field(default_factory=lambda: deque(maxlen=_KEPT_MAILS))
    busy_until: int | None = None
    webhook: EventWebhook | None = None
    faults: Faults = field(default_factory=Faults)


def create_app(state: SendGridState) -> ASGIApp:
    """The stand-in as an ASGI application; change ``state`` at any time."""
    stand_in = _SendGrid(state)
    routes = [
        Route("/", stand_in.list_page),
        Route("/mails/{message_id}", stand_in.mail_page),
        Route("/mails/{message_id}/html", stand_in.mail_html),
        Route("/v3/mail/send", stand_in.send, methods=["POST"]),
    ]
    return FaultyApp(Starlette(routes=routes), state.faults)


class _SendGrid:
    """Answers requests from the state."""

    def __init__(self, state: SendGridState) -> None:
        self._state = state

    async def send(self, request: Request) -> Response:
        refused = self._refusal(request)
        if refused is not None:
            return refused
        body = await request.body()
        if len(body) > _LARGEST_BODY:
            return _error(413, "content too large")
        try:
            mail = MailRequest.model_validate_json(body)
        except ValidationError as invalid:
            return _bad_request(invalid)
        if self._state.senders and mail.sender.email not in self._state.senders:
            return _error(403, _UNVERIFIED_SENDER, "from")
        return self._take(mail, json.loads(body))

    def _refusal(self, request: Request) -> Response | None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not key:
            return _error(401, "authorization required")
        if self._state.keys and key not in self._state.keys:
            return _error(401, "The provided authorization grant is invalid, expired, or revoked")
        if self._state.busy_until is not None and self._state.busy_until > time.time():
            limits = {
                "X-RateLimit-Limit": str(_RATE_LIMIT),
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": str(self._state.busy_until),
            }
            return Response(_TOO_MANY, 429, limits, "application/json")
        return None

    def _take(self, mail: MailRequest, body: dict[str, object]) -> Response:
        message_id = secrets.token_urlsafe(16)
        self._state.mails.appendleft(TakenMail(message_id, time.time(), mail, body))
        headers = {"X-Message-Id": message_id, "Content-Type": "text/plain"}
        return Response(status_code=202, headers=headers, background=self._telling(message_id, mail))

    def _telling(self, message_id: str, mail: MailRequest) -> BackgroundTask | None:
        if self._state.webhook is None:
            return None
        people = ((person, to.email) for person in mail.personalizations for to in person.to)
        events = [event for person, to in people for event in events_of(to, message_id, person.custom_args)]
        return BackgroundTask(self._state.webhook.tell, events)

    async def list_page(self, _: Request) -> Response:
        return page("sendgrid.html", mails=list(self._state.mails))

    async def mail_page(self, request: Request) -> Response:
        mail = self._found(request)
        return Response(status_code=404) if mail is None else page("sendgrid_mail.html", mail=mail)

    async def mail_html(self, request: Request) -> Response:
        """The mail itself, for a frame: it may run nothing and load nothing."""
        mail = self._found(request)
        if mail is None:
            return Response(status_code=404)
        # A link opens in the whole window: the page behind it refuses to be framed.
        html = mail.text("text/html").replace("<head>", '<head><base target="_top">', 1)
        return HTMLResponse(html, headers={"Content-Security-Policy": _MAIL_POLICY})

    def _found(self, request: Request) -> TakenMail | None:
        wanted = request.path_params["message_id"]
        return next((mail for mail in self._state.mails if mail.message_id == wanted), None)


_MAIL_POLICY = (
    "sandbox allow-popups allow-top-navigation-by-user-activation; default-src 'none'; style-src 'unsafe-inline'"
)
# As documented, trailing comma and all: it is no JSON.
_TOO_MANY = '{\n  "errors": [\n    {\n      "field": null,\n      "message": "too many requests"\n    },\n  ]\n}'
_UNVERIFIED_SENDER = (
    "The from address does not match a verified Sender Identity. Mail cannot be sent until this error is resolved."
)


def _error(status: int, message: str, at: str | None = None) -> Response:
    return JSONResponse({"errors": [{"message": message, "field": at, "help": None}]}, status)


def _bad_request(invalid: ValidationError) -> Response:
    errors = [
        {"message": problem["msg"], "field": ".".join(map(str, problem["loc"])) or None, "help": None}
        for problem in invalid.errors()
    ]
    return JSONResponse({"errors": errors}, 400)

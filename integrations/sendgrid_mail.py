"""Mail through SendGrid's package, with what it leaves open closed: time-outs, redirects, tracking, the key in logs."""

import json
import logging
import re
import time
from datetime import timedelta
from http import HTTPStatus
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, OpenerDirector, Request, build_opener

from pydantic import SecretStr
from python_http_client.client import Client
from python_http_client.exceptions import HTTPError
from sendgrid import SendGridAPIClient
from sendgrid.helpers.mail import (
    ClickTracking,
    Content,
    CustomArg,
    Email,
    Ganalytics,
    Header,
    Mail,
    OpenTracking,
    Personalization,
    SubscriptionTracking,
    To,
    TrackingSettings,
)
from temporalio.exceptions import ApplicationError

from activities.notifications import Letter, MailNotTaken, MailRefused, SenderRefused
from integrations.envelope import WRITTEN_BY_A_PROGRAM, check, sender_of
from integrations.repeated_links import without_links

_TIMEOUT_SECONDS = 10
_LONGEST_WAIT_SECONDS = 900
_LONGEST_REASON = 500
_MAIL_REFUSED = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}
_SENDER_REFUSED = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_KEY = re.compile(r"[!-~]+")


class SendGridTransport:
    """Implements MailTransport. One mail, one recipient: approvers see neither each other nor each other's links."""

    def __init__(
        self,
        api_key: SecretStr,
        host: str,
        sender: str,
        *,
        allow_http: bool = False,
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        """Raise ValueError (never holding the key) when key, host or sender cannot be right."""
        key = api_key.get_secret_value()
        if not _KEY.fullmatch(key):
            raise ValueError("the SendGrid API key is empty, or has a character that no key has")
        if urlsplit(host).scheme != "https" and not allow_http:
            raise ValueError(f"mail would go to {host} unencrypted; use https, or allow http for a stand-in")
        self._sender = sender_of(sender)
        _keep_key_out_of_logs()
        self._service = SendGridAPIClient(api_key=key, host=host.rstrip("/"))
        headers = self._service.client.request_headers
        self._service.client = _DirectClient(
            host=host.rstrip("/"), request_headers=headers, version=3, timeout=timeout_seconds
        )

    def send(self, letter: Letter) -> str:
        check(letter)
        try:
            answer = self._service.send(self._mail(letter))
        except HTTPError as error:
            raise _meaning(error) from error
        except (OSError, HTTPException) as error:  # urllib's own errors among them
            raise MailNotTaken(f"SendGrid did not answer: {type(error).__name__}") from error
        if answer.status_code != HTTPStatus.ACCEPTED:
            raise MailNotTaken(f"SendGrid answered {answer.status_code} where 202 means that it took the mail")
        return str(answer.headers.get("X-Message-Id") or letter.delivery_id)

    def _mail(self, letter: Letter) -> Mail:
        mail = Mail(from_email=Email(self._sender.address, self._sender.name or None), subject=letter.subject)
        person = Personalization()
        person.add_to(To(letter.to))
        person.add_custom_arg(CustomArg("delivery_id", letter.delivery_id))
        person.add_header(Header("Message-ID", self._sender.message_id(letter)))
        person.add_header(Header(*WRITTEN_BY_A_PROGRAM))
        mail.add_personalization(person)
        mail.add_content(Content("text/plain", letter.text))
        mail.add_content(Content("text/html", letter.html))
        mail.tracking_settings = _no_tracking()
        return mail


class _NoRedirects(HTTPRedirectHandler):
    """A redirect is an error: following it would hand the key to whoever is named."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _DirectClient(Client):  # type: ignore[misc]  # python_http_client has no types
    """The package's HTTP client, which would follow redirects, and forgets its class for every part of an address."""

    def _build_client(self, name: str | None = None) -> "_DirectClient":
        path = [*self._url_path, name] if name else self._url_path
        return _DirectClient(
            host=self.host,
            request_headers=self.request_headers,
            version=self._version,
            url_path=path,
            append_slash=self.append_slash,
            timeout=self.timeout,
        )

    def _make_request(self, opener: OpenerDirector, request: Request, timeout: float | None = None) -> Any:
        del opener
        return super()._make_request(build_opener(_NoRedirects()), request, timeout=timeout)


def _keep_key_out_of_logs() -> None:
    """At DEBUG the package prints the key and the whole mail."""
    for name in ("python_http_client", "python_http_client.client"):
        logging.getLogger(name).setLevel(logging.INFO)


def _no_tracking() -> TrackingSettings:
    """Tracking rewrites links to SendGrid's own host: tokens in its logs, and a link that is not ours in the mail."""
    tracking = TrackingSettings()
    tracking.click_tracking = ClickTracking(enable=False, enable_text=False)
    tracking.open_tracking = OpenTracking(enable=False)
    tracking.subscription_tracking = SubscriptionTracking(enable=False)
    tracking.ganalytics = Ganalytics(enable=False)
    return tracking


def _meaning(error: HTTPError) -> Exception:
    """What the status means: this mail is refused, or we are, or it is to be tried (when the service says)."""
    if error.status_code in _MAIL_REFUSED:
        return MailRefused(f"SendGrid refused the mail ({error.status_code}): {_reason(error)}")
    if error.status_code in _SENDER_REFUSED:
        return SenderRefused(f"SendGrid takes no mail from us ({error.status_code}): {_reason(error)}")
    wait = _wait(error) if error.status_code == HTTPStatus.TOO_MANY_REQUESTS else None
    if wait is None:
        return MailNotTaken(f"SendGrid answered {error.status_code}")
    return ApplicationError("SendGrid takes no more mails for now", type="MailServiceBusy", next_retry_delay=wait)


def _wait(error: HTTPError) -> timedelta | None:
    """``X-RateLimit-Reset`` is a time in seconds since 1970, ``Retry-After`` seconds from now."""
    reset, after = error.headers.get("X-RateLimit-Reset", ""), error.headers.get("Retry-After", "")
    if after.isdecimal():
        seconds = float(after)
    elif reset.isdecimal():
        seconds = float(reset) - time.time()
    else:
        return None
    return timedelta(seconds=min(max(seconds, 1), _LONGEST_WAIT_SECONDS))


def _reason(error: HTTPError) -> str:
    """The service's own sentences, where its answer can be read."""
    try:
        problems = json.loads(error.body)["errors"]
        sentences = [f"{problem.get('field') or 'mail'}: {problem['message']}" for problem in problems]
    except (ValueError, KeyError, TypeError, AttributeError):
        return "it gave no reason"
    return without_links("; ".join(sentences))[:_LONGEST_REASON]

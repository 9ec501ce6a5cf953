"""Mail by SendGrid against the stand-in: what is sent, what each answer means, and that the key stays secret."""

import json
import logging
import time

import pytest
from fakes.raw_server import raw_server
from pydantic import SecretStr
from temporalio.exceptions import ApplicationError

from activities.notifications import Letter, MailNotTaken, MailRefused, SenderRefused
from integrations.sendgrid_mail import SendGridTransport
from local.faults import Fault

KEY = "t0ken-that-must-not-leak"
LETTER = Letter(
    delivery_id="d-1",
    to="ana@example.com",
    subject="Deploy to prod? webshop-41 ä",
    text="https://slipway.example.com/approve/abc",
    html='<a href="https://slipway.example.com/approve/abc">Review</a>',
)


def transport(url: str, key: str = KEY) -> SendGridTransport:
    return SendGridTransport(SecretStr(key), url, "Slipway <slipway@example.com>", allow_http=True)


def test_a_mail_goes_to_one_person_as_text_and_html(sendgrid_world):
    """With its delivery id and a Message-ID of its own; the answer is the service's id."""
    message_id = transport(sendgrid_world.url).send(LETTER)
    (mail,) = sendgrid_world.state.mails
    person = mail.body["personalizations"][0]
    assert message_id == mail.message_id
    assert [{"email": "ana@example.com"}] == person["to"]
    assert {"delivery_id": "d-1"} == person["custom_args"]
    assert {"Message-ID": "<d-1@example.com>", "Auto-Submitted": "auto-generated"} == person["headers"]
    assert {"email": "slipway@example.com", "name": "Slipway"} == mail.body["from"]
    assert (LETTER.subject, LETTER.text, LETTER.html) == (
        mail.mail.subject,
        mail.text("text/plain"),
        mail.text("text/html"),
    )


def test_all_tracking_is_off(sendgrid_world):
    """It would rewrite the links and keep their tokens."""
    transport(sendgrid_world.url).send(LETTER)
    expected = {
        "click_tracking": {"enable": False, "enable_text": False},
        "open_tracking": {"enable": False},
        "subscription_tracking": {"enable": False},
        "ganalytics": {"enable": False},
    }
    assert expected == sendgrid_world.state.mails[0].body["tracking_settings"]


def test_a_second_mail_is_as_good_as_the_first(sendgrid_world):
    """The package keeps headers from call to call."""
    service = transport(sendgrid_world.url)
    assert service.send(LETTER) != service.send(LETTER.model_copy(update={"to": "otto@example.com"}))
    assert ["otto@example.com", "ana@example.com"] == [mail.to for mail in sendgrid_world.state.mails]


@pytest.mark.parametrize(
    ("status", "refusal"), [(400, MailRefused), (413, MailRefused), (401, SenderRefused), (403, SenderRefused)]
)
def test_a_mail_that_is_refused_is_told_from_a_sender_who_is(sendgrid_world, status, refusal):
    """The one is lost whatever we do; the other is sent once somebody mends the key, or another way."""
    fault = sendgrid_world.state.faults.add(Fault("/v3/mail/send", status=status))
    with pytest.raises(refusal, match=str(status)):
        transport(sendgrid_world.url).send(LETTER)
    assert 1 == fault.fired


@pytest.mark.parametrize("status", [404, 405, 408, 415, 429, 500, 502, 503, 504])
def test_any_other_error_may_be_tried_again(sendgrid_world, status):
    """Also those for which the package has no class."""
    fault = sendgrid_world.state.faults.add(Fault("/v3/mail/send", status=status))
    with pytest.raises(MailNotTaken, match=str(status)):
        transport(sendgrid_world.url).send(LETTER)
    assert 1 == fault.fired


@pytest.mark.parametrize("status", [200, 201, 204])
def test_only_202_means_taken(sendgrid_world, status):
    """A proxy's friendly 200 is no mail."""
    fault = sendgrid_world.state.faults.add(Fault("/v3/mail/send", status=status))
    with pytest.raises(MailNotTaken):
        transport(sendgrid_world.url).send(LETTER)
    assert 1 == fault.fired


def test_the_service_says_when_to_come_back(sendgrid_world):
    """Its answer is no JSON, as documented."""
    sendgrid_world.state.busy_until = int(time.time()) + 60
    with pytest.raises(ApplicationError) as busy:
        transport(sendgrid_world.url).send(LETTER)
    assert 55 < busy.value.next_retry_delay.total_seconds() <= 60
    assert not busy.value.non_retryable


def test_the_reasons_of_a_refusal_are_told(sendgrid_world):
    """In the service's own words."""
    sendgrid_world.state.senders.add("somebody@else.example")
    with pytest.raises(SenderRefused, match="from: The from address does not match a verified Sender"):
        transport(sendgrid_world.url).send(LETTER)


def test_an_unknown_key_is_refused(sendgrid_world):
    """With the service's sentence, without the key."""
    with pytest.raises(SenderRefused, match="authorization grant is invalid") as refused:
        transport(sendgrid_world.url, "SG.unknown").send(LETTER)
    assert "SG.unknown" not in str(refused.value)


def test_a_redirect_is_not_followed(sendgrid_world):
    """The key would go along."""
    with raw_server(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n") as trap:
        for status in (301, 302, 303, 307, 308):
            sendgrid_world.state.faults.clear()
            fault = sendgrid_world.state.faults.add(
                Fault("/v3/mail/send", redirect_to=f"{trap.address}/v3/mail/send", status=status)
            )
            with pytest.raises(MailNotTaken, match=str(status)):
                transport(sendgrid_world.url).send(LETTER)
            assert 1 == fault.fired
    assert [] == trap.requests


def test_a_service_that_hangs_is_given_up(sendgrid_world):
    """The package alone would wait for ever."""
    service = SendGridTransport(
        SecretStr(KEY), sendgrid_world.url, "slipway@example.com", allow_http=True, timeout_seconds=0.2
    )
    fault = sendgrid_world.state.faults.add(Fault("/v3/mail/send", delay=3))
    with pytest.raises(MailNotTaken, match="TimeoutError"):
        service.send(LETTER)
    assert 1 == fault.fired


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 20"])
def test_a_lost_connection_may_be_tried_again(answer):
    """Whether the mail was taken is not known; the link in a second one is the same."""
    with raw_server(answer) as server, pytest.raises(MailNotTaken):
        transport(server.address).send(LETTER)


def test_nobody_listening_may_be_tried_again():
    """Port 1 of this machine answers nobody."""
    with pytest.raises(MailNotTaken, match="URLError"):
        transport("http://127.0.0.1:1").send(LETTER)


def test_the_key_and_the_link_are_never_logged(sendgrid_world, caplog):
    """Not even when everything else logs at DEBUG: the package prints both."""
    service = transport(sendgrid_world.url)
    with caplog.at_level(logging.DEBUG):
        service.send(LETTER)
        sendgrid_world.state.faults.add(Fault("/v3/mail/send", status=500))
        with pytest.raises(MailNotTaken):
            service.send(LETTER)
    assert KEY not in caplog.text
    assert "approve/abc" not in caplog.text


def test_the_package_does_log_the_key_when_it_is_let(sendgrid_world, caplog):
    """The reason for the test above; when this one fails, the guard may go."""
    service = transport(sendgrid_world.url)
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "python_http_client.client"):
        service.send(LETTER)
    assert KEY in caplog.text


@pytest.mark.parametrize(
    "change",
    [
        {"subject": "Hi\r\nBcc: eve@example.com"},
        {"subject": "Hi\nBcc: eve@example.com"},
        {"subject": "Hi\u2028there"},
        {"subject": " "},
        {"subject": "=?utf-8?q?=0D=0ABcc:_eve=40example.com?="},
        {"subject": "half a \ud83d character"},
        {"to": "an\ud83da@example.com"},
        {"to": "ana@example.com\r\nBcc: eve@example.com"},
        {"to": "ana@example.com, eve@example.com"},
        {"to": "Ana <ana@example.com>"},
        {"to": "ana"},
        {"delivery_id": "d>\r\nX: y"},
    ],
)
def test_line_breaks_and_second_recipients_are_refused(sendgrid_world, change):
    """Nothing is sent."""
    with pytest.raises(MailRefused):
        transport(sendgrid_world.url).send(LETTER.model_copy(update=change))
    assert not sendgrid_world.state.mails


@pytest.mark.parametrize("key", ["", "SG.with space", "SG.line\nbreak", "SG.ümlaut"])
def test_an_impossible_key_is_refused_without_being_told(key):
    """At once, where the settings are at hand."""
    with pytest.raises(ValueError, match="the SendGrid API key") as refused:
        SendGridTransport(SecretStr(key), "https://api.sendgrid.com", "slipway@example.com")
    assert not key or key not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "sender"), [("http://api.sendgrid.com", "slipway@example.com"), ("https://api.sendgrid.com", "slipway")]
)
def test_plain_http_and_impossible_senders_are_refused(host, sender):
    """At once, where the settings are at hand."""
    with pytest.raises(ValueError, match=r"unencrypted|no mail address"):
        SendGridTransport(SecretStr(KEY), host, sender)


def test_what_is_sent_is_json_in_utf_8(sendgrid_world):
    """Words of all languages arrive."""
    transport(sendgrid_world.url).send(LETTER)
    assert "webshop-41 ä" in json.dumps(sendgrid_world.state.mails[0].body, ensure_ascii=False)

"""Which way mails take follows from the settings."""

import asyncio

import pytest
from pydantic import SecretStr

from activities.notifications import Letter, MailTransport
from integrations.sendgrid_mail import SendGridTransport
from integrations.smtp_mail import SmtpTransport
from settings import Settings
from workers import release
from workers.mail_ways import first_way, second_way


class Outbox:
    """Stands where the outbox would."""

    def send(self, letter: Letter) -> str:
        return letter.delivery_id


def ways(**values: object) -> tuple[MailTransport, MailTransport | None]:
    known = {"secret_key": SecretStr("ab" * 32), "mail_from": "slipway@example.com", "sendgrid_api_key": "SG.x"}
    settings = Settings.model_validate(known | values)
    return first_way(settings, Outbox), second_way(settings)


@pytest.mark.parametrize(
    ("values", "first", "second"),
    [
        ({}, Outbox, type(None)),
        ({"smtp_host": "mail.example.com"}, Outbox, type(None)),
        ({"mail": "sendgrid"}, SendGridTransport, type(None)),
        ({"mail": "sendgrid", "smtp_host": "mail.example.com"}, SendGridTransport, SmtpTransport),
        ({"mail": "smtp", "smtp_host": "mail.example.com"}, SmtpTransport, type(None)),
        ({"mail": "smtp", "smtp_host": "localhost", "smtp_tls": "none"}, SmtpTransport, type(None)),
    ],
)
def test_the_settings_name_one_way_or_two(values, first, second):
    """A mail server beside SendGrid is the second; beside anything else it is none."""
    assert (first, second) == tuple(type(way) for way in ways(**values))


@pytest.mark.parametrize(
    "values",
    [
        {"mail": "smtp"},
        {"mail": "smtp", "smtp_host": "mail.example.com", "smtp_tls": "none"},
        {"mail": "smtp", "smtp_host": "mail.example.com", "smtp_port": 0},
        {"mail": "sendgrid", "sendgrid_api_key": ""},
        {"mail": "sendgrid", "smtp_host": "mail.example.com", "smtp_tls": "none"},
        {"mail": "sendgrid", "mail_from": "slipway"},
        {"mail": "pigeon"},
    ],
)
def test_settings_that_cannot_be_right_are_told_at_the_start(values):
    """Not with the first mail."""
    with pytest.raises(ValueError, match=r"SMTP|unencrypted|smtp_port|API key|mail address|mail"):
        ways(**values)


async def test_the_worker_does_not_wait_for_temporal_to_tell_of_them(tmp_path):
    """Nobody listens where Temporal should be, and yet it ends at once."""
    settings = Settings.model_validate(
        {
            "secret_key": SecretStr("ab" * 32),
            "temporal_address": "127.0.0.1:1",
            "database_url": f"sqlite:///{tmp_path}/slipway.db",
            "mail": "sendgrid",
        }
    )
    with pytest.raises(ValueError, match="API key"):
        await asyncio.wait_for(release.run(settings), timeout=5)

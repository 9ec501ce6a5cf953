"""By which way mails leave, as the settings say."""

from collections.abc import Callable

from activities.notifications import MailTransport
from integrations.sendgrid_mail import SendGridTransport
from integrations.smtp_mail import SmtpServer, SmtpTransport, Tls
from settings import Settings


def first_way(settings: Settings, outbox: Callable[[], MailTransport]) -> MailTransport:
    """Raises ValueError for settings that cannot be right."""
    if settings.mail == "outbox":
        return outbox()
    if settings.mail == "smtp":
        return _smtp(settings)
    return SendGridTransport(
        settings.sendgrid_api_key,
        settings.sendgrid_host,
        settings.mail_from,
        allow_http=settings.sendgrid_allow_http,
    )


def second_way(settings: Settings) -> MailTransport | None:
    """For what SendGrid does not take. Raises ValueError for settings that cannot be right."""
    return _smtp(settings) if settings.mail == "sendgrid" and settings.smtp_host else None


def _smtp(settings: Settings) -> SmtpTransport:
    server = SmtpServer(
        host=settings.smtp_host,
        port=settings.smtp_port,
        tls=Tls(settings.smtp_tls),
        user=settings.smtp_user,
        password=settings.smtp_password,
    )
    return SmtpTransport(server, settings.mail_from)

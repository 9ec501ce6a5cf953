"""Mail through an SMTP server: the second way, or the only one. One connection and one recipient a mail.

Never falls back to an unencrypted connection, and never logs or tells what it signs in with.
"""

import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import localtime
from enum import StrEnum
from ipaddress import ip_address

from pydantic import SecretStr

from activities.notifications import Letter, MailNotTaken, MailRefused, SenderRefused
from domain.frozen import Frozen
from domain.person import spelled
from integrations.envelope import ENCODED, WRITTEN_BY_A_PROGRAM, check, sender_of
from integrations.repeated_links import without_links

_TIMEOUT_SECONDS = 10
_LONGEST_REASON = 500
_DONE = {250, 251}
_PERMANENT = 500
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_PLAIN_ADDRESS = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
_SIGN_IN_FIRST = {530, 534, 535, 538}


class Tls(StrEnum):
    """How the connection is encrypted: after a greeting, from its first byte, or (on this machine only) not."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


class SmtpServer(Frozen):
    """Where the server is and how to sign in; without a user nobody signs in."""

    host: str
    port: int = 587
    tls: Tls = Tls.STARTTLS
    user: str = ""
    password: SecretStr = SecretStr("")


class SmtpTransport:
    """Implements MailTransport."""

    def __init__(
        self,
        server: SmtpServer,
        sender: str,
        *,
        timeout_seconds: float = _TIMEOUT_SECONDS,
        certificates: ssl.SSLContext | None = None,
    ) -> None:
        """Raise ValueError when server or sender cannot be right. ``certificates`` says which the server may show."""
        if not server.host:
            raise ValueError("no SMTP server is named")
        if server.tls == Tls.NONE and not _is_this_machine(server.host):
            raise ValueError(
                f"mail would go to {server.host} unencrypted; only a server on this machine may do without"
            )
        if not (server.user + server.password.get_secret_value()).isascii():
            raise ValueError("the SMTP user and password must be plain ASCII")
        self._server = server
        self._sender = sender_of(sender)
        if not _is_plain(self._sender.address):
            raise ValueError(f"{sender!r} must have a plain ASCII address; write an international domain as xn--")
        person, _, domain = self._sender.address.rpartition("@")
        self._from = Address(self._sender.name, person, domain)
        self._timeout_seconds = timeout_seconds
        self._certificates = None if server.tls == Tls.NONE else certificates or ssl.create_default_context()

    def send(self, letter: Letter) -> str:
        check(letter)
        recipient = _recipient(letter.to)
        message = self._message(letter, recipient)
        try:
            with self._session() as session:
                self._hand_over(session, recipient.addr_spec, message)
        except OSError as error:  # smtplib's own errors among them
            raise MailNotTaken(f"the mail server did not answer as it should: {type(error).__name__}") from error
        return self._sender.message_id(letter)

    def _message(self, letter: Letter, recipient: Address) -> EmailMessage:
        message = EmailMessage(SMTP.clone(cte_type="7bit"))  # which passes through every server
        message["From"] = self._from
        message["To"] = recipient
        message["Subject"] = letter.subject
        message["Date"] = localtime()
        message["Message-ID"] = self._sender.message_id(letter)
        name, value = WRITTEN_BY_A_PROGRAM
        message[name] = value
        message.set_content(letter.text)
        message.add_alternative(letter.html, subtype="html")
        return message

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        session = self._connected()
        try:
            self._sign_in(session)
            yield session
        finally:
            # What the server says to our goodbye changes nothing: it has the mail, or has said why not.
            with suppress(OSError):
                session.quit()
            session.close()

    def _connected(self) -> smtplib.SMTP:
        # The name of this machine would be looked up by DNS, which may take long; the sender's domain is known.
        host, port, greeting = self._server.host, self._server.port, self._sender.domain
        if self._server.tls == Tls.IMPLICIT:
            return smtplib.SMTP_SSL(host, port, greeting, timeout=self._timeout_seconds, context=self._certificates)
        return smtplib.SMTP(host, port, greeting, timeout=self._timeout_seconds)

    def _sign_in(self, session: smtplib.SMTP) -> None:
        session.ehlo_or_helo_if_needed()
        if self._server.tls == Tls.STARTTLS:
            self._encrypt(session)
        if not self._server.user:
            return
        try:
            session.login(self._server.user, self._server.password.get_secret_value())
        except smtplib.SMTPAuthenticationError as error:
            # The server may repeat what it was told, so nothing of its answer goes on.
            trouble = SenderRefused if error.smtp_code >= _PERMANENT else MailNotTaken
            raise trouble(f"the mail server did not let us sign in ({error.smtp_code})") from None
        except smtplib.SMTPNotSupportedError:
            raise SenderRefused("the mail server offers no way of signing in that we know") from None

    def _encrypt(self, session: smtplib.SMTP) -> None:
        try:
            session.starttls(context=self._certificates)
        except smtplib.SMTPNotSupportedError:
            raise SenderRefused("the mail server offers no encryption (STARTTLS), so it gets no mail") from None
        session.ehlo()

    def _hand_over(self, session: smtplib.SMTP, recipient: str, message: EmailMessage) -> None:
        _expect(session.mail(self._sender.address), SenderRefused)
        _expect(session.rcpt(recipient), MailRefused)
        try:
            answer = session.data(message.as_bytes())
        except smtplib.SMTPDataError as error:
            answer = error.smtp_code, _bytes(error.smtp_error)
        _expect(answer, MailRefused)


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _recipient(address: str) -> Address:
    """With an international domain as ``xn--``. Quotes, comments and other letters before the ``@`` are not taken."""
    plain = address if address.isascii() else spelled(address)
    if not _is_plain(plain):
        raise MailRefused(f"{address[:200]!r} is no plain mail address")
    person, _, domain = plain.rpartition("@")
    return Address("", person, domain)


def _is_plain(address: str) -> bool:
    return _PLAIN_ADDRESS.fullmatch(address) is not None and ENCODED not in address


def _expect(answer: tuple[int, bytes], refusal: type[MailRefused | SenderRefused]) -> None:
    """Raise what the server's answer means unless it did what it was asked."""
    code, reason = answer
    if code in _DONE:
        return
    told = f"({code}): {without_links(reason.decode(errors='replace'))[:_LONGEST_REASON]}"
    if code in _SIGN_IN_FIRST:
        raise SenderRefused(f"the mail server takes no mail from us {told}")
    if code >= _PERMANENT:
        raise refusal(f"the mail server refused the mail {told}")
    raise MailNotTaken(f"the mail server did not take the mail {told}")


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()

"""Mail by SMTP against a real socket: what is sent, what each answer means, and that the password stays secret."""

import email
import email.policy
import logging
import ssl
from email.message import EmailMessage

import pytest
from fakes.certificate import Certified, certified
from fakes.smtp_server import PASSWORD, USER, SmtpFault, SmtpState, smtp_server
from hypothesis import given
from hypothesis.strategies import text
from pydantic import SecretStr

from activities.notifications import Letter, MailNotTaken, MailRefused, SenderRefused
from integrations.envelope import check
from integrations.smtp_mail import SmtpServer, SmtpTransport, Tls, _recipient

LETTER = Letter(
    delivery_id="d-1",
    to="ana@example.com",
    subject="Deploy to prod? webshop-41 ä",
    text="Déploy?\n.\n..\nhttps://slipway.example.com/approve/abc\n",
    html='<a href="https://slipway.example.com/approve/abc">Review</a>',
)

PUBLIC_CERTIFICATES = ssl.create_default_context()  # which takes a while, and is what a transport makes by itself
SMTP_ON_THIS_MACHINE = SmtpTransport(SmtpServer(host="localhost", tls=Tls.NONE), "Slipway <slipway@example.com>")
HEADERS = b"From To Subject Date Message-ID Auto-Submitted MIME-Version Content-Type".split()


@pytest.fixture
def server():
    with smtp_server() as state:
        yield state


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Certified:
    return certified(tmp_path_factory.mktemp("certificate"))


def transport(state: SmtpState, tls: Tls = Tls.NONE, **changes) -> SmtpTransport:
    server = SmtpServer(host=changes.pop("host", state.host), port=state.port, tls=tls, **changes.pop("server", {}))
    trusted = changes.pop("certificates", PUBLIC_CERTIFICATES)
    return SmtpTransport(server, "Slipway Ä <slipway@example.com>", timeout_seconds=2, certificates=trusted, **changes)


def received(state: SmtpState) -> EmailMessage:
    (mail,) = state.mails
    message = email.message_from_bytes(mail.content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_a_mail_goes_to_one_person_as_text_and_html(server):
    """Every character and every dot arrives; the answer is its Message-ID, which names the delivery."""
    assert "<d-1@example.com>" == transport(server).send(LETTER)
    message = received(server)
    assert ("slipway@example.com", "ana@example.com") == (server.mails[0].sender, server.mails[0].recipient)
    assert ("Slipway Ä <slipway@example.com>", "ana@example.com") == (message["From"], message["To"])
    assert (LETTER.subject, "<d-1@example.com>") == (message["Subject"], message["Message-ID"])
    assert "auto-generated" == message["Auto-Submitted"]
    assert message["Date"].datetime is not None
    assert "multipart/alternative" == message.get_content_type()
    assert [("text/plain", LETTER.text), ("text/html", f"{LETTER.html}\n")] == [
        (part.get_content_type(), part.get_content().replace("\r\n", "\n")) for part in message.iter_parts()
    ]


def test_what_goes_over_the_wire_is_seven_bits_wide_and_not_too_long(server):
    """Every server on the way lets it through."""
    transport(server).send(LETTER.model_copy(update={"text": "ä" * 5000, "html": "x" * 5000}))
    content = server.mails[0].content
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert b"\n" not in content.replace(b"\r\n", b"")


def test_two_mails_are_two_connections(server):
    """Nothing of the first is left for the second."""
    service = transport(server)
    service.send(LETTER)
    service.send(LETTER.model_copy(update={"to": "otto@example.com"}))
    assert ["ana@example.com", "otto@example.com"] == [mail.recipient for mail in server.mails]
    assert 2 == server.told.count("quit")


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
def test_it_signs_in_over_an_encrypted_connection(certificates, tls):
    """Not before it is encrypted."""
    with smtp_server(certificates.server, is_implicit=tls == Tls.IMPLICIT) as state:
        login = {"user": USER, "password": SecretStr(PASSWORD)}
        transport(state, tls, server=login, certificates=certificates.client).send(LETTER)
    verbs = [line.split(" ")[0] for line in state.told]
    begin = ["ehlo", "STARTTLS", "ehlo"] if tls == Tls.STARTTLS else ["ehlo"]
    assert [*begin, "AUTH", "mail", "rcpt", "data", "quit"] == verbs
    assert 1 == len(state.mails)


@pytest.mark.parametrize("tls", [Tls.STARTTLS, Tls.IMPLICIT])
def test_a_certificate_that_nobody_signed_is_not_believed(certificates, tls):
    """Neither password nor mail goes there."""
    with smtp_server(certificates.server, is_implicit=tls == Tls.IMPLICIT) as state:
        login = {"user": USER, "password": SecretStr(PASSWORD)}
        with pytest.raises(MailNotTaken, match="SSLCertVerificationError"):
            transport(state, tls, server=login).send(LETTER)
    assert not [line for line in state.told if not line.lower().startswith(("ehlo", "starttls"))]
    assert not state.mails


def test_a_server_that_offers_no_encryption_gets_nothing(server):
    """Whoever took the offer out of its answer reads no mail."""
    server.offers.remove("STARTTLS")
    with pytest.raises(SenderRefused, match="STARTTLS"):
        transport(server, Tls.STARTTLS).send(LETTER)
    assert ["ehlo"] == [line.split(" ")[0] for line in server.told if line != "quit"]


@pytest.mark.parametrize(
    ("verb", "answer", "meaning"),
    [
        ("RCPT", "550 5.1.1 no such user", MailRefused),
        ("RCPT", "553 5.1.3 bad address", MailRefused),
        ("RCPT", "450 4.2.1 mailbox busy", MailNotTaken),
        ("RCPT", "421 4.3.2 shutting down", MailNotTaken),
        ("RCPT", "530 5.7.0 sign in first", SenderRefused),
        ("DATA", "554 5.6.0 not like this", MailRefused),
        ("DATA", "451 4.3.0 later", MailNotTaken),
        ("END", "552 5.3.4 too large", MailRefused),
        ("END", "452 4.3.1 disk full", MailNotTaken),
        ("MAIL", "550 5.7.1 not from you", SenderRefused),
        ("MAIL", "451 4.7.1 greylisted", MailNotTaken),
        ("AUTH", "535 5.7.8 wrong", SenderRefused),
        ("AUTH", "454 4.7.0 not now", MailNotTaken),
        ("CONNECT", "554 5.7.1 go away", MailNotTaken),
        ("CONNECT", "421 4.3.2 full", MailNotTaken),
    ],
)
def test_each_answer_has_its_meaning(server, verb, answer, meaning):
    """A refusal of the recipient or the text is for good, one of us or for now is not."""
    fault = server.add(SmtpFault(verb, answer, times=None))  # signing in is tried in more than one way
    login = {"user": USER, "password": SecretStr(PASSWORD)}
    with pytest.raises((MailRefused, MailNotTaken)) as raised:
        transport(server, server=login).send(LETTER)
    assert meaning is type(raised.value)
    assert fault.fired
    assert not server.mails


def test_the_reason_of_a_refusal_is_told(server):
    """In the server's words."""
    server.add(SmtpFault("RCPT", "550 5.1.1 no such user here"))
    with pytest.raises(MailRefused, match=r"\(550\): 5.1.1 no such user here"):
        transport(server).send(LETTER)


def test_a_link_that_the_server_repeats_is_not_told(server):
    """The reason is kept and shown; whoever may read it must not be able to answer."""
    server.add(SmtpFault("END", "554 spam: https://slipway.example.com/approve/Ab-c_9 (and Approve%2fAb-c_9)"))
    with pytest.raises(MailRefused) as refused:
        transport(server).send(LETTER)
    assert str(refused.value).endswith("spam: https://slipway.example.com/approve/*** (and Approve%2f***)")


@pytest.mark.parametrize("verb", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END"])
def test_a_connection_that_is_lost_may_be_tried_again(server, verb):
    """At whichever word; whether the mail was taken is not known at the last."""
    fault = server.add(SmtpFault(verb, answer=None))
    with pytest.raises(MailNotTaken):
        transport(server).send(LETTER)
    assert 1 == fault.fired


@pytest.mark.parametrize("verb", ["CONNECT", "END"])
def test_a_server_that_hangs_is_given_up(server, verb):
    """Nobody waits for ever."""
    fault = server.add(SmtpFault(verb, "250 at last", delay=0.5))
    smtp = SmtpServer(host=server.host, port=server.port, tls=Tls.NONE)
    with pytest.raises(MailNotTaken):
        SmtpTransport(smtp, "slipway@example.com", timeout_seconds=0.1).send(LETTER)
    assert 1 == fault.fired


def test_a_bad_goodbye_unsends_nothing(server):
    """The mail was taken with the answer to its text."""
    fault = server.add(SmtpFault("QUIT", answer=None))
    assert "<d-1@example.com>" == transport(server).send(LETTER)
    assert (1, 1) == (fault.fired, len(server.mails))


def test_nobody_listening_may_be_tried_again():
    """Port 1 of this machine answers nobody."""
    smtp = SmtpServer(host="127.0.0.1", port=1, tls=Tls.NONE)
    with pytest.raises(MailNotTaken, match="ConnectionRefusedError"):
        SmtpTransport(smtp, "slipway@example.com").send(LETTER)


def test_the_password_and_the_link_are_told_to_nobody(server, caplog, capfd):
    """Neither by a log, nor by the error, even when the server repeats what it was told."""
    login = {"user": USER, "password": SecretStr("wrong-" + PASSWORD)}
    with caplog.at_level(logging.DEBUG), pytest.raises(SenderRefused) as refused:
        transport(server, server=login).send(LETTER)
    told = [line for line in server.told if line.startswith("AUTH")]
    encoded = told[0].removeprefix("AUTH PLAIN ")
    seen = caplog.text + "".join(capfd.readouterr()) + str(refused.value) + repr(refused.value.__cause__)
    assert encoded
    for secret in (PASSWORD, encoded, "approve/abc"):
        assert secret not in seen
    assert PASSWORD not in repr(SmtpServer(host="x", password=SecretStr(PASSWORD)))


def test_without_a_way_of_signing_in_the_sender_is_refused(server):
    """A setting is wrong, not the mail."""
    server.offers.remove("AUTH PLAIN LOGIN")
    with pytest.raises(SenderRefused, match="no way of signing in"):
        transport(server, server={"user": USER, "password": SecretStr(PASSWORD)}).send(LETTER)


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
        {"to": "ana@example.com\r\nRCPT TO:<eve@example.com>"},
        {"to": "ana@example.com, eve@example.com"},
        {"to": "Ana <ana@example.com>"},
        {"to": "ana(x)@example.com"},
        {"to": "ana@example.com(x)"},
        {"to": "a..b@example.com"},
        {"to": "jürgen@example.com"},
        {"to": "ana"},
        {"delivery_id": "d>\r\nX: y"},
    ],
)
def test_line_breaks_second_recipients_and_odd_addresses_are_refused(server, change):
    """Before anybody is called."""
    with pytest.raises(MailRefused):
        transport(server).send(LETTER.model_copy(update=change))
    assert not server.told


ODD = text("=?_-:;,.()[]<>@\"'\\/%&\r\n\t äß\u2028abQq8utf", max_size=40)


@given(
    subject=text(max_size=180) | ODD,
    person=text("ab._+=?'-()", max_size=20) | ODD,
    domain=text("ab.-ä[]()", max_size=20) | ODD,
)
def test_no_subject_or_address_adds_a_header(subject, person, domain):
    """Whatever it is made of, it is refused, or arrives as it was with the headers that we meant and no other."""
    letter = LETTER.model_copy(update={"subject": subject, "to": f"{person}@{domain}"})
    try:
        check(letter)
        recipient = _recipient(letter.to)
    except MailRefused:
        return
    wire = SMTP_ON_THIS_MACHINE._message(letter, recipient).as_bytes()
    names = [
        line.partition(b":")[0] for line in wire.partition(b"\r\n\r\n")[0].split(b"\r\n") if line[:1] not in b" \t"
    ]
    assert HEADERS == names
    assert subject.split() == email.message_from_bytes(wire, policy=email.policy.default)["Subject"].split()


def test_the_package_does_decode_what_looks_encoded():
    """The reason for one of the refusals above; when this one fails, the guard may go."""
    letter = LETTER.model_copy(update={"subject": "=?utf-8?b?DQpCY2M6IGV2ZUBleGFtcGxlLmNvbQ==?="})
    wire = SMTP_ON_THIS_MACHINE._message(letter, _recipient(letter.to)).as_bytes()
    assert b"\r\nBcc: eve@example.com\r\n" in wire


def test_an_international_domain_is_spelt_for_servers(server):
    """On the envelope and in the header alike."""
    transport(server).send(LETTER.model_copy(update={"to": "ana@exämple.com"}))
    assert ("ana@xn--exmple-cua.com", "ana@xn--exmple-cua.com") == (server.mails[0].recipient, received(server)["To"])


@pytest.mark.parametrize(
    ("server", "sender", "reason"),
    [
        (SmtpServer(host="mail.example.com", tls=Tls.NONE), "slipway@example.com", "unencrypted"),
        (SmtpServer(host="192.0.2.7", tls=Tls.NONE), "slipway@example.com", "unencrypted"),
        (SmtpServer(host=""), "slipway@example.com", "no SMTP server"),
        (SmtpServer(host="localhost", password=SecretStr("pässword")), "slipway@example.com", "plain ASCII"),
        (SmtpServer(host="localhost"), "slipway", "no mail address"),
        (SmtpServer(host="localhost"), "slipway@exämple.com", "plain ASCII"),
        (SmtpServer(host="localhost"), "Sl\nipway <slipway@example.com>", "no mail address"),
        (SmtpServer(host="localhost"), "=?utf-8?q?=0D=0ABcc:_a=40b.c?= <slipway@example.com>", "no mail address"),
    ],
)
def test_impossible_settings_are_refused(server, sender, reason):
    """At once, where they are at hand; a password is not repeated."""
    with pytest.raises(ValueError, match=reason) as refused:
        SmtpTransport(server, sender)
    assert "pässword" not in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_only_this_machine_may_do_without_encryption(host):
    """As a relay on it may."""
    SmtpTransport(SmtpServer(host=host, tls=Tls.NONE), "slipway@example.com")


def test_it_introduces_itself_by_the_domain_of_the_sender(server):
    """The name of this machine would be looked up, and a name server may be slow."""
    transport(server).send(LETTER)
    assert "ehlo example.com" == server.told[0]


def test_certificates_are_checked_unless_told_otherwise():
    """The default asks for a certificate that fits the name."""
    context = SmtpTransport(SmtpServer(host="mail.example.com"), "slipway@example.com")._certificates
    assert context is not None
    assert (ssl.CERT_REQUIRED, True) == (context.verify_mode, context.check_hostname)

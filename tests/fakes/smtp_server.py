"""An SMTP server on a real socket: takes mails as servers do, and goes wrong where it is told to."""

import base64
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO

USER, PASSWORD = "slipway", "pass-word-that-must-not-leak"


@dataclass(frozen=True)
class TakenMail:
    """A mail as it came over the wire, dots unstuffed."""

    sender: str
    recipient: str
    content: bytes


@dataclass
class SmtpFault:
    """One thing going wrong at a command; ``END`` is the end of the text, ``CONNECT`` the greeting.

    ``answer`` is said instead, None drops the connection; ``delay`` (seconds) comes before. ``is_taken``: the mail is
    kept all the same. ``recipient`` narrows it to one person; ``times`` None means always.
    """

    verb: str
    answer: str | None = None
    delay: float = 0
    is_taken: bool = False
    recipient: str = ""
    times: int | None = 1
    fired: int = 0


@dataclass
class SmtpState:
    """What the server took and was told, and how it behaves. Without ``offers`` there is no such extension."""

    offers: set[str] = field(default_factory=lambda: {"STARTTLS", "AUTH PLAIN LOGIN"})
    mails: list[TakenMail] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    faults: list[SmtpFault] = field(default_factory=list)
    host: str = "127.0.0.1"
    port: int = 0

    def add(self, fault: SmtpFault) -> SmtpFault:
        self.faults.append(fault)
        return fault

    def take_fault(self, verb: str, recipient: str) -> SmtpFault | None:
        for fault in self.faults:
            is_spent = fault.times is not None and fault.fired >= fault.times
            if fault.verb == verb and fault.recipient in {"", recipient} and not is_spent:
                fault.fired += 1
                return fault
        return None


@contextmanager
def smtp_server(tls: ssl.SSLContext | None = None, *, is_implicit: bool = False) -> Iterator[SmtpState]:
    """Serve while the block runs."""
    state = SmtpState()
    listening = socket.create_server((state.host, 0))
    state.port = listening.getsockname()[1]
    thread = threading.Thread(target=_accept, args=(listening, state, tls, is_implicit), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(timeout=10)


def _accept(listening: socket.socket, state: SmtpState, tls: ssl.SSLContext | None, is_implicit: bool) -> None:  # noqa: FBT001
    talks = []
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            break
        talk = threading.Thread(target=_talk, args=(connection, state, tls, is_implicit), daemon=True)
        talk.start()
        talks.append(talk)
    for talk in talks:
        talk.join(timeout=5)


def _talk(connection: socket.socket, state: SmtpState, tls: ssl.SSLContext | None, is_implicit: bool) -> None:  # noqa: FBT001
    connection.settimeout(5)
    with suppress(OSError), connection:
        if is_implicit and tls is not None:
            connection = tls.wrap_socket(connection, server_side=True)
        _Talk(connection, state, tls).run()


class _Talk:
    """One client's connection."""

    def __init__(self, connection: socket.socket, state: SmtpState, tls: ssl.SSLContext | None) -> None:
        self._connection = connection
        self._lines: BinaryIO = connection.makefile("rb")
        self._state = state
        self._tls = tls
        self._sender = self._recipient = self._said = ""

    def run(self) -> None:
        if not self._say("CONNECT", "220 here"):
            return
        while line := self._lines.readline():
            text = line.decode().rstrip("\r\n")
            self._state.told.append(text)
            if not self._answer(text.split(" ")[0].upper(), text):
                break
        self._connection.close()

    def _answer(self, verb: str, text: str) -> bool:
        """Whether the talk goes on."""
        if verb == "EHLO":
            offered = sorted(self._state.offers)
            return self._say(verb, "\r\n".join(f"250-{word}" for word in ["here", *offered]) + "\r\n250 8BITMIME")
        if verb == "STARTTLS":
            return self._say(verb, "220 go on") and self._encrypt()
        if verb == "AUTH":
            expected = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
            return self._say(verb, "235 welcome" if text == f"AUTH PLAIN {expected}" else f"535 5.7.8 no: {text}")
        if verb == "MAIL":
            self._sender = _address(text)
        if verb == "RCPT":
            self._recipient = _address(text)
        if verb == "DATA":
            return self._say(verb, "354 go on") and (self._said != "354 go on" or self._take())
        return self._say(verb, "221 bye" if verb == "QUIT" else "250 fine") and verb != "QUIT"

    def _encrypt(self) -> bool:
        assert self._tls is not None
        self._connection = self._tls.wrap_socket(self._connection, server_side=True)
        self._lines = self._connection.makefile("rb")
        return True

    def _take(self) -> bool:
        content = b""
        while (line := self._lines.readline()) not in {b".\r\n", b""}:
            content += line.removeprefix(b".") if line.startswith(b"..") else line
        mail = TakenMail(self._sender, self._recipient, content)
        fault = self._state.take_fault("END", self._recipient)
        if fault is None or fault.is_taken:
            self._state.mails.append(mail)
        return self._say_with(fault, "250 taken")

    def _say(self, verb: str, answer: str) -> bool:
        return self._say_with(self._state.take_fault(verb, self._recipient), answer)

    def _say_with(self, fault: SmtpFault | None, answer: str) -> bool:
        self._said = answer
        if fault is not None:
            time.sleep(fault.delay)
            if fault.answer is None:
                self._connection.close()
                return False
            self._said = fault.answer
        self._connection.sendall(f"{self._said}\r\n".encode())
        return True


def _address(text: str) -> str:
    return text.partition("<")[2].partition(">")[0]

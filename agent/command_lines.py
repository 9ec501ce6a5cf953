"""Find the logging commands in a stream of output. Standard library only: the step runner uses it.

Ordinary output passes untouched and unsplit; only from ``##vso[`` to the end of its line is anything held back.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from agent.logging_commands import PREFIX, Written, written

LONGEST = 256 * 1024  # of a command, as it is written; every character of the largest value may be escaped
_LINE_END = re.compile(rb"[\r\n]")


class CommandLine(NamedTuple):
    """A line from its ``##vso[`` on, without its end; ``shown`` is what of it may stand in the log.

    ``command`` is None when it is none by its form.
    """

    shown: bytes
    command: Written | None
    is_too_long: bool = False

    @property
    def may_hide(self) -> bool:
        """Whether it may make something secret."""
        return self.command is not None and (self.command.is_confidential or self.command.name == "task.setvariable")

    @property
    def without_message(self) -> bytes:
        """What may stand in the log when the message must not."""
        return self.shown[: self.shown.index(b"]") + 1] + b"***"


class CommandLines:
    """Feed it pieces of output; it gives back text, and command lines in their places."""

    def __init__(self) -> None:
        self._held = b""
        self._is_skipping = False  # the rest of a confidential line that was too long

    def feed(self, piece: bytes) -> Iterator[bytes | CommandLine]:
        """What is sure by now."""
        text = self._held + piece if self._held else piece
        self._held = b""
        if self._is_skipping:
            text = self._after_skipped(text)
        done, at = 0, text.find(PREFIX)
        while at >= 0:
            if at > done:
                yield text[done:at]
            end = _LINE_END.search(text, at)
            if end is None:
                yield from self._hold(text[at:])
                return
            done = end.start()
            yield command_line(text[at:done])
            at = text.find(PREFIX, done)
        kept = len(text) - _begun(text)
        self._held = text[kept:]
        if kept > done:
            yield text[done:kept]

    def flush(self) -> Iterator[bytes | CommandLine]:
        """What is left at the end of the output: a last line needs no end."""
        held, self._held = self._held, b""
        if held.startswith(PREFIX):
            yield command_line(held)
        elif held:
            yield held

    def _hold(self, line: bytes) -> Iterator[bytes | CommandLine]:
        if len(line) <= LONGEST:
            self._held = line
            return
        read = command_line(line)
        self._is_skipping = read.command is not None and read.command.is_confidential
        yield read._replace(is_too_long=True)

    def _after_skipped(self, text: bytes) -> bytes:
        end = _LINE_END.search(text)
        if end is None:
            return b""
        self._is_skipping = False
        return text[end.start() :]


def command_line(raw: bytes) -> CommandLine:
    """Read one line from its ``##vso[`` on. What is, or was meant to be, a secret in it is not shown."""
    line = CommandLine(raw, written(raw.decode(errors="surrogateescape")))
    is_confidential = line.command is not None and line.command.is_confidential
    return line._replace(shown=line.without_message) if is_confidential else line


def _begun(text: bytes) -> int:
    """So many bytes at the end may be the beginning of a command."""
    return next((size for size in range(len(PREFIX) - 1, 0, -1) if text.endswith(PREFIX[:size])), 0)

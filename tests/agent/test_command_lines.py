"""Commands in a stream of output, wherever it is cut."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.command_lines import LONGEST, CommandLine, CommandLines

Parts = list[bytes | CommandLine]


def read(pieces: Sequence[bytes]) -> Parts:
    """Texts are joined: how they were cut does not matter."""
    lines, parts = CommandLines(), Parts()
    for part in [*(part for piece in pieces for part in lines.feed(piece)), *lines.flush()]:
        if isinstance(part, bytes) and parts and isinstance(last := parts[-1], bytes):
            parts[-1] = last + part
        else:
            parts.append(part)
    return parts


def shown(parts: Parts) -> bytes:
    return b"".join(part if isinstance(part, bytes) else part.shown for part in parts)


def names(parts: Parts) -> list[str]:
    return [part.command.name if part.command else "" for part in parts if isinstance(part, CommandLine)]


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (b"", []),
        (b"one\ntwo", []),
        (b"##[group]a\n##vs[x\n#", []),
        (b"##vso[task.debug]a\n", ["task.debug"]),
        (b"one\nat ##vso[task.debug]a\r\ntwo\n##vso[a.b]c", ["task.debug", "a.b"]),
        (b"##vso[a.b]##vso[c.d]\n##vso[]\n", ["a.b", ""]),
        (b"##vso[a.b\r]\n", [""]),
        (b"\xff##vso[a.b]\xff\n", ["a.b"]),
    ],
)
def test_commands_are_found_and_everything_stays_in_its_place(output: bytes, expected: list[str]) -> None:
    """A line ends with a line feed or a carriage return, the last one also without."""
    parts = read([output])
    assert expected == names(parts)
    assert output == shown(parts)


@given(
    st.lists(
        st.sampled_from([b"##vso[", b"task.setsecret]", b"a.b]", b"#", b"##", b"vso[", b"\n", b"\r", b"x", b"\xff"])
    ),
    st.lists(st.integers(1, 5), max_size=60),
)
def test_cuts_change_nothing(words: list[bytes], cuts: list[int]) -> None:
    """The same commands and the same text, however the output is cut."""
    output, pieces, start = b"".join(words), [], 0
    for size in [*cuts, len(b"".join(words))]:
        pieces.append(output[start : start + size])
        start += size
    assert read([output]) == read(pieces)


def test_text_is_passed_on_at_once() -> None:
    """Only what may become a command is waited for."""
    lines = CommandLines()
    assert [b"working ..."] == list(lines.feed(b"working ..."))
    assert [b"\n"] == list(lines.feed(b"\n##vs"))
    assert [b"##vsx"] == list(lines.feed(b"x"))
    assert [b"at "] == list(lines.feed(b"at ##vso[task.debug]not yet"))
    assert ["task.debug"] == names(list(lines.flush()))


def test_a_secret_is_not_shown_in_its_own_line() -> None:
    """Whatever it looks like, escaped or too short to be masked elsewhere."""
    output = b"##vso[task.setsecret]a%0Ab\n+ echo ##vso[task.setvariable variable=A;issecret=true]x' \nend\n"
    parts = read([output[:30], output[30:]])
    assert b"##vso[task.setsecret]***\n+ echo ##vso[task.setvariable variable=A;issecret=true]***\nend\n" == shown(
        parts
    )


def test_a_secret_that_is_too_long_is_not_shown() -> None:
    """The rest of its line is dropped, and the next line is there again."""
    output = b"##vso[task.setsecret]" + b"s" * (2 * LONGEST) + b"\nnext\n"
    parts = read([output[at : at + 100_000] for at in range(0, len(output), 100_000)])
    assert b"##vso[task.setsecret]***\nnext\n" == shown(parts)
    assert [True] == [part.is_too_long for part in parts if isinstance(part, CommandLine)]


def test_a_long_line_that_is_no_secret_is_shown_whole() -> None:
    """Bounded in memory, unbounded in the log."""
    output = b"##vso[task.debug]" + b"x" * (2 * LONGEST) + b"\nnext\n"
    parts = read([output[at : at + 100_000] for at in range(0, len(output), 100_000)])
    assert output == shown(parts)
    assert [True] == [part.is_too_long for part in parts if isinstance(part, CommandLine)]

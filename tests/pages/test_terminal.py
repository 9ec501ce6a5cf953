"""Output of steps as safe lines."""

import re

import pytest
from fakes.hostile_output import HIDDEN, SEQUENCE_NAMES, SEQUENCES
from hypothesis import given
from hypothesis import strategies as st

from api.pages.terminal import lines

ESC = "\x1b"


def _plain(text: str) -> list[str]:
    return [line.text for line in lines(text)]


def test_colours_and_weight_become_class_names():
    """A style lasts until it is reset, also over lines."""
    first, second = lines(f"{ESC}[1;31mred{ESC}[22m thin\nstill{ESC}[0m plain")
    assert [("red", "bold fg-red"), (" thin", "fg-red")] == [(s.text, s.classes) for s in first.spans]
    assert [("still", "fg-red"), (" plain", "")] == [(s.text, s.classes) for s in second.spans]


@pytest.mark.parametrize(
    ("codes", "classes"),
    [
        ("97", "fg-bright-white"),
        ("44", "bg-blue"),
        ("38;5;12", "fg-bright-blue"),
        ("38;5;200", ""),
        ("38;2;1;2;3;4", "underline"),
        ("48;5;1", "bg-red"),
        ("1;1", "bold"),
        ("31;39", ""),
        ("38", ""),
        ("999999", ""),
        ("4:3", "italic underline"),
    ],
)
def test_a_code_has_its_class_or_none(codes, classes):
    """Richer colours than sixteen are dropped, and take their arguments with them."""
    assert sorted(classes.split()) == sorted(lines(f"{ESC}[{codes}mx")[0].spans[0].classes.split())


@pytest.mark.parametrize("hostile", SEQUENCES, ids=SEQUENCE_NAMES)
def test_every_other_control_is_dropped(hostile):
    """Links, clipboards, cursors, turned text: a log can do nothing but be read."""
    shown = "".join(_plain(f"a{hostile}\nb"))
    assert ("ab", "a") == (re.sub("[^ab]", "", shown.replace(HIDDEN, "")), shown[0])
    assert HIDDEN not in shown
    assert not re.search(r"[^\w =!()\[\]]", shown)


def test_an_unfinished_control_hides_only_its_own_line():
    """What a step prints after it is shown."""
    assert ["a", "b"] == _plain(f"a{ESC}]8;;x\nb")


def test_a_carriage_return_starts_the_line_anew():
    """A progress bar stays one line; Windows line ends are line ends."""
    assert ["100%", "done"] == _plain("10%\r50%\r100%\r\ndone")


def test_a_line_separator_is_a_blank():
    """So that no text can look like two lines."""
    assert ["a b"] == _plain("a\u2028b")


def test_marks_of_azure_pipelines_are_known():
    """They colour their line."""
    assert ["error", "", "group"] == [line.mark for line in lines("##[error]no\nx ##[error]\n##[group]g")]


def test_lines_are_those_that_end():
    """A text that ends with a line end has no empty line after it."""
    assert (["a", "", "b"], [], [""]) == (_plain("a\n\nb\n"), _plain(""), _plain("\n"))


@given(st.text(st.sampled_from("ab\n\r\x1b[]0;1m89P\\\x07\x00\u202e\t é"), max_size=60))
def test_no_control_survives(text):
    """Whatever comes in, what goes out is text and tabs."""
    shown = "".join(_plain(text))
    assert not set(shown) & set("\x1b\r\n\x07\x00\u202e")

"""Lines of output as markup, the same as ``static/log.js`` makes: marks in colour and word, groups that fold."""

from collections.abc import Iterable, Iterator

from markupsafe import Markup

from api.pages.terminal import Line

_END = Markup("</li>")
_END_OF_GROUP = Markup("</ol></details></li>")


def log_line(line: Line) -> Markup:
    """One line as a list item, numbered by the list."""
    return _item(line.mark) + _content(line) + _END


def log_lines(lines: Iterable[Line], first: int, *, unfold: bool = False) -> Markup:
    """Lines with numbers that link to them. A group is folded when it has ended, unless it has an error in it."""
    return Markup("").join(_lines(lines, first, unfold=unfold))


def _lines(lines: Iterable[Line], first: int, *, unfold: bool) -> Iterator[Markup]:
    group: _Group | None = None
    for number, line in enumerate(lines, first):
        if line.mark in {"group", "endgroup"}:
            if group is not None:
                yield group.markup(is_open=unfold or group.has_error)
            group = _Group(number, line) if line.mark == "group" else None
        elif group is not None:
            group.add(number, line)
        else:
            yield _numbered(number, line)
    if group is not None:
        yield group.markup(is_open=True)


class _Group:
    """What stands between ``##[group]`` and the next mark of a group."""

    def __init__(self, number: int, title: Line) -> None:
        self._number = number
        self._title = title
        self._lines: list[Markup] = []
        self.has_error = False

    def add(self, number: int, line: Line) -> None:
        self._lines.append(_numbered(number, line))
        self.has_error = self.has_error or line.mark == "error"

    def markup(self, *, is_open: bool) -> Markup:
        opening = Markup('<details open=""><summary>') if is_open else Markup("<details><summary>")
        title = _number(self._number) + (_spans(self._title) or Markup("group"))
        start = _item("group", self._number) + opening + title + Markup("</summary><ol>")
        return start + Markup("").join(self._lines) + _END_OF_GROUP


def _numbered(number: int, line: Line) -> Markup:
    return _item(line.mark, number) + _number(number) + _content(line) + _END


def _item(mark: str, number: int | None = None) -> Markup:
    place = Markup(' id="L{}"').format(number) if number is not None else Markup("")
    look = Markup(' class="mark-{}"').format(mark) if mark else Markup("")
    return Markup("<li{}{}>").format(place, look)


def _number(number: int) -> Markup:
    return Markup('<a class="no" href="#L{0}">{0}</a>').format(number)


def _content(line: Line) -> Markup:
    """Its mark is told by a word, too, so that colour never speaks alone."""
    word = Markup('<b class="word">{}</b>').format(line.mark) if line.mark else Markup("")
    return word + _spans(line)


def _spans(line: Line) -> Markup:
    return Markup("").join(
        Markup('<span class="{}">{}</span>').format(span.classes, span.text)
        if span.classes
        else Markup("{}").format(span.text)
        for span in line.unmarked
    )

"""What a page's HTML holds: its links, and its forms with what a browser would send if nobody touched them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class HtmlForm:
    """One form. Boxes that are not ticked, and choices that are not made, are not among its fields."""

    action: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    def filled(self, **given: str) -> Mapping[str, str]:
        """With these fields filled in."""
        return self.fields | given


class HtmlPage(HTMLParser):
    """A page that was read."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[HtmlForm] = []
        self._select = ""
        self.feed(html)

    def form(self, does: str = "answer") -> HtmlForm:
        """The first form that does this; fails where there is none."""
        return next(form for form in self.forms if form.fields.get("do") == does)

    def has_form(self, does: str = "answer") -> bool:
        return any(form.fields.get("do") == does for form in self.forms)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.links += [given[name] for name in ("href", "src") if name in given and tag != "use"]
        if tag == "form":
            self.forms.append(HtmlForm(given.get("action", "")))
        elif tag == "select":
            self._select = given.get("name", "")
        elif self.forms:
            self._control(tag, given)

    def _control(self, tag: str, given: Mapping[str, str]) -> None:
        fields, name = self.forms[-1].fields, given.get("name", "")
        is_ticked = given.get("type") not in {"radio", "checkbox"} or "checked" in given
        if tag in {"input", "textarea"} and name and is_ticked:
            fields[name] = given.get("value", "")
        elif tag == "option" and self._select:
            fields.setdefault(self._select, given.get("value", ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = ""

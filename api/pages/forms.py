"""Forms as they come in: text only, single lines and paragraphs alike without NUL, cut to what their fields allow."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData

_MOST_FIELDS = 400
_KIND = "application/x-www-form-urlencoded"


class Form:
    """The text fields of one form."""

    def __init__(self, data: FormData) -> None:
        self._data = data

    def text(self, name: str, longest: int = 4000) -> str:
        """One field without surrounding blanks, empty when it was not sent."""
        value = self._data.get(name, "")
        return value.replace("\0", "").replace("\r\n", "\n").strip()[:longest] if isinstance(value, str) else ""

    def texts(self, name: str) -> list[str]:
        """Every value of a field that may come several times."""
        return [value for value in self._data.getlist(name) if isinstance(value, str)]

    def below(self, prefix: str) -> Mapping[str, str]:
        """The filled fields ``prefix.name`` by name."""
        found = {key.removeprefix(prefix): self.text(key) for key in self._data if key.startswith(prefix)}
        return {name: value for name, value in found.items() if value}

    def given(self) -> Mapping[str, str]:
        """All fields as text, to fill the form again."""
        return {key: self.text(key) for key in self._data}


async def read_form(request: Request) -> Form:
    """Of this request; a body that is none of our forms has no fields.

    Ours are all of the one kind. The other kind lets its sender choose how bytes become text.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return Form(await request.form(max_fields=_MOST_FIELDS) if kind == _KIND else FormData())


SentForm = Annotated[Form, Depends(read_form)]

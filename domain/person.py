"""People: how their addresses are spelt, and when two addresses belong to one of them.

Two questions, answered with different strictness. *Who may act* asks for the very address (``spelled``). *Who must
not act, or not twice* (``is_same_person``) is answered generously: neither a plus-tag nor quotes nor a character
that nobody sees makes somebody else of a person.
"""

import unicodedata
from collections.abc import Iterable

from domain.frozen import Frozen


class Person(Frozen):
    """A person by the address that everything is kept under, and the further addresses that are theirs (aliases)."""

    address: str
    name: str = ""
    also: tuple[str, ...] = ()

    @property
    def addresses(self) -> tuple[str, ...]:
        return (self.address, *self.also)


class Requester(Frozen):
    """Who asks for something: the name that is shown, and every address of every person who stands behind it.

    A service's name is no address; its owner's addresses are here, as are those of a person it acts for.
    """

    name: str
    addresses: tuple[str, ...] = ()


def spelled(address: str) -> str:
    """The one spelling of an address: NFKC, case folded, no blanks around, an international domain as ``xn--``."""
    plain = unicodedata.normalize("NFKC", address).strip().casefold()
    local, at, domain = plain.rpartition("@")
    return f"{local}{at}{_ascii(domain)}" if at else plain


def is_same_person(one: Iterable[str], other: Iterable[str]) -> bool:
    """Whether the two sets of addresses share a person; ``ana+ci@example.com`` is ana@example.com."""
    return not {_bare(address) for address in one}.isdisjoint(_bare(address) for address in other)


def _ascii(domain: str) -> str:
    try:
        return domain.rstrip(".").encode("idna").decode()
    except UnicodeError:
        return domain


def _bare(address: str) -> str:
    """Without all that leaves a mailbox what it is: tag, quotes, and signs that are not printed."""
    local, at, domain = spelled(_printed(address)).rpartition("@")
    unquoted = local.replace('"', "")
    plain = ".".join(_read(label) for label in domain.split("."))
    return f"{_untagged(unquoted)}{at}{plain}"


def _untagged(local: str) -> str:
    return local.partition("+")[0] or local


def _read(label: str) -> str:
    """A part of a domain as people read it. Of ``straße`` there are two ``xn--`` spellings, an old and a new one."""
    if not label.startswith("xn--"):
        return label
    try:
        return spelled(_printed(label.removeprefix("xn--").encode().decode("punycode")))
    except UnicodeError:
        return label


def _printed(text: str) -> str:
    return "".join(sign for sign in text if unicodedata.category(sign) != "Cf")

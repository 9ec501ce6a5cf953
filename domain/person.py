"""People: how their addresses are spelt, and when two addresses belong to one of them.

Two questions, answered with different strictness. *Who may act* asks for the very address (``spelled``). *Who must
not act, or not twice* (``is_same_person``) is answered generously: a plus-tag makes nobody somebody else.
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
    return not {_untagged(address) for address in one}.isdisjoint(_untagged(address) for address in other)


def _ascii(domain: str) -> str:
    try:
        return domain.rstrip(".").encode("idna").decode()
    except UnicodeError:
        return domain


def _untagged(address: str) -> str:
    local, at, domain = spelled(address).rpartition("@")
    return f"{local.partition('+')[0] or local}{at}{domain}"

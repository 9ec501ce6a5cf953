"""Who is behind a build: the addresses of those whom its server names, by address, name, or as it calls its users.

Whoever made a change must not approve its release where the pipeline says so. This is asked generously: a name that
fits two people counts for both of them.
"""

import re
from collections.abc import Iterable, Iterator
from email.utils import parseaddr

from sqlalchemy.ext.asyncio import AsyncSession

from domain.person import Person, spelled
from domain.pipeline import Pipeline
from domain.release import groups_named
from storage import groups, people

_MOST_NAMES = 100
_WORD = re.compile(r"[^\W_]+")


async def addresses_behind(session: AsyncSession, pipeline: Pipeline, names: Iterable[str]) -> tuple[str, ...]:
    """All addresses of all the people whom these names may mean, each once."""
    known = await _known(session, pipeline)
    found = dict[str, None]()
    for name in list(dict.fromkeys(names))[:_MOST_NAMES]:
        for address in _told(name):
            found |= dict.fromkeys((await people.person(session, address)).addresses)
        wanted = set(_spellings(name))
        fitting = (person for person in known if not wanted.isdisjoint(_names_of(person)))
        found |= dict.fromkeys(address for person in fitting for address in person.addresses)
    return tuple(found)


async def _known(session: AsyncSession, pipeline: Pipeline) -> list[Person]:
    """Those who were entered, and those whom the pipeline asks."""
    entered = await people.all_people(session)
    members = await groups.all_groups(session)
    policies = [checks.approval for stage in pipeline.stages for checks in (stage.before, stage.after_deployment)]
    asked = {name for policy in policies if policy for name in policy.named if "@" in name}
    folded = {name.lower(): of for name, of in members.items()}
    asked |= {member for name in groups_named(pipeline) for member in folded.get(name.lower(), ())}
    return [*entered, *[await people.person(session, address) for address in sorted(asked)]]


def _told(name: str) -> Iterator[str]:
    """``Ana Lang <ana@example.com>`` tells an address, and so does the address alone."""
    address = parseaddr(name)[1]
    if "@" in address and len(address) <= 320 and not any(sign.isspace() for sign in address):  # noqa: PLR2004
        yield spelled(address)


def _spellings(name: str) -> Iterator[str]:
    """The name beside an address; of a Windows user what stands behind the domain."""
    yield from _words(parseaddr(name)[0] if "@" in name else name.rpartition("\\")[2])


def _names_of(person: Person) -> Iterator[str]:
    yield from _words(person.name)
    for address in person.addresses:
        yield from _words(spelled(address).partition("@")[0].partition("+")[0])


def _words(name: str) -> Iterator[str]:
    """In one order, however they are put together: ``Lang, Ana`` and ana.lang are the same."""
    words = sorted(_WORD.findall(spelled(name)))
    if words:
        yield " ".join(words)

"""People over HTTP: who has which addresses. And who stands behind a caller."""

from typing import Annotated

import structlog
from fastapi import APIRouter, Path
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncSession

from api.auth import Admin, Caller, needs
from api.errors import documented
from api.inputs import Body, Mail
from api.services import ServicesHere
from api.views import PersonView
from domain.person import Person, Requester
from domain.refusal import NotFound
from domain.role import Role
from storage import people

router = APIRouter(prefix="/people", tags=["people"], responses=documented(401, 403, 422))
Address = Annotated[Mail, Path(description="Such as ana@example.com.")]
_log = structlog.get_logger("slipway.api")


class NewPerson(Body):
    """What a person is called, and which further addresses are theirs: all of them."""

    name: str = Field(default="", max_length=200)
    aliases: tuple[Mail, ...] = Field(default=(), max_length=50)


class NoSuchPerson(NotFound):
    """Nobody was entered with this address."""


async def person_of(session: AsyncSession, caller: Caller) -> Person:
    """Who calls. A service has the addresses of its owner: whatever the owner must not do, it must not do either."""
    person = await people.person(session, caller.subject)
    if caller.owner is None:
        return person
    owner = await people.person(session, caller.owner)
    return person.model_copy(update={"also": (*person.also, *owner.addresses)})


async def requester_of(session: AsyncSession, caller: Caller, requested_for: str = "") -> Requester:
    """Everybody who stands behind a request: the caller, the owner of a service, and the person it asks for."""
    asking = [address for address in (caller.subject, caller.owner, requested_for) if address and "@" in address]
    found = [await people.person(session, address) for address in asking]
    addresses = dict.fromkeys(address for person in found for address in person.addresses)
    return Requester(name=caller.subject, addresses=tuple(addresses))


@router.get("", dependencies=[needs(Role.ADMIN)], operation_id="list_people", summary="List people, by address")
async def list_people(services: ServicesHere) -> list[PersonView]:
    """Those who were entered. Slipway knows others by the one address that a policy or a token has."""
    async with services.database.reading() as session:
        return [_view(person) for person in await people.all_people(session)]


@router.get(
    "/{address:path}",
    dependencies=[needs(Role.ADMIN)],
    operation_id="get_person",
    summary="Show a person",
    responses=documented(404),
)
async def get_person(address: Address, services: ServicesHere) -> PersonView:
    """By any of their addresses."""
    async with services.database.reading() as session:
        person = await people.get(session, address)
    if person is None:
        raise NoSuchPerson(f"nobody was entered with the address {address}")
    return _view(person)


@router.put("/{address:path}", operation_id="put_person", summary="Enter or change a person", responses=documented(409))
async def put_person(address: Address, new: NewPerson, caller: Admin, services: ServicesHere) -> PersonView:
    """To rename a person, PUT the new address with the old one as an alias.

    An address is one person's at most. Releases under way keep the people they were made with.
    """
    person = Person(address=address, name=new.name, also=new.aliases)
    async with services.database.transaction() as session:
        kept = await people.put(session, person, services.clock())
    _log.info("person entered", person=kept.address, aliases=len(kept.also), by=caller.subject)
    return _view(kept)


@router.delete(
    "/{address:path}",
    status_code=204,
    operation_id="delete_person",
    summary="Forget a person",
    responses=documented(404),
)
async def delete_person(address: Address, caller: Admin, services: ServicesHere) -> None:
    """Their aliases are anybody's from now on; tokens, groups and pipelines stay as they are."""
    async with services.database.transaction() as session:
        if not await people.remove(session, address):
            raise NoSuchPerson(f"nobody is entered under the address {address}")
    _log.info("person forgotten", person=address, by=caller.subject)


def _view(person: Person) -> PersonView:
    return PersonView(address=person.address, name=person.name, aliases=list(person.also))

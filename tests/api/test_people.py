"""People over HTTP, and who stands behind a caller."""

import httpx2
import pytest
from fakes.api_world import World

from api.auth import Caller
from api.people import person_of, requester_of
from domain.person import Person, Requester
from domain.role import Role

ANA = {"address": "ana@example.com", "name": "Ana Silva", "aliases": ["ana@old.example.com", "asilva@example.com"]}


async def _enter_ana(admin: httpx2.AsyncClient) -> None:
    body = {"name": " Ana Silva ", "aliases": ["ASilva@Example.com", "ana@old.example.com", "ana@EXAMPLE.com"]}
    answer = await admin.put("/people/Ana@Example.com", json=body)
    assert (200, ANA) == (answer.status_code, answer.json())


async def test_a_person_is_entered_and_found_by_every_address(admin: httpx2.AsyncClient) -> None:
    """Spelt in one way; the list has everybody by address."""
    await _enter_ana(admin)
    bo = await admin.put("/people/bo@example.com", json={})
    assert [ANA, bo.json()] == (await admin.get("/people")).json()
    for address in ("ana@example.com", "ASILVA@example.com"):
        assert ANA == (await admin.get(f"/people/{address}")).json()
    unknown = await admin.get("/people/cem@example.com")
    assert (404, "NoSuchPerson") == (unknown.status_code, unknown.json()["error"])


async def test_an_address_of_somebody_else_is_refused(admin: httpx2.AsyncClient) -> None:
    """The answer says whose it is."""
    await _enter_ana(admin)
    answer = await admin.put("/people/bo@example.com", json={"aliases": ["asilva@example.com"]})
    assert (409, "AddressTaken") == (answer.status_code, answer.json()["error"])
    assert "asilva@example.com belongs to ana@example.com" in answer.json()["detail"]
    assert [ANA] == (await admin.get("/people")).json()


async def test_a_person_is_renamed_by_the_new_address_with_the_old_one_as_an_alias(admin: httpx2.AsyncClient) -> None:
    """They stay one person: nobody gets the old address."""
    await _enter_ana(admin)
    answer = await admin.put("/people/ana@new.example.com", json={"name": "Ana", "aliases": ["ana@example.com"]})
    renamed = {"address": "ana@new.example.com", "name": "Ana", "aliases": ["ana@example.com"]}
    assert (200, renamed) == (answer.status_code, answer.json())
    assert [renamed] == (await admin.get("/people")).json()


async def test_a_person_is_forgotten(admin: httpx2.AsyncClient) -> None:
    """Under the address they are kept under; once."""
    await _enter_ana(admin)
    statuses = [
        (await admin.delete(f"/people/{address}")).status_code
        for address in ("asilva@example.com", "Ana@example.com", "ana@example.com")
    ]
    assert ([404, 204, 404], []) == (statuses, (await admin.get("/people")).json())


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("ana", {}),
        ("a b@example.com", {}),
        ("ana\uff20b@example.com", {}),
        ("service:ci", {}),
        ("group:ops", {}),
        ("ana@example.com", {"aliases": ["ana"]}),
        ("ana@example.com", {"aliases": "bo@example.com"}),
        ("ana@example.com", {"name": "x" * 201}),
        ("ana@example.com", {"email": "bo@example.com"}),
    ],
)
async def test_what_is_no_person_is_refused(admin: httpx2.AsyncClient, address: str, body: dict[str, object]) -> None:
    """A full-width @ is one too many once it is read as what it looks like."""
    answer = await admin.put(f"/people/{address}", json=body)
    assert (422, []) == (answer.status_code, (await admin.get("/people")).json())


async def test_who_calls_is_a_person_by_any_address(world: World, admin: httpx2.AsyncClient) -> None:
    """Also when their token names an old address."""
    await _enter_ana(admin)
    caller = Caller(subject="ana@old.example.com", role=Role.APPROVER, token_id="1")
    async with world.services.database.reading() as session:
        person = await person_of(session, caller)
        requester = await requester_of(session, caller)
    addresses = ("ana@example.com", "ana@old.example.com", "asilva@example.com")
    assert Person(address="ana@example.com", name="Ana Silva", also=addresses[1:]) == person
    assert Requester(name="ana@old.example.com", addresses=addresses) == requester


async def test_a_service_has_the_addresses_of_its_owner(world: World, admin: httpx2.AsyncClient) -> None:
    """It is not its owner, but whatever they must not do, it must not do either."""
    await _enter_ana(admin)
    caller = Caller(subject="service:ci", role=Role.RELEASER, token_id="1", owner="asilva@example.com")
    async with world.services.database.reading() as session:
        person = await person_of(session, caller)
        requester = await requester_of(session, caller, "bo@example.com")
    addresses = ("ana@example.com", "ana@old.example.com", "asilva@example.com")
    assert Person(address="service:ci", also=addresses) == person
    assert Requester(name="service:ci", addresses=(*addresses, "bo@example.com")) == requester


async def test_a_person_acting_for_themselves_is_one_requester(world: World) -> None:
    """Each address is kept once."""
    caller = Caller(subject="ana@example.com", role=Role.RELEASER, token_id="1")
    async with world.services.database.reading() as session:
        requester = await requester_of(session, caller, "Ana@Example.com")
    assert Requester(name="ana@example.com", addresses=("ana@example.com",)) == requester

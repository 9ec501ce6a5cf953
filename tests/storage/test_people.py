"""People have addresses, each of them one person's."""

import asyncio

import pytest

from domain.person import Person
from storage import people
from storage.people import AddressTaken

_ANN = Person(address="ann@example.com", name="Ann", also=("ann@old.example.com", "boss@example.com"))


async def _put(database, now, *given):
    async with database.transaction() as session:
        return [await people.put(session, person, now) for person in given]


async def _all(database):
    async with database.reading() as session:
        return await people.all_people(session)


async def _person(database, address):
    async with database.reading() as session:
        return await people.person(session, address)


async def test_a_person_is_found_by_every_address(database, now):
    """However it is written: case, blanks, full-width letters, an international domain."""
    written = Person(address=" Ann@Example.com", name=" Ann ", also=("\uff41nn@bücher.example", "ann@EXAMPLE.com"))
    kept = Person(address="ann@example.com", name="Ann", also=("ann@xn--bcher-kva.example",))
    assert [kept] == await _put(database, now, written)
    for address in ("ANN@example.com", "ann@BÜCHER.example", "ann@xn--bcher-kva.example."):
        assert kept == await _person(database, address)


async def test_an_unknown_address_is_a_person_of_its_own(database, now):
    """Slipway works without anybody having been entered; ``get`` tells the difference."""
    await _put(database, now, _ANN)
    assert Person(address="cem@example.com") == await _person(database, " CEM@example.com")
    async with database.reading() as session:
        assert await people.get(session, "cem@example.com") is None


async def test_people_are_listed_with_their_aliases(database, now):
    """By address; what every alias stands for is one query."""
    bob = Person(address="bob@example.com")
    await _put(database, now, bob, _ANN)
    assert [_ANN, bob] == await _all(database)
    async with database.reading() as session:
        expected = {"ann@old.example.com": "ann@example.com", "boss@example.com": "ann@example.com"}
        assert expected == await people.primary_of(session)


async def test_what_is_put_again_is_all_there_is(database, now):
    """An alias that is no longer named is anybody's."""
    less = Person(address="ann@example.com", also=("boss@example.com",))
    bob = Person(address="bob@example.com", also=("ann@old.example.com",))
    await _put(database, now, _ANN, less, bob)
    assert [less, bob] == await _all(database)


@pytest.mark.parametrize(
    "taking",
    [
        Person(address="bob@example.com", also=("Boss@example.com",)),
        Person(address="bob@example.com", also=("ann@example.com",)),
        Person(address="boss@example.com"),
        Person(address="boss@example.com", also=("new@example.com",)),
        Person(address="new@example.com", also=("ann@example.com", "bob@example.com")),
        Person(address="new@example.com", also=("boss@example.com",)),
    ],
    ids=[
        "alias",
        "address",
        "alias as address",
        "alias as address with more",
        "two people",
        "alias without its person",
    ],
)
async def test_nobody_gets_an_address_of_somebody_else(database, now, taking):
    """Else they would answer, or stop being a requester, in the other's name. Nothing is changed."""
    bob = Person(address="bob@example.com")
    await _put(database, now, _ANN, bob)
    with pytest.raises(AddressTaken, match=r"belongs to (ann|bob)@example\.com"):
        await _put(database, now, taking)
    assert [_ANN, bob] == await _all(database)


@pytest.mark.parametrize("new", ["ann@married.example.com", "boss@example.com"], ids=["a new one", "an alias so far"])
async def test_a_new_address_with_the_old_one_as_an_alias_is_the_same_person(database, now, new):
    """That is how a person is renamed: nobody else can have the old address."""
    await _put(database, now, _ANN)
    renamed = Person(address=new, name="Ann", also=("ann@example.com", "ann@old.example.com"))
    await _put(database, now, renamed)
    assert [renamed] == await _all(database)
    assert renamed == await _person(database, "ann@old.example.com")


async def test_a_removed_person_leaves_their_addresses(database, now):
    """An alias removes nobody; removing says whether there was somebody."""
    await _put(database, now, _ANN)
    async with database.transaction() as session:
        assert await people.remove(session, "boss@example.com") is False
        assert await people.remove(session, "Ann@example.com") is True
        assert await people.remove(session, "ann@example.com") is False
    assert await _all(database) == []
    await _put(database, now, Person(address="bob@example.com", also=_ANN.addresses))


async def test_two_who_want_one_address_at_once_do_not_both_get_it(database, now):
    """The second is told whose it is."""
    wanting = [Person(address=f"p{number}@example.com", also=("team@example.com",)) for number in range(6)]
    told = await asyncio.gather(*(_put(database, now, person) for person in wanting), return_exceptions=True)
    assert [AddressTaken] * 5 == [type(answer) for answer in told if isinstance(answer, BaseException)]
    assert len(await _all(database)) == 1

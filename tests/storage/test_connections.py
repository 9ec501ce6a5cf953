"""Connections come back whole to those who use them, and without tokens to those who list them."""

import pytest
from pydantic import SecretStr
from sqlalchemy import update

from domain.connection import Connection, ConnectionKind
from storage import connections
from storage.connections import SqlConnections
from storage.sealing import SealBroken
from storage.tables import ConnectionRow

_CI = Connection(
    name="ci",
    kind=ConnectionKind.JENKINS,
    url="https://ci.example.com",
    user="deployer",
    token=SecretStr("hunter2"),
    ca="/etc/ssl/ci.pem",
)


@pytest.fixture
async def kept(database, sealing, now):
    async with database.transaction() as session:
        await connections.put(session, sealing, _CI, now)


@pytest.mark.usefixtures("kept")
async def test_a_connection_comes_back_as_it_was_put(database, sealing):
    """With its token; an unknown name is nothing."""
    directory = SqlConnections(database, sealing)
    assert await directory.connection("ci") == _CI
    assert await directory.connection("other") is None


@pytest.mark.usefixtures("kept")
async def test_a_list_of_connections_holds_no_tokens(database):
    """Nor anything else less."""
    async with database.reading() as session:
        found = await connections.all_connections(session)
    assert [_CI.model_copy(update={"token": SecretStr("")})] == found


@pytest.mark.usefixtures("kept")
async def test_a_connection_is_replaced_and_removed(database, sealing, now):
    """By name."""
    moved = _CI.model_copy(update={"url": "https://new.example.com", "token": SecretStr("other"), "ca": None})
    async with database.transaction() as session:
        await connections.put(session, sealing, moved, now)
    assert moved == await SqlConnections(database, sealing).connection("ci")
    async with database.transaction() as session:
        assert [True, False] == [await connections.remove(session, "ci"), await connections.remove(session, "ci")]


@pytest.mark.usefixtures("kept")
async def test_a_token_cannot_be_sent_to_another_address_by_changing_the_row(database, sealing):
    """It is bound to the address it was given for."""
    async with database.transaction() as session:
        await session.execute(update(ConnectionRow).values(url="https://attacker.example.com"))
    with pytest.raises(SealBroken):
        await SqlConnections(database, sealing).connection("ci")

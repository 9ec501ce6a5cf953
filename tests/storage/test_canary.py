"""No secret can be found in the database's files, however it is written."""

import asyncio
import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from activities.notifications import AskApprover, Letter
from domain.connection import Connection, ConnectionKind
from storage import agents, connections, secrets, tokens
from storage.approvals import SqlApprovalLinks
from storage.mails import SqlOutbox

_CANARY = 'canary-7f3a9c"&=/+ü-e1b2d4'


def _forms(value: str) -> set[bytes]:
    """The value as it might be written: plain, escaped, encoded at any alignment, backwards."""
    raw = value.encode()
    aligned = {base64.b64encode(b"\0" * shift + raw)[4:-4] for shift in range(3)}
    return {
        raw,
        raw[::-1],
        raw.hex().encode(),
        quote(value, safe="").encode(),
        json.dumps(value)[1:-1].encode(),
        *aligned,
        *(form.translate(bytes.maketrans(b"+/", b"-_")) for form in aligned),
    }


async def _plant(database, sealing, now) -> list[str]:
    """A canary in every secret place; and the secrets that are made there."""
    connection = Connection(
        name="ci", kind=ConnectionKind.JENKINS, url="https://ci.example.com", token=SecretStr(_CANARY)
    )
    async with database.transaction() as session:
        await secrets.put(session, sealing, name="webshop/db", value=_CANARY, author="ann@example.com", now=now)
        await connections.put(session, sealing, connection, now)
        _, token = await tokens.issue(session, name="n", subject="s", role="admin", expires_at=now, now=now)
        _, enrolment = await agents.enrolment(session, pool="linux", created_by="ann", expires_at=now)
    links = SqlApprovalLinks(database, bytes(32), "https://slipway.example.com")
    ask = AskApprover(
        approval_id="webshop/1/prod/1/before",
        approver="ann@example.com",
        members=("ann@example.com",),
        release_name="webshop-1",
        pipeline="webshop",
        stage="prod",
        moment="before",
        requested_by="bob@example.com",
        digest="d",
        expires_at=now,
    )
    link = (await links.issue(ask, "ann@example.com")).url
    letter = Letter(delivery_id="d", to="ann@example.com", subject="Approve?", text=f"{link} {_CANARY}", html=link)
    await asyncio.to_thread(SqlOutbox(database, sealing, asyncio.get_running_loop()).send, letter)
    return [_CANARY, token, enrolment, link.rsplit("/", 1)[1]]


async def _overwrite(database, sealing, now) -> None:
    """Replace and remove what was planted, which leaves old pages behind."""
    async with database.transaction() as session:
        await secrets.put(session, sealing, name="webshop/db", value="new", author="ann@example.com", now=now)
        await connections.remove(session, "ci")


@pytest.mark.parametrize("kind", ["sqlite"])
@pytest.mark.usefixtures("kind")
async def test_the_files_hold_no_secret(database, url, sealing, now):
    """Neither the database nor its write-ahead log, before and after a checkpoint and a removal."""
    planted = await _plant(database, sealing, now)
    file = Path(url.removeprefix("sqlite:///"))
    everything = _bytes_of(file)
    assert b"webshop/db" in everything
    await _overwrite(database, sealing, now)
    everything += _bytes_of(file)
    async with database._engine.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    everything += _bytes_of(file)
    found = [form for value in planted for form in _forms(value) if form in everything]
    assert found == []


def _bytes_of(file: Path) -> bytes:
    parts = [file, file.with_name(file.name + "-wal")]
    assert all(part.exists() for part in parts)
    return b"".join(part.read_bytes() for part in parts)


async def test_no_row_holds_a_secret(database, sealing, now):
    """Of any table, on either database."""
    planted = await _plant(database, sealing, now)
    async with database.reading() as session:
        everything = b""
        for table in ("secrets", "connections", "tokens", "enrolment_tokens", "approval_links", "outbox", "deliveries"):
            rows = await session.execute(text(f"SELECT * FROM {table}"))
            cells = [cell for row in rows for cell in row]
            everything += b"\n".join(cell if isinstance(cell, bytes) else str(cell).encode() for cell in cells)
    assert b"webshop/db" in everything
    assert [] == [form for value in planted for form in _forms(value) if form in everything]


def test_the_search_would_find_a_secret():
    """Each form, where it stands among other bytes."""
    for form in _forms(_CANARY):
        assert form in b"x" + form + b"y"
    assert any(form in base64.b64encode(b"ab" + _CANARY.encode() + b"cd") for form in _forms(_CANARY))

"""Groups are lists of addresses."""

from storage import groups


async def test_a_group_is_what_was_put_last(database):
    """Each member once, spelt as addresses are compared, in the author's order."""
    async with database.transaction() as session:
        await groups.put(session, "ops", ["Zoe@example.com", "ann@example.com ", "zoe@EXAMPLE.com"])
        await groups.put(session, "admins", ["bob@example.com"])
        await groups.put(session, "admins", [])
    async with database.reading() as session:
        assert await groups.all_groups(session) == {"admins": (), "ops": ("zoe@example.com", "ann@example.com")}


async def test_one_group_is_found_by_its_name(database):
    """An empty one is not an unknown one."""
    async with database.transaction() as session:
        await groups.put(session, "ops", ["ann@example.com"])
        await groups.put(session, "admins", [])
        found = [await groups.get(session, name) for name in ("ops", "admins", "nobody")]
    assert [("ann@example.com",), (), None] == found


async def test_a_removed_group_is_gone(database):
    """Removing says whether there was one."""
    async with database.transaction() as session:
        await groups.put(session, "ops", ["ann@example.com"])
        assert [True, False] == [await groups.remove(session, "ops"), await groups.remove(session, "ops")]
        assert await groups.all_groups(session) == {}

"""Fifty downloads through servers at their worst."""

from trials.amounts import AMOUNTS
from trials.hostile_downloads import run


async def test_a_file_is_complete_or_absent_whatever_the_servers_do():
    """Cut at any byte, dripped, of wrong length, other bytes on the second try, agents killed: never partial."""
    verdict = await run(seed=1, downloads=AMOUNTS["hostile_downloads"].gate)
    assert () == verdict.violations
    assert verdict.holds, verdict.fired

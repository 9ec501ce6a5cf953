"""Who may do what."""

import pytest

from domain.role import Role

PEOPLE = [Role.ADMIN, Role.RELEASER, Role.APPROVER, Role.VIEWER]


@pytest.mark.parametrize("role", PEOPLE)
def test_a_role_of_people_includes_itself_and_those_below(role: Role) -> None:
    """And none above."""
    at = PEOPLE.index(role)
    assert PEOPLE[at:] == [needed for needed in PEOPLE if role.includes(needed)]


def test_an_agent_is_an_agent_and_nothing_else() -> None:
    """Nor may an admin speak for one."""
    assert [Role.AGENT] == [needed for needed in Role if Role.AGENT.includes(needed)]
    assert [Role.AGENT] == [role for role in Role if role.includes(Role.AGENT)]

"""Who may do what: roles, and which of them includes which."""

from enum import StrEnum


class Role(StrEnum):
    """What a token is good for. People's roles include those below them; an agent's includes nothing else."""

    ADMIN = "admin"
    RELEASE_MANAGER = "release-manager"
    RELEASER = "releaser"
    APPROVER = "approver"
    VIEWER = "viewer"
    AGENT = "agent"

    def includes(self, needed: "Role") -> bool:
        """Whether somebody with this role may do what needs that one."""
        if Role.AGENT in {self, needed}:
            return self == needed
        return _PEOPLE.index(self) <= _PEOPLE.index(needed)


_PEOPLE = (Role.ADMIN, Role.RELEASE_MANAGER, Role.RELEASER, Role.APPROVER, Role.VIEWER)

"""Which right each route declares: read from its dependencies, so that none can be forgotten."""

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from api.auth import Needs, Public
from domain.role import Role


class UndeclaredRight(Exception):  # noqa: N818  reads as what is wrong
    """A route says neither who may call it nor that everybody may."""


@dataclass(frozen=True)
class RouteRight:
    """One route and what it asks of its callers: all of the ``needed`` roles, or nothing."""

    path: str
    methods: tuple[str, ...]
    needed: tuple[Role, ...]
    is_public: bool

    @property
    def is_declared(self) -> bool:
        return self.is_public != bool(self.needed)


def rights_of(app: FastAPI) -> list[RouteRight]:
    """Every route of the application, those that are no path operations included."""
    return [
        RouteRight(
            path=route.path or "",
            methods=tuple(sorted(route.methods or ())),
            needed=tuple(right.role for right in _rights(route) if isinstance(right, Needs)),
            is_public=any(isinstance(right, Public) for right in _rights(route)),
        )
        for route in iter_route_contexts(app.routes)
    ]


def require_declared_rights(app: FastAPI, *, open_paths: frozenset[str]) -> None:
    """Raise UndeclaredRight for the first route that declares none, or both a role and that it is public."""
    for route in rights_of(app):
        if not route.is_declared and route.path not in open_paths:
            raise UndeclaredRight(f"{'/'.join(route.methods)} {route.path} declares no right")


def _rights(route: object) -> list[Needs | Public]:
    dependant = getattr(route, "dependant", None)
    return list(_walk(dependant)) if isinstance(dependant, Dependant) else []


def _walk(dependant: Dependant) -> Iterator[Needs | Public]:
    for inner in dependant.dependencies:
        if isinstance(inner.call, Needs | Public):
            yield inner.call
        yield from _walk(inner)

"""Values are immutable and tolerate what they do not know."""

import pytest
from pydantic import ValidationError

from domain.connection import Connection, ConnectionKind
from domain.frozen import Frozen
from domain.pipeline import After


def test_a_value_cannot_be_changed() -> None:
    """Only copied with a change."""
    after = After(stage="test")
    with pytest.raises(ValidationError, match="frozen"):
        after.stage = "prod"  # type: ignore[misc]
    assert After(stage="prod") == after.model_copy(update={"stage": "prod"})


def test_a_field_of_a_newer_version_is_ignored() -> None:
    """Histories outlive the code that wrote them."""
    assert After(stage="test") == After.model_validate_json('{"stage": "test", "since": "next year"}')


def test_every_value_of_the_domain_tolerates_unknown_fields() -> None:
    """No model forgets that by accident."""

    def strict(model: type[Frozen]) -> list[str]:
        is_ours = model.__module__.startswith(("domain.", "activities.", "workflows."))
        own = [model.__name__] if is_ours and model.model_config.get("extra") != "ignore" else []
        return own + [name for sub in model.__subclasses__() for name in strict(sub)]

    assert [] == strict(Frozen)


def test_the_token_of_a_connection_is_not_shown() -> None:
    """Neither printed nor logged by accident."""
    connection = Connection.model_validate(
        {"name": "ci", "kind": ConnectionKind.JENKINS, "url": "https://ci.example.com", "token": "canary"}
    )
    assert "canary" not in f"{connection!r} {connection} {connection.model_dump_json()}"
    assert "canary" == connection.token.get_secret_value()

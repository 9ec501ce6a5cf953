"""What a person is told once the installation stands."""

from pathlib import Path

from local.announcement import command, places
from local.state_folder import Memory


def test_commands_can_be_typed_as_they_are_told(tmp_path: Path) -> None:
    """Installed in the folder itself, the command is called by its path; elsewhere by its name."""
    script = tmp_path / ".venv/bin/slipway"
    assert "slipway" == command(script, tmp_path)
    script.parent.mkdir(parents=True)
    script.touch()
    assert ".venv/bin/slipway" == command(script, tmp_path)
    assert "slipway" == command(script, tmp_path / "elsewhere")


def test_everybody_may_sign_in_who_has_a_part_in_a_first_release() -> None:
    """The approver comes first; each person stands with the role and the token."""
    people = {"rita@example.com": "slw_r", "ana@example.com": "slw_a", "admin@example.com": "slw_x"}
    lines = places(Memory(people=people))
    assert ["ana@example.com    (approver): slw_a", "rita@example.com   (releaser): slw_r"] == [
        line.removeprefix("  sign in as").strip() for line in lines[:2]
    ]
    assert lines[2].endswith("admin@example.com  (admin): slw_x")

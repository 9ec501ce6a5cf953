"""The agent's memory on disk."""

import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from agent.state_folder import Credential, StateFolder, StateFolderInUse


def test_one_agent_at_a_time(tmp_path: Path) -> None:
    """The second is told; once the first has gone the folder is free."""
    first = StateFolder(tmp_path / "state")
    with pytest.raises(StateFolderInUse, match="another agent runs on"):
        StateFolder(tmp_path / "state")
    first.close()
    StateFolder(tmp_path / "state").close()


def test_an_installation_keeps_its_identity(tmp_path: Path) -> None:
    """Over restarts; another folder is another installation."""
    first = StateFolder(tmp_path / "state")
    first.close()
    again, other = StateFolder(tmp_path / "state"), StateFolder(tmp_path / "other")
    assert first.instance_id == again.instance_id != other.instance_id
    again.close()
    other.close()


def test_the_credential_is_for_this_user_alone(state: StateFolder) -> None:
    """It comes back as it was kept, from a file nobody else can read."""
    credential = Credential(name="web-1", pool="default", token=SecretStr("slw_x"))
    assert state.credential() is None
    state.keep(credential)
    assert credential == state.credential()
    assert [0o600, 0o700] == [
        stat.S_IMODE(path.stat().st_mode) for path in (state.path / "credential.json", state.path)
    ]
    assert "slw_x" not in repr(credential)


def test_what_is_discarded_is_gone_at_once(state: StateFolder) -> None:
    """However long deleting takes; doing it twice is no trouble."""
    folder = state.leases / "x"
    (folder / "deep").mkdir(parents=True)
    state.discard(folder)
    state.discard(folder)
    assert not folder.exists()
    state.empty_trash()
    assert [] == list((state.path / "trash").iterdir())

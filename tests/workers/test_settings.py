"""Settings that make no sense end every process with a line each, before anything starts."""

import pytest

from settings import AgentSettings, Settings, read
from workers import agent, release


@pytest.mark.parametrize("main", [agent.main, release.main], ids=["agent", "release worker"])
def test_they_are_named_and_their_values_are_not_repeated(main, monkeypatch, tmp_path, capsys):
    """With code 2, and without a traceback."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLIPWAY_LOG_FORMAT", "hunter2")
    with pytest.raises(SystemExit) as left:
        main()
    told = capsys.readouterr().err
    assert 2 == left.value.code
    assert "SLIPWAY_LOG_FORMAT: " in told
    assert "hunter2" not in told


def test_what_concerns_several_of_them_is_told_as_it_is(monkeypatch, tmp_path, capsys):
    """Its sentence names them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SLIPWAY_SECRET_KEY", "ab" * 32)
    monkeypatch.setenv("SLIPWAY_TEMPORAL_TLS_KEY", "/nowhere")
    for kind in (Settings, AgentSettings):
        with pytest.raises(SystemExit):
            read(kind)
        lines = capsys.readouterr().err.splitlines()
        assert any(line.endswith("SLIPWAY_TEMPORAL_TLS_KEY go together") for line in lines), lines
        assert not any(line.startswith("SLIPWAY_: ") for line in lines)

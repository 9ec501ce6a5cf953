"""`slipway up --check` with everything real."""

import subprocess
import sys

import pytest


@pytest.mark.story
@pytest.mark.timeout(240)
def test_one_release_goes_through_on_this_machine() -> None:
    """Temporal, API, worker, agent and stand-ins start, a release is approved by mail links, and all of it stops."""
    command = [sys.executable, "-m", "local.up", "--check"]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=230)
    assert 0 == checked.returncode, checked.stderr
    assert "OK: one release went through" in checked.stderr
    assert "approval webshop/1/prod/1/after answered by the link in the mail" in checked.stderr

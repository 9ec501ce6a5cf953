"""How long a transfer may take, and how much it may bring."""

import pytest

from activities.artifact_source import SourceUnreachable, UnsafeArtifact
from integrations.allowance import Allowance, Limits


def test_what_is_within_both_limits_passes_unchanged():
    """To the last byte and the last moment."""
    allowance = Allowance(Limits(seconds=5, size=4), "x", clock=iter([0.0, 5.0, 5.0]).__next__)
    assert [b"ab", b"cd"] == list(allowance.over([b"ab", b"cd"]))


def test_a_byte_too_many_is_refused():
    """Before it is handed on."""
    allowance = Allowance(Limits(size=3), "x")
    chunks = allowance.over([b"ab", b"cd"])
    assert b"ab" == next(chunks)
    with pytest.raises(UnsafeArtifact, match="x is larger than the 3 bytes that are allowed"):
        next(chunks)


def test_a_moment_too_late_is_an_error():
    """Worth another try."""
    allowance = Allowance(Limits(seconds=5), "x", clock=iter([0.0, 5.1]).__next__)
    with pytest.raises(SourceUnreachable, match="x did not come whole within 5 s"):
        list(allowance.over([b"ab"]))

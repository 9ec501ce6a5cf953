"""How values are worded."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from api.pages import wording
from domain.pipeline import Artifact, LatestOf


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(seconds=-5), "0 s"),
        (timedelta(seconds=59.9), "59 s"),
        (timedelta(seconds=60), "1 min"),
        (timedelta(seconds=127), "2 min 7 s"),
        (timedelta(hours=3, minutes=4, seconds=9), "3 h 4 min"),
        (timedelta(days=2, hours=3), "2 d 3 h"),
        (timedelta(days=30), "30 d"),
    ],
)
def test_a_span_of_time_has_its_two_largest_units(duration, words):
    """Clocks that differ never show a negative one."""
    assert words == wording.span(duration)


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 bytes"),
        (1, "1 byte"),
        (1023, "1023 bytes"),
        (1024, "1.0 KiB"),
        (1 << 20, "1.0 MiB"),
        (1 << 50, "1024.0 TiB"),
    ],
)
def test_a_size_is_told_in_its_unit(count, words):
    """Powers of 1024, one decimal."""
    assert words == wording.size(count)


def test_times_are_told_in_utc_whatever_their_zone():
    """The script localises them; without it nobody has to guess."""
    moment = datetime(2026, 11, 23, 15, 5, 9, tzinfo=timezone(timedelta(hours=1)))
    assert ("23 Nov 2026, 14:05 UTC", "2026-11-23T14:05:09Z", "2026-11-23 14:05:09 UTC") == (
        wording.utc(moment),
        wording.iso(moment),
        wording.utc_exact(moment),
    )
    assert "3 Jan 2026, 00:00 UTC" == wording.utc(datetime(2026, 1, 3, tzinfo=UTC))


def test_addresses_in_plain_text_become_links_and_nothing_else_does():
    """What is around them stays text."""
    linked = wording.links("see https://x.example/a?b=1&c=2 <b>")
    assert 'see <a href="https://x.example/a?b=1&amp;c=2">https://x.example/a?b=1&amp;c=2</a> &lt;b&gt;' == str(linked)


@pytest.mark.parametrize(
    ("address", "safe"), [("https://x", "https://x"), ("javascript:alert(1)", "#"), ("data:,x", "#")]
)
def test_only_web_addresses_are_followed(address, safe):
    """An artifact's address comes from another system."""
    assert safe == wording.web(address)


def test_a_version_rule_is_told_in_words():
    """As the placeholder of the field for a version."""
    assert ("the latest", "1.2", "the latest of branch main tagged good, signed") == (
        wording.version_rule("latest"),
        wording.version_rule("1.2"),
        wording.version_rule(LatestOf(branch="main", tags=("good", "signed"))),
    )


@pytest.mark.parametrize(
    ("artifact", "words"),
    [
        ({"jenkins": {"server": "ci", "job": "a/b"}}, "Jenkins ci: a/b"),
        (
            {"azure-pipelines": {"connection": "ado", "project": "p", "pipeline": "b", "artifact": "drop"}},
            "Azure Pipelines ado: p/b, drop",
        ),
        ({"url": {"href": "https://x.example/a.zip"}}, "https://x.example/a.zip"),
        ({"directory": {"path": "/srv/a"}}, "directory /srv/a"),
    ],
)
def test_a_source_is_told_in_a_few_words(artifact, words):
    """Where an artifact comes from, for the pipeline's page."""
    assert words == wording.source(Artifact.model_validate(artifact))


def test_who_asks_is_named_with_the_person_they_ask_for():
    """Once, where that is the same."""
    names = [("service:ci", "dev@example.com"), ("service:ci", ""), ("dev@example.com", "dev@example.com")]
    words = [wording.requester(name, person) for name, person in names]
    assert ["service:ci for dev@example.com", "service:ci", "dev@example.com"] == words

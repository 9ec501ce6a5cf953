"""Zips that are fetched once for all who have them open, while each of them may turn away."""

import io
import zipfile
from collections.abc import Iterator
from itertools import takewhile

import pytest

from activities.artifact_source import ArtifactNotFound, SourceUnreachable
from integrations.zipped_content import ZippedContent


def packed() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("around/a.txt", b"a")
    return content.getvalue()


class Download:
    """Counts how often it began, and how often it came to its end."""

    def __init__(self, pieces: int = 3) -> None:
        self.began = self.ended = 0
        self._pieces = pieces

    def __call__(self) -> Iterator[bytes]:
        self.began += 1
        content = packed()
        size = len(content) // self._pieces + 1
        yield from (content[at : at + size] for at in range(0, len(content), size))
        self.ended += 1

    def content(self, key: object) -> ZippedContent:
        return ZippedContent("the zip", "around", key, self)


def test_who_waits_for_a_zip_gets_empty_pieces_meanwhile():
    """So a caller that was told to stop finds out before all of it has come."""
    download = Download()
    pieces = download.content("pieces").stream("a.txt", 0)
    assert [b"", b"", b""] == list(takewhile(lambda piece: not piece, pieces))
    assert (1, 1) == (download.began, download.ended)


def test_who_turns_away_leaves_nothing_behind():
    """Neither a lock nor half a zip: the next one fetches it anew."""
    download = Download()
    shared = download.content("away"), download.content("away")
    leaving = shared[0].stream("a.txt", 0)
    assert b"" == next(leaving)
    leaving.close()
    assert (1, 0) == (download.began, download.ended)
    assert b"a" == b"".join(shared[1].stream("a.txt", 0))
    assert (2, 1) == (download.began, download.ended)


def test_one_fetches_for_all():
    """Sources that are open at the same time share what came."""
    download = Download()
    shared = [download.content("all") for _ in range(3)]
    assert [b"a"] * 3 == [b"".join(content.stream("a.txt", 0)) for content in shared]
    assert 1 == download.began


def test_others_look_up_while_one_fetches():
    """They may turn away, too."""
    download = Download()
    shared = download.content("others"), download.content("others")
    fetching, waiting = shared[0].stream("a.txt", 0), shared[1].stream("a.txt", 0)
    assert (b"", b"") == (next(fetching), next(waiting))
    assert 1 == download.began
    assert b"a" == b"".join(fetching)
    assert b"a" == b"".join(waiting)


def test_what_is_no_zip_may_be_asked_for_again():
    """Some page came in its place."""
    answers = iter([b"<html>", packed()])
    content = ZippedContent("the zip", "around", "page", lambda: [next(answers)])
    with pytest.raises(SourceUnreachable, match="the zip did not come as a zip"):
        content.sizes()
    assert {"a.txt": 1} == content.sizes()


def test_what_is_refused_is_refused_for_all():
    """A gigabyte is not fetched eight times to find out that it is too much."""
    asked = []

    def download() -> Iterator[bytes]:
        asked.append(1)
        yield b"much"
        raise ArtifactNotFound("too large")

    shared = [ZippedContent("the zip", "around", "refused", download) for _ in range(3)]
    for content in shared:
        with pytest.raises(ArtifactNotFound, match="too large"):
            content.sizes()
    assert 1 == len(asked)

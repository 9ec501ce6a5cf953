"""Which ports an installation uses."""

import os
import socket
from collections.abc import Iterator

import pytest

from local.ports import DEFAULTS, any_free_ports, choose_ports, holder_of
from local.trouble import Trouble


@pytest.fixture
def free() -> dict[str, int]:
    """Free ports by name."""
    return any_free_ports()


@pytest.fixture
def taken() -> Iterator[int]:
    """A port where this process listens."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


def test_free_ports_differ(free: dict[str, int]) -> None:
    """One for every part."""
    assert list(DEFAULTS) == list(free)
    assert len(free) == len(set(free.values()))


def test_remembered_ports_are_used_again(free: dict[str, int]) -> None:
    """Bookmarks keep working after a restart; nothing needs to be said."""
    choice = choose_ports({}, free)
    assert (free, ()) == (choice.ports, choice.remarks)


def test_a_taken_port_gives_way_with_a_word(free: dict[str, int], taken: int) -> None:
    """The next free one is used, and the holder of the wanted one is named."""
    choice = choose_ports({}, free | {"api": taken})
    assert choice.ports["api"] > taken
    assert len(choice.remarks) == 1
    assert f"port {taken} (api) is taken by " in choice.remarks[0]
    assert f"(pid {os.getpid()}); using {choice.ports['api']}" in choice.remarks[0]


def test_a_port_that_was_asked_for_does_not_give_way(free: dict[str, int], taken: int) -> None:
    """Whoever names a port means it."""
    with pytest.raises(Trouble, match=rf"port {taken}, asked for as the ui port, is taken by .*pid {os.getpid()}"):
        choose_ports({"ui": taken}, free)


def test_no_port_is_given_twice(free: dict[str, int]) -> None:
    """Two parts that want the same port get two."""
    choice = choose_ports({}, free | {"jenkins": free["api"]})
    assert len(choice.ports) == len(set(choice.ports.values()))


def test_nobody_holds_a_free_port(free: dict[str, int]) -> None:
    """No name is invented."""
    assert holder_of(free["api"]) is None

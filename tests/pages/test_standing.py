"""Where a release stands, in one sentence."""

from api.pages.standing import Underway, sentence
from domain.status import StageStatus


def test_an_obstacle_is_told_as_the_sentence_it_is() -> None:
    """What a stage waits for is a thing; what keeps it from going on is a sentence of its own."""
    blocked = Underway("two", StageStatus.IN_PROGRESS, "", "no online agent of pool default has gpu")
    asked = Underway("prod", StageStatus.WAITING, "approval by ana@example.com")
    told = sentence("", [blocked, asked])
    assert "two waits: no online agent of pool default has gpu; prod waits for approval by ana@example.com." == told

"""Cutting logs at the borders of characters."""

from hypothesis import given
from hypothesis import strategies as st

from api.log_text import whole_characters


@given(st.text(max_size=30), st.data())
def test_pieces_of_text_join_to_the_text(text: str, data: st.DataObject) -> None:
    """Wherever the bytes are cut, no character is torn."""
    written = text.encode()
    cut = data.draw(st.integers(0, len(written)))
    whole = whole_characters(written[:cut])
    assert text == written[:whole].decode() + written[whole:].decode()


@given(st.binary(max_size=30))
def test_at_most_three_bytes_are_kept_back(data: bytes) -> None:
    """What is no UTF-8 does not hold up the log."""
    assert 0 <= len(data) - whole_characters(data) <= 3

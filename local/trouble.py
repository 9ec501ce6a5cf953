"""What keeps an installation from starting or from doing its work, in words for the person at the terminal."""


class Trouble(Exception):  # noqa: N818  reads as what it is
    """``message`` says what is wrong, ``hint`` what to do about it."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

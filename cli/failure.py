"""A command that ends without its result: one sentence for the person, one code for the script."""

from cli.exit_codes import ExitCode


class Failure(Exception):  # noqa: N818  reads as what it is: the end of a command
    """``message`` says what went wrong, ``hint`` what to do about it; both go to stderr."""

    def __init__(self, code: ExitCode, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

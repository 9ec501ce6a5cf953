"""What the exit code of the command line tells a script."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The same codes for every command; ``docs/user-guide/cli.md`` lists them for readers."""

    OK = 0
    FAILED = 1
    MISUSE = 2
    REJECTED = 3
    CANNOT_REACH = 4
    NOT_ALLOWED = 5
    TIMED_OUT = 124
    INTERRUPTED = 130

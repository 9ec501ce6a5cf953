"""``python -m bench [NAME ...]``: measure a whole installation on this machine. Takes about ten minutes."""

import sys

from bench.measurements import MEASUREMENTS
from bench.stack import Stack


def main() -> None:
    """Run the named measurements, all of them by default."""
    wanted = sys.argv[1:] or [measure.__name__ for measure in MEASUREMENTS]
    with Stack() as stack:
        for measure in MEASUREMENTS:
            if measure.__name__ in wanted:
                print(measure(stack), flush=True)


if __name__ == "__main__":
    main()

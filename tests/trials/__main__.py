"""``python -m trials``: every trial at its nightly amount, a JSON verdict a line; exits with 1 if one does not hold.

The seed is told first: with it, the same is tried again, but for what the clock decides.
"""

import argparse
import asyncio
import json
import logging
import secrets
import sys
import time
from dataclasses import asdict
from importlib import import_module

import structlog
from trials.amounts import AMOUNTS


def main() -> int:
    """The exit code."""
    given = _arguments()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.ERROR)  # faults are put in on purpose, and processes tell of them
    _print({"seed": given.seed, "amount_percent": given.amount_percent, "trials": given.only})
    held = [_holds(name, given.seed, given.amount_percent) for name in given.only]
    return 0 if all(held) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m trials", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000), help="default: a new one")
    parser.add_argument(
        "--amount-percent", type=float, default=100.0, help="of the nightly amount, but not less than the tests do"
    )
    parser.add_argument("--only", action="append", choices=sorted(AMOUNTS), help="this trial; may be repeated")
    given = parser.parse_args()
    given.only = given.only or sorted(AMOUNTS)
    return given


def _holds(name: str, seed: int, percent: float) -> bool:
    amount = max(AMOUNTS[name].gate, round(AMOUNTS[name].nightly * percent / 100))
    began = time.monotonic()
    verdict = asyncio.run(import_module(f"trials.{name}").run(seed, amount))
    seconds = round(time.monotonic() - began, 1)
    _print({**asdict(verdict), "trial": name, "amount": amount, "seconds": seconds, "holds": verdict.holds})
    return bool(verdict.holds)


def _print(said: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

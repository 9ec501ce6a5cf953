"""Ids as people type them: checked before anybody is asked, so that a slip is answered with how it is written."""

import re

import typer

_NAME = r"[^/\s]+"
_RELEASE = re.compile(rf"{_NAME}/\d+")
_TOKEN = re.compile(r"[0-9a-f]{32}")
_MOST_APPROVALS = 100
_STEP_RUN = re.compile(rf"{_NAME}/\d+/{_NAME}/\d+/{_NAME}/\d+/\d+")
_APPROVAL = re.compile(rf"{_NAME}/\d+/{_NAME}/\d+/(before|after)")


def release(written: str) -> str:
    """Raises BadParameter unless it is ``webshop/41``."""
    return _checked(written, _RELEASE, "no release: write pipeline and number, as in webshop/41")


def approval(written: str) -> str:
    """Raises BadParameter unless it is ``webshop/41/prod/1/before``."""
    return _checked(written, _APPROVAL, "no approval: write it as `slipway approvals` does, webshop/41/prod/1/before")


def approvals(written: list[str]) -> list[str]:
    """Each once; raises BadParameter for one that is none, and for more than are answered at once."""
    if len(written) > _MOST_APPROVALS:
        raise typer.BadParameter(f"at most {_MOST_APPROVALS} are answered at once")
    return list(dict.fromkeys(approval(one) for one in written))


def step_run(written: str) -> str:
    """Raises BadParameter unless it is ``webshop/41/prod/1/deploy/2/1``."""
    return _checked(written, _STEP_RUN, "no run of a step: write it as in webshop/41/prod/1/deploy/2/1")


def token(written: str) -> str:
    """Raises BadParameter for what is no id, such as a token's value, which nobody else needs to see."""
    found = written.strip()
    if not _TOKEN.fullmatch(found):
        raise typer.BadParameter("this is no id of a token: copy one of those that `slipway token list` shows")
    return found


def _checked(written: str, shape: re.Pattern[str], words: str) -> str:
    found = written.strip().strip("/")
    if not shape.fullmatch(found):
        raise typer.BadParameter(f"{written!r} names {words}")
    return found

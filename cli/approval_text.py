"""How an approval and what was done to it read in a terminal, and what a receipt means for a script."""

from cli.answers import Approval, AskedApprover, Problem, Receipt
from cli.exit_codes import ExitCode
from cli.release_text import local_time

_NOT_MINE = frozenset({"not an approver", "requester may not approve", "not allowed", "proof too weak"})
_VERDICT_OF = {"approve": "approved", "reject": "rejected"}
_FORBIDDEN = frozenset({401, 403})
_SERVER_ERROR = 500


def asked(approval: Approval) -> str:
    """Everybody who is asked, with what they answered."""
    if approval["is_automatic"]:
        return "nobody had to approve"
    return ", ".join(f"{_name(one)} ({one['answered'] or 'asked'})" for one in approval["asked"])


def _name(one: AskedApprover) -> str:
    return " or ".join([one["approver"], *one["deputies"]])


def wanted(approval: Approval) -> str:
    """What an answer needs."""
    comment = " and a comment" if approval["comment_required"] else ""
    return f"{approval['proof']}{comment}"


def people(approval: Approval) -> list[str]:
    """A line for every approver, and one below it for each of their mails."""
    lines = []
    for one in approval["asked"]:
        instead = f", instead of {one['instead_of']}" if one["instead_of"] else ""
        members = f": any of {', '.join(one['members'])}" if one["approver"].startswith("group:") else ""
        lines.append(f"{_name(one)} ({one['answered'] or 'asked'}){instead}{members}")
        for mail in one["mails"]:
            error = f": {mail['error']}" if mail["error"] else ""
            lines.append(f"  {mail['kind']} to {mail['person']} {mail['status']}{error}")
    return lines


def history(approval: Approval) -> list[str]:
    """A line for all that happened."""
    return [" ".join(filter(None, (local_time(h["at"]), h["by"], h["text"]))) for h in approval["history"]]


def exit_code(receipt: Receipt, choice: str | None = None) -> ExitCode:
    """Whether what was wanted is so. What changed nothing must not look like something that did."""
    is_so = choice is not None and receipt["verdict"] == _VERDICT_OF[choice]
    if receipt["stands"] or receipt["kind"] == "stored" or is_so:
        return ExitCode.OK
    if receipt["kind"] in _NOT_MINE:
        return ExitCode.NOT_ALLOWED
    return ExitCode.REJECTED if receipt["verdict"] in {"rejected", "expired"} else ExitCode.MISUSE


def exit_code_of_problem(problem: Problem) -> ExitCode:
    """As if it had been the answer to a request of its own."""
    if problem["status"] >= _SERVER_ERROR:
        return ExitCode.CANNOT_REACH
    return ExitCode.NOT_ALLOWED if problem["status"] in _FORBIDDEN else ExitCode.MISUSE

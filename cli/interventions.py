"""Commands about steps whose job waits for people: what is asked, and deciding it."""

import uuid
from enum import StrEnum
from typing import Annotated, cast

import typer

from cli import identifiers
from cli.answering import Comment, Yes, confirm, is_asked
from cli.answers import Asked, DecisionReceipt, Release, StepRun
from cli.api_client import ApiClient
from cli.exit_codes import ExitCode
from cli.failure import Failure
from cli.release_text import local_time, requester, versions
from cli.safe_text import one_line
from cli.screen import Output, OutputFormat, examples, print_fields, print_json, print_rows, say
from cli.session import api_of


class Remedy(StrEnum):
    """How the job is to go on."""

    RETRY = "retry"
    SKIP = "skip"
    IT_RAN = "it_ran"
    FAIL = "fail"


_MEANS = {
    Remedy.RETRY: "run it again",
    Remedy.SKIP: "go on without it",
    Remedy.IT_RAN: "it ran to its end; go on",
    Remedy.FAIL: "let the job fail",
}
RunId = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="As `slipway interventions` lists it: webshop/41/prod/1/deploy/2/1.",
        callback=identifiers.step_run,
    ),
]
HowItGoesOn = Annotated[
    Remedy,
    typer.Argument(metavar="DECISION", help="; ".join(f"{remedy}: {means}" for remedy, means in _MEANS.items()) + "."),
]


def interventions(context: typer.Context, output: Output = OutputFormat.TEXT) -> None:
    """List the steps whose job waits until somebody decides how it goes on, oldest first."""
    found = cast("list[Asked]", api_of(context).get("/interventions"))
    if output == OutputFormat.JSON:
        print_json(found)
        return
    rows = [
        [
            asked["run_id"],
            asked["intervention"]["text"],
            ", ".join(asked["intervention"]["options"]),
            local_time(asked["intervention"]["expires_at"]),
        ]
        for asked in found
    ]
    print_rows(["run", "question", "decide", "until"], rows, none="nobody is asked about a step")
    if rows:
        say("`slipway decide RUN DECISION` decides one of them")


def decide(
    context: typer.Context, run: RunId, decision: HowItGoesOn, comment: Comment = "", *, yes: Yes = False
) -> None:
    """Decide how a job goes on after a step. For releasers; the first decision counts.

    On a terminal it shows what is decided and asks first.
    """
    api = api_of(context)
    if not yes and is_asked():
        _print_what_is_decided(api, run)
        confirm(f"{decision}: {_MEANS[decision]}?")
    body = {"remedy": decision.value, "comment": comment, "decision_id": uuid.uuid4().hex}
    receipt = cast("DecisionReceipt", api.call("POST", f"/step-runs/{run}/decision", body=body))
    print(one_line(receipt["message"]))
    if not receipt["stands"] and receipt["kind"] != "stored":
        say("your decision was not counted")
        raise typer.Exit(ExitCode.MISUSE)


def _print_what_is_decided(api: ApiClient, run_id: str) -> None:
    """What one must know to decide. Raises Failure where nothing is asked."""
    release = cast("Release", api.get(f"/releases/{'/'.join(run_id.split('/')[:2])}"))
    step = _step(release, run_id)
    asked = step["intervention"] if step else None
    if step is None or asked is None:
        raise Failure(ExitCode.MISUSE, f"nobody is asked about {run_id}", "`slipway interventions` lists what is asked")
    print_fields(
        [
            ("step", f"{step['title']} ({run_id})"),
            ("release", f"{release['name']}, requested by {requester(release)}"),
            ("artifacts", versions(release)),
            ("question", asked["text"]),
            ("choices", ", ".join(asked["options"])),
            ("until", local_time(asked["expires_at"])),
            ("its log", f"slipway logs {run_id} --tail 50"),
        ]
    )


def _step(release: Release, run_id: str) -> StepRun | None:
    runs = (run for deployment in release["deployments"] for job in deployment["jobs"] for run in job["steps"])
    return next((run for run in runs if run["run_id"] == run_id), None)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog=examples("slipway interventions", "slipway interventions -o json"))(interventions)
    app.command(
        epilog=examples(
            "slipway decide webshop/41/prod/1/deploy/2/1 retry",
            'slipway decide webshop/41/prod/1/deploy/2/1 it_ran --yes --comment "the new version answers"',
        )
    )(decide)

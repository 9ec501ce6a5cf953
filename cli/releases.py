"""Commands about releases: make one, look at it, watch it, end it, deploy a stage of it."""

import uuid
from typing import Annotated, cast

import typer

from cli import approval_text, identifiers, release_text
from cli.answers import Deployment, Release
from cli.api_client import ApiClient
from cli.durations import seconds
from cli.exit_codes import ExitCode
from cli.failure import Failure
from cli.release_text import explanation, local_time, requester, versions
from cli.safe_text import one_line
from cli.screen import Output, OutputFormat, coloured, examples, print_fields, print_json, print_rows, say
from cli.session import SlipwayGroup, api_of
from cli.watch import watch as watch_to_the_end

app = typer.Typer(help="Make, watch and end releases.", no_args_is_help=True, cls=SlipwayGroup)

ReleaseId = Annotated[
    str, typer.Argument(metavar="RELEASE", help="Pipeline and number: webshop/41.", callback=identifiers.release)
]
Timeout = Annotated[str, typer.Option(metavar="DURATION", help="Stop watching after 90s, 10m, 3h (exit code 124).")]

_STATUSES = "requested, active, succeeded, partially succeeded, failed, canceled or abandoned ones only."
_ASK_AGAIN = 3


@app.command(
    epilog=examples(
        "slipway release create webshop",
        "slipway release create webshop --version web=142 --set LOG_LEVEL=debug --wait",
        'slipway release create webshop --manual prod --description "hotfix for the cart"',
        "slipway release create webshop --requested-for ana@example.com --idempotency-key build-142",
    )
)
def create(  # noqa: PLR0913, PLR0917  each is an option of the command
    context: typer.Context,
    pipeline: Annotated[str, typer.Argument(metavar="PIPELINE")],
    version: Annotated[
        list[str] | None,
        typer.Option(metavar="ALIAS=VERSION", help="Version of an artifact; `slipway pipeline versions` lists them."),
    ] = None,
    variables: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A settable variable.")
    ] = None,
    manual: Annotated[
        list[str] | None, typer.Option(metavar="STAGE", help="Do not start this stage by itself.")
    ] = None,
    description: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the people who read it.")] = "",
    requested_for: Annotated[
        str, typer.Option(metavar="MAIL", help="Whom a service asks for; they may not approve it either.")
    ] = "",
    idempotency_key: Annotated[
        str, typer.Option(metavar="KEY", help="The same key makes no second release within a day.")
    ] = "",
    *,
    wait: Annotated[
        bool, typer.Option("--wait", help="Watch it to its end; the exit code tells how it ended.")
    ] = False,
    timeout: Timeout = "",
    output: Output = OutputFormat.TEXT,
) -> None:
    """Make a release of a pipeline; its stages start by themselves."""
    api = api_of(context)
    patience = _patience(timeout, wait=wait)
    body = {
        "pipeline": pipeline,
        "versions": _pairs(version or [], "--version web=142"),
        "variables": _pairs(variables or [], "--set LOG_LEVEL=debug"),
        "manual_stages": manual or [],
        "description": description,
        **({"requested_for": requested_for} if requested_for else {}),
    }
    release = _create(api, body, idempotency_key or str(uuid.uuid4()))
    if output == OutputFormat.JSON:
        print_json(release)
    else:
        print(release["id"])
        say(f"{one_line(release['name'])} was made; see {release['links']['console']}")
    if wait:
        raise typer.Exit(watch_to_the_end(api, release["id"], timeout_seconds=patience))


def _patience(timeout: str, *, wait: bool) -> float | None:
    """In seconds; None is for ever."""
    if timeout and not wait:
        raise typer.BadParameter("is for those who wait: add --wait", param_hint="--timeout")
    return float(seconds(timeout)) if timeout else None


def _create(api: ApiClient, body: object, key: str) -> Release:
    """Ask again when the answer got lost: under one key, that makes one release."""
    for tries_left in reversed(range(_ASK_AGAIN)):
        try:
            return cast("Release", api.call("POST", "/releases", body=body, headers={"Idempotency-Key": key}))
        except Failure as failure:
            if failure.code != ExitCode.CANNOT_REACH or not tries_left:
                raise
    raise AssertionError("the last try returns or raises")


def _pairs(written: list[str], example: str) -> dict[str, str]:
    pairs = [text.partition("=") for text in written]
    for name, equals, _ in pairs:
        if not name or not equals:
            raise typer.BadParameter(f"write name and value, as in {example}")
    return {name: value for name, _, value in pairs}


@app.command("list", epilog=examples("slipway release list", "slipway release list --pipeline webshop --status active"))
def list_all(
    context: typer.Context,
    pipeline: Annotated[str | None, typer.Option(metavar="PIPELINE", help="Of this pipeline only.")] = None,
    status: Annotated[str | None, typer.Option(metavar="STATUS", help=_STATUSES)] = None,
    limit: Annotated[int, typer.Option(metavar="NUMBER", min=1, max=200, help="How many, at most 200.")] = 20,
    cursor: Annotated[str | None, typer.Option(metavar="CURSOR", help="Where the page before ended.")] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List releases, newest first."""
    query = {"pipeline": pipeline, "status": status, "limit": limit, "cursor": cursor}
    answer = api_of(context).call("GET", "/releases", query=query)
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    rows = [
        [r["id"], r["status"], local_time(r["created_at"]), requester(r), r["waiting_for"] or r["reason"]]
        for r in answer["items"]
    ]
    none = "no releases; `slipway release create PIPELINE` makes one"
    print_rows(["release", "status", "created", "by", ""], rows, none=none)
    if answer["next_cursor"]:
        say(f"more: slipway release list --cursor {answer['next_cursor']}")


@app.command(epilog=examples("slipway release show webshop/41", "slipway release show webshop/41 -o json"))
def show(context: typer.Context, release: ReleaseId, output: Output = OutputFormat.TEXT) -> None:
    """Show a release: its stages, approvals, jobs and steps."""
    found = cast("Release", api_of(context).get(f"/releases/{release}"))
    if output == OutputFormat.JSON:
        print_json(found)
        return
    print_fields(_head(found))
    for stage in found["stages"]:
        words = explanation(found, stage)
        print(f"\n{one_line(stage['stage'])}: {coloured(stage['status'])}{' - ' + one_line(words) if words else ''}")
        for deployment in found["deployments"]:
            if deployment["stage"] == stage["stage"]:
                _print_deployment(deployment)


def _head(release: Release) -> list[tuple[str, str | None]]:
    return [
        ("release", release["id"]),
        ("name", release["name"]),
        ("status", release["status"]),
        ("waiting for", release["waiting_for"]),
        ("reason", release["reason"]),
        ("description", release["description"]),
        ("requested by", f"{requester(release)} at {local_time(release['created_at'])}"),
        ("artifacts", versions(release)),
        ("console", release["links"]["console"]),
        ("Temporal", release["temporal_url"]),
    ]


def _print_deployment(deployment: Deployment) -> None:
    attempt = f"attempt {deployment['attempt']}, " if deployment["attempt"] > 1 else ""
    print(f"  {attempt}{local_time(deployment['started_at'])}")
    for approval in deployment["approvals"]:
        asked = one_line(approval_text.asked(approval))
        print(f"  approval {approval['id']}: {coloured(approval['verdict'])} - {asked}")
    for job in deployment["jobs"]:
        where = f" on {one_line(job['agent'])}" if job["agent"] else ""
        print(f"  job {one_line(job['job'])}{where}: {coloured(job['status'])}")
        for step in job["steps"]:
            code = f" (exit code {step['exit_code']})" if step["exit_code"] else ""
            print(f"    {step['run_id']}  {one_line(step['title'])}: {coloured(step['status'])}{code}")
            for line in release_text.intervention(step):
                print(f"      {one_line(line)}")


@app.command(epilog=examples("slipway release watch webshop/41", "slipway release watch webshop/41 --timeout 10m"))
def watch(context: typer.Context, release: ReleaseId, timeout: Timeout = "") -> None:
    """Watch a release until nothing runs or waits any more; the exit code tells how it ended."""
    patience = float(seconds(timeout)) if timeout else None
    raise typer.Exit(watch_to_the_end(api_of(context), release, timeout_seconds=patience))


@app.command(epilog=examples('slipway release cancel webshop/41 --reason "wrong version"'))
def cancel(
    context: typer.Context,
    release: ReleaseId,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the history.")] = "",
) -> None:
    """End a release: running steps are stopped, waiting stages never start."""
    answer = api_of(context).call("POST", f"/releases/{release}/cancel", body={"reason": reason})
    say(one_line(answer["message"]))
    say(f"`slipway release watch {release}` shows its end")


@app.command(
    "set-variables",
    epilog=examples('slipway release set-variables webshop/41 --set LOG_LEVEL=debug --comment "to find the leak"'),
)
def set_variables(
    context: typer.Context,
    release: ReleaseId,
    variables: Annotated[list[str], typer.Option("--set", metavar="NAME=VALUE", help="A settable variable.")],
    comment: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the history.")] = "",
) -> None:
    """Set variables of a release that is under way. Approvers are asked anew; you count as a requester then."""
    change = {
        "variables": _pairs(variables, "--set LOG_LEVEL=debug"),
        "comment": comment,
        "change_id": str(uuid.uuid4()),
    }
    api_of(context).call("POST", f"/releases/{release}/variables", body=change)
    say(f"{', '.join(change['variables'])} of {release} will be set for what has not begun yet")


@app.command(epilog=examples("slipway release keep webshop/41", "slipway release keep webshop/41 --no-longer"))
def keep(
    context: typer.Context,
    release: ReleaseId,
    *,
    no_longer: Annotated[bool, typer.Option("--no-longer", help="Let its logs go in their time again.")] = False,
) -> None:
    """Keep the logs of a release for ever, also where the server removes old ones."""
    api_of(context).call("DELETE" if no_longer else "PUT", f"/releases/{release}/retain")
    say(f"the logs of {release} are {'no longer kept' if no_longer else 'kept'} for ever")


@app.command(epilog=examples("slipway release deploy webshop/41 prod", "slipway release deploy webshop/40 prod --wait"))
def deploy(
    context: typer.Context,
    release: ReleaseId,
    stage: Annotated[str, typer.Argument(metavar="STAGE")],
    comment: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the history.")] = "",
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Watch the release to its end.")] = False,
    timeout: Timeout = "",
) -> None:
    """Deploy a stage of a release by hand: a manual stage, or again (an earlier release rolls back)."""
    api = api_of(context)
    patience = _patience(timeout, wait=wait)
    api.call("POST", f"/releases/{release}/stages/{stage}/deploy", body={"comment": comment})
    say(f"{stage} of {release} will be deployed")
    if wait:
        raise typer.Exit(watch_to_the_end(api, release, timeout_seconds=patience))

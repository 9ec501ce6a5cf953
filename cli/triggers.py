"""Commands about what starts releases by itself: show it, pause it, resume it."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from cli.release_text import local_time
from cli.safe_text import one_line
from cli.screen import Output, OutputFormat, examples, print_json, print_rows, say
from cli.session import SlipwayGroup, api_of

app = typer.Typer(help="Releases that start themselves.", no_args_is_help=True, cls=SlipwayGroup)
Name = Annotated[str, typer.Argument(metavar="PIPELINE")]


@app.command(epilog=examples("slipway trigger show webshop", "slipway trigger show webshop --limit 200 -o json"))
def show(
    context: typer.Context,
    pipeline: Name,
    limit: Annotated[int, typer.Option(min=1, max=200, help="At most so many events.")] = 20,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Show what starts releases of a pipeline, what came, and what became of it."""
    answer = api_of(context).get(f"/pipelines/{pipeline}/triggers", limit=limit)
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    for line in _what_comes(answer):
        say(one_line(line))
    rows = [
        [local_time(e["received_at"]), e["kind"], e["label"] or e["version"], e["branch"] or "", *_end(e)]
        for e in answer["events"]
    ]
    print_rows(["when", "kind", "version", "branch", "outcome", "release or reason"], rows, none="nothing came yet")


@app.command(epilog=examples('slipway trigger pause webshop --reason "the fair"'))
def pause(
    context: typer.Context,
    pipeline: Name,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="For those who wonder.")] = "",
) -> None:
    """Let triggers and schedules make no releases until somebody resumes them. People make releases as before."""
    api_of(context).call("POST", f"/pipelines/{pipeline}/pause", body={"reason": reason})
    say(f"{pipeline} is paused")


@app.command(epilog=examples("slipway trigger resume webshop"))
def resume(context: typer.Context, pipeline: Name) -> None:
    """Let triggers and schedules make releases again, of what comes from now on."""
    api_of(context).call("POST", f"/pipelines/{pipeline}/resume")
    say(f"{pipeline} is resumed")


def _what_comes(answer: Mapping[str, Any]) -> list[str]:
    lines = list[str]()
    if answer["paused"]:
        why = f": {answer['paused']['reason']}" if answer["paused"]["reason"] else ""
        lines.append(f"paused by {answer['paused']['by']}{why}")
    for artifact in answer["artifacts"]:
        how = f"polled every {artifact['every']}" if artifact["every"] else "a webhook tells"
        trouble = f"; no answer: {artifact['error']}" if artifact["error"] else ""
        lines.append(f"new versions of {artifact['alias']}: {how}{trouble}")
    for schedule in answer["schedules"]:
        runs = schedule["next_runs"]
        comes = f"next {local_time(runs[0])}" if runs else "no next run is known"
        lines.append(f"schedule {schedule['cron']} ({schedule['timezone']}): {comes}")
    return lines


def _end(event: Mapping[str, Any]) -> tuple[str, str]:
    return str(event["outcome"]), str(event["release"] or event["reason"])

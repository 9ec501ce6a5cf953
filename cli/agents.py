"""Commands about agents: who is there, and how a new one is let in."""

from typing import Annotated, Any

import typer

from cli.exit_codes import ExitCode
from cli.failure import Failure
from cli.release_text import local_time
from cli.screen import Output, OutputFormat, examples, print_json, print_rows, say
from cli.session import SlipwayGroup, api_of

app = typer.Typer(help="Agents.", invoke_without_command=True, cls=SlipwayGroup)
enrolment = typer.Typer(help="Let a new agent in.", no_args_is_help=True, cls=SlipwayGroup)

_OWN_WORTH_SHOWING = 8
Name = Annotated[str, typer.Argument(metavar="AGENT", help="Its name.")]


@app.callback(epilog=examples("slipway agents", "slipway agents --find os=linux", "slipway agents -o json"))
def agents(
    context: typer.Context,
    find: Annotated[str, typer.Option(help="Only those with these words in name, pool or capabilities.")] = "",
    output: Output = OutputFormat.TEXT,
) -> None:
    """List the agents, whether they take jobs, and what they can do; or say something of one of them."""
    if context.invoked_subcommand is not None:
        return
    answer = api_of(context).get("/agents", q=find or None)
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    rows = [
        [
            agent["name"],
            agent["pool"],
            _status(agent),
            f"{agent['busy']} of {agent['slots']}",
            _capabilities(agent["capabilities"]),
        ]
        for agent in answer
    ]
    none = f"no agent has {find}" if find else "no agents; `slipway agent-token create` gives the token to start one"
    print_rows(["agent", "pool", "status", "busy", "capabilities"], rows, none=none)
    for agent in answer:
        _tell_more(agent)


@app.command(epilog=examples("slipway agents label build-7 gpu region=eu", "slipway agents label build-7 --none"))
def label(
    context: typer.Context,
    name: Name,
    labels: Annotated[
        list[str] | None, typer.Argument(metavar="LABEL", help="NAME or NAME=VALUE, all of them.")
    ] = None,
    *,
    none: Annotated[bool, typer.Option("--none", help="Take all labels away.")] = False,
) -> None:
    """Give an agent capabilities that go before its own: these labels and no others."""
    if bool(labels) == none:
        raise Failure(ExitCode.MISUSE, "name the labels, or say --none")
    pairs = {key: value for key, _, value in (written.partition("=") for written in labels or [])}
    answer = api_of(context).call("PUT", f"/agents/{name}/labels", body={"labels": pairs})
    say(f"{name} has " + (_capabilities(answer["labels"]) or "no labels"))


@app.command(
    epilog=examples('slipway agents maintain build-7 --reason "disk swap"', "slipway agents maintain build-7 --end")
)
def maintain(
    context: typer.Context,
    name: Name,
    reason: Annotated[str, typer.Option(help="Shown to those whose jobs wait for it.")] = "",
    *,
    end: Annotated[bool, typer.Option("--end", help="Let it take jobs again.")] = False,
) -> None:
    """Take an agent out for maintenance: it takes no new jobs, what runs goes on."""
    api_of(context).call("PUT", f"/agents/{name}/maintenance", body={"on": not end, "reason": reason})
    say(f"{name} takes jobs again" if end else f"{name} takes no new jobs")


@app.command(epilog=examples("slipway agents slots build-7 4", "slipway agents slots build-7 own"))
def slots(
    context: typer.Context,
    name: Name,
    count: Annotated[
        str, typer.Argument(metavar="COUNT", help="1 to 256, or own for what the agent itself is set to.")
    ],
) -> None:
    """Say how many jobs an agent runs at once. With fewer slots, what runs goes on."""
    if count != "own" and not count.isdecimal():
        raise Failure(ExitCode.MISUSE, "COUNT is a number, or own")
    wanted = None if count == "own" else int(count)
    answer = api_of(context).call("PUT", f"/agents/{name}/slots", body={"slots": wanted})
    say(f"{name} runs {answer['slots']} jobs at once")


@app.command(epilog=examples("slipway agents approve build-7"))
def approve(context: typer.Context, name: Name) -> None:
    """Let an agent take jobs that enrolled with a token that needs approval."""
    api_of(context).call("POST", f"/agents/{name}/approval")
    say(f"{name} may take jobs")


@app.command(epilog=examples("slipway agents remove build-7"))
def remove(context: typer.Context, name: Name) -> None:
    """Forget an agent, and refuse its credential from now on. What it runs is lost."""
    api_of(context).call("DELETE", f"/agents/{name}")
    say(f"{name} is removed")


def _status(agent: dict[str, Any]) -> str:
    return str(agent.get("status", "online" if agent["is_online"] else "offline"))


def _tell_more(agent: dict[str, Any]) -> None:
    """What does not fit into the table, on standard error."""
    told = [
        agent.get("closed_because") and f"takes no new jobs: it {agent['closed_because']}",
        agent.get("clock_warning"),
    ]
    told += [f"runs {job['id']}: {job['console']}" for job in agent.get("jobs", [])]
    for line in filter(None, told):
        say(f"{agent['name']}: {line}")


def _capabilities(capabilities: dict[str, str]) -> str:
    written = sorted(name if value in {"", "true"} else f"{name}={value}" for name, value in capabilities.items())
    more = len(written) - _OWN_WORTH_SHOWING
    return " ".join(written[:_OWN_WORTH_SHOWING]) + (f" and {more} more" if more > 0 else "")


@enrolment.command(epilog=examples("SLIPWAY_AGENT_ENROLMENT_TOKEN=$(slipway agent-token create) slipway agent"))
def create(
    context: typer.Context,
    pool: Annotated[str, typer.Option(help="The pool the agent joins.")] = "default",
    *,
    needs_approval: Annotated[
        bool, typer.Option("--needs-approval", help="The agent takes no jobs before an admin approves it.")
    ] = False,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Print a token with which one agent can enrol, once."""
    answer = api_of(context).call(
        "POST", "/agents/enrolment-tokens", body={"pool": pool, "needs_approval": needs_approval}
    )
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    print(answer["token"])
    say(f"good for one agent of pool {pool}, until {local_time(answer['expires_at'])}")


def register(root: typer.Typer) -> None:
    """Add the commands of this module."""
    root.add_typer(app, name="agents")
    root.add_typer(enrolment, name="agent-token")

"""Commands about agents: who is there, and how a new one is let in."""

from typing import Annotated

import typer

from cli.release_text import local_time
from cli.screen import Output, OutputFormat, examples, print_json, print_rows, say
from cli.session import SlipwayGroup, api_of

enrolment = typer.Typer(help="Let a new agent in.", no_args_is_help=True, cls=SlipwayGroup)

_OWN_WORTH_SHOWING = 8


def agents(context: typer.Context, output: Output = OutputFormat.TEXT) -> None:
    """List the agents, whether they are online, and what they can do."""
    answer = api_of(context).get("/agents")
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    rows = [
        [
            agent["name"],
            agent["pool"],
            "online" if agent["is_online"] else "offline",
            f"{agent['busy']} of {agent['slots']}",
            _capabilities(agent["capabilities"]),
        ]
        for agent in answer
    ]
    none = "no agents; `slipway agent-token create` gives the token to start one"
    print_rows(["agent", "pool", "status", "busy", "capabilities"], rows, none=none)


def _capabilities(capabilities: dict[str, str]) -> str:
    written = sorted(name if value in {"", "true"} else f"{name}={value}" for name, value in capabilities.items())
    more = len(written) - _OWN_WORTH_SHOWING
    return " ".join(written[:_OWN_WORTH_SHOWING]) + (f" and {more} more" if more > 0 else "")


@enrolment.command(epilog=examples("SLIPWAY_AGENT_ENROLMENT_TOKEN=$(slipway agent-token create) slipway agent"))
def create(
    context: typer.Context,
    pool: Annotated[str, typer.Option(help="The pool the agent joins.")] = "default",
    output: Output = OutputFormat.TEXT,
) -> None:
    """Print a token with which one agent can enrol, once."""
    answer = api_of(context).call("POST", "/agents/enrolment-tokens", body={"pool": pool})
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    print(answer["token"])
    say(f"good for one agent of pool {pool}, until {local_time(answer['expires_at'])}")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(epilog=examples("slipway agents", "slipway agents -o json"))(agents)
    app.add_typer(enrolment, name="agent-token")

"""Commands about pipelines: check a file, store it, look at what is stored."""

from pathlib import Path
from typing import Annotated

import typer

from cli.exit_codes import ExitCode
from cli.failure import Failure
from cli.processes import become
from cli.release_text import local_time
from cli.safe_text import plain
from cli.screen import Output, OutputFormat, examples, print_json, print_rows, say
from cli.session import SlipwayGroup, api_of

app = typer.Typer(help="Check, store and show pipelines.", no_args_is_help=True, cls=SlipwayGroup)

Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Pipeline files, YAML or JSON.")]
Name = Annotated[str, typer.Argument(metavar="PIPELINE")]

_CREATED = 201
_LONGEST_FILE_NAME = 200


@app.command(epilog=examples("slipway pipeline validate pipeline.yaml", "slipway pipeline validate examples/*.yaml"))
def validate(files: Files, output: Output = OutputFormat.TEXT) -> None:
    """Say everything that is wrong with the files, with line and column. Needs no server; - is standard input."""
    as_json = ["--json"] if output == OutputFormat.JSON else []
    become("authoring", [*as_json, *(str(file) for file in files)])


@app.command(epilog=examples("slipway pipeline apply pipeline.yaml"))
def apply(context: typer.Context, files: Files, output: Output = OutputFormat.TEXT) -> None:
    """Store the files as new revisions of their pipelines; an unchanged file makes none."""
    api = api_of(context)
    for file in files:
        headers = {"Content-Type": "application/yaml"}
        query = {"file": str(file)[-_LONGEST_FILE_NAME:]}
        response = api.send("POST", "/api/v1/pipelines", content=_content(file), query=query, headers=headers)
        stored = response.json()
        if output == OutputFormat.JSON:
            print_json(stored)
        else:
            word = "stored as" if response.status_code == _CREATED else "unchanged,"
            print(f"{stored['pipeline']}: {word} revision {stored['revision']}")


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Failure(ExitCode.MISUSE, f"cannot read {file}: {error.strerror}") from error


@app.command("list", epilog=examples("slipway pipeline list", "slipway pipeline list -o json"))
def list_all(context: typer.Context, output: Output = OutputFormat.TEXT) -> None:
    """List the stored pipelines."""
    answer = api_of(context).get("/pipelines")
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    rows = [[item["name"], str(item["revision"]), local_time(item["updated_at"])] for item in answer]
    print_rows(
        ["pipeline", "revision", "since"], rows, none="no pipelines yet; `slipway pipeline apply FILE` stores one"
    )


@app.command(epilog=examples("slipway pipeline show webshop", "slipway pipeline show webshop --revision 3"))
def show(
    context: typer.Context,
    pipeline: Name,
    revision: Annotated[int | None, typer.Option(help="An earlier revision.")] = None,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Print a pipeline as its author wrote it."""
    path = f"/pipelines/{pipeline}" + (f"/revisions/{revision}" if revision is not None else "")
    answer = api_of(context).get(path)
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    say(f"{answer['pipeline']}, revision {answer['revision']}")
    print(plain(answer["text"]).rstrip("\n"))


@app.command(
    epilog=examples(
        "slipway pipeline versions webshop web",
        "slipway pipeline versions webshop web --branch release/2 --limit 5",
    )
)
def versions(
    context: typer.Context,
    pipeline: Name,
    artifact: Annotated[str, typer.Argument(metavar="ALIAS", help="Name of the artifact in the pipeline.")],
    branch: Annotated[
        str | None, typer.Option(metavar="BRANCH", help="Only of this branch; else as the pipeline says.")
    ] = None,
    limit: Annotated[int, typer.Option(metavar="NUMBER", min=1, max=100, help="How many, at most 100.")] = 20,
    output: Output = OutputFormat.TEXT,
) -> None:
    """List the recent versions of an artifact, for `slipway release create PIPELINE --version ALIAS=VERSION`."""
    path = f"/pipelines/{pipeline}/artifacts/{artifact}/versions"
    answer = api_of(context).get(path, branch=branch, limit=limit)
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    rows = [
        [one["version"], one["label"], one["branch"] or "", local_time(one["built_at"]), one["author"] or ""]
        for one in answer
    ]
    print_rows(["version", "called", "branch", "built", "by"], rows, none="no versions that fit, as the source tells")


@app.command(epilog=examples("slipway pipeline schema > pipeline-v1.json"))
def schema() -> None:
    """Print the JSON Schema of pipeline files, for editors. Needs no server; one serves it, too."""
    become("authoring", ["--schema"])

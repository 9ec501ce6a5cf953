"""Commands about what a release changes in a stage: commits, versions, and release notes."""

from typing import Annotated, cast

import typer

from cli import identifiers
from cli.answers import ArtifactChange, Changes, Commit
from cli.safe_text import one_line, plain
from cli.screen import Output, OutputFormat, examples, print_json
from cli.session import api_of

ReleaseId = Annotated[
    str, typer.Argument(metavar="RELEASE", help="Pipeline and number: webshop/41.", callback=identifiers.release)
]
Preview = Annotated[
    bool, typer.Option("--preview", help="What would change now, instead of what the stage's deployment changed.")
]


def changes(
    context: typer.Context,
    release: ReleaseId,
    stage: Annotated[str, typer.Argument(metavar="STAGE")],
    *,
    preview: Preview = False,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Show what a release changes in a stage, beside the last good deployment of another release there."""
    query = {"preview": "true"} if preview else {}
    answer = api_of(context).get(f"/releases/{release}/stages/{stage}/changes", **query)
    if output == OutputFormat.JSON:
        print_json(answer)
        return
    found = cast("Changes", answer)
    print(one_line(found["summary"]))
    for artifact in found["artifacts"]:
        _print_artifact(artifact)


def _print_artifact(artifact: ArtifactChange) -> None:
    note = f" ({one_line(artifact['note'])})" if artifact["note"] else ""
    before, after = (one_line(pin["version"]) if pin else "none" for pin in (artifact["before"], artifact["after"]))
    versions = after if artifact["way"] == "same" else f"{before} -> {after}"
    print(f"\n{one_line(artifact['alias'])}: {versions}, {one_line(artifact['way'])}{note}")
    if artifact["unknown"]:
        print(f"  {one_line(artifact['unknown'])}")
    if artifact["is_taken_away"] and artifact["commits"]:
        print("  taken away:")
    for commit in artifact["commits"]:
        print(f"  {_commit(commit)}")
    if artifact["left_out"]:
        print(f"  and {artifact['left_out']} more")


def _commit(commit: Commit) -> str:
    headline = next((line for line in commit["message"].splitlines() if line.strip()), "")
    author = f" ({commit['author']})" if commit["author"] else ""
    return one_line(f"{commit['commit'][:8]}  {headline.strip()}{author}")


def notes(
    context: typer.Context,
    release: ReleaseId,
    stage: Annotated[
        str | None, typer.Option(metavar="STAGE", help="Of this stage; else of the last of the pipeline.")
    ] = None,
    *,
    preview: Preview = False,
    output: Output = OutputFormat.TEXT,
) -> None:
    """Print the release notes: description, versions and commits. As text they read well as Markdown, too."""
    api = api_of(context)
    query = {"stage": stage, "preview": "true" if preview else None, "format": output.value}
    path = f"/api/v1/releases/{release}/notes"
    response = api.send("GET", path, query=query)
    if output == OutputFormat.JSON:
        print_json(response.json())
    else:
        print(plain(response.text).rstrip("\n"))


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        epilog=examples("slipway release changes webshop/41 prod", "slipway release changes webshop/39 prod --preview")
    )(changes)
    app.command(
        epilog=examples("slipway release notes webshop/41 > notes.md", "slipway release notes webshop/41 --stage test")
    )(notes)

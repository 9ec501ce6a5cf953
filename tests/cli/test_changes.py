"""What changes, release notes, and the versions to choose from."""

import json

from fakes.api_server import Answer, ApiServer, problem

CHANGES = "GET /api/v1/releases/webshop/41/stages/prod/changes"
NOTES = "GET /api/v1/releases/webshop/41/notes"
VERSIONS = "GET /api/v1/pipelines/webshop/artifacts/web/versions"
TOLD = {
    "summary": "Rollback from webshop-42: web 143 → 142 (rolled back); 1 commit taken away.",
    "artifacts": [
        {
            "alias": "web",
            "way": "rolled back",
            "before": {"version": "143"},
            "after": {"version": "142"},
            "note": "",
            "is_taken_away": True,
            "commits": [{"commit": "3f2a91bc00", "message": "\nFix\x1b[2J it\n\nAt last", "author": "A\rna"}],
            "left_out": 3,
            "unknown": "",
        },
        {
            "alias": "db",
            "way": "new",
            "before": None,
            "after": {"version": "7"},
            "note": "",
            "is_taken_away": False,
            "commits": [],
            "left_out": 0,
            "unknown": "Jenkins ci did not answer, commits unknown",
        },
    ],
}
OFFERS = [
    {"version": "142", "label": "#142", "branch": "main", "author": "Ana", "built_at": "2026-11-23T12:00:00Z"},
    {"version": "141", "label": "", "branch": None, "author": None, "built_at": None},
]


def test_changes_are_told_artifact_by_artifact(api: ApiServer, run) -> None:
    """What is taken away as such, what is not known in words; nothing in it commands the terminal."""
    api.on(CHANGES, Answer(TOLD))
    shown = run("release", "changes", "webshop/41", "prod", "--preview")
    assert (0, {"preview": "true"}) == (shown.exit_code, api.asked(CHANGES)[0].query)
    assert [
        "Rollback from webshop-42: web 143 → 142 (rolled back); 1 commit taken away.",
        "",
        "web: 143 -> 142, rolled back",
        "  taken away:",
        "  3f2a91bc  Fix it (A na)",
        "  and 3 more",
        "",
        "db: none -> 7, new",
        "  Jenkins ci did not answer, commits unknown",
    ] == shown.stdout.splitlines()


def test_release_notes_are_printed_as_they_are(api: ApiServer, run) -> None:
    """As text, for a file; or the API's own answer."""
    headers = {"Content-Type": "text/plain; charset=utf-8"}
    api.on(NOTES, Answer(b"webshop-41\n==========\n\x1b[2Jfine\n", headers=headers), Answer({"name": "webshop-41"}))
    assert "webshop-41\n==========\nfine\n" == run("release", "notes", "webshop/41", "--stage", "prod").stdout
    assert {"name": "webshop-41"} == json.loads(run("release", "notes", "webshop/41", "-o", "json").stdout)
    assert [{"format": "text", "stage": "prod"}, {"format": "json"}] == [dict(one.query) for one in api.asked(NOTES)]


def test_versions_are_listed_newest_first(api: ApiServer, run) -> None:
    """The version in front is what a new release is made with."""
    api.on(VERSIONS, Answer(OFFERS))
    shown = run("pipeline", "versions", "webshop", "web", "--branch", "main", "--limit", "5")
    assert {"branch": "main", "limit": "5"} == api.asked(VERSIONS)[0].query
    head, first, second = shown.stdout.splitlines()
    assert ["VERSION", "CALLED", "BRANCH", "BUILT", "BY"] == head.split()
    assert ("142", "#142", "main", "Ana") == (first.split()[0], first.split()[1], first.split()[2], first.split()[-1])
    assert "141" == second.strip()
    api.on(VERSIONS, Answer([]))
    assert "no versions" in run("pipeline", "versions", "webshop", "web").stderr


def test_a_source_that_does_not_answer_is_told(api: ApiServer, run) -> None:
    """In the server's words, as a server that cannot work."""
    api.on(VERSIONS, problem(503, "SourceSilent", "Jenkins ci did not answer"))
    result = run("pipeline", "versions", "webshop", "web")
    assert (4, True) == (result.exit_code, "Jenkins ci did not answer" in result.stderr)

"""What a step told, as it is kept beside it."""

from datetime import datetime

from activities.records import Entry, NameFact, StepFact
from domain.ids import ReleaseId
from domain.outputs import Issue, IssueKind, NotedFile, Summary
from domain.status import RunStatus
from storage import deployments
from storage.database import Database
from storage.records import SqlRecords

RUN = "webshop/1/test/1/deploy/1/1"
ODD = "\0 \x1b[31m \u202e é \u2028 \U0001f600 '\""


async def test_what_a_step_told_reads_back_whatever_it_is(database: Database, now: datetime) -> None:
    """A record never fails for its wording; issues keep their order."""
    issues = tuple(
        Issue(kind=kind, message=f"{kind} {ODD}", source_path="a.cs", line=7, code="C1") for kind in IssueKind
    )
    fact = StepFact(
        run_id=RUN,
        job_id=RUN.removesuffix("/1/1"),
        step=1,
        try_number=1,
        title="./deploy.sh",
        status=RunStatus.SUCCEEDED,
        secret_outputs={"TOKEN": f"{RUN}/TOKEN"},
        issues=issues,
        errors=1,
        warnings=120,
        summaries=(Summary(name="s.md", text=f"# Done\n{ODD}"),),
        files=(NotedFile(name="report.zip", size=2**40),),
        progress=40,
        progress_text=ODD,
    )
    entry = Entry(workflow_id="deployment/webshop/1/test/1", run_id="r", sequence=1, at=now, facts=(fact,))
    await SqlRecords(database).apply(entry)
    async with database.reading() as session:
        row = await deployments.step_run(session, RUN)
    assert row is not None
    assert issues == tuple(Issue.model_validate(issue) for issue in row.issues)
    assert fact.summaries == tuple(Summary.model_validate(summary) for summary in row.summaries)
    assert ([{"name": "report.zip", "size": 2**40}], {"TOKEN": f"{RUN}/TOKEN"}) == (row.files, row.secret_outputs)
    assert (1, 120, 40) == (row.errors, row.warnings, row.progress)


async def test_a_name_of_a_release_nobody_knows_changes_nothing(database: Database, now: datetime) -> None:
    """Its row may be gone by then."""
    fact = NameFact(release=str(ReleaseId(pipeline="gone", number=1)), name=ODD * 50)
    await SqlRecords(database).apply(Entry(workflow_id="w", run_id="r", sequence=1, at=now, facts=(fact,)))

"""Revisions of pipelines."""

import asyncio

from domain.pipeline import Pipeline
from storage import pipelines


async def test_the_first_text_is_revision_one(database, pipeline, now):
    """A pipeline begins with its first revision, which reads back as the same pipeline."""
    async with database.transaction() as session:
        saved = await pipelines.save_revision(session, pipeline, "text", "ann@example.com", now)
    async with database.reading() as session:
        found = await pipelines.latest(session, "webshop")
        everything = await pipelines.all_pipelines(session)
    assert found is not None
    assert (1, "text", "ann@example.com", now) == (saved.revision, found.text, found.author, found.created_at)
    assert pipeline == Pipeline.model_validate(found.definition)
    assert [("webshop", 1)] == [(row.name, row.revision) for row in everything]


async def test_the_same_text_again_is_no_new_revision(database, pipeline, now):
    """Applying a file twice changes nothing."""
    async with database.transaction() as session:
        await pipelines.save_revision(session, pipeline, "text", "ann@example.com", now)
    async with database.transaction() as session:
        again = await pipelines.save_revision(session, pipeline, "text", "bob@example.com", now)
    assert (1, "ann@example.com") == (again.revision, again.author)


async def test_another_text_is_the_next_revision_and_the_old_one_stays(database, pipeline, now):
    """Also a comment makes a revision, and going back to an earlier text makes one, too."""
    async with database.transaction() as session:
        for text in ("a", "b", "a"):
            await pipelines.save_revision(session, pipeline, text, "ann@example.com", now)
    async with database.reading() as session:
        found = await pipelines.revisions(session, "webshop")
        first = await pipelines.revision(session, "webshop", 1)
    assert [(3, "a"), (2, "b"), (1, "a")] == [(row.revision, row.text) for row in found]
    assert first is not None


async def test_revisions_saved_at_once_all_get_a_number_of_their_own(database, pipeline, now):
    """Ten people apply at the same moment, to a pipeline that nobody has seen yet."""

    async def save(text: str) -> int:
        async with database.transaction() as session:
            return (await pipelines.save_revision(session, pipeline, text, "ann@example.com", now)).revision

    numbers = await asyncio.gather(*(save(str(text)) for text in range(10)))
    assert list(range(1, 11)) == sorted(numbers)


async def test_an_unknown_pipeline_has_no_revision(database):
    """Asking for what is not there gives nothing, not an error."""
    async with database.reading() as session:
        assert await pipelines.latest(session, "nowhere") is None
        assert await pipelines.revision(session, "nowhere", 1) is None
        assert await pipelines.revisions(session, "nowhere") == []

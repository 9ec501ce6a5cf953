"""Which builds make releases of which pipelines, and under which key."""

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.artifact import VersionOffer
from domain.pipeline import Artifact, LatestOf, Pipeline
from domain.trigger import (
    AzureBuild,
    JenkinsBuild,
    NewVersion,
    fits,
    hit_of_build,
    hit_of_poll,
    newer,
    plain_branch,
    schedule_key,
    wanted_of,
    why_not,
)

JENKINS = {"server": "ci", "job": "team/webshop/main"}
AZURE = {"connection": "contoso", "project": "shop", "pipeline": "infra-ci", "artifact": "drop"}
NAMES = st.text(alphabet="ab/*.", max_size=8)


def artifact(**keys: object) -> Artifact:
    """Of Jenkins, triggered by every build unless told otherwise."""
    source = {} if "azure-pipelines" in keys else {"jenkins": JENKINS}
    return Artifact.model_validate({"trigger": True, **source, **keys})


def pipeline(**artifacts: object) -> Pipeline:
    """Whose artifacts are these."""
    stage = {"stage": "test", "jobs": [{"job": "deploy", "steps": [{"run": "true"}]}]}
    return Pipeline.model_validate({"pipeline": "webshop", "artifacts": artifacts, "stages": [stage]})


def jenkins_build(number: int = 142, job: str = "team/webshop/main", **built: object) -> JenkinsBuild:
    return JenkinsBuild(server="ci", job=job, number=number, built=NewVersion(version=str(number), **built))


def azure_build(**built: object) -> AzureBuild:
    new = NewVersion(version="2102", label="20261120.1", **built)
    return AzureBuild(connection="contoso", projects=("be9b", "Shop"), pipelines=("12", "infra-ci"), built=new)


def built(branch: str | None = None, **more: object) -> NewVersion:
    return NewVersion(version="142", branch=branch, **more)


@pytest.mark.parametrize(
    ("trigger", "branch", "told"),
    [
        (True, None, ""),
        (True, "main", ""),
        (True, "refs/pull/7/merge", "is a pull request"),
        ({"branches": ["refs/pull/*"]}, "refs/pull/7/merge", ""),
        ({"branches": ["main"]}, "refs/heads/main", ""),
        ({"branches": ["refs/heads/main"]}, "origin/main", ""),
        ({"branches": ["main"]}, None, "its branch is not known"),
        ({"branches": ["main", "release/*"]}, "release/1.2/eu", ""),
        ({"branches": ["main", "release/*"]}, "feature/x", "branch feature/x is none of main, release/*"),
        ({"branches": ["release/*"], "exclude": ["release/old-*"]}, "release/old-1", "is excluded by release/old-*"),
        ({"branches": ["main"], "exclude": ["main"]}, "main", "is excluded"),
        ({"exclude": ["PR-*"]}, "PR-12", "is excluded"),
        ({"exclude": ["PR-*"]}, "main", ""),
    ],
)
def test_branches_are_chosen_and_exclusion_wins(trigger: object, branch: str | None, told: str) -> None:
    """However git or the server spells them."""
    reason = why_not(artifact(trigger=trigger), built(branch))
    assert bool(told) == bool(reason)
    assert told in reason


def test_the_branch_whose_versions_are_taken_is_the_one_that_triggers() -> None:
    """Unless the trigger names others itself."""
    main_only = artifact(version={"branch": "main"})
    assert ["", "branch dev is none of main"] == [why_not(main_only, built(name)) for name in ("main", "dev")]
    assert "" == why_not(artifact(version={"branch": "main"}, trigger={"branches": ["dev"]}), built("dev"))


def test_all_tags_are_wanted() -> None:
    """Those of the trigger and those of the artifact's version; that nothing was said is told apart."""
    wanted = artifact(**{"azure-pipelines": AZURE}, trigger={"tags": ["ready"]}, version={"tags": ["signed"]})
    assert "" == why_not(wanted, built(tags=("ready", "signed", "x")))
    assert "it lacks the tag signed" == why_not(wanted, built(tags=("ready",)))
    assert "its tags were not told" in why_not(wanted, built())


def test_unstable_builds_are_refused_where_stable_ones_are_taken() -> None:
    """As the artifact's version says."""
    stable, any_good = artifact(version={"stable": True}), artifact()
    unstable = built(is_stable=False)
    assert (True, False) == ("failed tests" in why_not(stable, unstable), bool(why_not(any_good, unstable)))


@pytest.mark.parametrize(
    ("job", "of", "version"),
    [
        ("team/webshop/main", "team/webshop/main", "142"),
        ("team/webshop/main", "/team/webshop/main/", "142"),
        ("team/webshop/feature%2Fdark", "team/webshop/feature%2Fdark", "142"),
        ("team/webshop/feature%2Fdark", "team/webshop", "feature/dark#142"),
        ("team/webshop/main", "team/webshop", "main#142"),
        ("team/webshop/main", "team", None),
        ("team/webshop/main", "team/webshop/mai", None),
        ("webshop", "team/webshop", None),
    ],
)
def test_a_build_of_jenkins_is_found_by_its_job(job: str, of: str, version: str | None) -> None:
    """A multibranch job takes the builds of its branches, whose versions name the branch."""
    web = {"jenkins": {"server": "ci", "job": of}, "trigger": True}
    hit = hit_of_build(pipeline(web=web), jenkins_build(job=job))
    assert version == (hit and hit.versions["web"])


def test_a_build_of_another_server_is_none_of_ours() -> None:
    """Jobs of the same name are everywhere."""
    web = {"jenkins": {"server": "other", "job": "team/webshop/main"}, "trigger": True}
    assert hit_of_build(pipeline(web=web), jenkins_build()) is None


@pytest.mark.parametrize("project", ["shop", "SHOP", "be9b"])
@pytest.mark.parametrize("name", ["infra-ci", "12", "Infra-CI"])
def test_a_build_of_azure_is_found_by_names_and_ids(project: str, name: str) -> None:
    """Azure DevOps does not tell upper from lower case."""
    source = AZURE | {"project": project, "pipeline": name}
    hit = hit_of_build(pipeline(infra={"azure-pipelines": source, "trigger": True}), azure_build())
    assert {"infra": "2102"} == (hit and hit.versions)


def test_all_artifacts_of_one_build_take_that_build() -> None:
    """But for those whose version is fixed; others are left to their own rules."""
    web = {"jenkins": JENKINS, "trigger": True}
    docs = {"jenkins": JENKINS | {"paths": ["docs/**"]}}
    fixed = {"jenkins": JENKINS, "version": "7"}
    other = {"jenkins": {"server": "ci", "job": "other"}}
    hit = hit_of_build(pipeline(web=web, docs=docs, fixed=fixed, other=other), jenkins_build())
    assert {"web": "142", "docs": "142"} == (hit and hit.versions)


def test_one_trigger_that_wants_a_build_is_enough() -> None:
    """Where several artifacts come from the same job; where none wants it, the first says why."""
    never = {"jenkins": JENKINS, "trigger": {"branches": ["x"]}}
    web = {"jenkins": JENKINS, "trigger": {"branches": ["main"]}}
    both = pipeline(never=never, web=web)
    wanted, unwanted = [hit_of_build(both, jenkins_build(branch=branch)) for branch in ("main", "dev")]
    assert wanted is not None
    assert unwanted is not None
    assert ("web", "", "branch dev is none of x") == (wanted.alias, wanted.why_not, unwanted.why_not)


def test_webhook_and_poll_have_one_key() -> None:
    """Whatever else they tell of the build."""
    of_branches = pipeline(web={"jenkins": {"server": "ci", "job": "team/webshop"}, "trigger": True})
    told = hit_of_build(of_branches, jenkins_build(branch="origin/main", people=("ana",)))
    polled = hit_of_poll(of_branches, "web", VersionOffer(version="main#142", label="#142", author="Ana"))
    assert told is not None
    assert told.key == polled.key


def test_what_the_source_was_asked_for_is_not_asked_again() -> None:
    """A source that chose by tags need not repeat them."""
    tagged = pipeline(infra={"azure-pipelines": AZURE, "trigger": {"tags": ["ready"]}})
    assert "" == hit_of_poll(tagged, "infra", VersionOffer(version="2102")).why_not


def test_keys_tell_all_else_apart() -> None:
    """Builds, jobs, servers, schedules and their firings."""
    jobs = [pipeline(web={"jenkins": JENKINS | more, "trigger": True}) for more in ({}, {"job": "x"}, {"server": "y"})]
    keys = [hit_of_poll(one, "web", VersionOffer(version=v)).key for one in jobs for v in ("1", "2")]
    moments = [datetime(2026, 3, day, tzinfo=UTC) for day in (28, 29)]
    keys += [schedule_key(number, at) for number in (0, 1) for at in moments]
    assert len(keys) == len(set(keys))


def test_a_source_is_asked_for_what_the_trigger_takes() -> None:
    """The one branch where it is only one; patterns are for us."""
    azure = {"azure-pipelines": AZURE}
    one = artifact(**azure, trigger={"branches": ["main"], "tags": ["b"]}, version={"tags": ["a"], "stable": True})
    assert LatestOf(branch="main", tags=("a", "b"), stable=True) == wanted_of(one)
    assert LatestOf() == wanted_of(artifact(trigger={"branches": ["main", "release/*"]}))
    assert LatestOf() == wanted_of(artifact(**azure, trigger={"branches": ["release/*"]}))


def test_jenkins_is_asked_for_a_branch_only_where_the_version_names_one() -> None:
    """A branch of it is another job, which a job that is no multibranch one does not have."""
    assert LatestOf() == wanted_of(artifact(trigger={"branches": ["main"]}))
    assert LatestOf(branch="main") == wanted_of(artifact(version={"branch": "main"}))


def offers(*versions: int) -> list[VersionOffer]:
    return [VersionOffer(version=str(version)) for version in versions]


@pytest.mark.parametrize(
    ("listed", "seen", "expected"),
    [
        ((3, 2, 1), (3, 2, 1), ()),
        ((5, 4, 3, 2), (3, 2, 1), (4, 5)),
        ((5, 4), (3, 2, 1), (4, 5)),
        ((3, 2, 1, 0), (3, 2, 1), ()),
        ((2, 1, 0), (3, 2, 1), ()),
        ((5, 4, 3), (5, 3), (4,)),
        ((), (3,), ()),
        ((1,), (), (1,)),
    ],
)
def test_new_is_what_stands_before_something_seen(
    listed: tuple[int, ...], seen: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    """Also a build that took longer than a later one; not an old one that moved up because others were deleted."""
    found = newer(offers(*listed), [str(version) for version in seen])
    assert [str(version) for version in expected] == [offer.version for offer in found]


@given(st.lists(st.integers(0, 30), unique=True), st.sets(st.integers(0, 30)))
def test_nothing_is_new_twice(listed: list[int], seen: set[int]) -> None:
    """Once what was found is counted as seen."""
    known = {str(version) for version in seen}
    found = newer(offers(*listed), known)
    assert () == newer(offers(*listed), known | {offer.version for offer in found})


@given(NAMES, NAMES)
def test_a_pattern_fits_as_the_same_expression_does(pattern: str, name: str) -> None:
    """The wildcard stands for anything."""
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    assert bool(re.fullmatch(expression, name, re.DOTALL)) == fits(pattern, name)


@given(st.lists(NAMES, max_size=4), st.lists(NAMES, max_size=4), NAMES)
def test_what_is_excluded_never_triggers(branches: list[str], exclude: list[str], branch: str) -> None:
    """Whatever else is said."""
    reason = why_not(artifact(trigger={"branches": branches, "exclude": exclude}), built(branch))
    is_excluded = any(fits(plain_branch(pattern), plain_branch(branch)) for pattern in exclude)
    assert not is_excluded or "is excluded" in reason


def test_a_hostile_pattern_takes_no_time() -> None:
    """What makes an expression think for ages is one walk over the name."""
    assert not fits("*a" * 50 + "*b", "a" * 20_000)

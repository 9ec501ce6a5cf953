"""Which builds of Jenkins there are to choose from, by branch and quality, and what came in between two of them."""

import json
from dataclasses import replace

import pytest
from fakes.raw_server import raw_server

from activities.artifact_source import ArtifactNotFound, SourceDenied
from domain.pipeline import LatestOf
from local import jenkins
from local.jenkins_state import Build, Commit, JenkinsState, Job, JobKind

NOON = 1_795_000_000_000
HOUR = 3_600_000


def commit(number: int) -> Commit:
    return Commit(f"{number:040x}", f"Change {number}", f"Author {number}", NOON + number * 60_000)


@pytest.fixture(params=[JobKind.FREESTYLE, JobKind.PIPELINE])
def history(request, jenkins_world) -> Job:
    """Builds 1 to 6: 2 failed, 3 was discarded, 4 is unstable, 6 is running."""
    job: Job = jenkins_world.state.job("team/app", request.param)
    job.add(Build(1, commits=[commit(1)], timestamp=NOON))
    job.add(Build(2, commits=[commit(2), commit(3)], result="FAILURE", timestamp=NOON + HOUR))
    job.add(Build(4, commits=[commit(3), commit(4)], result="UNSTABLE", timestamp=NOON + 2 * HOUR))
    job.add(Build(5, commits=[commit(6), commit(5)], timestamp=NOON + 3 * HOUR, commit=commit(6).id))
    job.add(Build(6, result=None, timestamp=NOON + 4 * HOUR))
    return job


@pytest.mark.usefixtures("history")
def test_recent_builds_are_the_good_and_finished_ones(jenkins_world):
    """Newest first, in one request, each with its page in Jenkins."""
    source = jenkins_world.open("team/app")
    jenkins_world.state.seen.clear()
    found = source.recent(LatestOf(), 2)
    assert [("5", "#5"), ("4", "#4")] == [(offer.version, offer.label) for offer in found]
    assert f"{jenkins_world.url}/job/team/job/app/5/" == found[0].url
    assert (commit(6).id, "Author 6") == (found[0].commit, found[0].author)
    assert ["/job/team/job/app/api/json"] == jenkins_world.state.seen


def test_stable_builds_are_those_without_failed_tests(history, jenkins_world):
    """In the list, and as the latest one."""
    source = jenkins_world.open("team/app")
    assert ["5", "1"] == [offer.version for offer in source.recent(LatestOf(stable=True), 10)]
    history.builds[5].result = "UNSTABLE"
    history.builds[1].artifacts = history.builds[5].artifacts = {"a": b"a"}
    found = source.resolve(LatestOf(stable=True)), source.resolve(LatestOf())
    assert [("1", "Author 1"), ("5", "Author 6")] == [(resolved.version, resolved.author) for resolved in found]


def test_without_a_stable_build_that_is_said(jenkins_world):
    """An unstable one is none."""
    jenkins_world.state.job("shaky").add(Build(1, {"a": b"a"}, "UNSTABLE"))
    with pytest.raises(ArtifactNotFound, match="the job shaky at ci has no stable build"):
        jenkins_world.open("shaky").resolve(LatestOf(stable=True))


def test_a_multibranch_job_offers_the_builds_of_all_its_branches(jenkins_world):
    """Numbers repeat from branch to branch, so the branch is part of the version; what is offered can be had."""
    jenkins_world.state.job("team/webshop/feature%2Fdark").builds[7].timestamp += HOUR
    source = jenkins_world.open("team/webshop")
    jenkins_world.state.seen.clear()
    found = source.recent(LatestOf(), 10)
    assert ["feature/dark#7", "main#142", "main#141"] == [offer.version for offer in found]
    assert ["feature/dark", "main", "main"] == [offer.branch for offer in found]
    assert ["/job/team/job/webshop/api/json"] == jenkins_world.state.seen
    resolved = source.resolve(found[0].version)
    assert (found[0].version, "feature/dark", found[0].url) == (resolved.version, resolved.branch, resolved.url)
    assert b"feature" == b"".join(source.stream(resolved.version, resolved.files[0].locator))


def test_a_branch_offers_its_own_builds(jenkins_world):
    """Its versions are named as those of the whole multibranch job."""
    found = jenkins_world.open("team/webshop").recent(LatestOf(branch="feature/dark"), 10)
    assert [("feature/dark#7", "feature/dark")] == [(offer.version, offer.branch) for offer in found]


@pytest.mark.parametrize(
    ("job", "words"),
    [
        ("team", r"team at ci is a folder; name a job in it \(webshop\)"),
        ("team/webshop", r"the job team/webshop has branches, each with builds of its own; .*\(main, feature/dark\)"),
    ],
)
def test_a_folder_is_no_job(jenkins_world, job, words):
    """Whoever names one sees what is in it."""
    with pytest.raises(ArtifactNotFound, match=words):
        jenkins_world.open(job).resolve("latest")


def test_a_folder_has_no_recent_builds(jenkins_world):
    """The builds of all its jobs are not versions of one thing."""
    with pytest.raises(ArtifactNotFound, match="team at ci is a folder"):
        jenkins_world.open("team").recent(LatestOf(), 10)


@pytest.mark.usefixtures("history")
def test_changes_are_all_that_came_in_after_one_build_up_to_another(jenkins_world):
    """With those of failed builds between; newest first, each with the build it first came with."""
    found = jenkins_world.open("team/app").changes("1", "5")
    assert [6, 5, 4, 3, 2] == [int(change.commit, 16) for change in found]
    assert ["5", "5", "4", "2", "2"] == [change.version for change in found]
    newest = found[0]
    assert ("Change 6", "Author 6") == (newest.message, newest.author)
    assert NOON + 6 * 60_000 == newest.at.timestamp() * 1000
    assert f"{jenkins_world.url}/job/team/job/app/5/changes" == newest.url


@pytest.mark.usefixtures("history")
def test_between_a_build_and_itself_nothing_changes(jenkins_world):
    """Nor after a later one: who goes back swaps the two."""
    source = jenkins_world.open("team/app")
    assert ((), ()) == (source.changes("5", "5"), source.changes("5", "1"))


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(("since", "until"), [("3", "5"), ("1", "3")])
def test_what_came_in_since_a_discarded_build_is_not_known(jenkins_world, since, until):
    """The refusal says which one is gone, and that it was there."""
    with pytest.raises(ArtifactNotFound, match="has no build 3 any more: it was discarded, or deleted"):
        jenkins_world.open("team/app").changes(since, until)


def test_changes_go_back_over_many_builds(jenkins_world):
    """Jenkins lists the newest hundred by itself; the rest is asked for."""
    job = jenkins_world.state.job("busy")
    for number in range(1, 251):
        job.add(Build(number, commits=[commit(number)]))
    jenkins_world.state.seen.clear()
    found = jenkins_world.open("busy").changes("20", "240")
    assert list(range(240, 20, -1)) == [int(change.commit, 16) for change in found]
    assert 3 == len(jenkins_world.state.seen)


def test_branches_have_changes_of_their_own(jenkins_world):
    """Between two branches it is not known what changed."""
    main = jenkins_world.state.job("team/webshop/main")
    main.builds[142].commits = [commit(9)]
    source = jenkins_world.open("team/webshop")
    assert [("main#142", commit(9).id)] == [(one.version, one.commit) for one in source.changes("main#141", "main#142")]
    assert () == source.changes("main#142", "feature/dark#7")


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize("until", ["latest", "main", "#", "main#x", "1 "])
def test_only_numbers_are_builds(jenkins_world, until):
    """Nothing else gets into an address."""
    with pytest.raises(ArtifactNotFound):
        jenkins_world.open("team/app").changes("1", until)


def test_a_build_that_was_discarded_is_named_with_what_is_left(history, jenkins_world):
    """One that never was is not said to be gone."""
    history.builds[1].kept = True
    history.discard(2)
    source = jenkins_world.open("team/app")
    with pytest.raises(ArtifactNotFound, match=r"has no build 4 any more: .* the oldest that is left is 1\. .*kept"):
        source.resolve("4")
    with pytest.raises(ArtifactNotFound, match="has no build 7; the last one is 6"):
        source.resolve("7")


def test_a_disabled_job_still_gives_its_builds(history, jenkins_world):
    """It only makes no new ones, which is said where one is missing."""
    history.disabled = True
    history.builds[5].artifacts = {"a": b"a"}
    source = jenkins_world.open("team/app")
    assert "5" == source.resolve("latest").version
    history.builds.clear()
    with pytest.raises(ArtifactNotFound, match="has no successful build; it is disabled"):
        source.resolve("latest")


@pytest.mark.parametrize("ask", ["resolve", "recent", "changes"])
def test_a_job_that_is_not_shown_is_not_found(history, jenkins_world, ask):
    """Jenkins does not tell whether it is hidden, renamed or deleted, so all of that is named."""
    history.hidden_from.add("slipway")
    source = jenkins_world.open("team/app")
    arguments = {"resolve": ["latest"], "recent": [LatestOf(), 5], "changes": ["1", "5"]}[ask]
    with pytest.raises(ArtifactNotFound, match="ci has no job team/app, or does not show it to slipway; was it renam"):
        getattr(source, ask)(*arguments)


def test_a_job_that_may_not_be_read_is_denied(history, jenkins_world):
    """The refusal says what is asked for, and which permission is missing."""
    history.denied_to.add("slipway")
    with pytest.raises(SourceDenied, match=r"status 403\) for the job team/app; .*Job/Read"):
        jenkins_world.open("team/app").recent(LatestOf(), 5)


@pytest.mark.usefixtures("history")
def test_nobody_is_told_to_become_somebody(jenkins_world):
    """A Jenkins that shows nothing to anonymous."""
    with pytest.raises(SourceDenied, match="give the connection a user of Jenkins and an API token"):
        jenkins_world.open("team/app", user="", token="").resolve("latest")


@pytest.mark.usefixtures("history")
def test_anonymous_reads_where_jenkins_lets_it(jenkins_world):
    """Then a connection needs neither user nor token."""
    jenkins_world.state.anonymous_reads = True
    assert "5" == jenkins_world.open("team/app", user="", token="").recent(LatestOf(), 1)[0].version


@pytest.mark.usefixtures("history")
def test_several_servers_are_told_apart_by_their_connections(jenkins_world, places):
    """Each source asks its own, and names it when something is missing."""
    state = JenkinsState(users=jenkins_world.state.users)
    state.job("team/app").add(Build(9))
    places[1][0].app = jenkins.create_app(state)
    other = replace(jenkins_world, url=places[1][1])
    assert "9" == other.open("team/app", connection="other").recent(LatestOf(), 1)[0].version
    assert "5" == jenkins_world.open("team/app").recent(LatestOf(), 1)[0].version
    with pytest.raises(ArtifactNotFound, match=r"^other has no job team/nope"):
        other.open("team/nope", connection="other").resolve("latest")


def test_what_jenkins_does_not_know_is_left_out(jenkins_world):
    """Plugins of version controls leave almost anything null."""
    unknown = [None, {}, {"lastBuiltRevision": None}, {"lastBuiltRevision": {"SHA1": "", "branch": None}}]
    items = [{"commitId": None, "msg": None, "author": None}, {"commitId": "c0ffee", "author": {"fullName": None}}]
    builds = [
        {"number": number, "building": False, "result": "SUCCESS", "timestamp": number, "actions": unknown}
        | ({"changeSet": {"items": items}} if number == 2 else {"changeSets": [], "changeSet": None})
        for number in (2, 1)
    ]
    body = json.dumps({"nextBuildNumber": 3, "allBuilds": builds}).encode()
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body) as server:
        jenkins_world.url = server.address
        found = jenkins_world.open("job").changes("1", "2")
    assert [("c0ffee", "", None, None)] == [(one.commit, one.message, one.author, one.at) for one in found]


@pytest.mark.parametrize("job", ["team/web", "team/web/main"])
def test_the_commit_is_that_of_the_branch_not_of_a_library_of_pipelines(jenkins_world, job):
    """A library is checked out first, and stands in the answer as the thing that was built."""
    actions = [
        {"lastBuiltRevision": {"SHA1": "11b", "branch": [{"name": "refs/remotes/origin/stable"}]}},
        {"lastBuiltRevision": {"SHA1": "c0ffee", "branch": [{"name": "main"}]}},
    ]
    build = {"number": 7, "building": False, "result": "SUCCESS", "timestamp": 1, "artifacts": [{"relativePath": "a"}]}
    body = json.dumps({**build, "actions": actions}).encode()
    with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body) as server:
        jenkins_world.url = server.address
        found = jenkins_world.open(job).resolve("main#7" if job == "team/web" else "7")
    assert ("c0ffee", "main") == (found.commit, found.branch)

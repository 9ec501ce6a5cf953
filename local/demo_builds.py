"""What the stand-ins hold in a local installation: builds of a small web shop and of its infrastructure."""

import gzip
import io
import tarfile
from datetime import UTC, datetime

from local.azure_state import ArtifactKind, AzureState, BuildRun, PublishedArtifact
from local.jenkins_queue import BuildQueue, ParameterKind, ParameterOfJob, Work
from local.jenkins_state import Build, Commit, JenkinsState, JobKind
from local.sendgrid import SendGridState

USER = "slipway"
TOKEN = "stand-in"  # noqa: S105  everybody may know the token of a stand-in
SENDGRID_KEY = "SG.stand-in"

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>Web shop {number}</title>
<h1>The web shop</h1>
<p>Build {number}. Everything must go.</p>
</html>
"""
_DEPLOY = """#!/bin/sh
# Puts the site in the folder that is named.
set -eu
target=${1:?usage: deploy.sh FOLDER}
mkdir -p "$target"
cp -R site/. "$target"
echo "the site is in $target"
"""
_INFRA_DEPLOY = """#!/bin/sh
set -eu
for part in network database shop; do
    echo "$part in ${REGION:-nowhere} is up to date"
done
"""
_SMOKE = """#!/bin/sh
set -eu
for page in / /cart /checkout; do
    echo "200 $page"
done
"""
_CHANGES = [
    Commit(
        "4be1c0ffee4be1c0ffee4be1c0ffee4be1c0ffee", "Show the shop in German, too", "Rita Rivers", 1_795_407_300_000
    ),
    Commit("71d5ab0071d5ab0071d5ab0071d5ab0071d5ab00", "Count the cart once", "Ben Brook", 1_795_411_500_000),
    Commit("9d2f00d9d2f00d9d2f00d9d2f00d9d2f00d9d2f0", "Let everything go", "Rita Rivers", 1_795_417_200_000),
]
_TESTS = "team/webshop-tests"
_PAGES = ("/", "/cart", "/checkout")
_FEATURE_BRANCH = "feature%2Fdark-mode"


def jenkins() -> JenkinsState:
    """A multibranch job ``team/webshop`` with ``main`` (builds 141 and 142) and a feature branch."""
    state = JenkinsState(users={USER: TOKEN})
    state.job("team/webshop", JobKind.MULTIBRANCH)
    main = state.job("team/webshop/main", JobKind.PIPELINE)
    for number, commits in ((141, _CHANGES[:1]), (142, _CHANGES[1:])):
        built = Build(number, webshop_files(number), branch="main", commit=commits[-1].id, commits=commits)
        built.is_fingerprinted = True
        main.add(built)
    feature = state.job(f"team/webshop/{_FEATURE_BRANCH}", JobKind.PIPELINE)
    feature.add(Build(7, webshop_files(7), branch="feature/dark-mode"))
    feature.add(Build(8, result="FAILURE", branch="feature/dark-mode"))
    return state


def jenkins_queue(state: JenkinsState) -> BuildQueue:
    """What builds there: a job that tests the web shop, which takes a few seconds. All others end at once."""
    state.job(_TESTS)
    parameters = (
        ParameterOfJob("VERSION", default="latest"),
        ParameterOfJob("TARGET", ParameterKind.CHOICE, choices=("test", "staging")),
        ParameterOfJob("SLIPWAY_RUN"),
    )
    lines = ("+ make integration-tests", *(f"{page} at {{TARGET}} answers web {{VERSION}}" for page in _PAGES))
    return BuildQueue({_TESTS: Work(lines=lines, seconds=4.0, parameters=parameters, concurrent=True)})


def webshop_files(number: int) -> dict[str, bytes]:
    """What this build of the web shop archives."""
    site = {"site/index.html": _PAGE.format(number=number), "deploy.sh": _DEPLOY}
    return {
        f"dist/webshop-{number}.tar.gz": _packed(site),
        "dist/release notes.txt": f"Build {number} of the web shop.\n".encode(),
    }


def _packed(files: dict[str, str]) -> bytes:
    """The same bytes at every start, so that what was pinned before is still there."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as archive:
        for path, text in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(text.encode())
            member.mode = 0o755 if path.endswith(".sh") else 0o644
            archive.addfile(member, io.BytesIO(text.encode()))
    return gzip.compress(plain.getvalue(), mtime=0)


def azure() -> AzureState:
    """A project ``shop`` whose pipeline ``infra-ci`` publishes ``drop`` on the other host, ``drop-container`` here."""
    state = AzureState(tokens={TOKEN})
    project = state.project("shop")
    project.pipelines[12] = ("\\", "infra-ci")
    files = {"infra/deploy.sh": _INFRA_DEPLOY.encode(), "infra/smoke.sh": _SMOKE.encode()}
    for number, day in ((2101, 19), (2102, 20)):
        finished_at = datetime(2026, 11, day, 9, 30, tzinfo=UTC)
        run = project.add(BuildRun(number, f"202611{day}.1", 12, tags=("ready",), finished_at=finished_at))
        run.publish(PublishedArtifact("drop", files, ArtifactKind.PIPELINE_ARTIFACT, 322))
        run.publish(PublishedArtifact("drop-container", files, ArtifactKind.CONTAINER, 440))
    return state


def sendgrid() -> SendGridState:
    """A sink that knows one key."""
    return SendGridState(keys={SENDGRID_KEY})

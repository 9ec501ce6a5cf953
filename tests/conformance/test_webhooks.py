"""Webhooks in the shape of the real systems' are understood, and so are recorded ones."""

import json
from pathlib import Path
from typing import Any

import pytest
from fakes.exchanges import recorded

from domain.trigger import AzureBuild, JenkinsBuild
from integrations import told_by_azure, told_by_jenkins

JENKINS = recorded("jenkins/notification_plugin/*.json")
AZURE = recorded("service-hooks/*build.complete.json")
OTHER_EVENTS = recorded("service-hooks/*release*.json")


def told(file: Path) -> Any:
    return json.loads(file.read_text("utf-8-sig"))


@pytest.mark.parametrize("file", JENKINS)
def test_a_notification_of_jenkins_is_read(file: Path) -> None:
    """Good builds that ended become builds of their job; of all others it is said why not."""
    notification = told(file)
    build = notification["build"]
    read = told_by_jenkins.read(notification, "ci")
    is_good = build["phase"] in {"COMPLETED", "FINALIZED"} and build.get("status") in {"SUCCESS", "UNSTABLE"}
    assert is_good == isinstance(read, JenkinsBuild)
    if isinstance(read, JenkinsBuild):
        assert (notification["url"], build["number"]) == (f"job/{read.job.replace('/', '/job/')}/", read.number)
        assert build["scm"]["branch"].removeprefix("origin/") == read.built.branch
        assert build["scm"].get("culprits", []) == list(read.built.people)


@pytest.mark.parametrize("file", AZURE)
def test_a_build_of_azure_is_read(file: Path) -> None:
    """In both resource versions, though one hides the result, the branch and the project where the other has none."""
    event = told(file)
    resource = event["resource"]
    build = told_by_azure.read(event, "contoso", "our-name")
    assert isinstance(build, AzureBuild)
    assert (str(resource["id"]), resource["buildNumber"]) == (build.built.version, build.built.label)
    name = resource["definition"].get("project", {}).get("name", "our-name")
    assert {event["resourceContainers"]["project"]["id"], name} == set(build.projects)
    assert {str(resource["definition"]["id"]), resource["definition"]["name"]} <= set(build.pipelines)
    assert (build.built.branch, None) in {("main", None), ("master", None)}
    people = [one["requestedFor"] for one in resource.get("requests", [])] or [resource["requestedFor"]]
    assert {person["uniqueName"] for person in people} <= set(build.built.people)


@pytest.mark.parametrize("result", ["failed", "canceled", "partiallySucceeded"])
@pytest.mark.parametrize("file", AZURE)
def test_what_did_not_succeed_at_azure_is_nothing_to_do(file: Path, result: str) -> None:
    """And it is said so."""
    event = told(file)
    event["resource"]["result" if "result" in event["resource"] else "status"] = result
    expected = f"build {event['resource']['buildNumber']} did not succeed: {result}"
    assert expected == told_by_azure.read(event, "contoso", None)


@pytest.mark.parametrize("file", OTHER_EVENTS)
def test_other_events_of_azure_are_nothing_to_do(file: Path) -> None:
    """A hook may send whatever it likes."""
    assert "tells of no build" in str(told_by_azure.read(told(file), "contoso", None))


def test_the_names_of_a_pipeline_in_a_folder_are_known() -> None:
    """With and without the folder."""
    event = {"id": 1, "result": "succeeded", "definition": {"id": 12, "name": "infra-ci", "path": "\\team\\eu"}}
    build = told_by_azure.read({"eventType": "build.complete", "resource": event}, "contoso", None)
    assert isinstance(build, AzureBuild)
    assert ("12", "infra-ci", "/team/eu/infra-ci") == build.pipelines

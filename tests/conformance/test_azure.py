"""The Azure DevOps stand-in names artifacts as real answers do."""

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fakes.exchanges import ask, differences, recorded
from fakes.served import Place

from integrations.azure_documents import ManifestDocument, PublishedDocument
from local import azure
from local.azure_state import ArtifactKind, AzureState, BuildRun, PublishedArtifact

# Older answers lack the source; links are for browsers; which properties there are is up to who published.
_ARTIFACT_MAY_VARY, _RESOURCE_MAY_VARY = {"source"}, {"_links", "properties"}


def artifacts_of(file: Path) -> list[dict[str, Any]]:
    """Those of a list, or the only one; none where the file is something else."""
    document = json.loads(file.read_text())
    only = [document] if "resource" in document else []
    return document.get("value", only)


ARTIFACTS = [
    pytest.param(artifact, id=f"{param.id}:{artifact['name']}")  # type: ignore[attr-defined]
    for param in recorded("azure-artifacts/*.json")
    for artifact in artifacts_of(param.values[0])  # type: ignore[attr-defined]
]


MANIFESTS = recorded("azure-artifacts/*manifest*.json")
SIGNED_IN = {"Authorization": "Basic " + base64.b64encode(b":t").decode()}


@pytest.mark.parametrize("expected", ARTIFACTS)
def test_the_stand_in_names_artifacts_like_the_recorded_server(here: tuple[Place, str], expected: dict[str, Any]):
    """The same fields, and the content on the same or another host."""
    place, url = here
    state = AzureState(tokens={"t"}, content_url="http://localhost:1")
    resource = expected["resource"]
    run = state.project("shop").add(BuildRun(7, "1", 1))
    state.project("shop").pipelines[1] = ("\\", "ci")
    run.publish(
        PublishedArtifact(
            expected["name"],
            {"a": b"a"},
            ArtifactKind(resource["type"]),
            has_download_url="downloadUrl" in resource,
            has_size="artifactsize" in resource.get("properties", {}),
        )
    )
    place.app = azure.create_app(state)
    answer = ask(url, "GET", "/contoso/shop/_apis/build/builds/7/artifacts?api-version=6.0", SIGNED_IN)
    assert (200, "application/json") == (answer.status, answer.headers["content-type"].split(";")[0])
    (actual,) = json.loads(answer.body)["value"]
    compare(expected, actual)


@pytest.mark.parametrize("artifact", ARTIFACTS)
def test_what_the_recorded_server_says_of_an_artifact_can_be_read(artifact: dict[str, Any]):
    """Also where it says little."""
    found = PublishedDocument.model_validate(artifact)
    assert (artifact["name"], artifact["resource"]["type"]) == (found.name, found.resource.type)
    assert artifact["resource"].get("downloadUrl") == found.resource.download_url


@pytest.mark.parametrize("file", MANIFESTS)
def test_the_stand_in_lists_the_files_of_a_pipeline_artifact_like_the_recorded_server(
    here: tuple[Place, str], file: Path
):
    """By the id in its data, and gives each file by the id in that list, which tells of one hash and one length."""
    expected = json.loads(file.read_text())
    place, url = here
    state = AzureState(tokens={"t"}, content_url="http://localhost:1")
    run = state.project("shop").add(BuildRun(7, "1", 1))
    names = [item["path"].removeprefix("/") for item in expected["items"]]
    files = {name: b"x" * item["blob"]["size"] for name, item in zip(names, expected["items"], strict=True)}
    run.publish(PublishedArtifact("drop", files, ArtifactKind.PIPELINE_ARTIFACT))
    place.app = azure.create_app(state)
    where = "/contoso/shop/_apis/build/builds/7/artifacts?artifactName=drop"
    published = PublishedDocument.model_validate_json(ask(url, "GET", where, SIGNED_IN).body)
    actual = json.loads(ask(url, "GET", f"{where}&fileId={published.resource.data}&fileName=m", SIGNED_IN).body)
    assert [] == list(differences(expected, actual))
    assert [item["path"] for item in expected["items"]] == [item["path"] for item in actual["items"]]
    assert {len(item["blob"]["id"]) for item in expected["items"]} == {
        len(item["blob"]["id"]) for item in actual["items"]
    }
    for name, item in zip(names, ManifestDocument.model_validate(actual).items, strict=True):
        assert item.blob is not None
        assert files[name] == ask(url, "GET", f"{where}&fileId={item.blob.id}&fileName=f", SIGNED_IN).body


def compare(expected: dict[str, Any], actual: dict[str, Any]) -> None:
    one, other = expected["resource"], actual["resource"]
    assert expected.keys() - _ARTIFACT_MAY_VARY == actual.keys() - _ARTIFACT_MAY_VARY
    assert one.keys() - _RESOURCE_MAY_VARY == other.keys() - _RESOURCE_MAY_VARY
    assert type(one.get("properties", {}).get("artifactsize")) is type(other.get("properties", {}).get("artifactsize"))
    assert sorted(query_of(one.get("url", ""))) == sorted(query_of(other.get("url", "")))
    assert query_of(one.get("downloadUrl", "")).keys() == query_of(other.get("downloadUrl", "")).keys()
    assert is_elsewhere(one) == is_elsewhere(other)


def query_of(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query)


def is_elsewhere(resource: dict[str, Any]) -> bool | None:
    """Whether the content is on another host than the interface."""
    if "downloadUrl" not in resource:
        return None
    return urlsplit(resource["downloadUrl"]).netloc != urlsplit(resource["url"]).netloc


def test_there_is_something_to_compare_with():
    """Both kinds at least."""
    kinds = {param.values[0]["resource"]["type"] for param in ARTIFACTS}
    assert {"Container", "PipelineArtifact"} <= kinds
    assert MANIFESTS

"""Addresses of things elsewhere: in Temporal Web UI, in the console, in this API."""

from urllib.parse import quote

from api.console_address import release_page
from api.services import Services

PREFIX = "/api/v1"


def temporal(services: Services, workflow_id: str, run_id: str | None) -> str:
    """The run in Temporal Web UI; while its run id is not known, the list of that workflow's runs."""
    workflow = f"{services.temporal_ui_url.rstrip('/')}/namespaces/{quote(services.temporal_namespace, safe='')}"
    workflow = f"{workflow}/workflows/{quote(workflow_id, safe='')}"
    return f"{workflow}/{run_id}/history" if run_id else workflow


def release_in_api(release: str) -> str:
    """The path of a release (``webshop/41``)."""
    return f"{PREFIX}/releases/{quote(release)}"


def release_in_console(services: Services, release: str) -> str:
    """The page of a release (``webshop/41``), for people."""
    return release_page(services.public_url, release)

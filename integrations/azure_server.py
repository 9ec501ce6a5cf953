"""One project of one Azure DevOps as a connection names it: composed addresses, and a token that stays there."""

import base64
from collections.abc import Mapping
from typing import TypeVar
from urllib.parse import quote, urlencode

from pydantic import ValidationError

from activities.artifact_source import SourceUnreachable
from domain.connection import Connection
from domain.frozen import Frozen
from integrations.allowance import Allowance, Limits
from integrations.guarded_addresses import AllowedHosts
from integrations.http_download import Headers, body, new_client, opened, origin

API_VERSION = "6.0"  # the newest that Azure DevOps Server 2020 knows too
_LARGEST_ANSWER = 64 << 20

Answer = TypeVar("Answer", bound=Frozen)


class AzureServer:
    """Not for use by two threads at once."""

    def __init__(self, connection: Connection, project: str, seconds: float, allowed: AllowedHosts) -> None:
        self.connection = connection
        self.project = f"{connection.url.rstrip('/')}/{quote(project, safe='')}"
        self.client = new_client(allowed.with_origin(connection.url), connection.ca)
        self._limits = Limits(seconds, _LARGEST_ANSWER)

    def url(self, path: str, query: Mapping[str, str]) -> str:
        """An address of the build interface; ``path`` must be quoted."""
        asked = urlencode({"api-version": API_VERSION, **query}, quote_via=quote)
        return f"{self.project}/_apis/build/{path}?{asked}"

    def get(self, path: str, query: Mapping[str, str], kind: type[Answer], what: str) -> Answer:
        """A JSON document."""
        allowance = Allowance(self._limits, what)
        with opened(self.client, self.url(path, query), self.headers, what) as answer:
            text = b"".join(body(answer, allowance, what))
        try:
            return kind.model_validate_json(text)
        except ValidationError as error:
            raise SourceUnreachable(f"{self.connection.name} does not answer as Azure DevOps does") from error

    def headers(self, url: str) -> Headers:
        """The token goes to the connection's own host and nowhere else, whatever an answer says."""
        if origin(url) != origin(self.connection.url):
            return {}
        # Otherwise who is not known is sent to a page to sign in, which is no error to a program.
        headers = {"X-TFS-FedAuthRedirect": "Suppress"}
        token = self.connection.token.get_secret_value()
        if token:
            basic = base64.b64encode(f"{self.connection.user}:{token}".encode()).decode()
            headers["Authorization"] = f"Basic {basic}"
        return headers

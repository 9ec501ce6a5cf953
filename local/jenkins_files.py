"""Archived files of the Jenkins stand-in: one, a part of one, or a folder of them packed while it is sent."""

import gzip
import io
import mimetypes
import re
import zipfile

from starlette.responses import Response

from local.jenkins_answers import SERVER, Call, binary, error
from local.jenkins_state import Build

_SANDBOX = "sandbox; default-src 'none'; img-src 'self'; style-src 'self';"
_ZIP = "*zip*"
_ROOT = "archive"  # the folder in which a build keeps its files
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_AT = (2026, 11, 23, 7, 23, 52)


def artifact(call: Call, build: Build, names: list[str]) -> Response:
    """The file at ``dist/app.war``, or a folder of the build packed at ``dist/*zip*/dist.zip``."""
    if _ZIP in names:
        return _packed(call, build, names[: names.index(_ZIP)])
    content = build.artifacts.get("/".join(names))
    return error(call, 404, "Not Found") if content is None else _file(call, names[-1], content)


def _file(call: Call, name: str, content: bytes) -> Response:
    content_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = {
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": _SANDBOX,
        "X-WebKit-CSP": _SANDBOX,
        "X-Content-Security-Policy": _SANDBOX,
        "Last-Modified": "Mon, 23 Nov 2026 07:23:53 GMT",
        "Expires": "Mon, 23 Nov 2026 07:23:53 GMT",
        "Accept-Ranges": "bytes",
        "Server": SERVER,
    }
    status, size = 200, len(content)
    wanted = _RANGE.fullmatch(call.request.headers.get("Range", "")) if call.state.knows_ranges else None
    if wanted is not None:
        start, end = int(wanted[1]), min(int(wanted[2]) + 1 if wanted[2] else size, size)
        if start > size:
            return error(call, 500, "Server Error")
        # When nothing is left, the last byte is the one before the first: the real one counts like that.
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        status, content = 206, content[start:end]
    if call.compresses() and content_type.startswith(("text/", "application/json")):
        # The range is one of the plain bytes; only what was cut out of them is compressed.
        headers["Content-Encoding"] = "gzip"
        content = gzip.compress(content)
    answer = Response(content, status, headers)
    # Set afterwards: Starlette would add a charset, which Jenkins does not.
    answer.headers["Content-Type"] = content_type
    return answer


def _packed(call: Call, build: Build, folder: list[str]) -> Response:
    """Each name in the zip begins with that of the folder itself."""
    above = "".join(f"{name}/" for name in folder)
    found = {path: content for path, content in build.artifacts.items() if path.startswith(above)}
    if not found:
        return error(call, 404, "Not Found")
    packed = _OneWay()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in found.items():
            name = f"{folder[-1] if folder else _ROOT}/{path.removeprefix(above)}"
            archive.writestr(zipfile.ZipInfo(name, _AT), content, zipfile.ZIP_DEFLATED)
    return binary(packed.getvalue(), "application/zip")


class _OneWay(io.BytesIO):
    """The real one packs while it sends, so that lengths come after the bytes that they count."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError("what was sent is gone")

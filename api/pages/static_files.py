"""The route of the static files."""

from fastapi import APIRouter, Response

from api.auth import PUBLIC
from api.pages import assets
from domain.refusal import NotFound

router = APIRouter(dependencies=[PUBLIC], include_in_schema=False)


class NoSuchFile(NotFound):
    """There is no static file of that name (any more)."""


@router.get("/static/{name}")
async def static_file(name: str) -> Response:
    """The name holds the content's hash, so it may be kept for ever."""
    asset = assets.served(name)
    if asset is None:
        raise NoSuchFile("there is no such file")
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "X-Content-Type-Options": "nosniff"}
    return Response(asset.content, media_type=asset.media_type, headers=headers)

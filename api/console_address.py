"""Where people find things in the console, given where it is served."""

from urllib.parse import quote


def release_page(public_url: str, release: str) -> str:
    """The page of a release (``webshop/41``)."""
    return f"{public_url.rstrip('/')}/releases/{quote(release)}"

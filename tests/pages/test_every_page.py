"""Every page: it renders for a release in mid-flight, stays small, and runs under a policy without inline anything."""

import re

import pytest

from domain.role import Role

PAGES = [
    "/",
    "/?pipeline=webshop&status=active",
    "/?status=nonsense",
    "/pipelines",
    "/pipelines/webshop",
    "/pipelines/webshop/new",
    "/pipelines/webshop/triggers",
    "/releases/webshop/41",
    "/releases/webshop/40",
    "/releases/webshop/41/stages/prod-eu/changes",
    "/releases/webshop/41/stages/announce/changes",
    "/logs/webshop/41/prod-us/1/deploy/1/1",
    "/approvals",
    "/approvals?everybody=yes",
    "/approvals/webshop/41/prod-eu/1/before",
    "/agents",
    "/outbox",
]


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_renders_small_and_without_inline_script_or_style(console, path):
    """Under the content policy, anything inline would silently not work."""
    admin = await console.sign_in("root@example.com", Role.ADMIN)
    page = await admin.get(path)
    assert (200, "text/html; charset=utf-8") == (page.status_code, page.headers["content-type"])
    assert len(page.content) < 100_000
    assert [] == re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", page.text)

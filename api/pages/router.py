"""All pages, as one router."""

from fastapi import APIRouter

from api.pages import (
    agents,
    approval_link,
    approvals,
    changes,
    inbox,
    interventions,
    log_page,
    log_search_page,
    new_release,
    outbox,
    pipelines,
    release_list,
    release_page,
    sessions,
    static_files,
    triggers,
)

router = APIRouter()
for page in (
    static_files,
    sessions,
    release_list,
    release_page,
    changes,
    interventions,
    new_release,
    pipelines,
    triggers,
    log_page,
    log_search_page,
    inbox,
    approvals,
    approval_link,
    agents,
    outbox,
):
    router.include_router(page.router)

"""Pages of kyc: one's own, and those of reviewers."""

from fastapi import APIRouter

from tillhouse.parts.kyc.pages import own, reviewing


def router() -> APIRouter:
    """All pages."""
    together = APIRouter()
    for part in (own, reviewing):
        together.routes.extend(part.router.routes)
    return together

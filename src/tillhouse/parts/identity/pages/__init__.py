"""Pages of identity: coming in, account, organisations, audit log, and (in development alone) one-click sign-in."""

from fastapi import APIRouter

from tillhouse.parts.identity.pages import account, audit, development, entering, google, organisations


def router(*, in_development: bool) -> APIRouter:
    """All pages; those of development exist only there."""
    together = APIRouter()
    pages = (
        entering.router,
        google.router,
        account.router,
        organisations.router,
        audit.router,
        *((development.router,) if in_development else ()),
    )
    for part in pages:
        together.routes.extend(part.routes)
    return together

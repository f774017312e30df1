"""The ledger explorer: the books as staff read them, and the one thing they do there, closing a period."""

from fastapi import APIRouter

from tillhouse.parts.ledger.pages import accounts, checks, closing, reports, reserves, transactions


def router() -> APIRouter:
    """All pages of the explorer."""
    together = APIRouter()
    for part in (accounts, transactions, reserves, reports, closing, checks):
        together.routes.extend(part.router.routes)
    return together

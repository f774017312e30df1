"""Pages of billing: one's own plan, points and invoices; what staff see of everyone's."""

from fastapi import APIRouter

from tillhouse.parts.billing.pages import cards, console, coupons, own


def router() -> APIRouter:
    """Everything under `/billing` and `/console/billing`."""
    every = APIRouter()
    every.include_router(own.router)
    every.include_router(cards.router)
    every.include_router(console.router)
    every.include_router(coupons.router)
    return every

"""Pages of billing: one's own plan, points and invoices; what staff see of everyone's."""

from fastapi import APIRouter

from tillhouse.parts.billing.pages import cards, console, coupons, lists, own, owner


def router() -> APIRouter:
    """Everything under `/billing` and `/console/billing`."""
    every = APIRouter()
    every.include_router(own.router)
    every.include_router(lists.router)
    every.include_router(cards.router)
    every.include_router(console.router)
    every.include_router(owner.router)
    every.include_router(coupons.router)
    return every

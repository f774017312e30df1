"""JSON endpoints of payments, and the door for providers' events."""

from fastapi import APIRouter

from tillhouse.parts.payments.http import cards, codes, payees, paying, payouts, reconciliation


def router() -> APIRouter:
    """Everything under `/payments`, and what payments own under `/wallets`."""
    every = APIRouter()
    for part in (
        paying.payments,
        paying.wallets,
        codes.router,
        payouts.router,
        payees.router,
        cards.router,
        paying.events,
        reconciliation.router,
    ):
        every.include_router(part)
    return every

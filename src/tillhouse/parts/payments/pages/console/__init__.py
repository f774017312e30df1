"""The staff console of payments: what needs a person, everything that was paid in and out, and what staff decide."""

from fastapi import APIRouter

from tillhouse.parts.payments.pages.console import (
    disputes,
    events,
    exceptions,
    orders,
    overview,
    payouts,
    reconciliation,
    refunding,
    refunds,
    transfers,
)

router = APIRouter()
for part in (overview, orders, refunding, payouts, refunds, disputes, exceptions, transfers, reconciliation, events):
    router.routes.extend(part.router.routes)

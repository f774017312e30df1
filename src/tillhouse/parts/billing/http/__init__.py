"""JSON endpoints of plans, invoices, points and coupons."""

from fastapi import APIRouter

from tillhouse.parts.billing.http import points, staff, subscriptions


def router() -> APIRouter:
    """Everything under `/subscriptions` and `/points`."""
    every = APIRouter()
    for part in (staff.coupons, staff.points, subscriptions.router, points.router):
        every.include_router(part)
    return every

"""`/razorpay/v1/settlements` and the reconciliation report."""

import calendar
from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from tillhouse.sandbox.razorpay.access import require_key
from tillhouse.sandbox.razorpay.errors import RazorpayError, no_such_id
from tillhouse.sandbox.razorpay.schemas import ListQuery, Wire, collection
from tillhouse.sandbox.razorpay.settling import ReconLine, Settlement, seconds_of
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/razorpay/v1/settlements", dependencies=[Depends(require_key)])


class ReconQuery(BaseModel):
    """What is reported: what was settled in one month, or on one day of it, in India's time."""

    year: int
    month: int
    day: int | None = None
    count: int = Field(10, ge=1, le=1000)
    skip: int = Field(0, ge=0, le=1_000_000)


@router.get("")
async def list_settlements(world: Here, query: Annotated[ListQuery, Query()]) -> Wire:
    """Settlements, newest first."""
    settlements = world.store.find(Settlement, since=query.since, until=query.until, limit=query.count, skip=query.skip)
    return collection([settlement.wire() for settlement in settlements])


@router.get("/recon/combined")
async def report(world: Here, query: Annotated[ReconQuery, Query()]) -> Wire:
    """Every payment, refund and adjustment settled then, oldest first."""
    start, end = _period(query)
    found = world.store.find(ReconLine, {"hidden": 0}, limit=1_000_000, oldest_first=True)
    lines = [line for line in found if start <= line.settled_at < end]
    return collection([line.wire() for line in lines[query.skip : query.skip + query.count]])


@router.get("/{settlement_id}")
async def get_settlement(world: Here, settlement_id: str) -> Wire:
    """One settlement."""
    return find_settlement(world, settlement_id).wire()


def find_settlement(world: World, settlement_id: str) -> Settlement:
    """The settlement.

    Raises:
        RazorpayError: there is none.
    """
    settlement = world.store.get(Settlement, settlement_id)
    if settlement is None:
        raise no_such_id()
    return settlement


def _period(query: ReconQuery) -> tuple[int, int]:
    if not 1000 <= query.year <= 9998:
        raise RazorpayError("The year must be 4 digits.", field="year")
    if not 1 <= query.month <= 12:
        raise RazorpayError("The month is not a valid month.", field="month")
    days = calendar.monthrange(query.year, query.month)[1]
    if query.day is None:
        return seconds_of(date(query.year, query.month, 1), days)
    if not 1 <= query.day <= days:
        raise RazorpayError("The day is not a valid day of that month.", field="day")
    return seconds_of(date(query.year, query.month, query.day))

"""The use of models that is paid with points: set aside before a call is made, taken for what it came to, freed else.

A call's charge has the key `ai.call:<id>`, by which its price list and tokens are found, and as `price_version` the
points that a dollar came to when it was begun: by them it ends, whatever was set since.
"""

from datetime import timedelta
from uuid import UUID

from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.ai.api.spending import CountedCall, PlannedCall, Quote, SpendGuard
from tillhouse.parts.billing.domain import Owner, points_for
from tillhouse.parts.billing.ports import PaidPurpose
from tillhouse.parts.billing.service import work
from tillhouse.parts.billing.service.books import POINTS, points_of
from tillhouse.parts.billing.settings import BillingSettings
from tillhouse.parts.billing.store import work as store
from tillhouse.parts.identity import api as identity
from tillhouse.parts.ledger import api as ledger

_AFTER = timedelta(hours=1)  # a call's own end, or the sweep of calls, comes first


class PointsMissing(Conflict):
    """There are fewer points than this may cost."""

    code = "points_missing"


async def _quote(session: ReadSession, call: PlannedCall) -> Quote:
    owner = _payer(call)
    available = Money(0, POINTS)
    if owner:
        available = (await ledger.lots_summary(session, points_of(owner))).total
    return Quote(_most(session, call) if owner else Money(0, POINTS), available)


async def _reserve(session: Session, call: PlannedCall) -> None:
    owner, most = _payer(call), _most(session, call)
    if owner is None or not most:
        return
    try:
        await work.reserve(
            session,
            owner,
            most,
            key=_key(call.id),
            action=call.purpose,
            price_version=_rate(session),
            zone=await _zone(session, owner),
            lasts=timedelta(seconds=call.seconds) + _AFTER,
        )
    except ledger.InsufficientFunds as short:
        raise PointsMissing(
            N_("This may take up to {most} points and you have {available}: {missing} are missing. Buy points first."),
            most=most.minor,
            available=short.available.minor,
            missing=most.minor - short.available.minor,
        ) from short


async def _capture(session: Session, call: CountedCall) -> None:
    """Nothing is open for a call that the house pays, nor for one whose points were free again before it ended."""
    charge = await store.lock_open(session, _key(call.id))
    if charge:
        cost = min(points_for(call.cost, charge.price_version), charge.reserved)
        await work.capture(session, charge.id, Money(cost, charge.unit))


async def _release(session: Session, call_id: UUID) -> None:
    charge = await store.lock_open(session, _key(call_id))
    if charge:
        await work.release(session, charge.id)


GUARD = SpendGuard(name="billing", quote=_quote, reserve=_reserve, capture=_capture, release=_release)


def _key(call_id: UUID) -> str:
    return f"ai.call:{call_id}"


def _payer(call: PlannedCall) -> Owner | None:
    return Owner(call.owner.kind, call.owner.id) if call.owner.id else None


def _most(session: ReadSession, call: PlannedCall) -> Money:
    house = house_of(session)
    declared = {one.purpose for one in house.provided(PaidPurpose)}
    paid = call.purpose in declared or call.purpose in house.settings_of(BillingSettings).paid_purposes
    return Money(points_for(call.most, _rate(session)) if paid else 0, POINTS)


def _rate(session: ReadSession) -> int:
    return house_of(session).settings_of(BillingSettings).points_per_dollar


async def _zone(session: ReadSession, owner: Owner) -> str:
    """By whose days and months a limit counts: an organisation's are UTC's."""
    found = await identity.person(session, owner.id) if owner.kind == "person" else None
    return found.zone if found else "UTC"

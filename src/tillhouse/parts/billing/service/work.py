"""Work that is paid in points: its price is said before, set aside when it begins, charged as it was, the rest freed.

Reserving, charging and giving back are idempotent by the caller's key or the charge. What nobody ends is freed when its
time is over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, DomainError, NotFound
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.billing.domain import Owner, counter_of, window_of
from tillhouse.parts.billing.domain.periods import WINDOWS, WindowKind
from tillhouse.parts.billing.models import ChargeRow, SpendCapRow
from tillhouse.parts.billing.ports import Quota
from tillhouse.parts.billing.service.books import GRANTED, points_of
from tillhouse.parts.billing.settings import BillingSettings
from tillhouse.parts.billing.store import work as store
from tillhouse.parts.ledger import api as ledger

_AT_ONCE = 200


class SpendCapReached(DomainError):
    """This would pass the most that may be spent in this day or month."""

    code = "spend_cap_reached"
    status = 429


class QuotaReached(DomainError):
    """All of this is used up for this day or month."""

    code = "quota_reached"
    status = 429


@dataclass(frozen=True, slots=True, kw_only=True)
class CapView:
    """The limit of a window (`most` None: there is none), and what was spent in it since it began."""

    window: WindowKind
    most: Money | None
    spent: Money
    resets_at: datetime


class WorkEnded(Conflict):
    """This work was charged, given up or abandoned before."""

    code = "work_ended"


async def reserve(
    session: Session,
    owner: Owner,
    most: Money,
    *,
    key: str,
    action: str,
    price_version: int,
    zone: str,
    lasts: timedelta | None = None,
) -> ChargeRow:
    """Set aside `most` points, the most that the work may cost. The same key and input do so once.

    `lasts` is after how long they are free again by themselves (BILLING_CHARGE_MINUTES). Raises `SpendCapReached`,
    `Conflict` for another input under the same key, and the ledger's `InsufficientFunds`.
    """
    await ledger.lock_accounts(session, [points_of(owner, most.unit)])  # the same request at once waits, and finds it
    found = await store.charge_by_key(session, key)
    if found:
        same = (found.owner_kind, found.owner_id, found.action, found.reserved, found.unit)
        if same != (owner.kind, owner.id, action, most.minor, most.unit):
            raise Conflict(N_("This request was made before with other details: start again."))
        return found
    now = clock.now()
    await _check_caps(session, owner, most, zone)
    minutes = house_of(session).settings_of(BillingSettings).charge_minutes
    ends = now + (lasts or timedelta(minutes=minutes))
    held = await ledger.reserve(
        session, points_of(owner, most.unit), most, key=f"billing.work:{key}", metadata={"action": action}
    )
    row = ChargeRow(
        id=new_id(),
        key=key,
        owner_kind=owner.kind,
        owner_id=owner.id,
        action=action,
        price_version=price_version,
        unit=most.unit,
        reserved=most.minor,
        captured=0,
        given_back=0,
        state="open",
        hold_id=held.id,
        reserved_at=now,
        expires_at=ends,
    )
    session.add(row)
    await session.flush()
    return row


async def capture(session: Session, charge_id: UUID, cost: Money) -> ChargeRow:
    """Charge what the work did cost (nothing: free it all) and free the rest. Repeating it with the same cost is
    harmless. Raises `NotFound`, `WorkEnded`, and the ledger's `CaptureNotCovered` for more than was set aside.
    """
    row = await _locked(session, charge_id)
    if row.state == "captured" and row.captured == cost.minor:
        return row
    if row.state != "open":
        raise WorkEnded(N_("This work has ended: nothing more is charged for it."))
    if not cost:
        return await _free(session, row, "released")
    moved = await ledger.capture_reserved(
        session,
        row.hold_id,
        cost,
        key=f"billing.charge:{row.id}",
        kind=GRANTED,
        metadata={"action": row.action, "price_version": row.price_version},
    )
    row.captured, row.transaction_id = cost.minor, moved.transaction_id
    return await _end(session, row, "captured")


async def release(session: Session, charge_id: UUID) -> ChargeRow:
    """Free what was set aside: the work failed or was called off. Harmless once it has ended without a charge.

    Raises `NotFound`, `WorkEnded` for work that was charged.
    """
    row = await _locked(session, charge_id)
    if row.state in ("released", "expired"):
        return row
    if row.state != "open":
        raise WorkEnded(N_("This work has ended: nothing more is charged for it."))
    return await _free(session, row, "released")


async def give_back(session: Session, charge_id: UUID, amount: Money, *, key: str) -> ChargeRow:
    """Give back some of what was charged, to the lots it came from. The same key does so once.

    Raises `NotFound`, `WorkEnded` for work that was not charged, and the ledger's `RefundTooLarge`.
    """
    row = await _locked(session, charge_id)
    if row.state != "captured" or row.transaction_id is None:
        raise WorkEnded(N_("Nothing was charged for this work."))
    moved = await ledger.refund(session, row.transaction_id, amount, key=f"billing.give_back:{row.id}:{key}")
    if not moved.replayed:
        row.given_back += amount.minor
        await session.flush()
    return row


async def free_abandoned(session: Session) -> bool:
    """Free what work has set aside whose time is over. Returns whether there may be more."""
    due = await store.lock_abandoned(session, clock.now(), _AT_ONCE)
    for row in due:
        await _free(session, row, "expired")
    return len(due) == _AT_ONCE


async def set_cap(session: Session, owner: Owner | None, most: Money, window: str) -> None:
    """The most that may be spent in a calendar day or month: by `owner`, or (None) by everyone together, in UTC."""
    row = SpendCapRow(
        id=new_id(),
        owner_kind=owner.kind if owner else store.HOUSE,
        owner_id=owner.id if owner else None,
        unit=most.unit,
        window=window,
        most=most.minor,
        set_at=clock.now(),
    )
    await store.set_cap(session, row)


async def remove_cap(session: Session, owner: Owner | None, unit: str, window: str) -> None:
    """Let `owner`, or (None) everyone together, spend as much as they like in that window."""
    await store.remove_cap(session, owner, unit, window)


async def caps_of(session: ReadSession, owner: Owner | None, unit: str, zone: str) -> Sequence[CapView]:
    """The limit of each window of an owner, or (None) of the whole house. An owner's windows are those of `zone`."""
    now, found = clock.now(), {one.window: one for one in await store.caps_of(session, owner) if one.unit == unit}
    views = []
    for kind in WINDOWS:
        window = window_of(now, kind, zone if owner else "UTC")
        views.append(
            CapView(
                window=kind,
                most=Money(found[kind].most, unit) if kind in found else None,
                spent=Money(await store.spent_since(session, owner, unit, window.start), unit),
                resets_at=window.end,
            )
        )
    return views


async def use_quota(session: Session, owner: Owner, metric: str, quota: Quota, *, zone: str, amount: int = 1) -> int:
    """Count `amount` more against a quota; returns what is left. It is taken back when the transaction is.

    Raises `QuotaReached`, which says when it begins anew.
    """
    now = clock.now()
    begun = counter_of(now, quota.window, zone)
    used = await store.use(session, owner, metric, begun, amount=amount, limit=quota.limit)
    if used is None:
        window = window_of(now, quota.window, zone)
        raise QuotaReached(
            N_("You have used all of this for now. It begins anew at {resets_at}."),
            limit=quota.limit,
            resets_at=window.end.isoformat(),
        )
    return quota.limit - used


async def give_back_quota(
    session: Session, owner: Owner, metric: str, quota: Quota, *, zone: str, amount: int = 1
) -> None:
    """Count `amount` less against a quota: what it was counted for did not happen."""
    await store.unuse(session, owner, metric, counter_of(clock.now(), quota.window, zone), amount)


async def _check_caps(session: Session, owner: Owner, most: Money, zone: str) -> None:
    now = clock.now()
    for cap in await store.lock_caps(session, owner, most.unit):
        of_house = cap.owner_kind == store.HOUSE
        window = window_of(now, "day" if cap.window == "day" else "month", "UTC" if of_house else zone)
        spent = await store.spent_since(session, None if of_house else owner, most.unit, window.start)
        if spent + most.minor > cap.most:
            message = (
                N_("This service has reached its limit for now. Please try again later.")
                if of_house
                else N_("This would pass the limit that was set for what you spend. It begins anew at {resets_at}.")
            )
            raise SpendCapReached(message, resets_at=window.end.isoformat())


async def _free(session: Session, row: ChargeRow, state: str) -> ChargeRow:
    await ledger.void(session, row.hold_id)
    return await _end(session, row, state)


async def _end(session: Session, row: ChargeRow, state: str) -> ChargeRow:
    row.state, row.ended_at = state, clock.now()
    await session.flush()
    return row


async def _locked(session: Session, charge_id: UUID) -> ChargeRow:
    row = await store.lock_charge(session, charge_id)
    if row is None:
        raise NotFound(N_("There is no such charge."))
    return row

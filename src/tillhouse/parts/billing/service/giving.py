"""What staff and machines decide about one owner: points that nobody paid for, and limits. All of it is audited."""

from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import Session
from tillhouse.kernel.errors import FieldError, InvalidInput, NotFound
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.billing.domain import Owner
from tillhouse.parts.billing.domain.periods import WindowKind
from tillhouse.parts.billing.service import invoices, owners, work
from tillhouse.parts.billing.service.books import POINTS
from tillhouse.parts.identity import api as identity
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api as payments


async def give(
    session: Session,
    giver: Principal,
    owner: Owner,
    amount: Money,
    *,
    source: ledger.LotSource,
    days: int | None,
    reason: str,
    key: str,
) -> ledger.Lot:
    """Give points; the same key gives them once. Raises `NotFound` for nobody, `InvalidInput`."""
    await _known(session, owner)
    if amount.minor <= 0:
        message = N_("Write how many points, above zero.")
        raise InvalidInput(message, errors=[FieldError("/points", "bad_amount", message)])
    lot = await invoices.grant(session, owner, amount, source=source, days=days, key=key)
    details = {"points": str(amount), "source": source, "reason": reason}
    await identity.audit(session, giver, "billing.grant", f"{owner.kind}:{owner.id}", {**details})
    return lot


async def limit(
    session: Session, setter: Principal, owner: Owner | None, most: Money | None, window: WindowKind
) -> None:
    """Set the most that an owner, or (None) everyone together, may spend in a window; `most` None: no limit any more.

    Raises `NotFound` for nobody, `InvalidInput`.
    """
    if owner:
        await _known(session, owner)
    if most is not None and most.minor < 0:
        message = N_("A limit is not below zero.")
        raise InvalidInput(message, errors=[FieldError("/points", "bad_amount", message)])
    if most is None:
        await work.remove_cap(session, owner, POINTS, window)
    else:
        await work.set_cap(session, owner, most, window)
    whom = f"{owner.kind}:{owner.id}" if owner else "house"
    said = str(most) if most is not None else None
    await identity.audit(session, setter, "billing.cap", whom, {"points": said, "window": window})


async def activate_again(session: Session, staff: Principal, owner: Owner, payment_id: UUID) -> None:
    """Give what a payment was for, where that failed before; harmless once it was given.

    Raises `NotFound` for a payment that is none of theirs or waits for nothing, and what giving it raises.
    """
    waiting = await payments.undelivered(session, owner.kind, owner.id)
    if payment_id not in {one.id for one in waiting}:
        raise NotFound(N_("Nothing waits for this payment any more."))
    await identity.audit(session, staff, "billing.activate_again", f"payment:{payment_id}", {"at": str(clock.now())})
    await payments.settle_purpose(session, payment_id)


async def _known(session: Session, owner: Owner) -> None:
    if not await owners.names(session, [owner]):
        raise NotFound(N_("There is nobody with this id."))

"""Orders for money: begun, tied to the gateway's, refused, expired."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, FieldError, InvalidInput, NotFound
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import enqueue
from tillhouse.parts.payments import store
from tillhouse.parts.payments.domain import OrderState, next_order_check, order_step
from tillhouse.parts.payments.events import CapturePayment
from tillhouse.parts.payments.models import OrderRow
from tillhouse.parts.payments.ports import Refused
from tillhouse.parts.payments.service.attention import count_deposit
from tillhouse.parts.payments.service.registry import gateway, purpose, settings_of

_FINAL = (OrderState.CAPTURED, OrderState.PARTIALLY_REFUNDED, OrderState.REFUNDED, OrderState.DISPUTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """Someone wants to pay `amount` for `purpose`. The same owner and `request_key` mean the same order."""

    owner_kind: str
    owner_id: UUID
    amount: Money
    purpose: str
    request_key: str
    reference: str | None = None
    id: UUID = field(default_factory=new_id)


class OverLimit(InvalidInput):
    """More, or less, than may be paid in or out at once."""

    code = "over_limit"


async def begin_order(session: Session, wish: NewOrder) -> OrderRow:
    """Write the wish down before the gateway is asked, or return what was written for the same key.

    Raises `InvalidInput` (unknown purpose, currency), `OverLimit`, and `Conflict` for another wish under the same key.
    """
    house, settings, now = house_of(session), settings_of(session), clock.now()
    if purpose(house, wish.purpose) is None:
        message = N_("This is not something that can be paid for here.")
        raise InvalidInput(message, errors=[FieldError("/purpose", "unknown_purpose", message)])
    provider = gateway(house, settings.gateway)
    offer = next((one for one in provider.offers if one.currency == wish.amount.unit), None)
    if offer is None:
        message = N_("This currency cannot be paid with here.")
        raise InvalidInput(message, errors=[FieldError("/currency", "currency_not_taken", message)])
    least = max(settings.deposit_min, offer.least)
    check_limits(wish.amount, least=least, most=settings.deposit_max)
    row = OrderRow(
        id=wish.id,
        owner_kind=wish.owner_kind,
        owner_id=wish.owner_id,
        request_key=wish.request_key,
        purpose=wish.purpose,
        purpose_reference=wish.reference,
        amount=wish.amount.minor,
        currency=wish.amount.unit,
        provider=provider.name,
        state=OrderState.CREATED,
        created_at=now,
        updated_at=now,
        expires_at=now + timedelta(minutes=settings.order_minutes),
        next_check_at=next_order_check(now, now),
    )
    found = await store.insert_order(session, row)
    if found.id == wish.id:
        count_deposit(session, OrderState.CREATED)
    elif (found.money, found.purpose, found.purpose_reference) != (wish.amount, wish.purpose, wish.reference):
        raise Conflict(N_("This request was made before with other details: start again."))
    return found


def check_limits(amount: Money, *, least: int, most: int) -> None:
    """Raise `OverLimit` unless `amount` is between the two, in minor units of its own currency."""
    if amount.minor < least:
        errors = [FieldError("/amount", "too_small", N_("This is less than the smallest amount."))]
        raise OverLimit(N_("The smallest amount is {least}."), errors=errors, least=Money(least, amount.unit))
    if amount.minor > most:
        errors = [FieldError("/amount", "too_large", N_("This is more than the largest amount."))]
        raise OverLimit(N_("The largest amount is {most}."), errors=errors, most=Money(most, amount.unit))


async def attach_order(session: Session, order_id: UUID, provider_order_id: str) -> OrderRow:
    """Remember the gateway's id: from now on it can be paid. The first id stays when two were made."""
    order = await store.lock_order(session, order_id)
    assert order is not None
    if order.provider_order_id is None:
        order.provider_order_id = provider_order_id
        if order_step(OrderState(order.state), OrderState.PENDING):
            order.state, order.updated_at = OrderState.PENDING, clock.now()
        await session.flush()
    return order


async def refuse_order(session: Session, order_id: UUID, refused: Refused) -> None:
    """The gateway would not make this order: it can never be paid."""
    order = await store.lock_order(session, order_id)
    assert order is not None
    if order.state == OrderState.CREATED:
        order.state, order.updated_at = OrderState.FAILED, clock.now()
        order.failure_code, order.failure_message = refused.reason, refused.description
        order.next_check_at = None
        count_deposit(session, OrderState.FAILED)
        await session.flush()


async def after_check(session: Session, order_id: UUID) -> None:
    """The gateway was asked and what it told is settled: expire the order, plan a capture, plan the next time."""
    order = await store.lock_order(session, order_id)
    assert order is not None
    now, settings = clock.now(), settings_of(session)
    if order.expires_at <= now and order.state in (OrderState.CREATED, OrderState.PENDING):
        order.state, order.updated_at = OrderState.EXPIRED, now
        count_deposit(session, OrderState.EXPIRED)
    never = order.provider_order_id is None and order.state != OrderState.CREATED
    order.next_check_at = None if never or order.state in _FINAL else next_order_check(order.created_at, now)
    wait = settings.capture_after
    for payment in await store.payments_of_order(session, order.id):
        if payment.state == OrderState.AUTHORIZED and payment.updated_at + wait <= now:
            await enqueue(session, CapturePayment(payment_id=payment.id))
    await session.flush()


async def order_for(session: ReadSession, order_id: UUID, *, owner: tuple[str, UUID] | None) -> OrderRow:
    """The order; for an `owner` only their own. Raises `NotFound`."""
    order = await store.order_by_id(session, order_id)
    if order is None or (owner is not None and (order.owner_kind, order.owner_id) != owner):
        raise NotFound(N_("There is no such payment."))
    return order

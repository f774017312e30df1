"""Money in: an order is made at the gateway, its payments are asked for, verified, captured."""

from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.errors import Conflict, NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.payments import store
from tillhouse.parts.payments.domain import Method, OrderState
from tillhouse.parts.payments.flows.cards import find_charge, settle_payments
from tillhouse.parts.payments.flows.transfers import poll_transfers
from tillhouse.parts.payments.models import OrderRow
from tillhouse.parts.payments.ports import CheckoutProofs, CheckoutScript, Gateway, GatewayOrder, Refused
from tillhouse.parts.payments.service.orders import (
    NewOrder,
    after_check,
    attach_order,
    begin_order,
    order_for,
    refuse_order,
)
from tillhouse.parts.payments.service.registry import gateway, installed_gateway
from tillhouse.parts.payments.service.requests import request_of
from tillhouse.parts.payments.service.settle import settle
from tillhouse.parts.payments.service.views import OrderView, order_view


@dataclass(frozen=True, slots=True)
class CheckoutProof:
    """What the gateway's checkout hands to the browser, to show that its payment went through."""

    provider: str
    order_id: str
    payment_id: str
    signature: str


class NotThisPayment(Conflict):
    """The payment is real, but it is not one for this order: nothing was booked, and somebody looks at it."""

    code = "payment_does_not_match"


async def start_order(house: House, wish: NewOrder) -> OrderView:
    """Make an order that can be paid: begun here, then at the gateway. The same request key resumes and repeats it.

    Raises what `begin_order` raises, `Refused`, `TransientError`, and `Conflict` for one that never reached the gateway
    and whose time is over.
    """
    async with house.database.transaction() as session:
        order = await begin_order(session, wish)
    if order.provider_order_id or order.state != OrderState.CREATED:
        return order_view(order)
    return order_view(await _make(house, order, wish, may_exist=order.id != wish.id))


async def verify_checkout(house: House, proof: CheckoutProof, *, owner: tuple[str, UUID] | None = None) -> OrderView:
    """Book what the browser says was paid, after checking its signature and asking the gateway.

    The signature is over the id of OUR order: one with which nothing was ordered here is not found. With `owner`, only
    their own orders are. Raises `NotFound`, `BadSignature`, `NotThisPayment`, `TransientError`.
    """
    async with house.database.reading() as session:
        order = await store.order_by_provider_id(session, proof.provider, proof.order_id)
        if order is None or (owner is not None and (order.owner_kind, order.owner_id) != owner):
            raise NotFound(N_("There is no such payment."))
    known = gateway(house, order.provider)
    _proofs(house, order.provider).verify_checkout(
        order_id=order.provider_order_id or "", payment_id=proof.payment_id, signature=proof.signature
    )
    facts = await known.fetch_payment(proof.payment_id, order_id=order.provider_order_id)
    if facts.order_id != order.provider_order_id:
        raise NotThisPayment(N_("This payment belongs to another order. Nothing was booked for this one."))
    async with house.database.transaction() as session:
        parked = await settle(session, facts)
    if parked:
        raise NotThisPayment(N_("This payment is not the one we asked for. We are looking into it."))
    async with house.database.reading() as session:
        return order_view(await order_for(session, order.id, owner=None))


def checkout_of(house: House, order: OrderView, *, title: str) -> CheckoutScript:
    """What a browser needs to pay `order`. Raises `Conflict` for one that cannot be paid (any more)."""
    payable = (OrderState.PENDING, OrderState.FAILED)
    if order.provider_order_id is None or order.state not in payable:
        raise Conflict(N_("This can no longer be paid: start again."))
    script = _proofs(house, order.provider).checkout_fields(order.provider_order_id, order.amount)
    return replace(script, options={**script.options, "name": title})


async def check_order(house: House, order_id: UUID) -> None:
    """Ask the gateway what became of an order, settle what it says, and plan what comes next.

    One that was not paid in time is first cancelled there: what can still be paid has not expired.
    """
    async with house.database.reading() as session:
        order = await store.order_by_id(session, order_id)
    if order is None:
        return
    known = gateway(house, order.provider)
    unpaid = order.state in (OrderState.PENDING, OrderState.FAILED)
    if order.provider_order_id and unpaid and order.expires_at <= clock.now():
        with suppress(Refused):  # it is paid, or ended already: `payments_of` tells
            await known.cancel_order(order.provider_order_id)
    provider_order_id = order.provider_order_id
    if provider_order_id is None and order.state == OrderState.CREATED:
        made = await _find(house, known, order)
        if made:
            provider_order_id = made.order_id
            async with house.database.transaction() as session:
                await attach_order(session, order.id, made)
    if order.method == Method.BANK_TRANSFER:
        await poll_transfers(house, order.provider)
    elif provider_order_id:
        await settle_payments(house, order.provider, provider_order_id)
    async with house.database.transaction() as session:
        await after_check(session, order_id)


async def capture_payment(house: House, payment_id: UUID) -> None:
    """Take what is authorised, unless the gateway has, or the order was paid by another payment."""
    async with house.database.reading() as session:
        payment = await store.payment_by_id(session, payment_id)
        order = await store.order_by_id(session, payment.order_id) if payment else None
    if payment is None or order is None or payment.state != OrderState.AUTHORIZED:
        return
    if order.state != OrderState.AUTHORIZED:
        return
    known = gateway(house, payment.provider)
    try:
        facts = await known.capture(payment.provider_payment_id, payment.money)
    except Refused:
        facts = await known.fetch_payment(payment.provider_payment_id, order_id=order.provider_order_id)
    async with house.database.transaction() as session:
        await settle(session, facts)


async def _find(house: House, known: Gateway, order: OrderRow) -> GatewayOrder | None:
    request = request_of(house, order)
    return await find_charge(house, order, request) if order.saved_card_id else await known.find_order(request)


async def _make(house: House, order: OrderRow, wish: NewOrder, *, may_exist: bool) -> OrderRow:
    known = gateway(house, order.provider)
    request = replace(
        request_of(house, order),
        token=wish.token,
        bank=wish.bank,
        keep_card=wish.keep_card,
        keep_up_to=wish.keep_up_to,
    )
    try:
        made = await known.find_order(request) if may_exist else None
        if made is None and order.expires_at <= clock.now():
            raise Conflict(N_("The time to pay for this is over: start again."))
        made = made or await known.create_order(request)
    except Refused as refused:
        async with house.database.transaction() as session:
            await refuse_order(session, order.id, refused)
        raise
    async with house.database.transaction() as session:
        return await attach_order(session, order.id, made)


def _proofs(house: House, provider: str) -> CheckoutProofs:
    proofs = installed_gateway(house, provider).proofs
    if proofs is None:
        raise NotFound(N_("There is no such payment."))
    return proofs

"""`/razorpay/v1/orders`."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import Field

from tillhouse.sandbox import ids
from tillhouse.sandbox.razorpay.access import require_key
from tillhouse.sandbox.razorpay.customers import Customer
from tillhouse.sandbox.razorpay.errors import RazorpayError, no_such_id
from tillhouse.sandbox.razorpay.schemas import (
    CaptureRule,
    ListQuery,
    Mandate,
    NotesBody,
    Order,
    OrderBody,
    Payment,
    Wire,
    collection,
)
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/razorpay/v1/orders", dependencies=[Depends(require_key)])


class OrderQuery(ListQuery):
    """Filters of the list of orders."""

    authorized: int | None = Field(None, ge=0, le=1)
    receipt: str | None = None


@router.post("")
async def create_order(world: Here, body: OrderBody) -> Wire:
    """Make an order. A receipt used before is not refused: callers look it up first."""
    if body.currency != "INR":
        raise RazorpayError("Currency is not supported", field="currency")
    if body.customer_id is not None and world.store.get(Customer, body.customer_id) is None:
        raise no_such_id()
    if body.token is not None:
        _require_mandate(body, body.token)
    order = Order(
        id=ids.razorpay_id("order"),
        created_at=world.clock.now_s(),
        amount=body.amount,
        amount_due=body.amount,
        currency=body.currency,
        receipt=body.receipt,
        notes=body.notes,
        partial_payment=body.partial_payment,
        rule=body.payment or CaptureRule(capture="automatic" if body.payment_capture else "manual"),
        customer_id=body.customer_id,
        method=body.method,
        mandate=body.token,
    )
    world.store.put(order)
    return order.wire()


@router.get("")
async def list_orders(world: Here, query: Annotated[OrderQuery, Query()]) -> Wire:
    """Orders, newest first."""
    orders = world.store.find(Order, {"receipt": query.receipt}, since=query.since, until=query.until, limit=10_000)
    if query.authorized is not None:
        orders = [order for order in orders if _has_authorized(world, order) == bool(query.authorized)]
    return collection([order.wire() for order in orders[query.skip : query.skip + query.count]])


@router.get("/{order_id}")
async def get_order(world: Here, order_id: str) -> Wire:
    """One order."""
    return find_order(world, order_id).wire()


@router.patch("/{order_id}")
async def patch_order(world: Here, order_id: str, body: NotesBody) -> Wire:
    """Replace an order's notes."""
    order = find_order(world, order_id)
    order.notes = body.notes
    world.store.put(order)
    return order.wire()


@router.get("/{order_id}/payments")
async def list_payments_of_order(world: Here, order_id: str) -> Wire:
    """Every try at paying an order."""
    order = find_order(world, order_id)
    payments = world.store.find(Payment, {"order_id": order.id})
    return collection([payment.wire() for payment in payments])


def find_order(world: World, order_id: str) -> Order:
    """The order.

    Raises:
        RazorpayError: there is none.
    """
    order = world.store.get(Order, order_id)
    if order is None:
        raise no_such_id()
    return order


def _require_mandate(body: OrderBody, mandate: Mandate) -> None:
    """Refuse an authorisation that nobody could charge.

    Raises:
        RazorpayError: no customer to charge, no method, or more to pay now than may be charged later.
    """
    if body.customer_id is None:
        raise RazorpayError("The customer id field is required.", field="customer_id")
    if body.method is None:
        raise RazorpayError("The method field is required.", field="method")
    if body.amount > mandate.max_amount:
        raise RazorpayError(
            f"The order amount cannot be greater than the token max amount for {body.method} recurring.",
            field="amount",
        )


def _has_authorized(world: World, order: Order) -> bool:
    payments = world.store.find(Payment, {"order_id": order.id})
    return any(payment.status in {"authorized", "captured", "refunded"} for payment in payments)

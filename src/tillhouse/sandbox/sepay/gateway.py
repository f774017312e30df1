"""The payment gateway: a signed form leads to a pay page; orders can be read, voided and cancelled."""

import hmac
import json
from collections.abc import Callable
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field, JsonValue, ValidationError

from tillhouse.sandbox import ids
from tillhouse.sandbox.basic import is_basic
from tillhouse.sandbox.sepay import events
from tillhouse.sandbox.sepay.errors import SepayError
from tillhouse.sandbox.sepay.schemas import CheckoutForm, InvoiceBody, Order, OrderStatus, Wire, vietnam_time
from tillhouse.sandbox.sepay.signing import checkout_signature
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/sepay/pg/v1")

_ALL = 1_000_000


def require_merchant(request: Request, world: Here) -> None:
    """Refuse who is not the merchant.

    Raises:
        SepayError: 401.
    """
    if not is_basic(request, world.settings.sepay_pg_merchant_id, world.settings.sepay_pg_secret_key):
        raise SepayError(401)


Merchant = Annotated[None, Depends(require_merchant)]


class OrderQuery(BaseModel):
    """Filters of the list of orders. `q` searches invoice number, order id and description."""

    per_page: int = Field(20, ge=1, le=100)
    page: int = Field(1, ge=1)
    q: str | None = None
    order_status: OrderStatus | None = None
    customer_id: str | None = None
    created_at: str | None = None
    from_created_at: str | None = None
    to_created_at: str | None = None
    newest_first: str = Field("desc", alias="sort[created_at]", pattern="^(asc|desc)$")


@router.post("/checkout/init")
async def checkout(request: Request, world: Here) -> Response:
    """Where a shop's form arrives with the payer: to the pay page, when the form is signed rightly."""
    fields = [(name, value) for name, value in (await request.form()).multi_items() if isinstance(value, str)]
    try:
        form = CheckoutForm.model_validate(dict(fields))
    except ValidationError as error:
        raise SepayError(422, _first_complaint(error)) from None
    _check(world, form, fields)
    order = world.store.get(Order, form.order_invoice_number)
    if order is None:
        order = _new_order(world, form, request)
        world.store.put(order)
    elif order.status != "PENDING" or order.amount != form.order_amount:
        raise SepayError(422, "order_invoice_number was used before")
    return RedirectResponse(f"/_sandbox/sepay/pay/{order.id}", 303)


@router.get("/order")
async def list_orders(world: Here, query: Annotated[OrderQuery, Query()], _: Merchant) -> Wire:
    """Orders in pages."""
    where = {"status": query.order_status, "customer_id": query.customer_id}
    found = [
        order
        for order in world.store.find(Order, where, limit=_ALL, oldest_first=query.newest_first == "asc")
        if _matches(order, query)
    ]
    start = (query.page - 1) * query.per_page
    page = found[start : start + query.per_page]
    meta: Wire = {
        "per_page": query.per_page,
        "total": len(found),
        "has_more": start + query.per_page < len(found),
        "current_page": query.page,
        "page_count": -(-len(found) // query.per_page),
    }
    return {"data": [wire(order) for order in page], "meta": meta}


@router.get("/order/detail/{number}")
async def get_order(world: Here, number: str, _: Merchant) -> Wire:
    """One order, by the shop's invoice number or by SePay's order id: the documentation names both."""
    found = world.store.find(Order, {"order_id": number}, limit=1)
    return {"data": wire(found[0] if found else find_order(world, number))}


@router.post("/order/voidTransaction")
async def void(world: Here, body: InvoiceBody, _: Merchant) -> Wire:
    """Undo a card payment before it is settled."""
    order = find_order(world, body.order_invoice_number)
    if order.status != "CAPTURED" or order.paid_by != "CARD":
        raise SepayError(422, "Only an order paid by card can be voided")
    order.status, order.updated_at = "VOIDED", world.clock.now_s()
    with world.store.transaction():
        world.store.put(order)
        events.emit_ipn(world, order, "TRANSACTION_VOID")
    return {"message": "Transaction voided", "data": wire(order)}


@router.post("/order/cancel")
async def cancel(world: Here, body: InvoiceBody, _: Merchant) -> Wire:
    """Give up an order that waits for a transfer."""
    order = find_order(world, body.order_invoice_number)
    if order.status != "PENDING":
        raise SepayError(422, "Only an unpaid order can be cancelled")
    order.status, order.updated_at = "CANCELLED", world.clock.now_s()
    world.store.put(order)
    return {"message": "Order cancelled", "data": wire(order)}


def find_order(world: World, invoice_number: str) -> Order:
    """The order.

    Raises:
        SepayError: there is none.
    """
    order = world.store.get(Order, invoice_number)
    if order is None:
        raise SepayError(404, "Order not found")
    return order


def wire(order: Order) -> Wire:
    """An order as the API answers it."""
    paid: list[JsonValue] = [events.transaction_wire(order)] if order.paid_by else []
    return {
        "id": order.uuid,
        "customer_id": order.customer_id,
        "order_id": order.order_id,
        "order_invoice_number": order.id,
        "order_status": order.status,
        "order_amount": f"{order.amount}.00",
        "order_currency": "VND",
        "order_description": order.description,
        "authentication_status": "AUTHENTICATION_SUCCESSFUL" if order.paid_by == "CARD" else None,
        "created_at": vietnam_time(order.created_at),
        "updated_at": vietnam_time(order.updated_at),
        "transactions": paid,
    }


def _check(world: World, form: CheckoutForm, fields: list[tuple[str, str]]) -> None:
    settings = world.settings
    expected = checkout_signature(settings.sepay_pg_secret_key, fields)
    if form.merchant != settings.sepay_pg_merchant_id:
        raise SepayError(403, "Merchant is not known")
    if not hmac.compare_digest(form.signature.encode(), expected.encode()):
        raise SepayError(403, "Signature is invalid")
    if form.order_amount < 1:
        raise SepayError(422, "order_amount must be at least 1")
    if not all(settings.may_call(url) for url in (form.success_url, form.error_url, form.cancel_url) if url):
        raise SepayError(422, "The sandbox leads to this machine and the configured app, nowhere else")


def _new_order(world: World, form: CheckoutForm, request: Request) -> Order:
    now = world.clock.now_s()
    methods = {"CARD": "CARD", "BANK_TRANSFER": "BANK_TRANSFER", "NAPAS_BANK_TRANSFER": "BANK_TRANSFER", None: None}
    return Order.model_validate(
        {
            "id": form.order_invoice_number,
            "created_at": now,
            "updated_at": now,
            "uuid": str(uuid4()),
            "order_id": f"NP{ids.token(12).upper()}",
            "amount": form.order_amount,
            "description": form.order_description,
            "only_method": methods[form.payment_method],
            "user_agent": request.headers.get("user-agent", ""),
            "ip_address": request.client.host if request.client else "127.0.0.1",
            **form.model_dump(include={"customer_id", "custom_data", "success_url", "error_url", "cancel_url"}),
        }
    )


def _matches(order: Order, query: OrderQuery) -> bool:
    day = vietnam_time(order.created_at)[:10]
    texts = (order.id, order.order_id, order.description)
    conditions: tuple[tuple[str | None, Callable[[str], bool]], ...] = (
        (query.q, lambda wanted: any(wanted.lower() in text.lower() for text in texts)),
        (query.created_at, lambda wanted: day == wanted[:10]),
        (query.from_created_at, lambda wanted: day >= wanted[:10]),
        (query.to_created_at, lambda wanted: day <= wanted[:10]),
    )
    return all(wanted is None or holds(wanted) for wanted, holds in conditions)


def _first_complaint(error: ValidationError) -> str:
    first = json.loads(error.json(include_url=False, include_input=False))[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"

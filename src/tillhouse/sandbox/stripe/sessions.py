"""`/v1/checkout/sessions`: a hosted page on which a person pays for a cart, or has their card kept (`setup`)."""

from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import JsonValue

from tillhouse.sandbox import ids
from tillhouse.sandbox.stripe import charging, setups
from tillhouse.sandbox.stripe.calls import API_VERSION, PREFIX, Call, Calling, StripeRoute
from tillhouse.sandbox.stripe.customers import Customer
from tillhouse.sandbox.stripe.errors import StripeError, bad_parameter, missing
from tillhouse.sandbox.stripe.events import emit
from tillhouse.sandbox.stripe.forms import params
from tillhouse.sandbox.stripe.intents import check_amount, new_intent, types_for
from tillhouse.sandbox.stripe.listing import expandable, find, list_of, listed, on_demand, shown
from tillhouse.sandbox.stripe.payment_schemas import IntentBody, PaymentIntent, PaymentMethod
from tillhouse.sandbox.stripe.schemas import MetadataBody, Params, Wire, merged
from tillhouse.sandbox.stripe.session_schemas import (
    ItemsQuery,
    LineItem,
    LineItemBody,
    Session,
    SessionBody,
    SessionQuery,
)
from tillhouse.sandbox.world import World

router = APIRouter(prefix=f"{PREFIX}/v1/checkout/sessions", route_class=StripeRoute)

_SHORTEST_SECONDS, _LONGEST_SECONDS = 30 * 60, 24 * 3600


def _items_of(world: World, session_id: str) -> Wire:
    session = find(world, Session, session_id, None)
    return list_of([item.wire() for item in session.items], f"/v1/checkout/sessions/{session_id}/line_items")


expandable("cs", Session)
on_demand("checkout.session", "line_items", _items_of)


@router.post("")
async def create_session(call: Calling, body: Annotated[SessionBody, Depends(params(SessionBody))]) -> Wire:
    """Open a hosted page for a cart."""
    success_url = _checked(call, body)
    items = [_line_item(item) for item in body.line_items]
    total, currency = _sum_of(items) if body.mode == "payment" else (None, body.currency)
    session_id = f"cs_test_{ids.token(58)}"
    page = f"{call.base}/_sandbox/stripe/checkout/{session_id}"
    session = Session(
        id=session_id,
        created_at=call.world.clock.now_s(),
        account=call.account,
        amount_subtotal=total,
        amount_total=total,
        currency=currency,
        metadata=merged({}, body.metadata),
        payment_method_types=body.payment_method_types or types_for(currency or ""),
        payment_status="unpaid" if body.mode == "payment" else "no_payment_required",
        ui_mode="hosted" if body.ui_mode == "hosted" or _is_older(call.version) else "hosted_page",
        success_url=success_url,
        url=page,
        expires_at=body.expires_at or call.world.clock.now_s() + _LONGEST_SECONDS,
        items=items,
        intent_data=body.payment_intent_data,
        base=call.base,
        page=page,
        **body.model_dump(include=_AS_GIVEN),
    )
    with call.world.store.transaction():
        if body.mode == "setup":
            setup = setups.new_setup(call.world, call.account, merged({}, body.setup_intent_data.metadata))
            setup.customer, setup.description = session.customer, body.setup_intent_data.description
            call.world.store.put(setup)
            session.setup_intent = setup.id
        call.world.store.put(session)
        # The answer names the instant, so the sandbox keeps to it however fast its clock runs.
        lasts = (session.expires_at - call.world.clock.now_s()) * call.world.clock.scale
        call.world.agenda.plan("stripe.session.expire", session.id, lasts)
    return shown(call, session, body)


@router.get("")
async def list_sessions(call: Calling, query: Annotated[SessionQuery, Depends(params(SessionQuery))]) -> Wire:
    """Sessions, newest first."""
    where = query.model_dump(include={"payment_intent", "customer", "status"})
    return listed(call, Session, query, where, "/v1/checkout/sessions")


@router.get("/{session_id}")
async def get_session(call: Calling, session_id: str, query: Annotated[Params, Depends(params(Params))]) -> Wire:
    """One session."""
    return shown(call, find(call.world, Session, session_id, call.account), query)


@router.post("/{session_id}")
async def update_session(
    call: Calling, session_id: str, body: Annotated[MetadataBody, Depends(params(MetadataBody))]
) -> Wire:
    """Change a session's metadata."""
    session = find(call.world, Session, session_id, call.account)
    session.metadata = merged(session.metadata, body.metadata)
    call.world.store.put(session)
    return shown(call, session, body)


@router.get("/{session_id}/line_items")
async def list_line_items(
    call: Calling, session_id: str, query: Annotated[ItemsQuery, Depends(params(ItemsQuery))]
) -> Wire:
    """What is in the cart."""
    session = find(call.world, Session, session_id, call.account)
    items = [item.wire() for item in session.items]
    url = f"/v1/checkout/sessions/{session.id}/line_items"
    return list_of(items[: query.limit], url, more=len(items) > query.limit)


@router.post("/{session_id}/expire")
async def expire_session(call: Calling, session_id: str, body: Annotated[Params, Depends(params(Params))]) -> Wire:
    """Close an open session: nobody can pay it any more."""
    session = find(call.world, Session, session_id, call.account)
    if session.status != "open":
        message = (
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of'
        )
        raise StripeError(f"{message} {session.status}.")
    expire(call.world, session.id)
    return shown(call, find(call.world, Session, session_id, call.account), body)


def expire(world: World, session_id: str) -> None:
    """Time, or the shop, has closed the page."""
    session = world.store.get(Session, session_id)
    if session is None or session.status != "open":
        return
    with world.store.transaction():
        intent = world.store.get(PaymentIntent, session.payment_intent or "")
        if intent and intent.status in {"requires_payment_method", "requires_confirmation", "requires_action"}:
            charging.cancel(world, intent, "expired")
        session.status, session.url = "expired", None
        world.store.put(session)
        emit(world, "checkout.session.expired", session)


def keep(world: World, session: Session, method: PaymentMethod) -> str | None:
    """The person presses Save in mode `setup`: their card is kept, or why it is not.

    Raises:
        StripeError: the session is not open.
    """
    if session.status != "open":
        raise StripeError(f"This Checkout Session is {session.status}: nothing can be kept by it.")
    with world.store.transaction():
        setup = find(world, setups.SetupIntent, session.setup_intent or "", None)
        session.customer_details = _details(session, method)
        _make_customer(world, session, method)
        setup.customer = session.customer
        refused = setups.keep(world, setup, method)
        if refused is None:
            session.status, session.url = "complete", None
        world.store.put(session)
        if refused is None:
            emit(world, "checkout.session.completed", session)
    return refused


def pay(world: World, session: Session, method: PaymentMethod) -> charging.Declined | None:
    """The person presses Pay: the session's intent is made (or tried again) and goes as far as it gets.

    Raises:
        StripeError: the session is not open.
    """
    if session.status != "open":
        raise StripeError(f"This Checkout Session is {session.status}: it cannot be paid.")
    with world.store.transaction():
        if session.customer_creation == "always":
            _make_customer(world, session, method)
        intent = _intent_of(world, session)
        session.customer_details = _details(session, method)
        world.store.put(session)
        return charging.attempt(world, intent, method)


# What a session repeats of its parameters as they are.
_AS_GIVEN = {
    *("allow_promotion_codes", "billing_address_collection", "cancel_url", "client_reference_id", "customer"),
    *("customer_creation", "customer_email", "locale", "mode", "submit_type"),
}


def _checked(call: Call, body: SessionBody) -> str:
    """Refuse what is not played here and what does not hold; the address to go to after paying."""
    if body.mode == "subscription":
        raise bad_parameter("The sandbox plays Checkout in the modes payment and setup, not subscription.", "mode")
    if body.ui_mode not in {"hosted_page", "hosted"}:
        raise bad_parameter(f"The sandbox plays Checkout as a hosted page, not as {body.ui_mode}.", "ui_mode")
    _check_mode(body)
    if body.customer and body.customer_creation == "always":
        message = "You may only specify one of these parameters: customer, customer_creation."
        raise bad_parameter(message, "customer_creation")
    if body.success_url is None:
        message = "You must provide a `success_url`: it is where the person goes after paying."
        raise bad_parameter(message, "success_url", "parameter_missing")
    if body.customer and body.customer_email:
        message = "You may only specify one of these parameters: customer, customer_email."
        raise bad_parameter(message, "customer_email")
    if body.customer:
        find(call.world, Customer, body.customer, call.account, "customer")
    lasts = (body.expires_at or 0) - call.world.clock.now_s()
    if body.expires_at is not None and not _SHORTEST_SECONDS - 5 <= lasts <= _LONGEST_SECONDS + 5:
        message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from Checkout Session creation."
        raise bad_parameter(message, "expires_at")
    return body.success_url


def _check_mode(body: SessionBody) -> None:
    if body.mode == "payment" and not body.line_items:
        raise bad_parameter("You must pass at least one line item.", "line_items", "parameter_missing")
    if body.mode == "setup" and body.line_items:
        raise bad_parameter("`line_items` is not supported in setup mode.", "line_items")
    if body.mode == "setup" and body.payment_method_types is None and body.currency is None:
        message = "You must provide `currency` in `setup` mode when you do not say `payment_method_types`."
        raise bad_parameter(message, "currency", "parameter_missing")


def _sum_of(items: list[LineItem]) -> tuple[int, str]:
    total, currency = sum(item.unit_amount * item.quantity for item in items), items[0].currency
    if any(item.currency != currency for item in items):
        raise bad_parameter("All line items of a session are in one currency.", "line_items")
    check_amount(total, currency, "line_items")
    return total, currency


def _make_customer(world: World, session: Session, method: PaymentMethod) -> None:
    """The customer whom what is paid with is kept for, where the session has none yet."""
    if session.customer is not None:
        return
    customer = Customer(
        id=ids.stripe_id("cus"),
        created_at=world.clock.now_s(),
        account=session.account,
        invoice_prefix=ids.token(8).upper(),
        email=method.billing_details.email or session.customer_email,
        name=method.billing_details.name,
    )
    world.store.put(customer)
    session.customer = customer.id
    world.store.put(session)
    emit(world, "customer.created", customer)


def _line_item(body: LineItemBody) -> LineItem:
    if body.price is not None:
        raise missing("price", body.price, "line_items[0][price]")
    if body.price_data is None:
        raise bad_parameter("You must specify either `price` or `price_data`.", "line_items[0]", "parameter_missing")
    return LineItem(
        id=ids.stripe_id("li"),
        description=body.price_data.product_data.name,
        unit_amount=body.price_data.unit_amount,
        quantity=body.quantity,
        currency=body.price_data.currency,
        metadata=body.metadata,
    )


def _is_older(version: str) -> bool:
    """Whether the caller's API version still says `hosted` for the hosted page."""
    return version[:10] < API_VERSION[:10]


def _intent_of(world: World, session: Session) -> PaymentIntent:
    known = world.store.get(PaymentIntent, session.payment_intent or "")
    if known is not None:
        return known
    told = session.intent_data
    assert session.amount_total is not None  # a session of mode payment has a cart
    assert session.currency is not None
    body = IntentBody(
        amount=session.amount_total,
        currency=session.currency,
        customer=session.customer,
        capture_method=told.capture_method,
        description=told.description,
        metadata=told.metadata,
        payment_method_types=session.payment_method_types,
        receipt_email=told.receipt_email,
        setup_future_usage=told.setup_future_usage,
        statement_descriptor=told.statement_descriptor,
        statement_descriptor_suffix=told.statement_descriptor_suffix,
        transfer_group=told.transfer_group,
    )
    call = Call(world, "", session.account, session.base)
    intent = new_intent(call, body, session=session.id)
    intent.return_url = None
    session.payment_intent = intent.id
    world.store.put(session)
    world.store.put(intent)
    emit(world, "payment_intent.created", intent)
    return intent


def _details(session: Session, method: PaymentMethod) -> dict[str, JsonValue]:
    billing = method.billing_details
    return {
        "address": billing.address.model_dump(),
        "email": billing.email or session.customer_email,
        "name": billing.name,
        "phone": billing.phone,
        "tax_exempt": "none",
        "tax_ids": [],
    }

"""`/v1/payment_intents`."""

from typing import Annotated

from fastapi import APIRouter, Depends

from tillhouse.sandbox import ids
from tillhouse.sandbox.money import money
from tillhouse.sandbox.stripe import charging, methods
from tillhouse.sandbox.stripe.calls import PREFIX, Call, Calling, StripeRoute
from tillhouse.sandbox.stripe.customers import Customer
from tillhouse.sandbox.stripe.errors import StripeError, bad_parameter
from tillhouse.sandbox.stripe.events import emit
from tillhouse.sandbox.stripe.forms import params
from tillhouse.sandbox.stripe.listing import expandable, find, listed, searched, shown
from tillhouse.sandbox.stripe.payment_schemas import (
    AutomaticMethods,
    CancelBody,
    CaptureBody,
    ConfirmBody,
    IntentBody,
    IntentFields,
    IntentQuery,
    IntentStatus,
    IntentUpdate,
    MethodType,
    PaymentIntent,
)
from tillhouse.sandbox.stripe.schemas import CURRENCIES, Params, SearchQuery, Wire, least, merged, most
from tillhouse.sandbox.world import World

router = APIRouter(prefix=f"{PREFIX}/v1/payment_intents", route_class=StripeRoute)

expandable("pi", PaymentIntent)

_BEFORE_CONFIRMATION: tuple[IntentStatus, ...] = ("requires_payment_method", "requires_confirmation", "requires_action")
_AUTOMATIC = AutomaticMethods(enabled=True)
_CANCELABLE: tuple[IntentStatus, ...] = (*_BEFORE_CONFIRMATION, "requires_capture")


@router.post("")
async def create_intent(call: Calling, body: Annotated[IntentBody, Depends(params(IntentBody))]) -> Wire:
    """Make an intent and, when asked, confirm it in the same call."""
    check_amount(body.amount, body.currency)
    if body.customer:
        find(call.world, Customer, body.customer, call.account, "customer")
    with call.world.store.transaction():
        intent = new_intent(call, body)
        _choose_method(call.world, intent, body)
        call.world.store.put(intent)
        emit(call.world, "payment_intent.created", intent)
        declined = _confirm(call.world, intent, body) if body.confirm else None
    if declined:
        raise declined.as_error(intent)
    return shown(call, intent, body)


@router.get("")
async def list_intents(call: Calling, query: Annotated[IntentQuery, Depends(params(IntentQuery))]) -> Wire:
    """Intents, newest first."""
    return listed(call, PaymentIntent, query, {"customer": query.customer}, "/v1/payment_intents")


@router.get("/search")
async def search_intents(call: Calling, query: Annotated[SearchQuery, Depends(params(SearchQuery))]) -> Wire:
    """Intents by metadata, status, amount and so on."""
    return searched(call, PaymentIntent, query, "/v1/payment_intents/search")


@router.get("/{intent_id}")
async def get_intent(call: Calling, intent_id: str, query: Annotated[Params, Depends(params(Params))]) -> Wire:
    """One intent."""
    return shown(call, find_intent(call, intent_id), query)


@router.post("/{intent_id}")
async def update_intent(
    call: Calling, intent_id: str, body: Annotated[IntentUpdate, Depends(params(IntentUpdate))]
) -> Wire:
    """Change an intent: all of it before it is confirmed, its metadata and description at any time."""
    intent = find_intent(call, intent_id)
    given = body.model_fields_set - {"expand", "metadata", "description", "receipt_email"}
    if given:
        _require(intent, _BEFORE_CONFIRMATION, "updated")
    if body.amount is not None or body.currency is not None:
        check_amount(intent.amount if body.amount is None else body.amount, body.currency or intent.currency)
    with call.world.store.transaction():
        for field in given - {"payment_method", "payment_method_data", "payment_method_types"}:
            setattr(intent, field, getattr(body, field) or None)
        intent.description = body.description if body.description is not None else intent.description
        intent.receipt_email = body.receipt_email or intent.receipt_email
        intent.metadata = merged(intent.metadata, body.metadata)
        _choose_method(call.world, intent, body)
        call.world.store.put(intent)
    return shown(call, intent, body)


@router.post("/{intent_id}/confirm")
async def confirm_intent(
    call: Calling, intent_id: str, body: Annotated[ConfirmBody, Depends(params(ConfirmBody))]
) -> Wire:
    """Try to pay. A decline is a 402, and the intent can be confirmed again with another payment method."""
    intent = find_intent(call, intent_id)
    _require(intent, _BEFORE_CONFIRMATION, "confirmed")
    with call.world.store.transaction():
        _choose_method(call.world, intent, body)
        declined = _confirm(call.world, intent, body)
    if declined:
        raise declined.as_error(intent)
    return shown(call, intent, body)


@router.post("/{intent_id}/capture")
async def capture_intent(
    call: Calling, intent_id: str, body: Annotated[CaptureBody, Depends(params(CaptureBody))]
) -> Wire:
    """Take all or part of what was authorised; the rest is let go."""
    intent = find_intent(call, intent_id)
    _require(intent, ("requires_capture",), "captured")
    amount = body.amount_to_capture or intent.amount_capturable
    if amount > intent.amount_capturable:
        message = (
            f"The requested capture amount is greater than the amount you can capture for this charge: you can capture"
            f" up to {money(intent.amount_capturable, intent.currency)}."
        )
        raise StripeError(message, code="amount_too_large", param="amount_to_capture")
    with call.world.store.transaction():
        intent.metadata = merged(intent.metadata, body.metadata)
        charging.capture(call.world, intent, amount)
    return shown(call, intent, body)


@router.post("/{intent_id}/cancel")
async def cancel_intent(
    call: Calling, intent_id: str, body: Annotated[CancelBody, Depends(params(CancelBody))]
) -> Wire:
    """End an intent that has not succeeded."""
    intent = find_intent(call, intent_id)
    _require(intent, _CANCELABLE, "canceled")
    with call.world.store.transaction():
        charging.cancel(call.world, intent, body.cancellation_reason)
    return shown(call, intent, body)


def find_intent(call: Call, intent_id: str) -> PaymentIntent:
    """The intent.

    Raises:
        StripeError: 404.
    """
    return find(call.world, PaymentIntent, intent_id, call.account, "intent")


def new_intent(call: Call, body: IntentBody, *, session: str | None = None) -> PaymentIntent:
    """An intent that is not kept yet."""
    intent_id = ids.stripe_id("pi")
    automatic = body.automatic_payment_methods
    types = body.payment_method_types
    if automatic is None and types is None and session is None:
        automatic = _AUTOMATIC
    return PaymentIntent(
        id=intent_id,
        created_at=call.world.clock.now_s(),
        account=call.account,
        amount=body.amount,
        automatic_payment_methods=automatic,
        capture_method=body.capture_method,
        client_secret=f"{intent_id}_secret_{ids.token(25)}",
        confirmation_method=body.confirmation_method,
        currency=body.currency,
        customer=body.customer or None,
        description=body.description or None,
        metadata=merged({}, body.metadata),
        payment_method_types=types or types_for(body.currency),
        receipt_email=body.receipt_email or None,
        setup_future_usage=body.setup_future_usage or None,
        shipping=body.shipping,
        statement_descriptor=body.statement_descriptor,
        statement_descriptor_suffix=body.statement_descriptor_suffix,
        transfer_group=body.transfer_group,
        base=call.base,
        return_url=body.return_url,
        session=session,
    )


def types_for(currency: str) -> list[MethodType]:
    """What is offered in a currency when nobody says: cards, PromptPay for baht, bank debits for US dollars."""
    local: dict[str, list[MethodType]] = {"thb": ["promptpay"], "usd": ["us_bank_account"]}
    return ["card", *local.get(currency, [])]


def check_amount(amount: int, currency: str, param: str = "amount") -> None:
    """Refuse a currency Stripe does not know and an amount outside its limits.

    Raises:
        StripeError: 400.
    """
    if currency not in CURRENCIES:
        known = ", ".join(sorted(CURRENCIES))
        raise bad_parameter(
            f"Invalid currency: {currency}. Stripe currently supports these currencies: {known}", "currency"
        )
    if amount < least(currency):
        message = f"Amount must be at least {money(least(currency), currency)}"
        raise bad_parameter(message, param, "amount_too_small")
    if amount > most(currency):
        message = f"Amount must be no more than {money(most(currency), currency)}"
        raise bad_parameter(message, param, "amount_too_large")


def _choose_method(world: World, intent: PaymentIntent, body: IntentFields) -> None:
    """Take the payment method, and the types allowed, that the parameters name."""
    if body.payment_method_types is not None:
        intent.payment_method_types = body.payment_method_types
    if body.payment_method_data is not None:
        method = methods.from_data(world, intent.account, body.payment_method_data)
    elif body.payment_method:
        method = methods.named(world, intent.account, body.payment_method)
        methods.usable_by(method, intent.customer)
    else:
        return
    if method.type not in intent.payment_method_types:
        message = (
            f"The PaymentMethod provided ({method.type}) is not allowed for this PaymentIntent. Please attach a"
            f" PaymentMethod of one of the following types: {', '.join(intent.payment_method_types)}."
        )
        raise bad_parameter(message, "payment_method", "payment_intent_incompatible_payment_method")
    if method.type == "promptpay" and intent.currency != "thb":
        raise bad_parameter("The currency provided is invalid: PromptPay takes thb alone.", "currency")
    intent.payment_method = method.id
    if intent.status in {"requires_payment_method", "requires_action"}:
        intent.status, intent.next_action = "requires_confirmation", None


def _confirm(world: World, intent: PaymentIntent, body: ConfirmBody) -> charging.Declined | None:
    if intent.payment_method is None:
        message = (
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the"
            " PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a"
            " payment method or ConfirmationToken."
        )
        raise StripeError(message, code="payment_intent_unexpected_state", more={"payment_intent": intent.wire()})
    intent.return_url = body.return_url or intent.return_url
    if intent.return_url is None and _may_redirect(intent):
        message = (
            "This PaymentIntent is configured to accept payment methods enabled in your Dashboard. Because some of"
            " these may redirect your customer off of your page, you must provide a `return_url`. If you don't want to"
            " accept redirect-based payment methods, set `automatic_payment_methods[enabled]` to `true` and"
            " `automatic_payment_methods[allow_redirects]` to `never` when creating PaymentIntents."
        )
        raise StripeError(message)
    return charging.attempt(world, intent, methods.of_intent(world, intent), off_session=body.off_session)


def _may_redirect(intent: PaymentIntent) -> bool:
    automatic = intent.automatic_payment_methods
    return automatic is not None and automatic.enabled and automatic.allow_redirects == "always"


def _require(intent: PaymentIntent, statuses: tuple[IntentStatus, ...], done: str) -> None:
    if intent.status in statuses:
        return
    only = f"Only a PaymentIntent with one of the following statuses may be {done}: {', '.join(statuses)}."
    raise StripeError(
        f"This PaymentIntent could not be {done} because it has a status of {intent.status}. {only}",
        code="payment_intent_unexpected_state",
        more={"payment_intent": intent.wire()},
    )

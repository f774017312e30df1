"""`/v1/payment_methods`, and payment methods made in passing or named by their test alias."""

from typing import Annotated

from fastapi import APIRouter, Depends

from tillhouse.sandbox import ids
from tillhouse.sandbox.stripe.calls import PREFIX, Calling, StripeRoute
from tillhouse.sandbox.stripe.cards import NUMBER_OF_ALIAS, card_of, network_decline
from tillhouse.sandbox.stripe.customers import Customer
from tillhouse.sandbox.stripe.errors import StripeError, bad_parameter
from tillhouse.sandbox.stripe.events import emit
from tillhouse.sandbox.stripe.forms import params
from tillhouse.sandbox.stripe.listing import expandable, find, shown
from tillhouse.sandbox.stripe.payment_schemas import (
    AttachBody,
    BillingDetails,
    MethodBody,
    MethodData,
    PaymentIntent,
    PaymentMethod,
)
from tillhouse.sandbox.stripe.schemas import Params, Wire
from tillhouse.sandbox.world import World

router = APIRouter(prefix=f"{PREFIX}/v1/payment_methods", route_class=StripeRoute)

expandable("pm", PaymentMethod)


@router.post("")
async def create_payment_method(call: Calling, body: Annotated[MethodBody, Depends(params(MethodBody))]) -> Wire:
    """Make a payment method from its details."""
    method = from_data(call.world, call.account, body)
    method.metadata, method.customer = body.metadata, body.customer
    call.world.store.put(method)
    return shown(call, method, body)


@router.get("/{method_id}")
async def get_payment_method(call: Calling, method_id: str, query: Annotated[Params, Depends(params(Params))]) -> Wire:
    """One payment method; a test alias such as `pm_card_visa` gives a new one."""
    return shown(call, named(call.world, call.account, method_id, "id"), query)


@router.post("/{method_id}/attach")
async def attach_method(
    call: Calling, method_id: str, body: Annotated[AttachBody, Depends(params(AttachBody))]
) -> Wire:
    """Keep a payment method for a customer. A card that would be declined cannot be kept, but for one that can."""
    customer = find(call.world, Customer, body.customer, call.account, "customer")
    method = named(call.world, call.account, method_id, "id")
    if method.used_up:
        raise _of_no_more_use()
    card = card_of(method.number) if method.type == "card" else None
    if card and card.refusal and not card.keeps:
        why = network_decline(card)
        message, code = str(why["message"]), str(why["code"])
        more = {"decline_code": why["decline_code"]}
        raise StripeError(message, status=402, type="card_error", code=code, more=more)
    with call.world.store.transaction():
        attach(call.world, method, customer.id, set_up=False)
    return shown(call, method, body)


@router.post("/{method_id}/detach")
async def detach_method(call: Calling, method_id: str, body: Annotated[Params, Depends(params(Params))]) -> Wire:
    """Forget a payment method: it can never be used again."""
    method = find(call.world, PaymentMethod, method_id, call.account)
    if method.customer is None:
        message = "The payment method you provided is not attached to a customer so detachment is impossible."
        raise StripeError(message)
    with call.world.store.transaction():
        detach(call.world, method)
    return shown(call, method, body)


def attach(world: World, method: PaymentMethod, customer: str, *, set_up: bool) -> None:
    """Keep `method` for a customer; `set_up` for charges without the payer present. Needs a transaction."""
    known = method.customer == customer
    method.customer, method.set_up = customer, method.set_up or set_up
    world.store.put(method)
    if not known:
        emit(world, "payment_method.attached", method)


def detach(world: World, method: PaymentMethod) -> None:
    """Forget `method`. Needs a transaction."""
    method.customer, method.set_up, method.used_up = None, False, True
    world.store.put(method)
    emit(world, "payment_method.detached", method)


def usable_by(method: PaymentMethod, customer: str | None) -> None:
    """Refuse a payment method that is another customer's, or can be used no more.

    Raises:
        StripeError: 400.
    """
    if method.used_up:
        raise _of_no_more_use()
    if method.customer and method.customer != customer:
        message = (
            f"The customer does not have a payment method with the ID {method.id}. The payment method must be attached"
            " to the customer."
        )
        raise bad_parameter(message, "payment_method", "resource_missing")


def _of_no_more_use() -> StripeError:
    return StripeError(
        "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment, shared with a"
        " connected account without Customer attachment, or was detached from a Customer. It may not be used again."
        " To use a PaymentMethod multiple times, you must attach it to a Customer first."
    )


def named(world: World, account: str, method_id: str, param: str = "payment_method") -> PaymentMethod:
    """The payment method of that id, or a new one for a test alias.

    Raises:
        StripeError: there is none.
    """
    number = NUMBER_OF_ALIAS.get(method_id)
    if number is not None:
        return of_card(world, account, number, BillingDetails())
    return find(world, PaymentMethod, method_id, account, param)


def from_data(world: World, account: str, data: MethodData) -> PaymentMethod:
    """A new payment method from `payment_method_data`.

    Raises:
        StripeError: details are missing, or the card is no test card.
    """
    if data.type != "card":
        return _kept(world, _new(world, account, data))
    if data.card is None:
        raise bad_parameter("Missing required param: card.", "card", "parameter_missing")
    number = "".join(data.card.number.split())
    return of_card(world, account, number, data.billing_details, (data.card.exp_month, data.card.exp_year))


def of_card(
    world: World, account: str, number: str, billing: BillingDetails, expires: tuple[int, int] = (12, 2039)
) -> PaymentMethod:
    """A new payment method for a test card.

    Raises:
        StripeError: it is no test card.
    """
    brand = card_of(number).brand
    method = _new(world, account, MethodData(type="card", billing_details=billing))
    method.number = number
    method.card = {
        "brand": brand,
        "country": "US",
        "exp_month": expires[0],
        "exp_year": expires[1],
        "fingerprint": ids.token(16),
        "funding": "credit",
        "last4": number[-4:],
        "network": brand,
    }
    return _kept(world, method)


def of_intent(world: World, intent: PaymentIntent) -> PaymentMethod:
    """The payment method an intent is being paid with."""
    method = world.store.get(PaymentMethod, intent.payment_method or "")
    assert method is not None, "an intent under way has a payment method"
    return method


def _new(world: World, account: str, data: MethodData) -> PaymentMethod:
    return PaymentMethod(
        id=ids.stripe_id("pm"),
        created_at=world.clock.now_s(),
        account=account,
        type=data.type,
        billing_details=data.billing_details,
    )


def _kept(world: World, method: PaymentMethod) -> PaymentMethod:
    world.store.put(method)
    return method

"""`/v1/payment_methods`, and payment methods made in passing or named by their test alias."""

from typing import Annotated

from fastapi import APIRouter, Depends

from tillhouse.sandbox import ids
from tillhouse.sandbox.stripe.calls import PREFIX, Calling, StripeRoute
from tillhouse.sandbox.stripe.cards import NUMBER_OF_ALIAS, card_of
from tillhouse.sandbox.stripe.errors import bad_parameter
from tillhouse.sandbox.stripe.forms import params
from tillhouse.sandbox.stripe.listing import expandable, find, shown
from tillhouse.sandbox.stripe.payment_schemas import (
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

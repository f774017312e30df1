"""`/v1/setup_intents`: payment methods that are kept for later. Checkout in mode `setup` makes them."""

from typing import Annotated, ClassVar, Literal

from fastapi import APIRouter, Depends
from pydantic import JsonValue

from tillhouse.sandbox import ids
from tillhouse.sandbox.stripe import methods
from tillhouse.sandbox.stripe.calls import PREFIX, Calling, StripeRoute
from tillhouse.sandbox.stripe.cards import card_of, network_decline
from tillhouse.sandbox.stripe.events import emit
from tillhouse.sandbox.stripe.forms import params
from tillhouse.sandbox.stripe.listing import expandable, find, listed, shown
from tillhouse.sandbox.stripe.payment_schemas import IntentQuery, MethodType, PaymentMethod
from tillhouse.sandbox.stripe.schemas import Entity, Params, Wire
from tillhouse.sandbox.world import World

router = APIRouter(prefix=f"{PREFIX}/v1/setup_intents", route_class=StripeRoute)


class SetupIntent(Entity):
    """An intent to keep a payment method, and how far it got."""

    kind: ClassVar[str] = "stripe_setup_intent"
    noun: ClassVar[str] = "setupintent"

    object: Literal["setup_intent"] = "setup_intent"
    application: None = None
    cancellation_reason: None = None
    client_secret: str
    customer: str | None = None
    description: str | None = None
    last_setup_error: dict[str, JsonValue] | None = None
    livemode: Literal[False] = False
    next_action: None = None
    payment_method: str | None = None
    payment_method_types: list[MethodType] = ["card"]
    status: Literal["requires_payment_method", "succeeded", "canceled"] = "requires_payment_method"
    usage: Literal["off_session", "on_session"] = "off_session"


expandable("seti", SetupIntent)


@router.get("")
async def list_setups(call: Calling, query: Annotated[IntentQuery, Depends(params(IntentQuery))]) -> Wire:
    """Setup intents, newest first."""
    return listed(call, SetupIntent, query, {"customer": query.customer}, "/v1/setup_intents")


@router.get("/{setup_id}")
async def get_setup(call: Calling, setup_id: str, query: Annotated[Params, Depends(params(Params))]) -> Wire:
    """One setup intent."""
    return shown(call, find(call.world, SetupIntent, setup_id, call.account), query)


def new_setup(world: World, account: str, metadata: dict[str, str]) -> SetupIntent:
    """A setup intent that waits for a payment method. Needs a transaction."""
    setup_id = ids.stripe_id("seti")
    setup = SetupIntent(
        id=setup_id,
        created_at=world.clock.now_s(),
        account=account,
        client_secret=f"{setup_id}_secret_{ids.token(25)}",
        metadata=metadata,
    )
    world.store.put(setup)
    emit(world, "setup_intent.created", setup)
    return setup


def keep(world: World, setup: SetupIntent, method: PaymentMethod) -> str | None:
    """Keep `method` for the intent's customer; why its bank did not let us, else None. Needs a transaction.

    The person is there: what their bank asks of them, they answer.
    """
    card = card_of(method.number)
    if card.refusal and not card.keeps:
        why = network_decline(card)
        setup.last_setup_error = {**why, "type": "card_error", "payment_method": method.wire()}
        world.store.put(setup)
        emit(world, "setup_intent.setup_failed", setup)
        return why["message"]
    assert setup.customer is not None, "a session of mode setup has made its customer"
    methods.attach(world, method, setup.customer, set_up=True)
    setup.payment_method, setup.status, setup.last_setup_error = method.id, "succeeded", None
    world.store.put(setup)
    emit(world, "setup_intent.succeeded", setup)
    return None

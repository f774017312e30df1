"""What every gateway that keeps cards, or authorisations by UPI, promises: asked of each, against the outside world.

One class of tests over each thing that is kept: charged while its holder is away, found again, refused, forgotten.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest

from tests.parts.payments.test_every_provider import BAHT, RUPEES, Street, a_card, street
from tests.parts.payments.till import START
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.money import Money
from tillhouse.kernel.outbound import OutcomeUnknown
from tillhouse.parts.payments.domain import Method, OrderState, PaymentFacts
from tillhouse.parts.payments.domain.cards import CardFacts, CardRef
from tillhouse.parts.payments.ports import CheckoutScript, GatewayOrder, OrderRequest, Refused, SavedCards
from tillhouse.sandbox.stripe.customers import Customer as StripeCustomer

__all__ = ["street"]

REFUSED_AT_OMISE = "4111111111140011"


@dataclass(frozen=True)
class Keeper:
    """One thing that is kept at one provider: how it is given, how its charges come to fail, how its holder ends it.

    `charged_at` is the call by which a charge is begun.
    """

    provider: str
    kind: str
    amount: Money
    give: Callable[[Street], Awaitable[CardFacts]]
    charged_at: str
    give_refused: Callable[[Street], Awaitable[CardFacts]]
    end: Callable[[Street, CardRef], Awaitable[object]]

    def __str__(self) -> str:
        return f"{self.provider}-{self.kind}"


def cards_at(street: Street, provider: str) -> SavedCards:
    found = street.gateways[provider].cards
    assert found
    return found


def request(amount: Money, **more: object) -> OrderRequest:
    known = OrderRequest(
        receipt=uuid4().hex, amount=amount, method=Method.CARD, title="A plan", purpose="plans",
        return_url="http://testserver/back", expires_at=START + timedelta(hours=12), email="payer@example.com",
    )  # fmt: skip
    return replace(known, **more)  # type: ignore[arg-type]  # as the tests write them


# --- how they are given ---------------------------------------------------------------------------------------------


def on_stripes_page(number: str) -> Callable[[Street], Awaitable[CardFacts]]:
    async def give(street: Street) -> CardFacts:
        cards = cards_at(street, "stripe")
        page = await cards.open_page(key=uuid4(), return_url="http://testserver/back", email=None)
        assert await cards.card_of_page(page.setup_ref) is None
        await street.does(f"stripe/checkout_sessions/{page.setup_ref}/pay", card=number)
        facts = await cards.card_of_page(page.setup_ref)
        assert facts
        return facts

    return give


async def omise_token(street: Street) -> CardFacts:
    token = (await a_card(street))["token"]
    return await cards_at(street, "omise").card_of_token(key=uuid4(), token=token, email=None)


async def omise_token_without_money(street: Street) -> CardFacts:
    card = {"name": "Somchai", "number": REFUSED_AT_OMISE, "expiration_month": 12, "expiration_year": 2099}
    auth = (street.sandbox.world.settings.omise_public_key, "")
    made = await street.person.post("/tokens", json={"card": {**card, "security_code": "123"}}, auth=auth)
    return await cards_at(street, "omise").card_of_token(key=uuid4(), token=made.json()["id"], email=None)


def with_razorpays_payment(method: Method, *, fails: bool = False) -> Callable[[Street], Awaitable[CardFacts]]:
    async def give(street: Street) -> CardFacts:
        gateway, cards = street.gateways["razorpay"].gateway, cards_at(street, "razorpay")
        wish = request(RUPEES, method=method, keep_card=True, keep_up_to=Money(2_000_00, "INR"))
        order = await gateway.create_order(wish)
        assert isinstance(order.checkout, CheckoutScript)
        assert (order.checkout.options["recurring"], str(order.checkout.options["customer_id"])[:5]) == ("1", "cust_")
        assert await gateway.find_order(wish) == order
        await street.does(f"razorpay/orders/{order.order_id}/pay", vpa="asha.rao@okbank")
        street.pass_time(timedelta(minutes=1))
        facts = await cards.card_of_order(order.order_id)
        assert facts
        if fails:
            await street.does(f"razorpay/tokens/{facts.ref.method}/fail_next", reason="insufficient_funds")
        return facts

    return give


# --- how their holders end them -------------------------------------------------------------------------------------


async def cancel_in_their_app(street: Street, ref: CardRef) -> None:
    await street.does(f"razorpay/tokens/{ref.method}/cancel")


async def be_deleted_at_stripe(street: Street, ref: CardRef) -> None:
    auth = (street.sandbox.world.settings.stripe_secret_key, "")
    gone = await street.person.delete(f"/stripe/v1/customers/{ref.customer}", auth=auth)
    assert gone.is_success, gone.text


async def be_deleted_at_omise(street: Street, ref: CardRef) -> None:
    auth = (street.sandbox.world.settings.omise_secret_key, "")
    assert (await street.person.delete(f"/customers/{ref.customer}", auth=auth)).is_success


_RECURRING = "POST /v1/payments/create/recurring"
_razorpay = Keeper(
    "razorpay", "upi", RUPEES, with_razorpays_payment(Method.UPI), _RECURRING,
    with_razorpays_payment(Method.UPI, fails=True), cancel_in_their_app,
)  # fmt: skip
KEEPERS = (
    Keeper(
        "stripe", "card", RUPEES, on_stripes_page("4242424242424242"), "POST /v1/payment_intents",
        on_stripes_page("4000000000000341"), be_deleted_at_stripe,
    ),
    Keeper(
        "omise", "card", BAHT, omise_token, "POST /charges", omise_token_without_money, be_deleted_at_omise,
    ),
    _razorpay,
    replace(
        _razorpay,
        kind="card",
        give=with_razorpays_payment(Method.CARD),
        give_refused=with_razorpays_payment(Method.CARD, fails=True),
    ),
)  # fmt: skip
each = pytest.mark.parametrize("keeper", KEEPERS, ids=str)


async def outcome(street: Street, keeper: Keeper, order: GatewayOrder) -> list[PaymentFacts]:
    """What became of a charge, once its provider can know."""
    street.pass_time(cards_at(street, keeper.provider).answers_within)
    return await street.gateways[keeper.provider].gateway.payments_of(order.order_id)


async def made_outside(street: Street, keeper: Keeper) -> int:
    """How often money was taken from whom kept something, at all."""
    street.pass_time(cards_at(street, keeper.provider).answers_within)
    shown = await street.person.get(f"/_sandbox/{keeper.provider}/{_LISTS[keeper.provider]}")
    items = shown.json()["items"]
    taken = [one for one in items if one["status"] in ("succeeded", "successful", "captured")]
    return len([one for one in taken if one["amount"] == keeper.amount.minor])


_LISTS = {"stripe": "payments", "omise": "charges", "razorpay": "payments"}
# The payment by which an authorisation is given is not one of its charges.
_GIVEN_BY_PAYING = {"razorpay": 1}


def test_every_gateway_that_keeps_something_is_asked(street: Street) -> None:
    found = {
        (name, "upi" if offer.method == Method.UPI else "card")
        for name, installed in street.gateways.items()
        if installed.cards
        for offer in installed.cards.keeps
    }
    assert found == {(keeper.provider, keeper.kind) for keeper in KEEPERS}
    for installed in street.gateways.values():
        if installed.cards:
            assert installed.cards.kept_by_paying <= {offer.method for offer in installed.cards.keeps}
            assert installed.cards.has_pages or installed.cards.script or installed.cards.kept_by_paying


class TestEveryKeeper:
    """Given with consent, charged once, found again, refused with a reason, forgotten."""

    @each
    async def test_what_is_kept_can_be_recognised_and_is_no_number(self, street: Street, keeper: Keeper) -> None:
        facts = await keeper.give(street)
        assert facts.kind == keeper.kind
        if keeper.kind == "upi":
            assert (facts.address, facts.last4) == ("as…@okbank", None)
        else:
            assert (len(facts.last4 or ""), bool(facts.brand), facts.expires_year) in {(4, True, 2039), (4, True, 2099)}
        assert "4242424242424242" not in str(facts)
        assert await cards_at(street, keeper.provider).standing(facts.ref) == "kept"

    @each
    async def test_a_charge_takes_its_amount_once_while_nobody_is_there(self, street: Street, keeper: Keeper) -> None:
        facts = await keeper.give(street)
        wish, cards = request(keeper.amount), cards_at(street, keeper.provider)
        assert await cards.find_charge(wish, facts.ref) is None
        order = await cards.charge(wish, facts.ref)
        assert order.checkout is None
        assert await cards.find_charge(wish, facts.ref) == order
        [paid] = await outcome(street, keeper, order)
        assert (paid.state, paid.amount, paid.order_id) == (OrderState.CAPTURED, keeper.amount, order.order_id)
        assert await made_outside(street, keeper) == 1 + _GIVEN_BY_PAYING.get(keeper.provider, 0)

    @each
    async def test_its_events_name_the_order_or_our_receipt(self, street: Street, keeper: Keeper) -> None:
        facts = await keeper.give(street)
        known = {sent.id for sent in street.sandbox.pending()}
        wish = request(keeper.amount)
        order = await cards_at(street, keeper.provider).charge(wish, facts.ref)
        await outcome(street, keeper, order)
        gateway = street.gateways[keeper.provider].gateway
        sent = [one for one in street.sandbox.pending() if one.id not in known]
        read = [gateway.read_event(one.body.encode(), httpx.Headers(one.headers)) for one in sent]
        about = [one for one in read if one.payment_id]
        assert about
        assert [one.name for one in about if order.order_id != one.order_id and one.receipt != wish.receipt] == []

    @each
    async def test_a_refusal_is_told_with_its_reason_and_takes_nothing(self, street: Street, keeper: Keeper) -> None:
        facts = await keeper.give_refused(street)
        order = await cards_at(street, keeper.provider).charge(request(keeper.amount), facts.ref)
        [refused] = await outcome(street, keeper, order)
        assert refused.state == OrderState.FAILED
        assert refused.error_code in ("generic_decline", "insufficient_fund", "insufficient_funds")
        assert await made_outside(street, keeper) == _GIVEN_BY_PAYING.get(keeper.provider, 0)

    @each
    async def test_a_charge_whose_answer_was_lost_is_found(self, street: Street, keeper: Keeper) -> None:
        facts, cards = await keeper.give(street), cards_at(street, keeper.provider)
        wish = request(keeper.amount)
        await street.does("faults", provider=keeper.provider, path=keeper.charged_at, fault="timeout_after")
        with pytest.raises(OutcomeUnknown):
            await cards.charge(wish, facts.ref)
        order = await cards.find_charge(wish, facts.ref)
        assert order
        [paid] = await outcome(street, keeper, order)
        assert paid.state == OrderState.CAPTURED
        assert await made_outside(street, keeper) == 1 + _GIVEN_BY_PAYING.get(keeper.provider, 0)

    @each
    @pytest.mark.parametrize("fault", ["timeout_before", "timeout_after"])
    async def test_a_charge_that_is_tried_again_blindly_takes_nothing_twice(
        self, street: Street, keeper: Keeper, fault: str
    ) -> None:
        facts, cards = await keeper.give(street), cards_at(street, keeper.provider)
        if not cards.once_per_receipt:
            return  # such a gateway is never asked a second time: `flows.cards` sees to it
        wish = request(keeper.amount)
        await street.does("faults", provider=keeper.provider, path=keeper.charged_at, fault=fault)
        for _ in range(3):
            try:
                await cards.charge(wish, facts.ref)
            except OutcomeUnknown:
                continue
        assert await made_outside(street, keeper) <= 1 + _GIVEN_BY_PAYING.get(keeper.provider, 0)

    @each
    async def test_one_that_its_holder_ended_is_told_so_and_charged_no_more(
        self, street: Street, keeper: Keeper
    ) -> None:
        facts, cards = await keeper.give(street), cards_at(street, keeper.provider)
        await keeper.end(street, facts.ref)
        assert await cards.standing(facts.ref) == "ended"
        with pytest.raises(Refused):
            await cards.charge(request(keeper.amount), facts.ref)
        assert await made_outside(street, keeper) == _GIVEN_BY_PAYING.get(keeper.provider, 0)

    @each
    async def test_what_is_forgotten_is_gone_there_and_forgetting_it_again_is_harmless(
        self, street: Street, keeper: Keeper
    ) -> None:
        facts, cards = await keeper.give(street), cards_at(street, keeper.provider)
        for _ in range(3):
            try:
                await cards.forget(facts.ref)
            except TransientError:
                street.pass_time(timedelta(minutes=2))  # the holder's bank is ending it
        assert await cards.standing(facts.ref) == "ended"
        with pytest.raises(Refused):
            await cards.charge(request(keeper.amount), facts.ref)
        assert street.sandbox.world.store.find(StripeCustomer, limit=9) == []

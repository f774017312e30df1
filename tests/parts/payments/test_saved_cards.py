"""Cards that Stripe keeps: given on its page or while paying, charged while their owner is away, forgotten."""

from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.parts.payments.cards import ASKS_ALWAYS, ASKS_UNLESS_KEPT, DECLINED_LATER, PAYS, cards, give_card
from tests.parts.payments.test_what_is_told import happened
from tests.parts.payments.till import Till, new_person, rupees
from tillhouse.kernel.errors import Conflict, NotFound, TransientError
from tillhouse.kernel.money import Money
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import Method
from tillhouse.parts.payments.flows.cards import charge_card, check_card
from tillhouse.parts.payments.models import SavedCardRow
from tillhouse.parts.payments.ports import Refused
from tillhouse.sandbox.omise.schemas import Charge
from tillhouse.sandbox.omise.schemas import Customer as OmiseCustomer
from tillhouse.sandbox.stripe.customers import Customer
from tillhouse.sandbox.stripe.payment_schemas import PaymentIntent
from tillhouse.sandbox.transport import SandboxTransport


async def row_of(till: Till, card: api.SavedCard | UUID) -> SavedCardRow:
    async with till.house.database.reading() as session:
        found = await session.get(SavedCardRow, card if isinstance(card, UUID) else card.id)
        assert found
        return found


def charge(person: UUID, card: api.SavedCard, key: str = "renewal-1", amount: str = "300.00") -> api.NewOrder:
    return api.NewOrder(
        owner_kind="person", owner_id=person, amount=rupees(amount), purpose="wallet_deposit", request_key=key,
        card_id=card.id,
    )  # fmt: skip


def intents(till: Till) -> list[PaymentIntent]:
    return till.sandbox.world.store.find(PaymentIntent, limit=100)


async def test_a_card_given_on_the_gateways_page_is_kept_without_its_number(till: Till) -> None:
    asha = new_person()
    card = await give_card(till, asha)
    assert (card.provider, card.brand, card.last4, card.expires_year) == ("stripe", "visa", "4242", 2039)
    assert card.consented_at <= card.saved_at
    row = await row_of(till, card)
    assert PAYS not in str({column.key: getattr(row, column.key) for column in SavedCardRow.__table__.columns})
    assert await till.parked() == []


async def test_nothing_is_kept_of_whom_left_the_page_and_no_one_is_asked_for_ever(till: Till) -> None:
    asha = new_person()
    page = await api.open_card_page(till.house, ("person", asha), return_path="/{card}")
    await check_card(till.house, page.card_id)
    assert await cards(till, asha) == []
    await till.pass_time(timedelta(hours=26), step=timedelta(hours=1))
    row = await row_of(till, page.card_id)
    assert (row.state, row.reason, row.next_check_at) == ("removed", "abandoned", None)


async def test_the_janitor_finds_a_card_whose_browser_never_came_back(till: Till) -> None:
    asha = new_person()
    page = await api.open_card_page(till.house, ("person", asha), return_path="/{card}")
    await till.outside("POST", f"/_sandbox/stripe/checkout_sessions/{page.url.rsplit('/', 1)[1]}/pay", {})
    await till.pass_time(timedelta(minutes=3))
    assert [card.last4 for card in await cards(till, asha)] == ["4242"]


async def test_a_card_that_was_paid_with_is_kept_when_its_owner_agreed(till: Till) -> None:
    asha = new_person()
    till.change_settings(gateways=("stripe", "razorpay"))
    order = await till.order(asha, keep_card=True)
    assert (order.provider, order.method) == ("stripe", Method.CARD)
    await till.outside("POST", f"/_sandbox/stripe/checkout_sessions/{order.provider_order_id}/pay", {"card": PAYS})
    await till.quiet()
    assert [card.last4 for card in await cards(till, asha)] == ["4242"]
    assert await till.wallet(asha) == "150.00"


async def test_a_card_that_was_paid_with_is_not_kept_when_nobody_agreed(till: Till) -> None:
    asha = new_person()
    order = await till.order(asha, method=Method.CARD)
    await till.outside("POST", f"/_sandbox/stripe/checkout_sessions/{order.provider_order_id}/pay", {"card": PAYS})
    await till.quiet()
    assert (await till.see_order(order)).paid_at
    assert await cards(till, asha) == []
    assert till.sandbox.world.store.find(Customer, limit=10) == []


@pytest.mark.parametrize("number", [PAYS, ASKS_UNLESS_KEPT])
async def test_a_kept_card_is_charged_while_its_owner_is_away_and_the_money_is_booked(till: Till, number: str) -> None:
    asha = new_person()
    card = await give_card(till, asha, number)
    order = await charge_card(till.house, charge(asha, card))
    assert (order.state, order.provider) == ("captured", "stripe")
    await till.quiet()
    assert await till.wallet(asha) == "300.00"
    assert await till.parked() == []
    assert await till.exceptions() == []


async def test_one_key_is_one_charge_however_often_it_is_asked_for(till: Till) -> None:
    asha = new_person()
    card = await give_card(till, asha)
    first = await charge_card(till.house, charge(asha, card))
    again = await charge_card(till.house, charge(asha, card))
    assert (again.id, again.provider_order_id) == (first.id, first.provider_order_id)
    with pytest.raises(Conflict):
        await charge_card(till.house, charge(asha, card, amount="301.00"))
    await till.quiet()
    assert (await till.wallet(asha), len(intents(till))) == ("300.00", 1)


@pytest.mark.parametrize(
    ("number", "reason"), [(DECLINED_LATER, "generic_decline"), (ASKS_ALWAYS, "authentication_required")]
)
async def test_a_charge_that_is_refused_fails_with_its_banks_reason_and_moves_no_money(
    till: Till, number: str, reason: str
) -> None:
    asha = new_person()
    card = await give_card(till, asha, number)
    order = await charge_card(till.house, charge(asha, card))
    assert (order.state, order.failure_code) == ("failed", reason)
    assert api.needs_person(order.failure_code) == (reason == "authentication_required")
    await till.quiet()
    assert await till.wallet(asha) == "0.00"
    assert await till.parked() == []
    assert await till.exceptions() == []


@pytest.mark.parametrize("fault", ["timeout_before", "timeout_after"])
async def test_a_charge_whose_answer_was_lost_is_looked_up_and_not_repeated(till: Till, fault: str) -> None:
    asha = new_person()
    card = await give_card(till, asha)
    await till.fault(fault, "POST /v1/payment_intents", provider="stripe")
    with pytest.raises(TransientError):
        await charge_card(till.house, charge(asha, card))
    order = await charge_card(till.house, charge(asha, card))
    assert order.state == "captured"
    await till.pass_time(timedelta(minutes=10), step=timedelta(minutes=5))
    assert (await till.wallet(asha), len(intents(till))) == ("300.00", 1)


async def test_news_that_comes_before_the_answer_finds_its_order_by_our_receipt(till: Till) -> None:
    asha = new_person()
    card = await give_card(till, asha)
    await till.fault("timeout_after", "POST /v1/payment_intents", provider="stripe")
    with pytest.raises(TransientError):
        await charge_card(till.house, charge(asha, card))
    await till.quiet()
    assert await till.wallet(asha) == "300.00"
    assert await till.parked() == []
    assert await till.exceptions() == []


async def test_a_new_card_takes_the_place_of_the_one_before_which_stripe_forgets(till: Till) -> None:
    asha = new_person()
    before = await give_card(till, asha)
    after = await give_card(till, asha, "5555555555554444")
    assert [card.id for card in await cards(till, asha)] == [after.id]
    row = await row_of(till, before)
    assert (row.state, row.reason, row.forgotten_at is not None) == ("removed", "replaced", True)
    assert [one.id for one in till.sandbox.world.store.find(Customer, limit=10)] == [
        (await row_of(till, after)).customer_ref
    ]


async def test_a_removed_card_is_forgotten_at_the_gateway_and_charged_no_more(till: Till) -> None:
    asha, ravi = new_person(), new_person()
    card = await give_card(till, asha)
    async with till.house.database.transaction() as session:
        with pytest.raises(NotFound):
            await api.remove_card(session, ("person", ravi), card.id)
        await api.remove_card(session, ("person", asha), card.id)
        await api.remove_card(session, ("person", asha), card.id)
    order = await charge_card(till.house, charge(asha, card))
    assert (order.state, order.failure_code) == ("failed", "card_removed")
    await till.quiet()
    assert (await row_of(till, card)).forgotten_at
    assert till.sandbox.world.store.find(Customer, limit=10) == []
    assert intents(till) == []
    assert [one for one in await happened(till) if "card" in one[0]] == [
        ("payments.card_removed", {"card_id": str(card.id)})
    ]


async def test_a_card_that_is_gone_at_the_gateway_fails_for_good(till: Till) -> None:
    asha = new_person()
    card = await give_card(till, asha)
    customer = (await row_of(till, card)).customer_ref
    till.sandbox.world.store.delete(Customer, customer or "")
    order = await charge_card(till.house, charge(asha, card))
    assert (order.state, order.failure_code, api.needs_person(order.failure_code)) == (
        "failed",
        "resource_missing",
        True,
    )


async def test_whoever_leaves_has_no_card_kept(till: Till) -> None:
    from tillhouse.parts.payments.service.checks import erase_person

    asha = new_person()
    card = await give_card(till, asha)
    async with till.house.database.transaction() as session:
        await erase_person(session, asha, [])
    await till.quiet()
    row = await row_of(till, card)
    found: dict[str, Any] = {"state": row.state, "last4": row.last4, "brand": row.brand}
    assert found == {"state": "removed", "last4": None, "brand": None}
    assert row.forgotten_at


# --- Omise: a token of its script, no idempotency key ---------------------------------------------------------------

OMISE_PAYS, OMISE_REFUSED = "4242424242424242", "4111111111140011"


async def token_of(till: Till, number: str) -> str:
    """What Omise's script makes of a card in the browser."""
    card = {"name": "Asha", "number": number, "expiration_month": 12, "expiration_year": 2039, "security_code": "123"}
    auth = ("pkey_test_tillhouse", "")
    async with httpx.AsyncClient(transport=SandboxTransport(till.sandbox), base_url="http://sandbox", auth=auth) as at:
        made = await at.post("/tokens", json={"card": card})
    assert made.status_code == 200, made.text
    return str(made.json()["id"])


async def keep(till: Till, person: UUID, number: str = OMISE_PAYS) -> api.SavedCard:
    return await api.keep_token(till.house, ("person", person), await token_of(till, number), currency="THB")


def baht(person: UUID, card: api.SavedCard) -> api.NewOrder:
    return replace(charge(person, card), amount=Money(300_00, "THB"))


def omise_charges(till: Till) -> list[str]:
    return [one.status for one in till.sandbox.world.store.find(Charge, limit=100)]


async def test_omise_keeps_a_card_by_its_token_and_charges_it_while_its_owner_is_away(till: Till) -> None:
    asha = new_person()
    card = await keep(till, asha)
    assert (card.provider, card.brand, card.last4, card.expires_year) == ("omise", "visa", "4242", 2039)
    order = await charge_card(till.house, baht(asha, card))
    again = await charge_card(till.house, baht(asha, card))
    await till.quiet()
    assert (order.state, again.id, omise_charges(till)) == ("captured", order.id, ["successful"])
    assert (await till.parked(), await till.exceptions()) == ([], [])


async def test_a_card_that_omise_refuses_fails_with_its_reason(till: Till) -> None:
    asha = new_person()
    order = await charge_card(till.house, baht(asha, await keep(till, asha, OMISE_REFUSED)))
    assert (order.state, order.failure_code) == ("failed", "insufficient_fund")
    await till.quiet()
    assert (await till.parked(), await till.exceptions()) == ([], [])


async def test_at_omise_a_charge_whose_answer_was_lost_is_found_and_never_made_again(till: Till) -> None:
    asha = new_person()
    card = await keep(till, asha)
    await till.fault("timeout_after", "POST /charges", provider="omise")
    with pytest.raises(TransientError):
        await charge_card(till.house, baht(asha, card))
    await till.quiet()
    order = await charge_card(till.house, baht(asha, card))
    assert (order.state, omise_charges(till)) == ("captured", ["successful"])


async def test_at_omise_a_charge_that_may_never_have_arrived_is_not_made_again_but_given_up(till: Till) -> None:
    asha = new_person()
    card = await keep(till, asha)
    await till.fault("timeout_before", "POST /charges", provider="omise")
    for _ in range(3):
        with pytest.raises(TransientError):
            await charge_card(till.house, baht(asha, card))
    await till.pass_time(timedelta(hours=25), step=timedelta(hours=1))
    order = await charge_card(till.house, baht(asha, card))
    assert (order.state, omise_charges(till)) == ("expired", [])


async def test_a_card_whose_answer_was_lost_at_omise_is_found_by_our_key(till: Till) -> None:
    asha = new_person()
    await till.fault("timeout_after", "POST /customers", provider="omise")
    with pytest.raises(TransientError):
        await keep(till, asha)
    await till.pass_time(timedelta(minutes=3))
    assert [card.last4 for card in await cards(till, asha)] == ["4242"]


async def test_a_removed_card_is_forgotten_at_omise(till: Till) -> None:
    asha = new_person()
    card = await keep(till, asha)
    async with till.house.database.transaction() as session:
        await api.remove_card(session, ("person", asha), card.id)
    await till.quiet()
    assert till.sandbox.world.store.find(OmiseCustomer, limit=10) == []
    assert (await row_of(till, card)).forgotten_at


async def test_a_token_is_good_once_and_a_wrong_one_keeps_nothing(till: Till) -> None:
    asha = new_person()
    with pytest.raises(Refused):
        await api.keep_token(till.house, ("person", asha), "tokn_test_nothing", currency="THB")
    with pytest.raises(NotFound):
        await api.keep_token(till.house, ("person", asha), await token_of(till, OMISE_PAYS), currency="USD")
    assert await cards(till, asha) == []

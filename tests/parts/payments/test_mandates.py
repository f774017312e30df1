"""Authorisations by UPI and card that Razorpay keeps: given with a payment, charged a day and more later, ended."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.parts.payments.cards import cards
from tests.parts.payments.test_razorpay_adapters import gateway as adapter
from tests.parts.payments.till import Till, new_person, rupees
from tillhouse.kernel.errors import InvalidInput, TransientError
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import Method
from tillhouse.parts.payments.flows.cards import charge_card
from tillhouse.parts.payments.models import SavedCardRow
from tillhouse.parts.payments.providers.answers import hmac_sha256
from tillhouse.sandbox.razorpay.schemas import Order, Payment
from tillhouse.sandbox.razorpay.tokens import Token

HOUR = timedelta(hours=1)


async def authorise(till: Till, person: UUID, method: Method = Method.UPI, most: str = "500.00") -> api.SavedCard:
    """A payment of 150 rupees, and later ones agreed to."""
    order = await till.order(person, method=method, keep_card=True, keep_up_to=rupees(most))
    assert (order.provider, order.method) == ("razorpay", method)
    await till.pay(order, vpa="asha.rao@okbank")
    await till.quiet()
    await till.pass_time(timedelta(minutes=3), step=timedelta(minutes=3))
    (kept, *_) = await cards(till, person)
    return kept


def charge(person: UUID, card: api.SavedCard, key: str = "renewal-1", amount: str = "300.00") -> api.NewOrder:
    return api.NewOrder(
        owner_kind="person", owner_id=person, amount=rupees(amount), purpose="wallet_deposit", request_key=key,
        card_id=card.id,
    )  # fmt: skip


async def row_of(till: Till, card: api.SavedCard) -> SavedCardRow:
    async with till.house.database.reading() as session:
        found = await session.get(SavedCardRow, card.id)
        assert found
        return found


async def token_of(till: Till, card: api.SavedCard) -> str:
    return (await row_of(till, card)).method_ref or ""


def debits(till: Till) -> list[str]:
    """What became of every charge outside, the newest first; the payments by which people authorised are none."""
    orders = {one.id for one in till.sandbox.world.store.find(Order, limit=100) if one.mandate is None}
    return [one.status for one in till.sandbox.world.store.find(Payment, limit=100) if one.order_id in orders]


async def test_an_authorisation_by_upi_is_kept_with_its_limits_and_charged_a_day_later(till: Till) -> None:
    asha = new_person()
    card = await authorise(till, asha)
    assert (card.kind, card.address, card.label, card.last4) == ("upi", "as…@okbank", "UPI as…@okbank", None)
    assert (card.greatest, card.paused, card.expired) == (rupees("500.00"), False, False)
    assert card.ends_at
    assert card.ends_at > card.saved_at + timedelta(days=3650)
    row = await row_of(till, card)
    assert "asha.rao" not in str({column.key: getattr(row, column.key) for column in SavedCardRow.__table__.columns})

    begun = await charge_card(till.house, charge(asha, card))
    again = await charge_card(till.house, charge(asha, card))
    assert (begun.state, again.id, debits(till)) == ("pending", begun.id, ["created"])
    await till.pass_time(24 * HOUR, step=12 * HOUR)
    assert (await charge_card(till.house, charge(asha, card))).state == "pending"
    assert await till.wallet(asha) == "150.00"
    await till.pass_time(2 * HOUR, step=HOUR)
    assert ((await till.see_order(begun)).state, debits(till)) == ("captured", ["captured"])
    assert await till.wallet(asha) == "450.00"
    assert (await till.parked(), await till.exceptions()) == ([], [])


@pytest.mark.parametrize(("method", "kind"), [(Method.UPI, "upi"), (Method.CARD, "card")])
async def test_what_somebody_is_about_to_authorise_is_known_by_its_kind(till: Till, method: Method, kind: str) -> None:
    order = await till.order(new_person(), method=method, keep_card=True, keep_up_to=rupees("500.00"))
    async with till.house.database.reading() as session:
        asked = select(SavedCardRow.id, SavedCardRow.state).where(SavedCardRow.order_id == order.id)
        ((card_id, state),) = (await session.execute(asked)).all()
        assert (state, await api.kind_of_card(session, card_id)) == ("pending", kind)


async def test_an_authorisation_by_card_is_kept_as_a_card(till: Till) -> None:
    asha = new_person()
    card = await authorise(till, asha, Method.CARD)
    assert (card.kind, card.label, card.expires_year, card.greatest) == (
        "card", "Visa •••• 1007", 2039, rupees("500.00"),
    )  # fmt: skip
    await charge_card(till.house, charge(asha, card))
    await till.pass_time(37 * HOUR, step=37 * HOUR)
    assert (await till.wallet(asha), debits(till)) == ("450.00", ["captured"])


async def test_what_was_paid_with_is_not_kept_when_nobody_agreed_and_upi_alone_is_no_way_to_pay(till: Till) -> None:
    asha = new_person()
    await till.deposit(asha, "150.00")
    with pytest.raises(InvalidInput):
        await till.order(asha, method=Method.UPI)
    assert await cards(till, asha) == []
    assert till.sandbox.world.store.find(Token, limit=9) == []


@pytest.mark.parametrize("path", ["POST /v1/orders", "POST /v1/customers"])
async def test_a_lost_answer_on_the_way_to_an_authorisation_leaves_one_order_that_authorises(
    till: Till, path: str
) -> None:
    asha = new_person()
    await till.fault("timeout_after", path)
    wish: dict[str, Any] = {"method": Method.UPI, "keep_card": True, "keep_up_to": rupees("500"), "request_key": "k"}
    with pytest.raises(TransientError):
        await till.order(asha, **wish)
    order = await till.order(asha, **wish)
    assert len(till.sandbox.world.store.find(Order, limit=9)) == 1
    await till.pay(order)
    await till.quiet()
    await till.pass_time(timedelta(minutes=3), step=timedelta(minutes=3))
    assert [card.greatest for card in await cards(till, asha)] == [rupees("500.00")]


async def test_a_debit_whose_answer_was_lost_is_found_and_not_begun_again(till: Till) -> None:
    asha = new_person()
    card = await authorise(till, asha)
    await till.fault("timeout_after", "POST /v1/payments/create/recurring")
    with pytest.raises(TransientError):
        await charge_card(till.house, charge(asha, card))
    assert (await charge_card(till.house, charge(asha, card))).state == "pending"
    await till.pass_time(26 * HOUR, step=13 * HOUR)
    assert (await till.wallet(asha), debits(till)) == ("450.00", ["captured"])
    assert (await till.parked(), await till.exceptions()) == ([], [])


async def test_a_debit_that_may_never_have_been_begun_is_not_begun_again_but_given_up(till: Till) -> None:
    asha = new_person()
    card = await authorise(till, asha)
    await till.fault("timeout_before", "POST /v1/payments/create/recurring")
    for _ in range(3):
        with pytest.raises(TransientError):
            await charge_card(till.house, charge(asha, card))
    await till.pass_time(13 * HOUR, step=13 * HOUR)
    order = await charge_card(till.house, charge(asha, card))
    assert (order.state, debits(till)) == ("expired", [])
    assert await till.wallet(asha) == "150.00"


@pytest.mark.parametrize(
    "path", ["POST /v1/orders", "GET /v1/payments/pay_*", "GET /v1/customers/*"], ids=["order", "payer", "token"]
)
async def test_what_went_wrong_before_a_debit_was_asked_for_is_tried_again(till: Till, path: str) -> None:
    asha = new_person()
    card = await authorise(till, asha)
    await till.fault("timeout_before", path)
    with pytest.raises(TransientError):
        await charge_card(till.house, charge(asha, card))
    assert (await charge_card(till.house, charge(asha, card))).state == "pending"
    assert debits(till) == ["created"]


@pytest.mark.parametrize("amount", ["500.01", "15000.01"])
async def test_more_than_was_authorised_is_not_asked_for(till: Till, amount: str) -> None:
    asha = new_person()
    card = await authorise(till, asha)
    order = await charge_card(till.house, charge(asha, card, amount=amount))
    assert (order.state, order.failure_code, api.needs_person(order.failure_code)) == ("failed", "above_mandate", True)
    assert debits(till) == []


async def test_a_paused_authorisation_is_shown_so_and_charged_again_once_its_holder_resumes_it(till: Till) -> None:
    asha = new_person()
    card = await authorise(till, asha)
    at = f"/_sandbox/razorpay/tokens/{await token_of(till, card)}"
    await till.outside("POST", f"{at}/pause")
    await till.quiet()
    assert [one.paused for one in await cards(till, asha)] == [True]
    order = await charge_card(till.house, charge(asha, card))
    assert (order.state, order.failure_code, api.needs_person(order.failure_code)) == (
        "failed",
        "mandate_paused",
        False,
    )
    await till.outside("POST", f"{at}/confirm")
    assert (await charge_card(till.house, charge(asha, card, "renewal-2"))).state == "pending"
    assert [one.paused for one in await cards(till, asha)] == [False]
    assert await till.parked() == []


@pytest.mark.parametrize("told", [True, False])
async def test_an_authorisation_that_its_holder_ends_is_kept_no_more(till: Till, told: bool) -> None:
    asha = new_person()
    card = await authorise(till, asha)
    token = await token_of(till, card)
    await till.outside("POST", f"/_sandbox/razorpay/tokens/{token}/cancel")
    if not told:  # its event is lost: the next charge finds out
        for lost in till.webhooks("token.cancelled"):
            till.sandbox.world.store.delete(type(lost), lost.id)
        order = await charge_card(till.house, charge(asha, card))
        assert (order.state, order.failure_code) == ("failed", "mandate_ended")
    await till.quiet()
    row = await row_of(till, card)
    assert (row.state, row.reason, row.forgotten_at is not None) == ("removed", "ended_at_bank", True)
    assert (await cards(till, asha), till.sandbox.world.store.find(Token, limit=9)) == ([], [])
    assert await till.parked() == []


async def test_one_that_is_removed_here_is_ended_at_its_holders_bank_before_it_is_forgotten(till: Till) -> None:
    asha = new_person()
    card = await authorise(till, asha)
    async with till.house.database.transaction() as session:
        await api.remove_card(session, ("person", asha), card.id)
    await till.quiet()
    (token,) = till.sandbox.world.store.find(Token, limit=9)
    assert (token.status, (await row_of(till, card)).forgotten_at) == ("cancellation_initiated", None)
    await till.pass_time(timedelta(minutes=30), step=timedelta(minutes=10))
    assert till.sandbox.world.store.find(Token, limit=9) == []
    assert (await row_of(till, card)).forgotten_at
    order = await charge_card(till.house, charge(asha, card))
    assert (order.state, order.failure_code) == ("failed", "card_removed")


async def test_a_new_authorisation_ends_the_one_before(till: Till) -> None:
    asha = new_person()
    before = await authorise(till, asha)
    after = await authorise(till, asha, Method.CARD)
    await till.pass_time(timedelta(minutes=30), step=timedelta(minutes=10))
    assert [card.id for card in await cards(till, asha)] == [after.id]
    assert (await row_of(till, before)).forgotten_at
    assert [one.method for one in till.sandbox.world.store.find(Token, limit=9)] == ["card"]


async def test_a_debit_that_fails_says_why_and_moves_no_money(till: Till) -> None:
    asha = new_person()
    card = await authorise(till, asha)
    path = f"/_sandbox/razorpay/tokens/{await token_of(till, card)}/fail_next"
    await till.outside("POST", path, {"reason": "insufficient_funds"})
    order = await charge_card(till.house, charge(asha, card))
    await till.pass_time(26 * HOUR, step=26 * HOUR)
    now = await till.see_order(order)
    assert (now.state, now.failure_code, await till.wallet(asha)) == ("failed", "insufficient_funds", "150.00")
    assert (await till.parked(), await till.exceptions()) == ([], [])


# --- events, as Razorpay's documentation shows them (April 2026) -----------------------------------------------------

UPI_TOKEN: dict[str, Any] = {
    "id": "token_FVIP5DVexjoZjF", "entity": "token", "token": "5ESJrtR1V6k6mp", "bank": None, "wallet": None,
    "method": "upi", "vpa": {"username": "56546", "handle": "upi", "name": None}, "recurring": True,
    "recurring_details": {"status": "confirmed", "failure_reason": None}, "auth_type": None, "mrn": None,
    "used_at": 1598424055, "created_at": 1598424055, "start_time": 1598510437, "dcc_enabled": False,
    "max_amount": 5600, "expired_at": 1913956837,
}  # fmt: skip


@pytest.mark.parametrize("status", ["confirmed", "rejected", "paused", "cancelled"])
def test_an_event_of_a_token_is_about_the_authorisation_and_nothing_else(status: str) -> None:
    token = {**UPI_TOKEN, "recurring_details": {"status": status, "failure_reason": None}}
    document = {
        "entity": "event", "account_id": "acc_8TgNt9DVrJB0bl", "event": f"token.{status}", "contains": ["token"],
        "payload": {"token": {"entity": token}}, "created_at": 1599065559,
    }  # fmt: skip
    body = json.dumps(document).encode()
    signature = hmac_sha256(b"whsec", body).hex()
    read = adapter(webhook_secrets=("whsec",)).read_event(
        body, {"x-razorpay-signature": signature, "x-razorpay-event-id": "evt_1"}
    )
    assert (read.name, read.authorisation_id, read.plausible) == (f"token.{status}", "token_FVIP5DVexjoZjF", True)
    assert (read.payment_id, read.order_id, read.receipt, read.amount) == (None, None, None, None)
    assert not replace(read, authorisation_id="x" * 300).plausible


async def test_an_event_about_an_authorisation_that_is_none_of_ours_is_passed_over(till: Till) -> None:
    body = {"provider": "razorpay", "event": "token.paused", "payload": {"token": {"entity": UPI_TOKEN}}}
    assert (await till.outside("POST", "/_sandbox/webhooks", body)).status_code in (200, 201)
    await till.quiet()
    assert (await till.parked(), await till.exceptions()) == ([], [])

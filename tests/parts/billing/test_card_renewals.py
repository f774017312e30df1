"""Renewals that a kept card pays for: charged once, refused into dunning, and never a plan lost without a word."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import select

from tests.parts.billing.counter import Counter, open_counter
from tests.parts.billing.test_mandate_renewals import authorised, token, until
from tests.parts.identity.town import Town
from tests.parts.payments.cards import ASKS_ALWAYS, DECLINED_LATER, give_card
from tests.parts.payments.till import new_person, rupees
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.billing import api
from tillhouse.parts.billing.flows import charge_renewal
from tillhouse.parts.billing.models import CardChargeRow
from tillhouse.parts.billing.service.checks import cards_are_charged_once
from tillhouse.parts.payments import api as payments
from tillhouse.sandbox.app import create_sandbox
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.smtp import smtp_server
from tillhouse.sandbox.stripe.payment_schemas import PaymentIntent


async def charges(counter: Counter) -> list[tuple[int, str, str | None]]:
    async with counter.till.house.database.reading() as session:
        rows = await session.execute(select(CardChargeRow).order_by(CardChargeRow.invoice_id, CardChargeRow.attempt))
        return [(row.attempt, row.state, row.reason) for row in rows.scalars()]


def charged(counter: Counter) -> list[str]:
    """What became of every try at a card outside, the newest first."""
    return [one.status for one in counter.till.sandbox.world.store.find(PaymentIntent, limit=100)]


async def remove(counter: Counter, person: UUID, card: payments.SavedCard) -> None:
    async with counter.till.house.database.transaction() as session:
        await payments.remove_card(session, ("person", person), card.id)
    await counter.till.quiet()


async def test_a_kept_card_pays_each_renewal_by_itself(counter: Counter) -> None:
    asha = new_person()
    view = await counter.subscribed(asha)
    await give_card(counter.till, asha)
    await counter.pass_days(62)
    view = await counter.see(view)
    assert (view.state, view.paid_until.date().isoformat()) == ("active", "2026-06-02")
    assert [one.state for one in await counter.invoices(asha)] == ["paid"] * 3
    assert (await charges(counter), charged(counter)) == ([(1, "paid", None)] * 2, ["succeeded"] * 2)
    assert (await counter.till.wallet(asha), await counter.points(asha)) == ("0.00", 100)
    assert await counter.till.exceptions() == []
    assert await counter.till.parked() == []


async def test_it_is_never_past_due_while_its_card_is_being_charged(counter: Counter) -> None:
    asha = new_person()
    view = await counter.subscribed(asha)
    await give_card(counter.till, asha)
    await counter.pass_days(30)
    await counter.till.fault("timeout_before", "POST /v1/payment_intents", provider="stripe", count=3)
    await counter.pass_days(1)
    assert ((await counter.see(view)).state, await charges(counter)) == ("active", [(1, "open", None)])
    for _ in range(4):
        counter.till.at.advance(timedelta(minutes=11))
        await counter.look_after()
    assert ((await counter.see(view)).state, await charges(counter)) == ("active", [(1, "paid", None)])
    assert charged(counter) == ["succeeded"]


async def test_the_wallet_pays_before_the_card(counter: Counter) -> None:
    asha = new_person()
    view = await counter.subscribed(asha)
    await give_card(counter.till, asha)
    await counter.till.give(asha, rupees("300.00"))
    await counter.pass_days(32)
    assert (await counter.see(view)).state == "active"
    assert (await charges(counter), await counter.till.wallet(asha)) == ([], "0.00")


async def test_a_trial_goes_over_into_a_plan_that_the_card_pays_for(counter: Counter) -> None:
    asha = new_person()
    view, _ = await counter.subscribe(asha, "desk.one")
    await give_card(counter.till, asha)
    await counter.pass_days(15)
    assert ((await counter.see(view)).state, charged(counter)) == ("active", ["succeeded"])


async def test_a_decline_is_tried_again_on_the_stated_days_and_then_the_plan_ends(counter: Counter) -> None:
    asha = new_person()
    view = await counter.subscribed(asha)
    await give_card(counter.till, asha, DECLINED_LATER)
    seen = []
    for _ in range(50):
        await counter.pass_days(1)
        seen.append((await counter.see(view)).state.value)
    assert [seen.count(state) for state in ("active", "past_due", "grace", "expired")] == [30, 7, 7, 6]
    assert await charges(counter) == [(attempt, "failed", "generic_decline") for attempt in (1, 2, 3, 4)]
    assert len(charged(counter)) == 4
    assert await counter.till.wallet(asha) == "0.00"


async def test_a_card_whose_bank_asks_for_its_holder_is_not_tried_again_and_its_invoice_can_be_paid(
    counter: Counter,
) -> None:
    asha = new_person()
    view = await counter.subscribed(asha)
    await give_card(counter.till, asha, ASKS_ALWAYS)
    await counter.pass_days(36)
    assert await charges(counter) == [(1, "failed", "authentication_required")]
    assert (await counter.see(view)).state == "past_due"
    (renewal, _) = await counter.invoices(asha)
    await counter.pay(renewal)
    assert (await counter.see(view)).paid_until.date().isoformat() == "2026-05-02"


async def test_another_card_is_tried_at_the_next_stated_day(counter: Counter) -> None:
    asha = new_person()
    view = await counter.subscribed(asha)
    await give_card(counter.till, asha, ASKS_ALWAYS)
    await counter.pass_days(31)
    await give_card(counter.till, asha)
    await counter.pass_days(1)
    assert (await counter.see(view)).state == "active"
    assert await charges(counter) == [(1, "failed", "authentication_required"), (2, "paid", None)]


async def test_without_its_card_a_plan_goes_on_and_is_renewed_by_invoice(counter: Counter) -> None:
    asha = new_person()
    view = await counter.subscribed(asha)
    card = await give_card(counter.till, asha)
    await remove(counter, asha, card)
    assert (await counter.see(view)).state == "active"
    assert not (await counter.see(view)).ends_at_period_end
    await counter.pass_days(31)
    (renewal, _) = await counter.invoices(asha)
    assert ((await counter.see(view)).state, renewal.state) == ("past_due", "open")
    assert (await charges(counter), charged(counter)) == ([], [])


async def test_a_card_that_is_kept_at_the_first_payment_pays_the_second(counter: Counter) -> None:
    asha = new_person()
    counter.till.change_settings(gateways=("stripe", "razorpay"))
    view, due = await counter.subscribe(asha)
    assert due
    how = api.How(keep_card=True)
    order = await api.begin_payment(counter.till.house, due.owner, due.id, how, request_key="first")
    assert order.provider == "stripe"
    await counter.till.outside("POST", f"/_sandbox/stripe/checkout_sessions/{order.provider_order_id}/pay", {})
    await counter.till.quiet()
    await counter.pass_days(32)
    assert ((await counter.see(view)).state, charged(counter)) == ("active", ["succeeded", "succeeded"])


async def test_a_gateway_that_was_silent_too_long_charges_nothing_later_and_the_person_is_asked(
    counter: Counter,
) -> None:
    asha = new_person()
    view = await counter.subscribed(asha)
    await give_card(counter.till, asha)
    await counter.pass_days(30)
    await counter.till.fault("status_500", "*", provider="stripe", count=10_000)
    await counter.pass_days(1)
    for _ in range(13):
        await counter.till.pass_time(timedelta(hours=1), step=timedelta(hours=1))
        await counter.look_after()
    assert await charges(counter) == [(1, "open", None)]
    await counter.till.outside("DELETE", "/_sandbox/faults")
    counter.till.at.advance(timedelta(minutes=11))
    await counter.look_after()
    assert (await charges(counter), (await counter.see(view)).state) == ([(1, "failed", "expired")], "past_due")
    assert charged(counter) == []


async def test_the_same_attempt_again_charges_nothing_more(counter: Counter) -> None:
    asha = new_person()
    await counter.subscribed(asha)
    await give_card(counter.till, asha)
    await counter.pass_days(31)
    (renewal, _) = await counter.invoices(asha)
    for _ in range(3):
        await charge_renewal(counter.till.house, renewal.id, 1)
    await charge_renewal(counter.till.house, renewal.id, 2)
    assert charged(counter) == ["succeeded"]


async def test_an_invoice_that_was_paid_meanwhile_is_not_charged(counter: Counter) -> None:
    asha = new_person()
    await counter.subscribed(asha)
    await give_card(counter.till, asha)
    await counter.pass_days(30)
    await counter.till.fault("timeout_before", "POST /v1/payment_intents", provider="stripe")
    await counter.pass_days(1)
    (renewal, _) = await counter.invoices(asha)
    await counter.till.give(asha, rupees("300.00"))
    await counter.pay_from_wallet(renewal)
    counter.till.at.advance(timedelta(minutes=11))
    await counter.look_after()
    assert (await charges(counter), charged(counter)) == ([(1, "dropped", None)], [])


@pytest.fixture
async def mailed(settings: KernelSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Counter, Town]]:
    """The counter, and people of whom one can read the mail."""
    post = create_sandbox(SandboxSettings(web="http://testserver"))
    async with smtp_server(post.world.inbox, "127.0.0.1", 0) as port:
        monkeypatch.setenv("SMTP_PORT", str(port))
        async with open_counter(settings) as counter:
            yield counter, Town(counter.till.house, counter.till.app, post)


@pytest.mark.parametrize("days", [28, 31])
async def test_what_is_charged_to_a_card_is_told_before_and_a_refusal_after(
    mailed: tuple[Counter, Town], days: int
) -> None:
    counter, town = mailed
    asha = await town.resident()
    await counter.subscribed(UUID(asha.id))
    await give_card(counter.till, UUID(asha.id), ASKS_ALWAYS)
    await counter.pass_days(days)
    newest = (await town.messages_to("asha@example.com"))[0]
    assert ("will be charged to your card •••• 3184" if days == 28 else "confirm the payment") in newest


async def test_whoever_removes_their_card_hears_how_their_plan_goes_on(mailed: tuple[Counter, Town]) -> None:
    counter, town = mailed
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    await counter.subscribed(UUID(asha.id))
    for one in (asha, ravi):
        await remove(counter, UUID(one.id), await give_card(counter.till, UUID(one.id)))
    assert "Your plan goes on" in (await town.messages_to("asha@example.com"))[0]
    assert not [text for text in await town.messages_to("ravi@example.com") if "Your plan" in text]


async def test_whoever_authorised_by_upi_hears_of_a_charge_before_and_why_it_was_not_made(
    mailed: tuple[Counter, Town],
) -> None:
    counter, town = mailed
    asha = await town.resident()
    view = await authorised(counter, UUID(asha.id))
    await until(counter, view.paid_until - timedelta(hours=60))
    assert "by UPI Autopay from as…@okbank" in (await town.messages_to("asha@example.com"))[0]
    at = f"/_sandbox/razorpay/tokens/{token(counter)}"
    await counter.till.outside("POST", f"{at}/pause")
    await counter.till.quiet()
    await until(counter, view.paid_until - timedelta(hours=47))
    assert "you have paused it in your app" in (await town.messages_to("asha@example.com"))[0]
    await counter.till.outside("POST", f"{at}/cancel")
    await counter.till.quiet()
    assert "UPI Autopay from as…@okbank has ended" in (await town.messages_to("asha@example.com"))[0]


async def test_an_invoice_that_was_charged_twice_is_named(counter: Counter) -> None:
    asha = new_person()
    await counter.subscribed(asha)
    await give_card(counter.till, asha)
    await counter.pass_days(31)
    (renewal, _) = await counter.invoices(asha)
    async with counter.till.house.database.reading() as session:
        assert await cards_are_charged_once(session) == []
    async with counter.till.house.database.transaction() as session:
        now = counter.till.at.at
        again = CardChargeRow(
            invoice_id=renewal.id, attempt=2, card_id=asha, state="paid", begun_at=now, ended_at=now
        )  # fmt: skip
        session.add(again)
        await session.flush()
        assert await cards_are_charged_once(session) == [
            f"invoice {renewal.id}: a card was charged for it more than once"
        ]
        await session.rollback()

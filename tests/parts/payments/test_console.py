"""The console of payments, as staff see it: what each page shows, what each action does, and who is refused."""

import ast
import csv
import re
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Literal
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from tests.parts.payments.desk import ROOT, Desk, Seat, open_desk, plain
from tests.parts.payments.test_separation import order_of
from tests.parts.payments.till import START, rupees
from tillhouse.kernel.access import Principal
from tillhouse.kernel.house import House
from tillhouse.kernel.invariants import check_all
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import run_due
from tillhouse.parts.identity.domain import PersonRole
from tillhouse.parts.identity.service import organisations
from tillhouse.parts.kyc.store import count_waiting
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import OrderState, PayoutState, RefundState
from tillhouse.parts.payments.domain.masking import HIDDEN, masked_body
from tillhouse.parts.payments.flows.reconciliation import import_transfers
from tillhouse.parts.payments.manifest import MODULE
from tillhouse.parts.payments.pages.console.words import EXCEPTIONS, KINDS
from tillhouse.parts.payments.service.waiting import needs_a_person

LISTS = ("orders", "payouts", "refunds", "disputes", "exceptions", "transfers", "events", "reconciliation/lines")
PAGES = ("", *(f"/{name}" for name in LISTS), "/reconciliation", "/reconciliation/ageing")
FILES = tuple(f"/{name}.csv" for name in (*LISTS, "reconciliation/ageing"))
DAY = START.date().isoformat()


@pytest.fixture
async def desk(settings: KernelSettings) -> AsyncIterator[Desk]:
    async with open_desk(settings) as opened:
        yield opened


@pytest.fixture
async def meera(desk: Desk) -> Seat:
    return await desk.seat("Meera Iyer")


async def payment_of(desk: Desk, order: api.OrderView) -> UUID:
    async with desk.till.house.database.reading() as session:
        return (await api.payments_of(session, order.id))[0].id


# --- who may come ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "assurance", "status"), [(None, 1, 303), ("user", 2, 403), ("staff", 1, 303), ("staff", 2, 200)]
)
async def test_every_page_and_file_is_for_staff_who_have_shown_a_second_factor(
    desk: Desk, role: PersonRole | None, assurance: Literal[1, 2], status: int
) -> None:
    seat = await desk.seat("Somebody Else", role, assurance)
    for path in (*PAGES, *FILES):
        answer = await seat.client.get(f"{ROOT}{path}")
        assert answer.status_code == status, path
        if status == 303:
            assert answer.headers["location"].startswith("/second-factor" if role else "/sign-in"), path


async def everything(desk: Desk) -> dict[str, dict[str, str]]:
    """Each action of the console on something that waits for it, with a body that does it."""
    asha = await desk.person("Asha Rao")
    order = await desk.till.deposit(asha, "200.00")
    payout = await desk.waiting_payout(asha)
    exception = await desk.exception()
    transfer = await desk.transfer(449_000, "tien hoc")
    dear = await desk.transfer_order(asha, 449_000)
    partial = await desk.transfer(1_000, dear.provider_order_id or "")
    back = await desk.transfer(449_000, "tra lai", out=True)
    event = await desk.parked_event(asha)
    payment = await payment_of(desk, order)
    sure = {"confirmed": "yes"}
    return {
        f"/payouts/{payout.id}/approve": {"reason": "checked", **sure},
        f"/payouts/{payout.id}/reject": {"reason": "not_explained", **sure},
        f"/payments/{payment}/refund": {"reason": "asked for", "request_key": str(uuid4()), **sure},
        f"/events/{event}/replay": {},
        f"/transfers/{transfer}/place": {"order": str(dear.id), **sure},
        f"/transfers/{transfer}/sent-back": {"by": str(back), **sure},
        f"/transfers/{partial}/release": sure,
        f"/exceptions/{exception}/propose": {"explanation": "They said so.", "unit": "INR"},
        f"/exceptions/{exception}/propose-end": {"outcome": "never_happened", "explanation": "They said so by mail."},
        f"/exceptions/{exception}/approve": {"resolution": str(uuid4()), **sure},
        f"/exceptions/{exception}/reject": {"resolution": str(uuid4())},
        "/reconciliation/run": {"provider": "razorpay", "day": DAY},
        "/reconciliation/statements": {},
    }


async def test_whoever_may_not_do_it_changes_nothing_by_any_action(desk: Desk) -> None:
    actions = await everything(desk)
    user = await desk.seat("Ravi Kumar", "user", 2)
    unproven = await desk.seat("Nila Das", "staff", 1)
    nobody = await desk.seat(role=None)
    meera = await desk.seat("Meera Iyer")
    before = await desk.state()
    for path, body in actions.items():
        for seat, statuses in ((user, (403,)), (unproven, (303, 403)), (nobody, (303, 403))):
            answer = await seat.post(path, body)
            assert answer.status_code in statuses, path
        for wrong in ({}, {"csrf_token": "0" * 98}):
            answer = await meera.client.post(f"{ROOT}{path}", data={**body, **wrong})
            assert answer.status_code == 403, path
    assert await desk.state() == before


async def test_what_is_not_confirmed_is_only_shown(desk: Desk, meera: Seat) -> None:
    actions = await everything(desk)
    before = await desk.state()
    asked = [path for path, body in actions.items() if "confirmed" in body and "/exceptions/" not in path]
    assert len(asked) == 6
    for path in asked:
        body = {name: value for name, value in actions[path].items() if name != "confirmed"}
        answer = await meera.post(path, body)
        assert answer.status_code == 200, plain(answer.text)
        assert 'name="confirmed" value="yes"' in answer.text
    assert await desk.state() == before


def is_at_rest(page: str, title: str) -> bool:
    """Whether the first page lists it among what asks for nobody."""
    return title in page.partition("Nothing waits here")[2]


# --- what waits -----------------------------------------------------------------------------------------------------


async def test_the_first_page_counts_what_waits_and_for_how_long(desk: Desk, meera: Seat) -> None:
    assert "Nothing waits for you" in await meera.see("")
    actions = await everything(desk)
    order = await desk.till.deposit(await desk.person("Uma Rao"), "75.00")
    await desk.dispute(order)
    desk.till.at.advance(timedelta(hours=3))
    page = await meera.see("")
    for line in ("1 Payouts that wait for approval The oldest came 3 hours ago",
                 "2 Bank transfers that match nothing",
                 "1 Disputes that run The first is due in", "Events put aside or given up"):  # fmt: skip
        assert line in page
    for here in (ROOT, f"{ROOT}/"):
        marked = re.findall(r'class="nav-link" href="([^"]+)" aria-current', (await meera.client.get(here)).text)
        assert set(marked) == {f"{ROOT}/"}, here
    house = plain((await meera.client.get("/console/")).text)
    for line in ("1 Payouts that wait for approval", "2 Bank transfers that match nothing", "Exceptions"):
        assert line in house
    assert actions


async def test_a_payout_whose_outcome_nobody_knows_is_told_once_it_should_have_been_answered(
    desk: Desk, meera: Seat
) -> None:
    asha = await desk.person("Asha Rao")
    await desk.till.deposit(asha, "100.00")
    await desk.till.fault("timeout_after", "POST /v1/payouts", provider="razorpayx")
    payout = await desk.till.withdraw(asha, "50.00")
    await run_due(desk.till.house)
    assert (await desk.till.see_payout(payout)).state == PayoutState.UNKNOWN
    assert is_at_rest(await meera.see(""), "Payouts with an unknown outcome")
    desk.till.at.advance(timedelta(minutes=11))
    assert "1 Payouts with an unknown outcome" in await meera.see("")
    assert "Outcome unknown" in await meera.see("/payouts?state=unknown")
    assert "Do not make another payout in its place" in await meera.see(f"/payouts/{payout.id}")


# --- payments -------------------------------------------------------------------------------------------------------


async def test_a_payment_is_found_by_each_of_its_numbers_its_payer_amount_state_and_provider(
    desk: Desk, meera: Seat
) -> None:
    asha = await desk.person("Asha Rao")
    other = await desk.person("Kiran Das")
    order = await desk.till.deposit(asha, "123.45")
    await desk.till.order(other, "99.00")
    async with desk.till.house.database.reading() as session:
        payment = (await api.payments_of(session, order.id))[0]
    fitting = ("text=" + str(order.id), "text=" + order.id.hex, f"text={order.provider_order_id}",
               f"text={payment.provider_payment_id}", f"text={payment.id}", "text=asha@example.com", "amount=123.45",
               "amount=123.45&currency=inr", "state=captured", "provider=razorpay&state=captured",
               f"first={DAY}&amount=123.45")  # fmt: skip
    for query in fitting:
        page = await meera.see(f"/orders?{query}")
        assert "Asha Rao" in page, query
        assert "Kiran Das" not in page, query
        assert "wallet_deposit" not in page, query
    for query in ("text=order_nobody", "amount=123.46", "state=refunded", "provider=play", "last=2026-01-01"):
        assert "Nothing fits this filter" in await meera.see(f"/orders?{query}"), query
    answer = await meera.client.get(f"{ROOT}/orders?amount=much")
    assert answer.status_code == 422
    assert "Write an amount" in answer.text
    assert (await meera.client.get(f"{ROOT}/orders.csv?amount=much")).status_code == 422


async def test_what_an_organisation_paid_and_was_paid_is_found_by_its_short_name(desk: Desk, meera: Seat) -> None:
    assert meera.id
    async with desk.till.house.database.transaction() as session:
        firm = await organisations.create(session, Principal("person", meera.id), "Rao and Sons", "IN")
    asha = await desk.person("Asha Rao")
    await desk.till.order(asha, "99.00")
    await order_of(desk, "organisation", firm.organisation_id, amount=rupees("123.45"), method=None, country=None)
    page = await meera.see("/orders?text=Rao-and-Sons")
    assert ("Rao and Sons" in page, "Asha Rao" in page) == (True, False)
    assert "Nothing fits this filter" in await meera.see("/payouts?text=rao-and-sons")


async def test_a_payment_tells_all_that_happened_to_it_and_where_it_stands_in_the_ledger(
    desk: Desk, meera: Seat
) -> None:
    asha = await desk.person("Asha Rao")
    order = await desk.till.deposit(asha, "100.00")
    await desk.dispute(order)
    page = (await meera.client.get(f"{ROOT}/orders/{order.id}")).text
    async with desk.till.house.database.reading() as session:
        payment = (await api.payments_of(session, order.id))[0]
    assert f'href="/console/ledger/transactions/{payment.transaction_id}"' in page
    assert f'href="/payments/{order.id}/receipt"' in page
    told = plain(page)
    happened = ("Asked for ₹100.00", "Tried with Razorpay", "₹100.00 came in and was booked",
                "Razorpay told: payment.captured", "The payer's bank disputes ₹100.00", "Asha Rao")  # fmt: skip
    for line in happened:
        assert line in told.replace("&#39;", "'"), line
    assert (await meera.client.get(f"{ROOT}/orders/{uuid4()}")).status_code == 404


# --- refunds --------------------------------------------------------------------------------------------------------


async def test_a_refund_shows_its_effect_is_asked_once_more_and_is_made_once(desk: Desk, meera: Seat) -> None:
    asha = await desk.person("Asha Rao")
    payment = await payment_of(desk, order := await desk.till.deposit(asha, "100.00"))
    assert "Leave it blank for all that is left: ₹100.00" in await meera.see(f"/payments/{payment}/refund")
    body = {"amount": "40.00", "reason": "Wrong amount", "request_key": str(uuid4())}
    asked = await meera.twice(f"/payments/{payment}/refund", body)
    for line in ("Give ₹40.00 back?", "A refund cannot be called back", "₹100.00 → ₹60.00",
                 "Left of the payment after it ₹60.00", "Because Wrong amount"):  # fmt: skip
        assert line in asked, line
    again = await meera.post(f"/payments/{payment}/refund", {**body, "confirmed": "yes"})
    assert again.status_code == 303
    await desk.till.quiet()
    desk.till.sandbox_clock.advance(200)
    await desk.till.quiet()
    assert (await desk.till.see_order(order)).state == OrderState.PARTIALLY_REFUNDED
    async with desk.till.house.database.reading() as session:
        (refund,), _ = await api.refunds(session)
    assert (refund.state, refund.requested_by) == (RefundState.PROCESSED, meera.id)
    assert again.headers["location"] == f"{ROOT}/refunds/{refund.id}"
    assert "Given back" in await meera.see(f"/refunds/{refund.id}")
    assert "Wrong amount" in await meera.see("/refunds?state=processed")
    assert (await desk.audited()).count("payments.refund") == 2  # who asked twice is written down twice
    await meera.twice(f"/payments/{payment}/refund", {"reason": "The rest", "request_key": str(uuid4())})
    await desk.till.quiet()
    assert "Nothing can be given back" in await meera.see(f"/payments/{payment}/refund")


async def test_a_payment_that_was_declined_offers_nothing_to_give_back(desk: Desk, meera: Seat) -> None:
    order = await desk.till.order(await desk.person("Asha Rao"), "100.00")
    await desk.till.pay(order, "failure")
    await desk.till.quiet()
    async with desk.till.house.database.reading() as session:
        (payment,) = await api.payments_of(session, order.id)
    assert payment.captured_at is None
    assert payment.provider_payment_id in (page := await meera.see(f"/orders/{order.id}"))
    assert "/refund" not in page
    assert "Nothing can be given back" in await meera.see(f"/payments/{payment.id}/refund")


async def test_a_refund_beyond_the_payment_or_the_wallet_is_refused_before_the_last_question(
    desk: Desk, meera: Seat
) -> None:
    asha = await desk.person("Asha Rao")
    payment = await payment_of(desk, await desk.till.deposit(asha, "100.00"))
    await desk.till.withdraw(asha, "70.00")
    before = await desk.state()
    body = {"reason": "Asked for", "request_key": str(uuid4())}
    for amount, why in (("100.01", "This is more than is left"), ("much", "amount"),
                        ("0", "Give back more than nothing"),
                        ("50", "The wallet has only ₹30.00")):  # fmt: skip
        answer = await meera.post(f"/payments/{payment}/refund", {**body, "amount": amount})
        assert answer.status_code == 422, amount
        assert why in plain(answer.text), amount
    refused = await meera.post(f"/payments/{payment}/refund", {**body, "amount": "50", "confirmed": "yes"})
    assert refused.status_code == 422
    assert await desk.state() == before
    asked = await meera.twice(f"/payments/{payment}/refund", {**body, "amount": "50", "advance": "true"})
    assert "Lent by the house: the payer's wallet owes it ₹20.00" in asked.replace("&#39;", "'")
    await desk.till.quiet()


# --- payouts --------------------------------------------------------------------------------------------------------


async def test_a_payout_is_approved_by_somebody_else_who_sees_what_leaves(desk: Desk, meera: Seat) -> None:
    asha = await desk.person("Asha Rao")
    payout = await desk.waiting_payout(asha)
    page = await meera.see("/payouts?state=awaiting_approval")
    for line in ("Asha Rao", "Large amount", "₹600.00", "Waits for approval"):
        assert line in page
    asked = await meera.twice(f"/payouts/{payout.id}/approve", {"reason": "known_payee", "note": "spoke on the phone"})
    for line in ("Approve the payout of ₹600.00?", "This money leaves the house", "₹700.00 → ₹100.00", "1 / 1",
                 "The account is known"):  # fmt: skip
        assert line in asked, line
    await desk.till.pass_time(timedelta(minutes=4))
    assert (await desk.till.see_payout(payout)).state == PayoutState.PROCESSED
    assert await desk.till.wallet(asha) == "100.00"
    assert await desk.audited() == ["payments.approve"]
    async with desk.till.house.database.transaction() as session:  # as a clock does that runs
        await session.execute(text("UPDATE payments.payouts SET finished_at = processed_at + interval '9 us'"))
    told = await meera.see(f"/payouts/{payout.id}")
    for line in ("Approved spoke on the phone", "Sent to RazorpayX", "Paid out"):
        assert line in told
    assert "Ended: the money is in the wallet again" not in told
    late = await meera.post(f"/payouts/{payout.id}/reject", {"reason": "not_explained", "confirmed": "yes"})
    assert late.status_code == 422
    assert "does not wait for an approval" in plain(late.text)


async def test_above_the_second_threshold_two_different_people_approve(desk: Desk, meera: Seat) -> None:
    desk.till.change_guards(second_approval_above=("INR=55000",))
    payout = await desk.waiting_payout(await desk.person("Asha Rao"))
    asked = await meera.twice(f"/payouts/{payout.id}/approve", {"reason": "checked"})
    assert "The first of two approvals" in asked
    before = await desk.state()
    for confirmed in ({}, {"confirmed": "yes"}):
        same = await meera.post(f"/payouts/{payout.id}/approve", {"reason": "checked", **confirmed})
        assert same.status_code == 422
        assert "waits for somebody else" in plain(same.text)
    assert await desk.state() == before
    await desk.till.quiet()
    assert desk.till.payouts_outside() == []
    assert "1 of 2" in await meera.see("/payouts")
    assert "You have approved it" in await meera.see(f"/payouts/{payout.id}")
    arjun = await desk.seat("Arjun Nair", "admin")
    assert "2 / 2" in await arjun.twice(f"/payouts/{payout.id}/approve", {"reason": "documents_seen"})
    await desk.till.pass_time(timedelta(minutes=4))
    assert (await desk.till.see_payout(payout)).state == PayoutState.PROCESSED


async def test_a_refused_payout_leaves_the_money_where_it_was(desk: Desk, meera: Seat) -> None:
    asha = await desk.person("Asha Rao")
    payout = await desk.waiting_payout(asha)
    asked = await meera.twice(f"/payouts/{payout.id}/reject", {"reason": "suspected_fraud"})
    for line in ("₹100.00 → ₹700.00", "Looks like fraud"):
        assert line in asked
    assert (await desk.till.see_payout(payout)).state == PayoutState.REJECTED
    assert (await desk.till.available(asha), desk.till.payouts_outside()) == ("700.00", [])
    assert await desk.audited() == ["payments.reject"]


async def test_nobody_decides_about_a_payout_of_their_own(desk: Desk) -> None:
    meera = await desk.seat("Meera Iyer")
    assert meera.id
    payout = await desk.waiting_payout(meera.id)
    assert "Somebody else decides about this" in await meera.see(f"/payouts/{payout.id}")
    before = await desk.state()
    for verdict in ("approve", "reject"):
        answer = await meera.post(f"/payouts/{payout.id}/{verdict}", {"reason": "checked", "confirmed": "yes"})
        assert answer.status_code == 422
    assert await desk.state() == before


# --- events ---------------------------------------------------------------------------------------------------------


async def test_an_event_that_was_put_aside_is_shown_without_names_and_replayed(desk: Desk, meera: Seat) -> None:
    event = await desk.parked_event(await desk.person("Asha Rao"))
    page = await meera.see("/events?state=stuck")
    assert "Another amount than we asked for" in page
    shown = (await meera.client.get(f"{ROOT}/events/{event}")).text
    stored = await desk.one("SELECT payment_id FROM payments.provider_events WHERE id = :id", id=event)
    assert stored in shown
    assert HIDDEN in shown
    for secret in ("@example", "9999999999", "success@razorpay"):
        assert secret not in shown
    assert (await meera.post(f"/events/{event}/replay")).status_code == 303
    assert await desk.one("SELECT state FROM payments.provider_events WHERE id = :id", id=event) == "received"
    await desk.till.quiet()
    assert await desk.one("SELECT state FROM payments.provider_events WHERE id = :id", id=event) == "parked"
    told = "SELECT count(*) FROM payments.exceptions WHERE subject = 'razorpay:evt_altered' AND closed_at IS "
    assert (await desk.one(f"{told} NULL"), await desk.one(f"{told} NOT NULL")) == ("1", "1")
    assert await desk.audited() == ["payments.replay"]


async def test_an_event_needs_nobody_any_more_once_two_people_have_explained_it(desk: Desk, meera: Seat) -> None:
    await desk.parked_event(await desk.person("Asha Rao"))
    assert "Another amount than we asked for" in await meera.see("/events?state=stuck")
    exception = await desk.one("SELECT id FROM payments.exceptions WHERE subject = 'razorpay:evt_altered'")
    await meera.post(
        f"/exceptions/{exception}/propose", {"explanation": "A test at the gateway, they say.", "unit": ""}
    )
    assert "Another amount than we asked for" in await meera.see("/events?state=stuck")
    ravi = await desk.seat("Ravi Das")
    await ravi.twice(f"/exceptions/{exception}/approve", {"resolution": await resolution_of(desk, exception)})
    assert "Another amount than we asked for" not in await meera.see("/events?state=stuck")
    assert "Another amount than we asked for" in await meera.see("/events?state=parked")


async def test_an_event_whose_job_gave_up_is_found_and_can_be_replayed(desk: Desk, meera: Seat) -> None:
    asha = await desk.person("Asha Rao")
    await desk.till.pay(await desk.till.order(asha, "150.00"))
    (delivery,) = desk.till.webhooks("payment.captured")
    assert await desk.till.deliver(delivery) == 200
    async with desk.till.house.database.transaction() as session:
        over = "UPDATE kernel.jobs SET state = 'dead', finished_at = now() WHERE name = 'payments.handle_event'"
        await session.execute(text(over))
    assert "Given up" in await meera.see("/events?state=dead")
    assert "1 Events put aside or given up" in await meera.see("")
    event = await desk.one("SELECT id FROM payments.provider_events")
    assert "Its job has given up" in await meera.see(f"/events/{event}")
    assert (await meera.post(f"/events/{event}/replay")).status_code == 303
    await desk.till.quiet()
    assert await desk.till.wallet(asha) == "150.00"
    assert is_at_rest(await meera.see(""), "Events put aside or given up")
    assert "Its job has given up" not in await meera.see(f"/events/{event}")  # it was settled since


def test_a_message_shows_states_and_numbers_and_hides_all_else() -> None:
    message = """{"event": "payment.captured", "payload": {"payment": {"entity": {"id": "pay_1", "amount": 15000,
        "email": "asha@example.com", "contact": "+919876543210", "vpa": "asha@upi",
        "notes": {"id": "Asha", "amount": 5},
        "status": "captured", "description": "Rent", "new_field": "?", "account_number": 123456, "method": "upi",
        "card": {"id": "card_1", "last4": "4242"}, "error_reason": "two words"}}}, "contains": ["payment"]}"""
    shown = masked_body(message)
    for kept in ('"payment.captured"', '"pay_1"', "15000", '"captured"', '"upi"', '"payment"'):
        assert kept in shown, kept
    for hidden in ("asha", "Asha", "9876", "Rent", "123456", "4242", "card_1", "?", "two words", " 5"):
        assert hidden not in shown, hidden
    assert masked_body("account=1234&name=Asha") == f"{HIDDEN} (22)"
    assert masked_body("[" * 100_000).startswith(HIDDEN)


# --- exceptions -----------------------------------------------------------------------------------------------------

LEGS = {
    "account_1": "settling:razorpay", "side_1": "debit", "amount_1": "97.64",
    "account_2": "fees:razorpay", "side_2": "debit", "amount_2": "2.36",
    "account_3": "clearing:razorpay", "side_3": "credit", "amount_3": "100.00",
    "side_4": "credit", "unit": "INR", "explanation": "Razorpay confirmed the amount by mail.",
}  # fmt: skip


async def resolution_of(desk: Desk, exception: str) -> str:
    query = "SELECT id FROM payments.resolutions WHERE exception_id = :id AND state = 'proposed'"
    return await desk.one(query, id=exception)


async def test_one_person_proposes_how_an_exception_ends_and_another_agrees(desk: Desk, meera: Seat) -> None:
    exception = await desk.exception()
    assert "Reported with another amount" in await meera.see("/exceptions?state=open")
    assert (await meera.post(f"/exceptions/{exception}/propose", LEGS)).status_code == 303
    assert await desk.till.house_balance("clearing:razorpay") == "100.00"
    chosen = {"resolution": await resolution_of(desk, exception)}
    before = await desk.state()
    for confirmed in ({}, {"confirmed": "yes"}):
        same = await meera.post(f"/exceptions/{exception}/approve", {**chosen, **confirmed})
        assert same.status_code == 422
        assert "by somebody other than who made it" in plain(same.text)
    assert await desk.state() == before
    ravi = await desk.seat("Ravi Das")
    asked = await ravi.twice(f"/exceptions/{exception}/approve", chosen)
    for line in ("Debit settling:razorpay ₹97.64 · ₹0.00 → ₹97.64",
                 "Credit clearing:razorpay ₹100.00 · ₹100.00 → ₹0.00",
                 "Razorpay confirmed the amount"):  # fmt: skip
        assert line in asked, line
    assert await desk.till.house_balance("settling:razorpay") == "97.64"
    assert await desk.audited() == ["payments.propose_correction", "payments.approve_correction"]
    told = await ravi.see(f"/exceptions/{exception}")
    for line in ("How it ended", "Meera Iyer", "Ravi Das", "Ended"):
        assert line in told


async def test_a_proposal_is_taken_back_and_wrong_legs_are_named(desk: Desk, meera: Seat) -> None:
    exception = await desk.exception()
    before = await desk.state()
    for change, why in (
        ({"amount_3": "99.00"}, "The legs do not sum to zero"),
        ({"account_1": "bank:other"}, "A correction may not touch this account"),
        ({"amount_2": "2.365"}, "digits"),
        ({"explanation": ""}, "Fill this in"),
        ({"account_2": "", "amount_2": "", "account_3": "", "amount_3": ""}, "at least two legs"),
    ):
        answer = await meera.post(f"/exceptions/{exception}/propose", {**LEGS, **change})
        assert answer.status_code == 422, change
        assert why in plain(answer.text), change
    assert await desk.state() == before
    two = {name: value for name, value in LEGS.items() if not name.endswith(("_3", "_4"))}
    shown = await meera.post(f"/exceptions/{exception}/propose", {**two, "explanation": ""})
    assert '<details class="disclosure">' in shown.text  # two legs are enough for most
    shown = await meera.post(f"/exceptions/{exception}/propose", {**LEGS, "explanation": ""})
    assert '<details class="disclosure" open>' in shown.text  # what was typed is in sight
    await meera.post(f"/exceptions/{exception}/propose", LEGS)
    chosen = {"resolution": await resolution_of(desk, exception)}
    assert (await meera.post(f"/exceptions/{exception}/reject", chosen)).status_code == 303
    assert await desk.till.house_balance("clearing:razorpay") == "100.00"
    assert "Propose how it ends" in await meera.see(f"/exceptions/{exception}")
    assert (await desk.audited())[-1] == "payments.reject_correction"


async def test_what_is_known_of_an_exception_is_told_as_a_person_reads_it(desk: Desk, meera: Seat) -> None:
    dispute = await desk.dispute(await desk.till.deposit(await desk.person("Asha Rao"), "100.00"))
    await desk.transfer(460_000, "tien hoc")
    exception = await desk.exception()
    listed = await meera.see("/exceptions")
    assert "₹100.00" in listed.partition(str(dispute)[:8])[2]
    assert "₫4,60,000" in listed
    told = await meera.see(f"/exceptions/{exception}")
    for line in ("ours fee ₹2.36 amount ₹100.00", "theirs fee ₹2.36 gross ₹101.00"):
        assert line in told, line
    assert "minor units" not in told
    theirs = await desk.one("SELECT id FROM payments.exceptions WHERE reason = 'disputed'")
    answer_by = re.search(r"respond_by (\d+ \w+ \d{4}, \d+:\d\d)", await meera.see(f"/exceptions/{theirs}"))
    assert answer_by


# --- disputes -------------------------------------------------------------------------------------------------------


async def test_a_dispute_says_by_when_to_answer_and_a_lost_one_what_is_owed(desk: Desk, meera: Seat) -> None:
    asha = await desk.person("Asha Rao")
    order = await desk.till.deposit(asha, "100.00")
    await desk.till.withdraw(asha, "70.00")
    await desk.till.quiet()
    dispute = await desk.dispute(order)
    assert "Answer by" in await meera.see(f"/disputes/{dispute}")
    assert "₹100.00" in await meera.see("/disputes?running=true")
    theirs = await desk.one("SELECT provider_dispute_id FROM payments.disputes")
    await desk.till.outside("POST", f"/_sandbox/razorpay/disputes/{theirs}/close", {"outcome": "lost"})
    await desk.till.quiet()
    page = await meera.see(f"/disputes/{dispute}")
    for line in ("Lost: ₹100.00 is gone", "Became a debt ₹70.00", "The payer owes now ₹70.00"):
        assert line in page, line
    listed = await meera.see("/disputes?state=lost")
    assert "₹70.00 became a debt" in listed
    assert "Who owes the house" in listed
    assert "Nothing fits this filter" in await meera.see("/disputes?running=true")


async def test_a_dispute_that_is_lost_in_part_says_what_is_gone_of_it(desk: Desk, meera: Seat) -> None:
    dispute = await desk.dispute(await desk.till.deposit(await desk.person("Asha Rao"), "100.00"))
    theirs = await desk.one("SELECT provider_dispute_id FROM payments.disputes")
    path = f"/_sandbox/razorpay/disputes/{theirs}"
    await desk.till.outside("POST", f"{path}/review", {"contested": 70_00})
    await desk.till.outside("POST", f"{path}/close", {"outcome": "won"})
    await desk.till.quiet()
    page = await meera.see(f"/disputes/{dispute}")
    for line in ("Dispute over ₹100.00", "Lost in part: ₹30.00 is gone", "The bank left the rest with us"):
        assert line in page, line


# --- bank transfers -------------------------------------------------------------------------------------------------


async def test_a_transfer_that_matched_nothing_is_placed_with_its_order(desk: Desk, meera: Seat) -> None:
    asha = await desk.person("Asha Rao")
    order = await desk.transfer_order(asha, 449_000)
    transfer = await desk.transfer(460_000, "tien hoc cho Asha")
    assert "tien hoc cho Asha" in await meera.see("/transfers?open_only=true")
    for typed in ("", "TLHNOBODY"):
        refused = await meera.post(f"/transfers/{transfer}/place", {"order": typed})
        assert refused.status_code == 422
        assert "Write the id or the code of one order" in plain(refused.text)
    asked = await meera.twice(f"/transfers/{transfer}/place", {"order": order.provider_order_id or ""})
    for line in ("Asha Rao", "₫4,49,000", "what is over goes to the wallet of Asha Rao"):
        assert line in asked, line
    assert (await desk.till.see_order(order)).state == OrderState.CAPTURED
    async with desk.till.house.database.reading() as session:
        wallet = await ledger.balance(session, ledger.AccountRef("person", asha, "wallet", "VND"))
    assert wallet.posted.minor == 460_000
    assert await desk.audited() == ["payments.transfer_place"]
    again = await meera.post(f"/transfers/{transfer}/place", {"order": str(order.id), "confirmed": "yes"})
    assert again.status_code == 422
    assert "has been placed already" in plain(again.text)


async def test_a_part_payment_is_released_to_its_payer(desk: Desk, meera: Seat) -> None:
    asha = await desk.person("Asha Rao")
    order = await desk.transfer_order(asha, 449_000)
    transfer = await desk.transfer(400_000, order.provider_order_id or "")
    assert "The order stays unpaid" in await meera.twice(f"/transfers/{transfer}/release")
    assert (await desk.till.see_order(order)).state == OrderState.PENDING
    async with desk.till.house.database.reading() as session:
        assert (await ledger.balance(session, ledger.house_account("suspense:transfers", "VND"))).posted.minor == 0
    assert await desk.audited() == ["payments.transfer_release"]


async def test_a_transfer_that_was_sent_back_at_the_bank_ends_both_and_the_banks_line(desk: Desk, meera: Seat) -> None:
    transfer = await desk.transfer(449_000, "nobody knows")
    stranger = await desk.transfer(449_001, "rent", out=True)
    refused = await meera.post(f"/transfers/{transfer}/sent-back", {"by": str(stranger), "confirmed": "yes"})
    assert refused.status_code == 422
    assert "Choose the outgoing transfer" in plain(refused.text)
    back = await desk.transfer(449_000, "tra lai", out=True)
    await import_transfers(desk.till.house, "play")
    assert "In the bank, and expected by nobody" in await meera.see("/exceptions?kind=bank")
    asked = await meera.twice(f"/transfers/{transfer}/sent-back", {"by": str(back)})
    assert "This only notes what the bank has done" in asked
    await import_transfers(desk.till.house, "play")
    async with desk.till.house.database.reading() as session:
        codes = ("suspense:transfers", "clearing:play")
        accounts = [ledger.house_account(code, "VND") for code in codes]
        assert [(await ledger.balance(session, account)).posted.minor for account in accounts] == [0, 0]
        open_ones, _ = await api.exceptions_page(session, state="open", kind="bank")
        assert [one.amount.minor for one in open_ones if one.amount] == [-449_001]
    for one in (transfer, back):
        assert "Sent back" in await meera.see(f"/transfers/{one}")
    assert await desk.audited() == ["payments.transfer_sent_back"]
    once_more = await desk.transfer(449_000, "another")
    taken = await meera.post(f"/transfers/{once_more}/sent-back", {"by": str(back), "confirmed": "yes"})
    assert taken.status_code == 422


# --- reconciliation -------------------------------------------------------------------------------------------------


async def test_a_report_is_fetched_compared_and_shown_line_by_line(desk: Desk, meera: Seat) -> None:
    await desk.till.deposit(await desk.person("Asha Rao"), "100.00")
    assert (await desk.till.outside("POST", f"/_sandbox/razorpay/settlements/run?day={DAY}")).status_code < 300
    run = await meera.post("/reconciliation/run", {"provider": "razorpay", "day": DAY})
    assert run.headers["location"] == f"{ROOT}/reconciliation/days/razorpay/{DAY}"
    day = await meera.see(f"/reconciliation/days/razorpay/{DAY}")
    for line in ("Reported ₹97.64", "Booked ₹97.64", "In the bank ₹0.00", "Reported, not in the bank"):
        assert line in day, line
    assert "Reported, not in the bank What About Amount Not in the bank" in day
    assert "Agrees: 1" in await meera.see("/reconciliation")
    listed = (await meera.client.get(f"{ROOT}/reconciliation")).text
    assert f'href="{ROOT}/reconciliation/days/razorpay/{DAY}"' in listed
    assert "Nothing fits this filter" in await meera.see("/reconciliation/lines?differing=true")
    assert "₹100.00" in await meera.see(f"/reconciliation/lines?line_class=matched&day={DAY}")
    assert "settling:razorpay" in await meera.see("/reconciliation/ageing")
    assert await desk.audited() == ["payments.reconcile"]
    assert (await meera.client.get(f"{ROOT}/reconciliation/days/nobody/{DAY}")).status_code == 404
    refused = await meera.post("/reconciliation/run", {"provider": "nobody", "day": DAY})
    assert refused.status_code == 422
    assert await desk.audited() == ["payments.reconcile"]


async def test_a_statement_of_the_bank_is_imported_once_and_a_file_that_is_none_not_at_all(
    desk: Desk, meera: Seat
) -> None:
    table = f"Txn Date,Reference,Description,Debit,Credit,Currency\n{DAY},UTR1,Somebody,,12.50,INR\n".encode()
    fields = {"form": "csv", "account": "50100012345678", "currency": "INR", "columns": "date=Txn Date"}
    first = await meera.post("/reconciliation/statements", fields, file=table)
    assert first.status_code == 200, plain(first.text)
    assert "1 new lines, 0 of them matched; 0 known before" in plain(first.text)
    again = await meera.post("/reconciliation/statements", fields, file=table)
    assert "0 new lines, 0 of them matched; 1 known before" in plain(again.text)
    assert "In the bank, and expected by nobody" in await meera.see("/exceptions")
    before = await desk.state()
    for wrong in (b"no statement", b""):
        refused = await meera.post("/reconciliation/statements", {}, file=wrong)
        assert refused.status_code == 422, plain(refused.text)
    assert await desk.state() == before
    assert await desk.audited() == ["payments.import_statement"] * 2


# --- files ----------------------------------------------------------------------------------------------------------


async def test_each_table_is_a_file_with_the_same_rows(desk: Desk, meera: Seat) -> None:
    await everything(desk)
    order = await desk.till.deposit(await desk.person("Uma Rao"), "75.00")
    await desk.dispute(order)
    payment = await payment_of(desk, await desk.till.deposit(await desk.person("Lata Rao"), "80.00"))
    async with desk.till.house.database.transaction() as session:
        await api.start_refund(session, payment, rupees("10.00"), reason="=1+1", key="k", by=None)
    for path in FILES:
        answer = await meera.client.get(f"{ROOT}{path}")
        assert answer.headers["content-type"].startswith("text/csv"), path
        head, *rows = list(csv.reader(answer.text.splitlines()))
        assert rows, path
        assert all(len(row) == len(head) for row in rows), path
    refunds = (await meera.client.get(f"{ROOT}/refunds.csv")).text
    assert "'=1+1" in refunds
    narrowed = (await meera.client.get(f"{ROOT}/orders.csv?amount=75.00")).text.splitlines()
    assert len(narrowed) == 2
    assert str(order.id) in narrowed[1]


# --- demo data ------------------------------------------------------------------------------------------------------


async def test_the_demo_gives_every_list_something_to_look_at_and_is_safe_to_repeat(house: House) -> None:
    for _ in range(2):
        for module in house.modules:
            if module.demo and module.floor == "part":
                async with house.database.transaction() as session:
                    await module.demo().seed(session)
        await run_due(house)
    async with house.database.reading() as session:
        found = {one.name: one.count for one in await needs_a_person(session)}
        assert (found["payouts"], found["disputes"], found["transfers"], found["events"]) == (2, 1, 1, 1)
        assert found["exceptions"] >= 3
        assert await count_waiting(session) == 1
        broken = [one for one in await check_all(session, house.modules) if one.violations]
        assert broken == []
        states = (await session.execute(text("SELECT DISTINCT state FROM payments.orders"))).scalars()
        assert set(states) == {"captured", "partially_refunded", "disputed", "failed"}


# --- what things are called -----------------------------------------------------------------------------------------


def _told() -> Iterator[tuple[str, str]]:
    """Kind and reason of everything that the module's code puts before a person, where both are written out there."""
    trees = [ast.parse(path.read_text(encoding="utf-8")) for path in MODULE.folder.rglob("*.py")]
    constants = {
        node.targets[0].id: node.value
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in (node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if isinstance(node.func, ast.Name) and node.func.id in {"look_into", "remind_of", "tell_anew"}:
            said = [constants.get(one.id) if isinstance(one, ast.Name) else one for one in node.args[1:4:2]]
            words = [one.value for one in said if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if len(words) == 2:
                yield words[0], words[1]


def test_whatever_is_put_before_a_person_has_a_name() -> None:
    told = list(_told())
    assert ("purpose", "purpose_keeps_crashing") in told
    assert {(kind, reason) for kind, reason in told if kind not in KINDS or reason not in EXCEPTIONS} == set()

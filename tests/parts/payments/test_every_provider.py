"""What every gateway promises, asked of every gateway the house has, against the outside world in process.

One class of tests over each way to pay: what an adapter reads is held against what the sandbox's people did.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.parts.payments.till import START, catalogue
from tillhouse.apps.compose import build_house
from tillhouse.kernel import clock
from tillhouse.kernel.money import Money
from tillhouse.kernel.outbound import OutcomeUnknown
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.payments.domain import DisputeState, Method, OrderState, PaymentFacts, RefundState
from tillhouse.parts.payments.ports import (
    BadSignature,
    CheckoutForm,
    GatewayOrder,
    InstalledGateway,
    InstalledPayoutGateway,
    OrderRequest,
    Refused,
)
from tillhouse.parts.payments.providers.sepay import gateway as sepay
from tillhouse.sandbox.app import Sandbox, create_sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.transport import SandboxTransport
from tillhouse.sandbox.webhooks import Delivery

PART = 0.25
CODE = "TLH7K2M9Q4PX"


@dataclass
class Street:
    """The house's adapters on one side, people who pay on the other, and one clock."""

    sandbox: Sandbox
    person: httpx.AsyncClient
    gateways: Mapping[str, InstalledGateway]
    at: clock.TestClock
    sandbox_clock: ManualClock
    payouts: Mapping[str, InstalledPayoutGateway] = field(default_factory=dict)

    async def does(self, path: str, /, **body: object) -> dict[str, Any]:
        """Somebody outside does something, and it works."""
        answer = await self.person.post(f"/_sandbox/{path}", json=body)
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def pass_time(self, by: timedelta) -> None:
        """Time passes on both sides, and what is due outside happens. Webhooks are not delivered."""
        self.at.advance(by)
        self.sandbox_clock.advance(by.total_seconds())
        while self.sandbox.world.agenda.run_due():
            pass


Act = Callable[[Street, "Purchase"], Awaitable[object]]


@dataclass(frozen=True)
class Way:
    """One way to pay at one provider: how a person goes through it, and what it cannot do.

    `dispute` answers the dispute's id. `cancellable`: an order that nobody has paid yet can be ended.
    """

    provider: str
    method: Method
    amount: Money
    pay: Act
    dispute: Callable[[Street, PaymentFacts], Awaitable[str]] | None = None
    before: Callable[[Street], Awaitable[dict[str, str]]] | None = None
    settle: Callable[[Street], Awaitable[date]] | None = None
    asks_provider: bool = True
    cancellable: bool = True
    by_code: bool = False

    def __str__(self) -> str:
        return f"{self.provider}-{self.method}"


@dataclass
class Purchase:
    """One order of one way, from the first call on."""

    way: Way
    street: Street
    request: OrderRequest
    made: list[GatewayOrder] = field(default_factory=list)

    @property
    def installed(self) -> InstalledGateway:
        return self.street.gateways[self.way.provider]

    @property
    def order(self) -> GatewayOrder:
        return self.made[-1]

    async def create(self) -> GatewayOrder:
        self.made.append(await self.installed.gateway.create_order(self.request))
        return self.order

    async def pay(self) -> None:
        await self.way.pay(self.street, self)

    async def paid(self) -> PaymentFacts:
        """The order made and paid, and what the gateway says of it."""
        await self.create()
        await self.pay()
        [facts] = await self.installed.gateway.payments_of(self.order.order_id)
        return facts


# --- how people pay -------------------------------------------------------------------------------------------------


def at(path: str, **body: object) -> Act:
    """The person does one thing to the order."""

    async def act(street: Street, purchase: Purchase) -> None:
        await street.does(path.format(purchase.order.order_id), **body)

    return act


async def nothing(_street: Street, _purchase: Purchase) -> None:
    """The card was charged as the order was made."""


async def by_sepays_form(street: Street, purchase: Purchase) -> None:
    assert isinstance(purchase.order.checkout, CheckoutForm)
    opened = await street.person.post(purchase.order.checkout.url, data=dict(purchase.order.checkout.fields))
    assert opened.status_code == 303, opened.text
    await street.does(f"sepay/orders/{purchase.order.order_id}/pay", method="CARD")


async def by_transfer(street: Street, purchase: Purchase) -> None:
    await street.does(
        "sepay/transfers", amount=purchase.request.amount.minor, content=f"thanh toan {purchase.order.order_id}"
    )


async def a_card(street: Street) -> dict[str, str]:
    """What Omise.js makes of a card in the payer's browser."""
    settings = street.sandbox.world.settings
    card = {"name": "Somchai", "number": "4242424242424242", "expiration_month": 12, "expiration_year": 2099}
    body = {"card": {**card, "security_code": "123"}}
    made = await street.person.post("/tokens", json=body, auth=(settings.omise_public_key, ""))
    return {"token": made.json()["id"]}


async def a_bank(_street: Street) -> dict[str, str]:
    return {"bank": "scb"}


async def a_bank_on_the_web(_street: Street) -> dict[str, str]:
    return {"bank": "bbl"}


async def a_code(_street: Street) -> dict[str, str]:
    return {"code": CODE}


# --- what else happens outside --------------------------------------------------------------------------------------


async def dispute_at_razorpay(street: Street, facts: PaymentFacts) -> str:
    return str((await street.does(f"razorpay/payments/{facts.payment_id}/dispute"))["id"])


async def dispute_at_omise(street: Street, facts: PaymentFacts) -> str:
    return str((await street.does(f"omise/charges/{facts.payment_id}/dispute"))["id"])


async def dispute_at_stripe(street: Street, facts: PaymentFacts) -> str:
    shown = (await street.person.get("/_sandbox/stripe/payments")).json()["items"]
    charge = next(intent["latest_charge"] for intent in shown if intent["id"] == facts.payment_id)
    return str((await street.does(f"stripe/charges/{charge}/dispute"))["id"])


async def settle_at_razorpay(street: Street) -> date:
    """Razorpay's day is India's."""
    await street.does("razorpay/settlements/run")
    return (street.at.at + timedelta(hours=5, minutes=30)).date()


async def settle_at_stripe(street: Street) -> date:
    [payout] = (await street.does("stripe/payouts/run"))["items"]
    arrived = await street.does(f"stripe/payouts/{payout['id']}/pay")
    return datetime.fromtimestamp(arrived["arrival_date"], UTC).date()


async def settle_at_omise(street: Street) -> date:
    """What moved Omise's balance: its day is Thailand's."""
    return (street.at.at + timedelta(hours=7)).date()


# --- the ways -------------------------------------------------------------------------------------------------------

RUPEES, BAHT, DONG = Money(1_500_00, "INR"), Money(1_560_00, "THB"), Money(150_000, "VND")
_razorpay = Way("razorpay", Method.CHECKOUT, RUPEES, nothing, dispute_at_razorpay, settle=settle_at_razorpay)
_stripe = Way("stripe", Method.CHECKOUT, BAHT, nothing, dispute_at_stripe, settle=settle_at_stripe)
_omise = Way("omise", Method.PROMPTPAY, BAHT, at("omise/charges/{}/pay"), dispute_at_omise, settle=settle_at_omise)
_sepay = Way("sepay", Method.CHECKOUT, DONG, by_sepays_form, asks_provider=False)

WAYS = (
    replace(_razorpay, pay=at("razorpay/orders/{}/pay"), cancellable=False),
    replace(_razorpay, method=Method.UPI_QR, pay=at("razorpay/qr_codes/{}/pay")),
    replace(_razorpay, method=Method.PAYMENT_LINK, pay=at("razorpay/payment_links/{}/pay")),
    replace(_stripe, pay=at("stripe/checkout_sessions/{}/pay")),
    replace(_stripe, method=Method.CARD, pay=at("stripe/checkout_sessions/{}/pay")),
    replace(_stripe, method=Method.PROMPTPAY, pay=at("stripe/payment_intents/{}/pay")),
    _omise,
    replace(_omise, method=Method.MOBILE_BANKING, before=a_bank),
    replace(_omise, method=Method.INTERNET_BANKING, before=a_bank_on_the_web),
    replace(_omise, method=Method.CARD, before=a_card, pay=nothing, cancellable=False),
    _sepay,
    replace(_sepay, method=Method.BANK_TRANSFER, pay=by_transfer, before=a_code, by_code=True, cancellable=False),
)


def ways(*, that: Callable[[Way], object] = lambda _: True) -> pytest.MarkDecorator:
    chosen = [way for way in WAYS if that(way)]
    return pytest.mark.parametrize("way", chosen, ids=[str(way) for way in chosen])


named = ways(that=lambda way: not way.by_code)
refundable = ways(that=lambda way: way.provider != "sepay")


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    """The house of these tests never opens its database: adapters need none."""
    sandbox_clock = ManualClock(int(START.timestamp() * 1000))
    sandbox = create_sandbox(SandboxSettings(web="http://testserver", clock_scale=1), now_ms=sandbox_clock)
    settings = KernelSettings(
        environment="test",
        database_url="postgresql://nobody@127.0.0.1:1/none",
        base_url="http://testserver",
        sandbox_url="http://sandbox",
        data_folder=str(tmp_path),
    )
    transport = SandboxTransport(sandbox)
    with clock.held(START) as held:
        house = build_house(settings, catalogue=catalogue(), mounts={"http://sandbox": transport})
        gateways = {found.gateway.name: found for found in house.provided(InstalledGateway)}
        payouts = {found.gateway.name: found for found in house.provided(InstalledPayoutGateway)}
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as person:
            yield Street(sandbox, person, gateways, held, sandbox_clock, payouts)
        await house.close()
        await sandbox.aclose()


async def purchase_of(street: Street, way: Way) -> Purchase:
    more = await way.before(street) if way.before else {}
    request = OrderRequest(
        receipt=uuid4().hex, amount=way.amount, method=way.method, title="A plan", purpose="plans",
        return_url="http://testserver/back", expires_at=START + timedelta(minutes=30),
        email="payer@example.com", **more,
    )  # fmt: skip
    return Purchase(way, street, request)


@pytest.fixture
async def purchase(street: Street, way: Way) -> Purchase:
    return await purchase_of(street, way)


def test_every_way_of_every_gateway_is_asked(street: Street) -> None:
    offered = {(name, offer.method) for name, found in street.gateways.items() for offer in found.gateway.offers}
    asked = {(way.provider, way.method) for way in WAYS}
    assert offered == asked


class TestEveryGateway:
    """An order, the payments for it, what is told of it, money that goes back, and what reaches the bank."""

    # --- paying ---------------------------------------------------------------------------------------------------

    @named
    async def test_what_was_paid_is_captured_in_full_for_that_order(self, purchase: Purchase) -> None:
        facts = await purchase.paid()
        assert (facts.provider, facts.order_id) == (purchase.way.provider, purchase.order.order_id)
        assert (facts.state, facts.amount, facts.refunded) == (OrderState.CAPTURED, purchase.way.amount, 0)
        assert (facts.tax or 0) <= (facts.fee or 0) < facts.amount.minor
        assert facts.method

    @named
    async def test_a_payment_is_the_same_by_its_id_with_and_without_its_order(self, purchase: Purchase) -> None:
        facts = await purchase.paid()
        gateway = purchase.installed.gateway
        assert await gateway.fetch_payment(facts.payment_id, order_id=purchase.order.order_id) == facts
        assert await gateway.fetch_payment(facts.payment_id) == facts

    @ways(that=lambda way: way.pay is not nothing and not way.by_code)
    async def test_what_nobody_has_paid_is_not_captured(self, purchase: Purchase) -> None:
        order = await purchase.create()
        states = [facts.state for facts in await purchase.installed.gateway.payments_of(order.order_id)]
        assert OrderState.CAPTURED not in states

    @ways()
    async def test_after_a_lost_answer_there_is_one_order_and_it_can_be_paid(self, purchase: Purchase) -> None:
        street, gateway = purchase.street, purchase.installed.gateway
        if purchase.way.asks_provider:
            await street.does("faults", provider=purchase.way.provider, path="*", fault="timeout_after")
            with pytest.raises(OutcomeUnknown):
                await gateway.create_order(purchase.request)
        made = street.sandbox.world.store.counts()
        order = await gateway.find_order(purchase.request) or await purchase.create()
        assert await gateway.find_order(purchase.request) in (order, None)
        after = street.sandbox.world.store.counts()
        assert {kind for kind in after if after[kind] != made.get(kind, 0)} <= {"stripe_key"}

        purchase.made.append(order)
        await purchase.pay()
        if not purchase.way.by_code:
            [facts] = await gateway.payments_of(order.order_id)
            assert (facts.state, facts.amount) == (OrderState.CAPTURED, purchase.way.amount)

    @named
    async def test_an_order_that_was_never_made_is_not_found(self, purchase: Purchase) -> None:
        assert await purchase.installed.gateway.find_order(purchase.request) is None

    @ways(that=lambda way: way.cancellable)
    async def test_a_cancelled_order_can_no_longer_be_paid(self, purchase: Purchase) -> None:
        gateway = purchase.installed.gateway
        order = await purchase.create()
        if isinstance(order.checkout, CheckoutForm):
            await purchase.street.person.post(order.checkout.url, data=dict(order.checkout.fields))
        await gateway.cancel_order(order.order_id)
        await gateway.cancel_order(order.order_id)
        with pytest.raises(AssertionError):
            await purchase.pay()
        assert OrderState.CAPTURED not in [facts.state for facts in await gateway.payments_of(order.order_id)]

    @named
    async def test_cancelling_what_is_paid_changes_nothing(self, purchase: Purchase) -> None:
        facts = await purchase.paid()
        await purchase.installed.gateway.cancel_order(purchase.order.order_id)
        assert await purchase.installed.gateway.payments_of(purchase.order.order_id) == [facts]

    # --- events ---------------------------------------------------------------------------------------------------

    @ways()
    async def test_every_webhook_is_read_and_says_what_it_is_about(self, purchase: Purchase) -> None:
        await purchase.create()
        await purchase.pay()
        told = purchase.street.sandbox.pending()
        assert told
        read = [purchase.installed.gateway.read_event(sent.body.encode(), _headers(sent)) for sent in told]
        assert len({event.event_id for event in read}) == len(told)
        ours = {purchase.order.order_id, purchase.request.receipt}
        for event in read:
            known = {event.order_id, event.receipt} & ours
            assert known or event.payment_id or event.transfer_id, event.name
            assert event.amount in (None, purchase.way.amount), event.name
        assert any({event.order_id, event.receipt} & ours or event.transfer_id for event in read)

    @ways()
    async def test_a_webhook_with_one_byte_changed_is_refused(self, purchase: Purchase) -> None:
        await purchase.create()
        await purchase.pay()
        read = purchase.installed.gateway.read_event
        for sent in purchase.street.sandbox.pending():
            body, headers = sent.body.encode(), _headers(sent)
            # The notices of SePay's gateway carry a secret instead of a signature over the body.
            for place in (0, len(body) // 2, len(body) - 1) if sent.provider != "sepay_pg" else ():
                with pytest.raises(BadSignature):
                    read(_changed(body, place), headers)
            for name in ("x-razorpay-signature", "stripe-signature", "omise-signature", "x-sepay-signature"):
                if name in headers:
                    with pytest.raises(BadSignature):
                        read(body, httpx.Headers({**headers, name: _changed(headers[name].encode(), -1).decode()}))
            with pytest.raises(BadSignature):
                read(body, httpx.Headers({"content-type": "application/json"}))

    async def test_a_transfer_is_the_same_by_event_by_id_and_in_the_list(self, street: Street) -> None:
        way = next(way for way in WAYS if way.by_code)
        purchase = await purchase_of(street, way)
        assert (await purchase.create()).order_id == CODE
        transfers = purchase.installed.transfers
        assert transfers
        await street.does("sepay/transfers", amount=1_000, content="an earlier one")
        [earlier] = await transfers.transfers_since(None)
        await purchase.pay()
        await street.does("sepay/transfers", amount=2_000, content="paid out", transfer_type="out")

        events = [purchase.installed.gateway.read_event(d.body.encode(), _headers(d)) for d in street.sandbox.pending()]
        ours, out = await transfers.transfers_since(earlier.transfer_id)
        assert [event.transfer_id for event in events] == [earlier.transfer_id, ours.transfer_id, out.transfer_id]
        assert await transfers.fetch_transfer(ours.transfer_id) == ours
        assert (ours.amount, ours.direction, ours.code) == (way.amount, "in", CODE)
        assert (ours.at, ours.account) == (START, street.sandbox.world.settings.sepay_account_number)
        assert (out.amount, out.direction) == (Money(2_000, "VND"), "out")

    async def test_more_transfers_than_are_listed_at_once_are_all_found(
        self, street: Street, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def a_moment(seconds: float) -> None:
            assert seconds * 3 > 1, "SePay answers three times a second"
            street.sandbox_clock.advance(1)

        monkeypatch.setattr(sepay, "_PAGE", 3)
        monkeypatch.setattr(sepay, "_sleep", a_moment)
        transfers = street.gateways["sepay"].transfers
        assert transfers
        for number in range(8):
            await street.does("sepay/transfers", amount=1_000 + number, content=f"number {number}")
            street.sandbox_clock.advance(number % 2 * 60)  # two fall into each second
        found = await transfers.transfers_since(None)
        assert [one.amount.minor for one in found] == [1_000 + number for number in range(8)]
        assert await transfers.transfers_since(found[1].transfer_id) == found[2:]
        for number in range(3):
            await street.does("sepay/transfers", amount=5_000 + number, content="at once")
        with pytest.raises(Refused):
            await transfers.transfers_since(found[-1].transfer_id)

    # --- afterwards -----------------------------------------------------------------------------------------------

    @refundable
    async def test_a_part_and_the_rest_are_given_back_each_once(self, purchase: Purchase) -> None:
        facts = await purchase.paid()
        refunds = purchase.installed.refunds
        assert refunds
        first, second = uuid4(), uuid4()
        part = Money(round(facts.amount.minor * PART), facts.amount.unit)
        assert await refunds.refunds_of(facts.payment_id) == []

        made = await refunds.refund(key=first, payment_id=facts.payment_id, amount=part)
        again = await refunds.refund(key=first, payment_id=facts.payment_id, amount=part)
        assert (made.refund_id, made.amount, made.payment_id) == (again.refund_id, part, facts.payment_id)
        assert made.reference == str(first)
        (found,) = await refunds.refunds_of(facts.payment_id)
        assert found == await refunds.fetch_refund(refund_id=made.refund_id, payment_id=facts.payment_id)

        rest = await refunds.refund(key=second, payment_id=facts.payment_id, amount=facts.amount - part)
        with pytest.raises(Refused):
            await refunds.refund(key=uuid4(), payment_id=facts.payment_id, amount=Money(100, facts.amount.unit))
        purchase.street.pass_time(timedelta(days=10))
        for refund in (made, rest):
            ended = await refunds.fetch_refund(refund_id=refund.refund_id, payment_id=facts.payment_id)
            assert ended.state == RefundState.PROCESSED
        [after] = await purchase.installed.gateway.payments_of(purchase.order.order_id)
        assert (after.refunded, after.state) == (facts.amount.minor, OrderState.CAPTURED)

    @refundable
    async def test_a_refund_with_a_lost_answer_is_found_and_never_made_twice(self, purchase: Purchase) -> None:
        facts = await purchase.paid()
        refunds, key = purchase.installed.refunds, uuid4()
        assert refunds
        part = Money(round(facts.amount.minor * PART), facts.amount.unit)
        where = f"POST /*{facts.payment_id}*" if purchase.way.provider != "stripe" else "POST /v1/refunds"
        if purchase.way.provider == "omise":
            where = f"POST /charges/{facts.payment_id}/refunds"
        await purchase.street.does("faults", provider=purchase.way.provider, path=where, fault="timeout_after")
        with pytest.raises(OutcomeUnknown):
            await refunds.refund(key=key, payment_id=facts.payment_id, amount=part)
        (found,) = await refunds.refunds_of(facts.payment_id)
        again = await refunds.refund(key=key, payment_id=facts.payment_id, amount=part)
        assert found.reference == str(key)
        assert found.refund_id == again.refund_id
        [after] = await purchase.installed.gateway.payments_of(purchase.order.order_id)
        assert after.refunded == part.minor

    @refundable
    async def test_webhooks_of_refunds_and_disputes_name_them_and_their_payment(self, purchase: Purchase) -> None:
        facts = await purchase.paid()
        refunds, dispute = purchase.installed.refunds, purchase.way.dispute
        assert refunds
        assert dispute
        before = {sent.id for sent in purchase.street.sandbox.pending()}
        part = Money(round(facts.amount.minor * PART), facts.amount.unit)
        refund = await refunds.refund(key=uuid4(), payment_id=facts.payment_id, amount=part)
        disputed = await dispute(purchase.street, facts)

        sent = [sent for sent in purchase.street.sandbox.pending() if sent.id not in before]
        events = [purchase.installed.gateway.read_event(one.body.encode(), _headers(one)) for one in sent]
        assert refund.refund_id in {event.refund_id for event in events}
        assert disputed in {event.dispute_id for event in events}
        for event in events:
            assert event.payment_id in (facts.payment_id, None), event.name
            if event.refund_id or event.dispute_id:
                assert (event.payment_id, event.amount) == (facts.payment_id, None), event.name

    @refundable
    async def test_a_dispute_is_open_until_the_payers_bank_decides(self, purchase: Purchase) -> None:
        facts = await purchase.paid()
        disputes, open_dispute = purchase.installed.disputes, purchase.way.dispute
        assert disputes
        assert open_dispute
        dispute_id = await open_dispute(purchase.street, facts)
        opened = await disputes.fetch_dispute(dispute_id)
        assert (opened.payment_id, opened.amount, opened.state) == (facts.payment_id, facts.amount, DisputeState.OPEN)
        await purchase.street.does(f"{purchase.way.provider}/disputes/{dispute_id}/close", outcome="lost")
        lost = await disputes.fetch_dispute(dispute_id)
        assert (lost.payment_id, lost.amount, lost.state) == (facts.payment_id, facts.amount, DisputeState.LOST)

    @refundable
    async def test_what_reached_the_bank_is_told_line_by_line(self, purchase: Purchase) -> None:
        facts = await purchase.paid()
        refunds, reports, settle = purchase.installed.refunds, purchase.installed.reports, purchase.way.settle
        assert refunds
        assert reports
        assert settle
        part = Money(round(facts.amount.minor * PART), facts.amount.unit)
        refund = await refunds.refund(key=uuid4(), payment_id=facts.payment_id, amount=part)
        purchase.street.pass_time(timedelta(hours=1))
        day = await settle(purchase.street)

        lines = await reports.settled_on(day)
        [payment] = [line for line in lines if line.kind == "payment"]
        assert (payment.subject_id, payment.gross) == (facts.payment_id, facts.amount)
        assert (payment.fee.minor, payment.tax.minor, payment.settled_on) == (facts.fee, facts.tax, day)
        [given] = [line for line in lines if line.kind == "refund"]
        assert (given.subject_id, given.gross) == (refund.refund_id, -part)
        assert len({line.line_id for line in lines}) == len(lines)
        assert await reports.settled_on(day - timedelta(days=1)) == []

    @refundable
    async def test_a_lost_dispute_is_among_what_reached_the_bank(self, purchase: Purchase) -> None:
        facts = await purchase.paid()
        reports, open_dispute, settle = purchase.installed.reports, purchase.way.dispute, purchase.way.settle
        assert reports
        assert open_dispute
        assert settle
        await (await purchase_of(purchase.street, purchase.way)).paid()  # so that something is left to settle
        dispute_id = await open_dispute(purchase.street, facts)
        await purchase.street.does(f"{purchase.way.provider}/disputes/{dispute_id}/close", outcome="lost")
        purchase.street.pass_time(timedelta(hours=1))
        lines = await reports.settled_on(await settle(purchase.street))
        [lost] = [line for line in lines if line.kind == "dispute"]
        assert (lost.subject_id, lost.gross) == (dispute_id, -facts.amount)


def _headers(sent: Delivery) -> httpx.Headers:
    return httpx.Headers(sent.headers)


def _changed(text: bytes, place: int) -> bytes:
    changed = bytearray(text)
    changed[place] ^= 1
    return bytes(changed)

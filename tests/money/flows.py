"""Everything that moves money at any provider, told once: what a person does, and how it must end.

A `Case` is one run of one `Flow`: `run` may be stopped at any step, `again` is the person (or the member of staff) who
comes back and does the same, and `ended` says that it happened exactly once. The crash matrix, the fault matrix and the
orders of events are all made of these.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import httpx

from tests.parts.payments.test_every_provider import WAYS, Purchase, Street, Way
from tests.parts.payments.till import Till, open_till
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import (
    Destination,
    DisputeState,
    Method,
    OrderState,
    PayoutState,
    RefundState,
    StripeAccount,
    ThaiBankAccount,
    Vpa,
)
from tillhouse.parts.payments.ports import GatewayOrder, InstalledGateway, OrderRequest, Payee, Refunds
from tillhouse.parts.payments.service.payouts import NewPayout, reserve_payout
from tillhouse.parts.payments.service.refunds import start_refund
from tillhouse.parts.payments.service.registry import gateway, installed_gateway, installed_payout_gateway
from tillhouse.sandbox.omise.payout_schemas import Transfer as OmiseTransfer
from tillhouse.sandbox.razorpay.x_schemas import Payout as RazorpayXPayout
from tillhouse.sandbox.stripe.connect_schemas import Transfer as StripeTransfer
from tillhouse.sandbox.transport import SandboxTransport

LATE = 13 * 60  # seconds after which a late success is authorised: our question at 15 minutes finds it


@dataclass
class Town:
    """A house and the outside around it."""

    till: Till
    street: Street

    async def balance(self, owner_kind: str, owner: UUID, unit: str) -> ledger.Balance:
        async with self.till.house.database.reading() as session:
            return await ledger.balance(session, ledger.AccountRef(owner_kind, owner, "wallet", unit))


@asynccontextmanager
async def open_town(settings: KernelSettings) -> AsyncIterator[Town]:
    """On leaving, every invariant is checked."""
    async with open_till(settings) as till:
        # A clock that stands still would never let a fourth call of a second through.
        till.sandbox.world.settings.sepay_calls_per_second = 0
        till.change_guards(verify_above=tuple(f"{unit}={10**15}" for unit in ("INR", "THB", "USD")))
        transport = SandboxTransport(till.sandbox)
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as person:
            gateways = {found.gateway.name: found for found in till.house.provided(InstalledGateway)}
            yield Town(till, Street(till.sandbox, person, gateways, till.at, till.sandbox_clock))


class Case(ABC):
    """One run of a flow in a town."""

    def __init__(self, town: Town) -> None:
        self.town, self.till = town, town.till

    @abstractmethod
    async def begin(self) -> None:
        """What was before: nothing goes wrong in it."""

    @abstractmethod
    async def run(self) -> None:
        """What may be stopped between any two steps."""

    @abstractmethod
    async def again(self) -> None:
        """Whoever asked comes back, and sends the same form."""

    @abstractmethod
    async def ended(self) -> None:
        """It happened exactly once, and nothing is left to do."""


@dataclass(frozen=True)
class Flow:
    """A kind of case. `patient`: time passes while it runs.

    `calls` and `events` are what faults may strike in it: the provider's name in the sandbox.
    """

    name: str
    provider: str
    make: Callable[[Town], Case]
    patient: bool = False

    def __str__(self) -> str:
        return self.name


# --- money in -------------------------------------------------------------------------------------------------------


class Deposit(Case):
    """Somebody pays, and it is told by events alone; `verified` by the browser too."""

    owner_kind = "person"
    email: str | None = None

    def __init__(self, town: Town, way: Way, *, verified: bool = False) -> None:
        super().__init__(town)
        self.way, self.verified = way, verified
        self.owner, self.key, self.paid = new_id(), str(new_id()), False
        self.more: Mapping[str, str] = {}
        self.proof: dict[str, Any] | None = None
        self.made: api.OrderView | None = None

    async def begin(self) -> None:
        self.till.change_settings(gateways=(self.way.provider,))
        # A code is ours to make: what the way would show is for adapters that are asked without a house.
        self.more = await self.way.before(self.town.street) if self.way.before and not self.way.by_code else {}

    async def order(self) -> api.OrderView:
        wish = api.NewOrder(
            owner_kind=self.owner_kind, owner_id=self.owner, amount=self.way.amount, purpose="wallet_deposit",
            request_key=self.key, method=self.way.method, email=self.email, **self.more,
        )  # fmt: skip
        self.made = await api.start_order(self.till.house, wish)
        return self.made

    async def pay(self, order: api.OrderView) -> None:
        if self.paid:
            return
        self.paid = True
        if self.verified:
            self.proof = await self.till.pay(order)
            return
        async with self.till.house.database.reading() as session:
            how = await api.checkout_in_order(session, order.id)
        request = OrderRequest(
            receipt=order.id.hex, amount=order.amount, method=self.way.method, title="", purpose="",
            return_url="", expires_at=order.expires_at,
        )  # fmt: skip
        bought = GatewayOrder(order.provider_order_id or "", how)
        await self.way.pay(self.town.street, Purchase(self.way, self.town.street, request, [bought]))

    async def run(self) -> None:
        await self.pay(await self.order())
        if self.proof:
            await self.till.verify(self.proof)
        await self.till.quiet()

    async def again(self) -> None:
        self.till.change_settings(gateways=(self.way.provider,))
        await self.pay(await self.order())

    async def ended(self) -> None:
        assert self.made
        assert await self.wallet() == self.way.amount
        async with self.till.house.database.reading() as session:
            assert (await api.order(session, self.made.id)).state == OrderState.CAPTURED
            assert len(await api.payments_of(session, self.made.id)) == 1

    async def wallet(self) -> Money:
        return (await self.town.balance(self.owner_kind, self.owner, self.way.amount.unit)).posted

    async def settled(self) -> api.PaymentView:
        """Paid, with nothing left to happen."""
        await Deposit.begin(self)
        await Deposit.run(self)
        assert self.made
        async with self.till.house.database.reading() as session:
            (payment,) = await api.payments_of(session, self.made.id)
        return payment


class GuestDeposit(Deposit):
    """A payer without an account: the money lands in the order."""

    owner_kind = "order"
    email = "payer@example.com"


class LateDeposit(Deposit):
    """No event arrives, and Razorpay leaves the payment authorised: we find it by asking, and capture it."""

    async def begin(self) -> None:
        await super().begin()
        await self.till.fault("drop", count=1000)
        await self.till.pay(await self.order(), "late_success", late_after=LATE)
        self.paid = True
        await self.till.pass_time(timedelta(seconds=LATE + 60), step=timedelta(seconds=LATE + 60))

    async def run(self) -> None:
        await self.till.pass_time(timedelta(minutes=5), step=timedelta(seconds=150))
        await self.again()

    async def again(self) -> None:
        await self.till.outside("DELETE", "/_sandbox/faults")


class TransfersPolled(Case):
    """No event of the bank arrives: two transfers for one order and more than was asked for another are listed."""

    def __init__(self, town: Town) -> None:
        super().__init__(town)
        way = next(way for way in WAYS if way.by_code)
        sums = (way.amount, Money(way.amount.minor // 3, "VND"))
        self.orders = [Deposit(town, replace(way, amount=amount)) for amount in sums]

    async def begin(self) -> None:
        await self.till.fault("drop", provider="sepay", count=3)
        for order, parts in zip(self.orders, ((0.75, 0.25), (1.2,)), strict=True):
            await order.begin()
            code = (await order.order()).provider_order_id
            for part in parts:
                minor = round(order.way.amount.minor * part)
                await self.town.street.does("sepay/transfers", amount=minor, content=f"ck {code}")
            order.paid = True
        await self.till.quiet()
        await self.till.outside("DELETE", "/_sandbox/faults")

    async def run(self) -> None:
        for order in self.orders:
            assert order.made
            await api.check_order(self.till.house, order.made.id)

    async def again(self) -> None:
        await self.run()

    async def ended(self) -> None:
        await self.orders[0].ended()
        over = self.orders[1]
        assert (await over.wallet()).minor == round(over.way.amount.minor * 1.2)


# --- money back -----------------------------------------------------------------------------------------------------


class Refund(Deposit):
    """Staff give a quarter of a payment back; `at` the gateway's own dashboard instead, if so."""

    def __init__(self, town: Town, way: Way, *, at_dashboard: bool = False) -> None:
        super().__init__(town, way)
        self.part = Money(way.amount.minor // 4, way.amount.unit)
        self.at_dashboard = at_dashboard
        self.payment: api.PaymentView | None = None

    @property
    def outside(self) -> Refunds:
        found = installed_gateway(self.till.house, self.way.provider).refunds
        assert found
        return found

    async def begin(self) -> None:
        self.payment = await self.settled()
        if self.at_dashboard:
            key = uuid4()
            await self.outside.refund(key=key, payment_id=self.payment.provider_payment_id, amount=self.part)

    async def run(self) -> None:
        await self.again()
        await self.till.quiet()

    async def again(self) -> None:
        assert self.payment
        if not self.at_dashboard:
            async with self.till.house.database.transaction() as session:
                await start_refund(session, self.payment.id, self.part, reason="", key="form", by=None)

    async def ended(self) -> None:
        assert self.payment
        assert await self.wallet() == self.way.amount - self.part
        balance = await self.town.balance(self.owner_kind, self.owner, self.part.unit)
        assert balance.available == balance.posted
        async with self.till.house.database.reading() as session:
            (made,), _ = await api.refunds(session, payment_id=self.payment.id)
            assert self.made
            assert (await api.order(session, self.made.id)).state == OrderState.PARTIALLY_REFUNDED
        assert made.state == RefundState.PROCESSED
        assert len(await self.outside.refunds_of(self.payment.provider_payment_id)) == 1


class Dispute(Deposit):
    """The payer's bank takes the payment back, or gives it up after all."""

    def __init__(self, town: Town, way: Way, end: DisputeState) -> None:
        super().__init__(town, way)
        self.end = end
        self.payment: api.PaymentView | None = None
        self.dispute: str | None = None
        self.closed = False

    async def begin(self) -> None:
        self.payment = await self.settled()

    async def run(self) -> None:
        await self._open()
        await self.till.quiet()
        await self.again()
        await self.till.quiet()

    async def again(self) -> None:
        """The payer's bank goes on with it whatever happens here."""
        await self._open()
        if not self.closed:
            self.closed = True
            await self.town.street.does(f"{self.way.provider}/disputes/{self.dispute}/close", outcome=str(self.end))

    async def _open(self) -> None:
        assert self.payment
        assert self.way.dispute
        if self.dispute is None:
            facts = await gateway(self.till.house, self.way.provider).fetch_payment(self.payment.provider_payment_id)
            self.dispute = await self.way.dispute(self.town.street, facts)

    @property
    def left(self) -> Money:
        """What its owner has of the payment in the end."""
        return Money(0, self.way.amount.unit) if self.end == DisputeState.LOST else self.way.amount

    async def ended(self) -> None:
        assert self.made
        balance = await self.town.balance(self.owner_kind, self.owner, self.way.amount.unit)
        assert balance.posted == balance.available == self.left
        async with self.till.house.database.reading() as session:
            order = await api.order(session, self.made.id)
            (dispute,) = [
                one for one in (await api.disputes(session, limit=10_000))[0] if one.payment_id == self._payment_id
            ]
        assert (order.state, dispute.state) == (self.becomes, self.end)

    @property
    def becomes(self) -> OrderState:
        """Where its order stands in the end."""
        return OrderState.REFUNDED if self.end == DisputeState.LOST else OrderState.CAPTURED

    @property
    def _payment_id(self) -> UUID:
        assert self.payment
        return self.payment.id


class DisputeInPart(Dispute):
    """A part of it is contested at Razorpay, which is won; what was not is gone."""

    @property
    def left(self) -> Money:
        return Money(self.way.amount.minor // 3, self.way.amount.unit)

    @property
    def becomes(self) -> OrderState:
        return OrderState.PARTIALLY_REFUNDED

    async def again(self) -> None:
        await self._open()
        if not self.closed:
            self.closed = True
            at = f"{self.way.provider}/disputes/{self.dispute}"
            await self.town.street.does(f"{at}/review", contested=self.left.minor)
            await self.town.street.does(f"{at}/close", outcome="won")


# --- money out ------------------------------------------------------------------------------------------------------


To = Callable[[Town, UUID], Awaitable[Destination]]


@dataclass(frozen=True)
class PayoutWay:
    """One way out: where to, and what the sandbox has of it under our reference.

    `late` is what the provider does afterwards by itself: a transfer that is taken back. `arrived` is what the payee's
    bank got, where the provider tells, and `named` why it is put before a person in the end.
    """

    name: str
    provider: str
    amount: Money
    to: To
    end: PayoutState
    found: Callable[[Town, str], Sequence[str]]
    late: Callable[[Town, str], Awaitable[None]] | None = None
    arrived: Callable[[Town, str], Money] | None = None
    named: str | None = None


class Payout(Case):
    """Somebody withdraws all they have."""

    owner_kind = "person"

    def __init__(self, town: Town, way: PayoutWay) -> None:
        super().__init__(town)
        self.way, self.owner = way, new_id()
        self.to: Destination | None = None
        self.payout: api.PayoutView | None = None
        self.taken_back = False

    async def begin(self) -> None:
        self.to = await self.way.to(self.town, self.owner)
        await self.till.give(self.owner, self.way.amount, self.owner_kind)

    async def run(self) -> None:
        await self.again()
        for later in (200, 700):
            await self.till.quiet()
            await self._late()
            self.till.at.advance(timedelta(seconds=later))  # both clocks: an event signed at another time is refused
            self.till.sandbox_clock.advance(later)
        await self.till.quiet()

    async def again(self) -> None:
        assert self.to
        wish = NewPayout(
            owner_kind=self.owner_kind, owner_id=self.owner, amount=self.way.amount, to=self.to, payee_name="Asha Rao",
            request_key="form", requested_by=self.owner,
        )  # fmt: skip
        async with self.till.house.database.transaction() as session:
            row = await reserve_payout(session, wish)
            self.payout = await api.payout(session, row.id)

    async def _late(self) -> None:
        found = self.way.found(self.town, str(self.payout.id)) if self.payout else ()
        if self.way.late and found and not self.taken_back:
            self.taken_back = True
            await self.way.late(self.town, found[0])

    async def ended(self) -> None:
        assert self.payout
        async with self.till.house.database.reading() as session:
            payout = await api.payout(session, self.payout.id)
        if self.way.late and not self.taken_back:  # killed before there was anything to take back
            await self._late()
            await self.till.quiet()
            return await self.ended()
        assert payout.state == self.way.end
        left = Money(0, self.way.amount.unit) if self.way.end == PayoutState.PROCESSED else self.way.amount
        balance = await self.town.balance(self.owner_kind, self.owner, left.unit)
        assert balance.posted == balance.available == left
        (found,) = self.way.found(self.town, str(payout.id))
        if self.way.arrived and self.way.end == PayoutState.PROCESSED:
            assert self.way.arrived(self.town, found) == self.way.amount
        for reason in ("fee_difference", "partly_reversed"):
            assert (str(payout.id) in await self.till.subjects(reason)) == (reason == self.way.named)
        return None


class OrganisationPayout(Payout):
    """A member withdraws all that an organisation has."""

    owner_kind = "organisation"


def to_upi(address: str) -> To:
    async def to(_town: Town, _owner: UUID) -> Destination:
        return Vpa(address)

    return to


def to_thai_bank(ending: str) -> To:
    """Omise knows the recipient already: it takes two days to verify one."""

    async def to(town: Town, owner: UUID) -> Destination:
        account = ThaiBankAccount("Somchai Jaidee", "kbank", f"123456{ending}")
        checks = installed_payout_gateway(town.till.house, "omise").checks
        assert checks
        made = await checks.check_account(key=uuid4(), to=account, payee=Payee("Asha Rao", owner.hex))
        await town.street.does(f"omise/recipients/{made.check_id}/verify")
        return account

    return to


async def to_stripe_account(town: Town, _owner: UUID) -> Destination:
    settings = town.street.sandbox.world.settings
    await town.street.does("stripe/topups", amount=20_000)
    body = "type=express&country=US&capabilities[transfers][requested]=true"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    auth = (settings.stripe_secret_key, "")
    made = await town.street.person.post("/stripe/v1/accounts", content=body, headers=headers, auth=auth)
    account = str(made.json()["id"])
    await town.street.does(f"stripe/accounts/{account}/onboard")
    return StripeAccount(account)


async def reverse_at_stripe(town: Town, transfer_id: str) -> None:
    """Somebody takes the transfer back at Stripe's dashboard, and tries again while that does not work."""
    auth = (town.street.sandbox.world.settings.stripe_secret_key, "")
    store, taken_back = town.street.sandbox.world.store, False
    while not taken_back:
        with suppress(httpx.HTTPError):
            await town.street.person.post(f"/stripe/v1/transfers/{transfer_id}/reversals", auth=auth)
        found = store.get(StripeTransfer, transfer_id)
        taken_back = found is not None and found.reversed


async def reverse_in_part_at_stripe(town: Town, transfer_id: str) -> None:
    """Somebody takes ten dollars of it back at Stripe's dashboard, and tries again while that does not work."""
    auth = (town.street.sandbox.world.settings.stripe_secret_key, "")
    store, taken_back = town.street.sandbox.world.store, 0
    while not taken_back:
        with suppress(httpx.HTTPError):
            path = f"/stripe/v1/transfers/{transfer_id}/reversals"
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            await town.street.person.post(path, content="amount=1000", auth=auth, headers=headers)
        found = store.get(StripeTransfer, transfer_id)
        taken_back = found.amount_reversed if found else 0


def arrived_from_omise(town: Town, transfer_id: str) -> Money:
    found = town.street.sandbox.world.store.get(OmiseTransfer, transfer_id)
    assert found
    return Money(found.net, found.currency)


def at_razorpayx(town: Town, reference: str) -> Sequence[str]:
    found = town.street.sandbox.world.store.find(RazorpayXPayout, limit=10_000)
    return [one.id for one in found if one.wire()["reference_id"] == reference]


def at_stripe(town: Town, reference: str) -> Sequence[str]:
    found = town.street.sandbox.world.store.find(StripeTransfer, limit=10_000)
    return [one.id for one in found if one.transfer_group == reference]


def at_omise(town: Town, reference: str) -> Sequence[str]:
    found = town.street.sandbox.world.store.find(OmiseTransfer, limit=10_000)
    return [one.id for one in found if one.metadata.get("reference") == reference]


RUPEES, DOLLARS, BAHT = Money(100_00, "INR"), Money(50_00, "USD"), Money(500_00, "THB")
UPI = PayoutWay("razorpayx", "razorpayx", RUPEES, to_upi("success@razorpay"), PayoutState.PROCESSED, at_razorpayx)
CONNECT = PayoutWay("stripe connect", "stripe", DOLLARS, to_stripe_account, PayoutState.PROCESSED, at_stripe)
OMISE = PayoutWay(
    "omise transfer", "omise", BAHT, to_thai_bank("7890"), PayoutState.PROCESSED, at_omise, arrived=arrived_from_omise
)
PAYOUTS = (
    UPI,
    replace(UPI, name="razorpayx, refused", to=to_upi("failure@razorpay"), end=PayoutState.FAILED),
    replace(UPI, name="razorpayx, returned", to=to_upi("reversed@razorpay"), end=PayoutState.REVERSED),
    CONNECT,
    replace(CONNECT, name="stripe connect, taken back", end=PayoutState.REVERSED, late=reverse_at_stripe),
    replace(
        CONNECT, name="stripe connect, taken back in part", late=reverse_in_part_at_stripe, named="partly_reversed"
    ),
    OMISE,
    replace(OMISE, name="omise transfer, refused", to=to_thai_bank("0001"), end=PayoutState.FAILED),
    replace(OMISE, name="omise transfer, sent back", to=to_thai_bank("0002"), end=PayoutState.FAILED),
)


# --- all of them ----------------------------------------------------------------------------------------------------


def _way(provider: str, method: Method) -> Way:
    return next(way for way in WAYS if (way.provider, way.method) == (provider, method))


CHECKOUT = _way("razorpay", Method.CHECKOUT)
LINK = _way("razorpay", Method.PAYMENT_LINK)
REFUNDABLE = (CHECKOUT, _way("stripe", Method.CHECKOUT), _way("omise", Method.PROMPTPAY))
# A card at Stripe is its checkout with a narrower page: every step and event is the same.
TAKEN = tuple(way for way in WAYS if way != _way("stripe", Method.CARD))

DEPOSITS = tuple(
    Flow(f"deposit: {way}", way.provider, partial(Deposit, way=way)) for way in TAKEN
)  # fmt: skip
VERIFIED = Flow("deposit: razorpay, verified", "razorpay", partial(Deposit, way=CHECKOUT, verified=True))
GUEST = Flow("deposit: razorpay, without an account", "razorpay", partial(GuestDeposit, way=LINK))
LATE_SUCCESS = Flow("deposit: razorpay, late", "razorpay", partial(LateDeposit, way=CHECKOUT), patient=True)
POLLED = Flow("deposit: sepay, polled", "sepay", TransfersPolled)
REFUNDS = tuple(
    Flow(f"refund: {way}", way.provider, partial(Refund, way=way)) for way in REFUNDABLE
)  # fmt: skip
DASHBOARD = tuple(
    Flow(f"refund at the dashboard: {way}", way.provider, partial(Refund, way=way, at_dashboard=True))
    for way in REFUNDABLE
)
DISPUTES = (
    *(
        Flow(f"dispute {end}: {way}", way.provider, partial(Dispute, way=way, end=end))
        for way in REFUNDABLE
        for end in (DisputeState.LOST, DisputeState.WON)
    ),
    Flow("dispute lost in part: razorpay", "razorpay", partial(DisputeInPart, way=CHECKOUT, end=DisputeState.LOST)),
)
WITHDRAWALS = (
    *(Flow(f"payout: {way.name}", way.provider, partial(Payout, way=way)) for way in PAYOUTS),
    Flow("payout: razorpayx, of an organisation", "razorpayx", partial(OrganisationPayout, way=UPI)),
)

FLOWS = (*DEPOSITS, VERIFIED, GUEST, LATE_SUCCESS, POLLED, *REFUNDS, *DASHBOARD, *DISPUTES, *WITHDRAWALS)

"""A product that sells plans and points, on top of the till."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from tests.parts.payments.till import Till, open_till, rupees
from tillhouse.kernel.manifest import Module
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import enqueue
from tillhouse.parts.billing import api
from tillhouse.parts.billing.events import LookAfter, Recognise
from tillhouse.parts.billing.manifest import MODULE as BILLING
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api as payments

DAY = timedelta(days=1)
GST = api.Tax("GST", 1800)
_keys = itertools.count(1)


def points(amount: int) -> Money:
    return Money(amount, "PTS")


SMALL = api.Plan(
    code="shop.small",
    version=1,
    family="shop",
    title="Small",
    rank=1,
    prices=(api.Price(rupees("300.00"), 1), api.Price(rupees("3000.00"), 12)),
    points=points(100),
    quotas={"chats": api.Quota(20, "day")},
    tax=GST,
)
LARGE = api.Plan(
    code="shop.large",
    version=1,
    family="shop",
    title="Large",
    rank=2,
    prices=(api.Price(rupees("900.00"), 1),),
    points=points(500),
    quotas={"chats": api.Quota(200, "day")},
    tax=GST,
)
TRIED = api.Plan(
    code="desk.one", version=1, family="desk", title="Desk", rank=1, prices=(api.Price(rupees("100.00"), 1),),
    trial_days=14,
)  # fmt: skip
PACK = api.PointsPackage(
    code="shop.pack",
    version=1,
    title="500 points",
    points=points(500),
    prices=(rupees("500.00"), Money(450_000, "VND")),
    valid_days=365,
    tax=GST,
)


def product(*offers: object) -> Module:
    return Module(
        name="corner",
        title="Corner",
        floor="product",
        folder=Path(__file__).parent,
        requires=("billing",),
        provides=lambda house: offers,
    )


def owner(who: UUID | api.Owner) -> api.Owner:
    """A person by their id, or whoever owns things."""
    return who if isinstance(who, api.Owner) else api.person(who)


@dataclass
class Counter:
    """What people do with plans and points; each shortcut opens a transaction."""

    till: Till

    async def subscribe(
        self, person: UUID | api.Owner, plan: str = "shop.small", **more: Any
    ) -> tuple[api.SubscriptionView, api.InvoiceView | None]:
        terms: dict[str, Any] = {"currency": "INR", "months": 1, "zone": "Asia/Kolkata", **more}
        async with self.till.house.database.transaction() as session:
            return await api.subscribe(session, owner(person), plan=plan, **terms)

    async def subscribed(self, person: UUID | api.Owner, plan: str = "shop.small", **more: Any) -> api.SubscriptionView:
        """A subscription whose first period is paid for."""
        view, due = await self.subscribe(person, plan, **more)
        assert due
        await self.pay(due)
        return await self.see(view)

    async def order(self, due: api.InvoiceView) -> payments.OrderView:
        how = api.How(method=payments.Method.CHECKOUT)
        return await api.begin_payment(self.till.house, due.owner, due.id, how, request_key=f"pay-{next(_keys)}")

    async def pay(self, due: api.InvoiceView) -> payments.OrderView:
        """The invoice paid at the gateway, with nothing left to happen."""
        order = await self.order(due)
        await self.till.pay(order)
        await self.till.quiet()
        return order

    async def pay_from_wallet(self, due: api.InvoiceView) -> api.InvoiceView:
        async with self.till.house.database.transaction() as session:
            return await api.pay_from_wallet(session, due.owner, due.id)

    async def buy(self, person: UUID | api.Owner, **more: Any) -> api.InvoiceView:
        terms: dict[str, Any] = {"package": "shop.pack", "currency": "INR", **more}
        async with self.till.house.database.transaction() as session:
            return await api.buy_points(session, owner(person), **terms)

    async def change(
        self, view: api.SubscriptionView, plan: str, months: int = 1
    ) -> tuple[api.SubscriptionView, api.InvoiceView | None]:
        async with self.till.house.database.transaction() as session:
            return await api.change_plan(session, view.owner, view.id, plan=plan, months=months)

    async def cancel(self, view: api.SubscriptionView, *, at_once: bool = False) -> api.SubscriptionView:
        async with self.till.house.database.transaction() as session:
            return await api.cancel(session, view.owner, view.id, at_once=at_once)

    async def resume(self, view: api.SubscriptionView) -> api.SubscriptionView:
        async with self.till.house.database.transaction() as session:
            return await api.resume(session, view.owner, view.id)

    async def see(self, view: api.SubscriptionView) -> api.SubscriptionView:
        async with self.till.house.database.reading() as session:
            return await api.subscription(session, view.owner, view.id)

    async def see_invoice(self, view: api.InvoiceView) -> api.InvoiceView:
        async with self.till.house.database.reading() as session:
            return await api.invoice(session, view.owner, view.id)

    async def subscriptions(self, person: UUID | api.Owner) -> list[api.SubscriptionView]:
        async with self.till.house.database.reading() as session:
            return list(await api.subscriptions_of(session, owner(person)))

    async def invoices(self, person: UUID | api.Owner) -> list[api.InvoiceView]:
        async with self.till.house.database.reading() as session:
            found, _ = await api.invoices_of(session, owner(person), limit=50, cursor=None)
        return list(found)

    async def points(self, person: UUID | api.Owner) -> int:
        async with self.till.house.database.reading() as session:
            return (await ledger.lots_summary(session, api.points_of(owner(person)))).total.minor

    async def give(self, person: UUID | api.Owner, amount: int, **more: Any) -> None:
        terms: dict[str, Any] = {"source": "promotional", "days": None, "key": f"gift-{next(_keys)}", **more}
        async with self.till.house.database.transaction() as session:
            await api.grant_points(session, owner(person), points(amount), **terms)

    async def reserve(self, person: UUID | api.Owner, most: int, key: str = "", **more: Any) -> api.ChargeView:
        terms: dict[str, Any] = {"action": "shop.chat", "price_version": 1, "zone": "Asia/Kolkata", **more}
        async with self.till.house.database.transaction() as session:
            wanted = key or f"work-{next(_keys)}"
            return await api.reserve_work(session, owner(person), points(most), key=wanted, **terms)

    async def capture(self, charge: api.ChargeView, cost: int) -> api.ChargeView:
        async with self.till.house.database.transaction() as session:
            return await api.capture_work(session, charge.id, points(cost))

    async def release(self, charge: api.ChargeView) -> api.ChargeView:
        async with self.till.house.database.transaction() as session:
            return await api.release_work(session, charge.id)

    async def refund(self, order: payments.OrderView, amount: str | None = None) -> payments.RefundView:
        async with self.till.house.database.transaction() as session:
            (payment,) = await payments.payments_of(session, order.id)
            wanted = rupees(amount) if amount else None
            return await payments.start_refund(
                session, payment.id, wanted, reason="asked for", key=f"refund-{next(_keys)}", by=None
            )

    async def pass_days(self, days: float) -> None:
        """Time passes, a day at a time, and all that is due happens."""
        left = days * DAY
        while left > timedelta():
            self.till.at.advance(min(left, DAY))
            self.till.sandbox_clock.advance(min(left, DAY).total_seconds())
            left -= DAY
            await self.look_after()

    async def look_after(self) -> None:
        async with self.till.house.database.transaction() as session:
            await enqueue(session, LookAfter())
            await enqueue(session, Recognise())
        await self.till.quiet()

    async def owed(self, what: str) -> str:
        return await self.till.house_balance(f"deferred:{what}")


async def make_coupon(counter: Counter, code: str, basis_points: int, **more: Any) -> None:
    terms: dict[str, Any] = {
        "offers": (), "starts_at": None, "ends_at": None, "most": None, "redeemed": 0, "once_per_owner": True,
        "periods": 1, **more,
    }  # fmt: skip
    async with counter.till.house.database.transaction() as session:
        await api.make_coupon(session, api.Coupon(code=code, discount=api.Discount(basis_points), **terms), by=None)


@asynccontextmanager
async def open_counter(settings: KernelSettings, *offers: object) -> AsyncIterator[Counter]:
    async with open_till(settings, BILLING, product(*(offers or (SMALL, LARGE, TRIED, PACK)))) as till:
        yield Counter(till)

"""A small house that takes and pays out money, the outside world in process, and clocks that stand still."""

import itertools
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

import httpx
from fastapi import FastAPI
from sqlalchemy import text

from tillhouse.apps.compose import build_house, create_app
from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.invariants import check_all
from tillhouse.kernel.manifest import Module
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import enqueue, jobs, run_due
from tillhouse.parts.channels.manifest import MODULE as CHANNELS
from tillhouse.parts.documents.manifest import MODULE as DOCUMENTS
from tillhouse.parts.files.manifest import MODULE as FILES
from tillhouse.parts.identity.manifest import MODULE as IDENTITY
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.ledger.manifest import MODULE as LEDGER
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import Destination, Vpa
from tillhouse.parts.payments.events import LookAfter
from tillhouse.parts.payments.manifest import MODULE as PAYMENTS
from tillhouse.parts.payments.ports import Purpose
from tillhouse.parts.payments.service.inbox import Arrived, take_events
from tillhouse.parts.payments.service.payouts import NewPayout, reserve_payout
from tillhouse.parts.payments.service.registry import gateway
from tillhouse.parts.payments.settings import PaymentsSettings, PayoutGuards
from tillhouse.parts.wallets.manifest import MODULE as WALLETS
from tillhouse.sandbox.app import Sandbox, create_sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.razorpay.x_schemas import Payout
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.smtp import smtp_server
from tillhouse.sandbox.transport import SandboxTransport
from tillhouse.sandbox.webhooks import Delivery

START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
SUCCESS = Vpa("success@razorpay")

_keys = itertools.count(1)


def rupees(amount: str) -> Money:
    return Money.parse(amount, "INR")


def catalogue(*more: Module) -> tuple[Module, ...]:
    return (IDENTITY, FILES, CHANNELS, LEDGER, DOCUMENTS, WALLETS, PAYMENTS, *more)


def shop(*purposes: Purpose) -> Module:
    """A product that sells something."""
    kinds = (
        ledger.TransactionKind(name="shop.sale", title="Bought", legs=("person/wallet", "house/sales")),
        ledger.AccountKind(owner_kind="house", code="sales", type="income", title="Sales"),
    )
    return Module(
        name="shop", title="Shop", floor="product", folder=Path(__file__).parent, requires=("payments",),
        provides=lambda house: (*kinds, *purposes),
    )  # fmt: skip


@dataclass
class Till:
    """What a test does with the house: people pay and withdraw, the outside answers, time passes."""

    house: House
    app: FastAPI
    sandbox: Sandbox
    at: clock.TestClock
    sandbox_clock: ManualClock

    # people

    async def order(self, person: UUID, amount: str = "150.00", **more: Any) -> api.OrderView:
        wish = api.NewOrder(
            owner_kind="person", owner_id=person, amount=rupees(amount),
            **{"purpose": "wallet_deposit", "request_key": f"key-{next(_keys)}", **more},
        )  # fmt: skip
        return await api.start_order(self.house, wish)

    async def pay(self, order: api.OrderView, outcome: str = "success", **more: object) -> dict[str, Any]:
        """What the checkout hands back; the webhooks wait in the sandbox."""
        path = f"/_sandbox/razorpay/orders/{order.provider_order_id}/pay"
        response = await self.outside("POST", path, {"outcome": outcome, **more})
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    async def verify(self, proof: dict[str, Any]) -> api.OrderView:
        fields = api.proof_from_checkout(proof)
        assert fields
        return await api.verify_checkout(self.house, fields)

    async def deposit(self, person: UUID, amount: str) -> api.OrderView:
        """Money in the wallet, with nothing left to happen."""
        order = await self.order(person, amount)
        await self.pay(order)
        await self.quiet()
        return order

    async def withdraw(
        self, person: UUID, amount: str = "100.00", to: Destination = SUCCESS, key: str = ""
    ) -> api.PayoutView:
        wish = NewPayout(
            owner_kind="person", owner_id=person, amount=rupees(amount), to=to, payee_name="Asha Rao",
            request_key=key or f"key-{next(_keys)}", requested_by=person,
        )  # fmt: skip
        async with self.house.database.transaction() as session:
            row = await reserve_payout(session, wish)
            return await api.payout(session, row.id)

    # the outside

    def client_outside(self) -> httpx.AsyncClient:
        """Somebody who calls the outside without the house."""
        return httpx.AsyncClient(transport=SandboxTransport(self.sandbox), base_url="http://sandbox")

    async def outside(self, method: str, path: str, body: object = None) -> httpx.Response:
        async with self.client_outside() as client:
            return await client.request(method, path, json=body)

    async def fault(self, fault: str, path: str = "*", *, provider: str = "razorpay", count: int = 1) -> None:
        body = {"provider": provider, "path": path, "fault": fault, "count": count}
        assert (await self.outside("POST", "/_sandbox/faults", body)).status_code == 201

    async def deliver(self, delivery: Delivery, **changed: str) -> int:
        """Hand one webhook to the house; `body`, `event_id` and `signature` replace what was sent."""
        headers = {
            b"x-razorpay-signature": changed.get("signature", delivery.headers["X-Razorpay-Signature"]).encode(),
            b"x-razorpay-event-id": changed.get("event_id", delivery.headers["x-razorpay-event-id"]).encode(),
        }
        path = httpx.URL(delivery.url).path
        sender = (f"10.{next(_keys) % 250}.1.1", 443)  # a burst from one address would meet the rate limit
        transport = httpx.ASGITransport(self.app, client=sender)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            response = await client.post(path, content=changed.get("body", delivery.body).encode(), headers=headers)
        return response.status_code

    async def take(self, *deliveries: Delivery) -> None:
        """Hand webhooks in together behind their address, each one's signature checked."""
        arrived = [self._arrived(delivery) for delivery in deliveries]
        async with self.house.database.transaction() as session:
            await take_events(session, arrived)

    def _arrived(self, delivery: Delivery) -> Arrived:
        provider = httpx.URL(delivery.url).path.rpartition("/")[2]
        body, headers = delivery.body.encode(), httpx.Headers(delivery.headers)
        return Arrived(provider, gateway(self.house, provider).read_event(body, headers), body, None)

    def webhooks(self, *names: str) -> list[Delivery]:
        """Webhooks that wait to be delivered, all or those of these events."""
        return [found for found in self.sandbox.pending() if not names or found.event in names]

    def payouts_outside(self) -> list[dict[str, Any]]:
        return [payout.wire() for payout in self.sandbox.world.store.find(Payout, limit=10_000)]

    # time

    async def quiet(self) -> None:
        """Everything that is due, here and outside, until nothing is."""
        while True:
            tries = await self.sandbox.deliver_due()
            ran = await run_due(self.house)
            if not tries and not ran:
                return

    async def pass_time(self, by: timedelta, *, step: timedelta = timedelta(minutes=1)) -> None:
        """Let time pass in steps; after each the janitor looks, and everything due happens."""
        end = self.at.at + by
        while self.at.at < end:
            ahead = min(step, end - self.at.at)
            self.at.advance(ahead)
            self.sandbox_clock.advance(ahead.total_seconds())
            async with self.house.database.transaction() as session:
                await enqueue(session, LookAfter())
            await self.quiet()

    async def let_leases_end(self) -> None:
        """What was running when its process was killed is run again."""
        async with self.house.database.transaction() as session:
            over = "UPDATE kernel.jobs SET state = 'queued', lease_holder = NULL WHERE state = 'running'"
            await session.execute(text(over))  # what the relay makes of a lease that has run out
        await self.quiet()

    async def restart(self) -> None:
        """Start again after a kill: the leases of what was running are over, the provider sends again, time passes."""
        await self.let_leases_end()
        for _ in range(6):
            await self.pass_time(timedelta(minutes=6), step=timedelta(minutes=6))
        async with self.house.database.reading() as session:
            assert await jobs(session, state="running") == []
            assert await jobs(session, state="sent") == []
            left = "SELECT count(*) FROM payments.provider_events WHERE state = 'received'"
            assert (await session.execute(text(left))).scalar_one() == 0

    # the books

    async def balance(self, owner: UUID, owner_kind: str = "person") -> ledger.Balance:
        async with self.house.database.reading() as session:
            return await ledger.balance(session, ledger.AccountRef(owner_kind, owner, "wallet", "INR"))

    async def wallet(self, person: UUID) -> str:
        return str((await self.balance(person)).posted)

    async def available(self, person: UUID) -> str:
        return str((await self.balance(person)).available)

    async def house_balance(self, code: str) -> str:
        async with self.house.database.reading() as session:
            return str((await ledger.balance(session, ledger.house_account(code, "INR"))).posted)

    async def open_items(self, code: str) -> list[str]:
        """What is left of each matter in an account of the house that has to return to zero."""
        async with self.house.database.reading() as session:
            aged = [one for one in await api.ageing(session) if one.account == code]
        return [str(item.amount) for one in aged for item in one.items]

    async def see_order(self, order: api.OrderView) -> api.OrderView:
        async with self.house.database.reading() as session:
            return await api.order(session, order.id)

    async def see_payout(self, payout: api.PayoutView) -> api.PayoutView:
        async with self.house.database.reading() as session:
            return await api.payout(session, payout.id)

    async def see_payout_id(self, payout_id: str) -> api.PayoutView:
        async with self.house.database.reading() as session:
            return await api.payout(session, UUID(payout_id))

    async def give(self, owner: UUID, amount: Money, owner_kind: str = "person") -> None:
        """Money of any currency in a wallet, as if it had been paid in."""
        clearing = ledger.house_account("clearing:razorpay", amount.unit)
        wallet = ledger.AccountRef(owner_kind, owner, "wallet", amount.unit)
        legs = (ledger.debit(clearing, amount), ledger.credit(wallet, amount))
        async with self.house.database.transaction() as session:
            posting = ledger.Posting(key=f"test.gift:{next(_keys)}", kind="payments.deposit", legs=legs)
            await ledger.post(session, posting)

    async def exceptions(self) -> list[tuple[str, str]]:
        async with self.house.database.reading() as session:
            return [(found.kind, found.reason) for found in await api.exceptions(session)]

    async def subjects(self, reason: str) -> list[str]:
        """What an exception of this reason is open for."""
        async with self.house.database.reading() as session:
            return [found.subject for found in await api.exceptions(session) if found.reason == reason]

    async def parked(self) -> list[str]:
        async with self.house.database.reading() as session:
            return [reason for *_, reason in await api.parked_events(session)]

    def change_settings(self, **changed: object) -> None:
        """Other settings of payments, for this house."""
        now = self.house.settings_of(PaymentsSettings)
        kept = {name: getattr(now, name) for name in PaymentsSettings.model_fields}
        settings = PaymentsSettings(**{**kept, **changed})
        self.house.module_settings = {**self.house.module_settings, PaymentsSettings: settings}

    def change_guards(self, **changed: object) -> None:
        """Other guards of payouts, for this house."""
        guards = self.house.settings_of(PayoutGuards).model_copy(update=changed)
        self.house.module_settings = {**self.house.module_settings, PayoutGuards: guards}

    async def check(self) -> None:
        """Every invariant of the house holds."""
        async with self.house.database.reading() as session:
            findings = await check_all(session, self.house.modules)
        assert [found for found in findings if found.violations] == []


def new_person() -> UUID:
    return new_id()


def with_amount(body: str, amount: int, currency: str | None = None) -> str:
    """The body of a payment's event over another amount."""
    document = json.loads(body)
    for holder in document["payload"].values():
        holder["entity"]["amount"] = amount
        if currency:
            holder["entity"]["currency"] = currency
    return json.dumps(document)


@asynccontextmanager
async def open_till(
    settings: KernelSettings, *more: Module, clock_scale: int = 1, guarded: bool = False
) -> AsyncIterator[Till]:
    """The house and the outside; on leaving, every invariant is checked.

    Everybody is paid out to the same few test accounts of the sandbox, at once and at any amount: only a `guarded`
    house minds.
    """
    sandbox_clock = ManualClock(int(START.timestamp() * 1000))
    sandbox = create_sandbox(SandboxSettings(web="http://testserver", clock_scale=clock_scale), now_ms=sandbox_clock)
    mounts = {"http://sandbox": SandboxTransport(sandbox)}
    with clock.held(START) as at:
        async with smtp_server(sandbox.world.inbox, "127.0.0.1", 0) as port:
            ours = {"SMTP_PORT": str(port), **os.environ}  # read while the house is built; a test may have its own
            with patch.dict(os.environ, ours):
                house = build_house(settings, catalogue=catalogue(*more), mounts=mounts)
            app = create_app(house)
            sandbox.send_through(httpx.ASGITransport(app))
            till = Till(house, app, sandbox, at, sandbox_clock)
            if not guarded:
                never = f"INR={10**15}"
                till.change_guards(cooling_hours=0, verify_above=(never,), persons_per_account=10**6, account_limits=())
            try:
                yield till
                await till.check()
            finally:
                await house.close()
                await sandbox.aclose()

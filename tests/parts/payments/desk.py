"""A desk in the office of payments: a house in which everything waits for somebody, and browsers in front of it."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from uuid import UUID

import httpx
from sqlalchemy import text

from tests.parts.payments.gateways import Play, installed_play
from tests.parts.payments.test_provider_events import signed
from tests.parts.payments.till import START, Till, open_till, rupees, with_amount
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.manifest import Module
from tillhouse.kernel.money import Money
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.identity.api import COOKIE
from tillhouse.parts.identity.domain import PersonRole, parse_identifier
from tillhouse.parts.identity.service import people, sessions
from tillhouse.parts.payments import api
from tillhouse.parts.payments.domain import Method, TransferFacts
from tillhouse.parts.payments.flows.reconciliation import reconcile
from tillhouse.parts.payments.service.transfers import settle_transfer

ROOT = "/console/payments"

# What an action may change: it changes nothing where it is denied.
_STATE = """
SELECT md5(string_agg(line, '|' ORDER BY line)) FROM (
    SELECT p.id || p.state AS line FROM payments.payouts p
    UNION ALL SELECT r.id || r.state FROM payments.refunds r
    UNION ALL SELECT e.id || e.state || coalesce(e.reason, '') FROM payments.provider_events e
    UNION ALL SELECT t.id || t.state || t.placed FROM payments.transfers t
    UNION ALL SELECT x.id || coalesce(x.closed_at::text, '') FROM payments.exceptions x
    UNION ALL SELECT s.id || s.state FROM payments.resolutions s
    UNION ALL SELECT b.id::text FROM payments.bank_statements b
    UNION ALL SELECT v.id || v.decision FROM payments.payout_reviews v
    UNION ALL SELECT a.id::text FROM identity.audit a
    UNION ALL SELECT l.id::text FROM ledger.transactions l
    UNION ALL SELECT j.id || j.name FROM kernel.jobs j
) everything
"""


@dataclass
class Seat:
    """Somebody with a browser."""

    id: UUID | None
    client: httpx.AsyncClient
    known: str = ""

    async def see(self, path: str) -> str:
        """The text of a page that has to be there: its tags taken out."""
        answer = await self.client.get(f"{ROOT}{path}")
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text[-800:]}"
        return plain(answer.text)

    async def token(self) -> str:
        """The token of this browser's forms."""
        if not self.known:
            page = await self.client.get(ROOT)
            found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
            self.known = found[1] if found else "none"
        return self.known

    async def post(self, path: str, data: dict[str, str] | None = None, **files: bytes) -> httpx.Response:
        sent = {**(data or {}), "csrf_token": await self.token()}
        attached = {name: ("statement.csv", content, "text/csv") for name, content in files.items()} or None
        return await self.client.post(f"{ROOT}{path}", data=sent, files=attached)

    async def twice(self, path: str, data: dict[str, str] | None = None) -> str:
        """Do something that is asked once more, and confirm what that page shows; returns its text."""
        asked = await self.post(path, data)
        assert asked.status_code == 200, plain(asked.text)
        fields = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)">', asked.text))
        assert fields.pop("confirmed") == "yes"
        fields.pop("csrf_token")
        done = await self.post(path, {**fields, "confirmed": "yes"})
        assert done.status_code == 303, plain(done.text)
        return plain(asked.text)


@dataclass
class Desk:
    """The house, and who sits in it."""

    till: Till
    play: Play
    clients: list[httpx.AsyncClient] = field(default_factory=list)

    async def person(self, name: str) -> UUID:
        address = parse_identifier(f"{name.split(maxsplit=1)[0].lower()}@example.com")
        async with self.till.house.database.transaction() as session:
            return (await people.create(session, name, [address])).id

    async def seat(
        self, name: str = "Meera Iyer", role: PersonRole | None = "staff", assurance: Literal[1, 2] = 2
    ) -> Seat:
        """Somebody new at a browser; nobody for no role."""
        found, cookies = None, {}
        if role:
            address = parse_identifier(f"{name.split(maxsplit=1)[0].lower()}@example.com")
            async with self.till.house.database.transaction() as session:
                person = await people.create(session, name, [address], role=role)
                begun = await sessions.begin(session, person, "pages", "Firefox", assurance)
            found, cookies = person.id, {COOKIE: begun.cookie or ""}
        client = httpx.AsyncClient(
            transport=httpx.ASGITransport(self.till.app), base_url="http://testserver",
            headers={"Accept": "text/html"}, cookies=cookies,
        )  # fmt: skip
        self.clients.append(client)
        return Seat(found, client)

    async def state(self) -> str:
        """A digest of all that an action may change."""
        async with self.till.house.database.reading() as session:
            return str((await session.execute(text(_STATE))).scalar_one())

    async def audited(self) -> list[str]:
        """What was written into the audit log, the oldest first."""
        async with self.till.house.database.reading() as session:
            return list((await session.execute(text("SELECT action FROM identity.audit ORDER BY id"))).scalars())

    async def one(self, query: str, **values: object) -> str:
        async with self.till.house.database.reading() as session:
            return str((await session.execute(text(query), values)).scalar_one())

    # what waits

    async def parked_event(self, person: UUID) -> str:
        """An event over another amount than was asked for: put aside."""
        order = await self.till.order(person, "150.00")
        await self.till.pay(order)
        delivery = next(one for one in self.till.webhooks() if one.event == "payment.captured")
        body = with_amount(delivery.body, 14_000)
        assert await self.till.deliver(delivery, body=body, signature=signed(body), event_id="evt_altered") == 200
        await self.till.quiet()
        return await self.one("SELECT id FROM payments.provider_events WHERE event_id = 'evt_altered'")

    async def dispute(self, order: api.OrderView) -> UUID:
        async with self.till.house.database.reading() as session:
            payment = (await api.payments_of(session, order.id))[0]
        path = f"/_sandbox/razorpay/payments/{payment.provider_payment_id}/dispute"
        assert (await self.till.outside("POST", path, {})).status_code < 300
        await self.till.quiet()
        return UUID(await self.one("SELECT id FROM payments.disputes WHERE payment_id = :id", id=payment.id))

    async def transfer(self, amount: int, content: str, *, out: bool = False) -> UUID:
        number = str(len(self.play.transfers) + 1)
        facts = TransferFacts(
            "play", number, "0123456789", Money(amount, "VND"), "out" if out else "in", content, None, START
        )
        self.play.transfers.append(facts)
        async with self.till.house.database.transaction() as session:
            await settle_transfer(session, facts)
        return UUID(await self.one("SELECT id FROM payments.transfers WHERE transfer_id = :number", number=number))

    async def transfer_order(self, person: UUID, amount: int) -> api.OrderView:
        wish = api.NewOrder(
            owner_kind="person", owner_id=person, amount=Money(amount, "VND"), purpose="wallet_deposit",
            request_key=str(new_id()), method=Method.BANK_TRANSFER, country="VN",
        )  # fmt: skip
        return await api.start_order(self.till.house, wish)

    async def exception(self) -> str:
        """Razorpay reports a rupee more than was paid."""
        await self.till.deposit(await self.person("Kiran Rao"), "100.00")
        settled = (await self.till.outside("POST", f"/_sandbox/razorpay/settlements/run?day={START.date()}")).json()
        path = f"/_sandbox/razorpay/settlements/{settled['id']}/distort"
        assert (await self.till.outside("POST", path, {"kind": "amount"})).status_code < 300
        await reconcile(self.till.house, "razorpay", START.date())
        return await self.one("SELECT id FROM payments.exceptions WHERE reason = 'amount'")

    async def waiting_payout(self, person: UUID, amount: str = "600.00") -> api.PayoutView:
        """A payout that is too large to leave by itself; `person` has the money for it and some more."""
        self.till.change_settings(withdrawal_approval_above=50_000)
        await self.till.give(person, rupees(amount) + rupees("100.00"))
        return await self.till.withdraw(person, amount)


@asynccontextmanager
async def open_desk(settings: KernelSettings) -> AsyncIterator[Desk]:
    """A house with a gateway whom people pay by transfer beside Razorpay."""
    play = Play()
    module = Module(
        name="play", title="Play", floor="product", folder=Path(__file__).parent, requires=("payments",),
        provides=lambda house: (installed_play(play),),
    )  # fmt: skip
    async with open_till(settings, module) as till:
        till.change_settings(gateways=("razorpay", "play"))
        desk = Desk(till, play)
        try:
            yield desk
        finally:
            for client in desk.clients:
                await client.aclose()


def plain(page: str) -> str:
    body = re.sub(r"<(head|nav|aside|template)\b.*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body)).replace("\u00a0", " ").strip()

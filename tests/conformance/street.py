"""Everyone who may stand at the door of the API, what belongs to them, and a digest of everything that is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
from fastapi import FastAPI
from limits import RateLimitItem, WindowStats

from tests.parts.billing.counter import SMALL
from tillhouse.kernel import clock
from tillhouse.kernel.access import SYSTEM, Permission, Role
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.limits import Limiter
from tillhouse.kernel.money import Money
from tillhouse.parts.ai.api import images
from tillhouse.parts.ai.api.spending import CountedCall, PlannedCall, Quote, SpendGuard
from tillhouse.parts.ai.domain.calls import Owner, Use
from tillhouse.parts.channels.models import NoticeRow
from tillhouse.parts.identity import store
from tillhouse.parts.identity.domain import Assurance, PersonRole, parse_identifier
from tillhouse.parts.identity.service import machines, people, sessions
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.wallets import api as wallets

# A caller of each kind, by the roles and assurance that the words of `Permission` give them.
ROLES: Mapping[str, frozenset[Role]] = {
    "person": frozenset({"user"}),
    "other": frozenset({"user"}),
    "staff": frozenset({"user", "staff"}),
    "admin": frozenset({"user", "staff", "admin"}),
}
PERSON_ROLES: Mapping[str, PersonRole] = {"person": "user", "other": "user", "staff": "staff", "admin": "admin"}

# What people send.
EARNING: dict[str, object] = {
    "platform": "uber", "gross": "1450.00", "commission": "319", "incentive": "0", "tip": "20", "currency": "INR",
    "paid_in": "cash", "trips": 10, "minutes": 480, "distance_km": "62.5", "started_at": None,
    "business_date": "2026-11-18", "external_ref": None, "note": "",
}  # fmt: skip
EXPENSE: dict[str, object] = {
    "category": "fuel", "amount": "520", "currency": "INR", "spent_at": None, "business_date": None, "note": "",
}  # fmt: skip
PAYOUT: dict[str, object] = {
    "amount": "1", "currency": "INR", "destination": {"type": "vpa", "vpa": "success@razorpay"},
}  # fmt: skip


async def _nothing(_session: Session, _call: PlannedCall | CountedCall | UUID) -> None:
    """Whatever models are used for may be spent."""


async def _free(_session: ReadSession, _call: PlannedCall) -> Quote:
    """All of it is the house's."""
    return Quote(Money(0, "POINTS"), Money(0, "POINTS"))


OPEN_PURSE = SpendGuard(name="street", quote=_free, reserve=_nothing, capture=_nothing, release=_nothing)


class Patient(Limiter):
    """Counts as the real one does, and lets everyone through: the limits are tested by themselves."""

    async def hit(self, item: RateLimitItem, bucket: str, key: str) -> tuple[bool, WindowStats]:
        _, window = await super().hit(item, bucket, key)
        return True, window


@dataclass(frozen=True)
class Caller:
    """Someone with a credential, or nobody. `scopes` are a machine's."""

    name: str
    id: UUID | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    roles: frozenset[Role] = frozenset()
    assurance: Assurance = 1
    scopes: frozenset[str] = frozenset()

    def may(self, permission: Permission) -> bool:
        """What the permission's declaration says of this caller."""
        if "machine" in self.roles:
            return permission.name in self.scopes and "machine" in permission.roles
        return bool(self.roles & permission.roles) and self.assurance >= permission.assurance


NOBODY = Caller("nobody")


@dataclass
class Street:
    """The house, and `client` in front of it."""

    house: House
    app: FastAPI
    client: httpx.AsyncClient

    async def someone(self, name: str, assurance: Assurance = 1) -> Caller:
        """A confirmed person, signed in."""
        async with self.house.database.transaction() as session:
            identifiers = [parse_identifier(f"{name}@example.com"), parse_identifier(f"{name}@example.org")]
            person = await people.create(session, name.title(), identifiers, role=PERSON_ROLES[name])
        return await self.signed_in(Caller(name, person.id, {}, ROLES[name], assurance))

    async def signed_in(self, who: Caller) -> Caller:
        """The same caller in a session of its own, which other calls cannot have ended."""
        if who.id is None or "machine" in who.roles:
            return who
        async with self.house.database.transaction() as session:
            row = await store.lock_person(session, who.id)
            assert row
            tokens = (await sessions.begin(session, row, "api", "Firefox", who.assurance)).tokens
        assert tokens
        bearer = {"Authorization": f"Bearer {tokens.access_token}"}
        return Caller(who.name, who.id, bearer, who.roles, who.assurance)

    async def machine(self, name: str, *scopes: str) -> Caller:
        """A key with these scopes and no others, used just now."""
        async with self.house.database.transaction() as session:
            made = await machines.create(session, SYSTEM, name, sorted(machines.offered_scopes(self.house)))
            made.row.scopes = list(scopes)
            made.row.used_at = clock.now()  # noted once a minute at most, so that no call under test notes it
        bearer = {"Authorization": f"Bearer {made.key}"}
        return Caller(name, made.row.id, bearer, frozenset({"machine"}), 1, frozenset(scopes))

    async def give(self, who: Caller, amount: str) -> None:
        """Money in a wallet, as if it had been paid in."""
        money = Money.parse(amount, "INR")
        assert who.id
        wallet, clearing = wallets.account_ref(who.id, "INR"), ledger.house_account("clearing:razorpay", "INR")
        legs = (ledger.debit(clearing, money), ledger.credit(wallet, money))
        posting = ledger.Posting(key=f"gift:{who.id}", kind="payments.deposit", legs=legs, effective_at=clock.now())
        async with self.house.database.transaction() as session:
            await ledger.post(session, posting)

    async def belongings(self, who: Caller) -> dict[str, list[str]]:
        """One of everything a person can have, by the name it has in a path; those called `id` are told apart."""
        found = {
            "file_id": await self._made(who, "/files", files={"file": ("a.txt", b"ours", "text/plain")}),
            "earning_id": await self._made(who, "/earnings", json=EARNING),
            "expense_id": await self._made(who, "/expenses", json=EXPENSE),
            "order": await self._made(who, "/wallets/deposit", json={"amount": "150", "currency": "INR"}),
            "payout": await self._made(who, "/wallets/withdraw", json=PAYOUT),
            "payee_id": await self._made(who, "/payments/payees", json={"destination": PAYOUT["destination"]}),
            "card_id": await self._made(who, "/subscriptions/card", json={"currency": "INR"}),
            "wallet_id": (await self._got(who, "/wallets"))["items"][0]["id"],
            "session_id": (await self._got(who, "/users/me/sessions"))["items"][0]["id"],
            "identifier_id": (await self._got(who, "/users/me"))["identifiers"][0]["id"],
            "device_id": await self._made(who, "/channels/push-tokens", json={"token": f"phone-of-{who.id}"}),
            "person_id": str(who.id),
            "provider": "razorpay",
            **await self._organisation(who),
            **await self._plan(who),
        }
        found["image_job_id"] = await self._pictures(who, found["file_id"])
        found["notice_id"] = await self._notice(who)
        ids = {name: [one] for name, one in found.items()}
        return {**ids, "id": [found["order"], found["payout"]]}

    async def _organisation(self, who: Caller) -> dict[str, str]:
        """An organisation that the caller owns, and an invitation to it that waits."""
        mine = [one["id"] for one in (await self._got(who, "/organisations"))["items"] if one["role"] == "owner"]
        rao = {"name": "Rao & Sons", "country": "IN"}
        organisation = mine[0] if mine else await self._made(who, "/organisations", json=rao)
        path = f"/organisations/{organisation}/invitations"
        waiting = (await self._got(who, path))["items"]
        guest = {"email": "guest@example.com", "role": "member"}
        invitation = waiting[0]["id"] if waiting else await self._made(who, path, json=guest)
        return {"organisation_id": organisation, "invitation_id": invitation}

    async def _plan(self, who: Caller) -> dict[str, str]:
        """A plan that the caller has begun, and its invoice."""
        if not await self._got(who, "/subscriptions/mine"):
            await self._made(who, "/subscriptions", json={"plan": SMALL.code, "currency": "INR", "months": 1})
        (mine, *_) = await self._got(who, "/subscriptions/mine")
        (invoice, *_) = (await self._got(who, "/subscriptions/invoices"))["items"]
        return {"subscription_id": mine["id"], "invoice_id": invoice["id"]}

    async def _notice(self, who: Caller) -> str:
        """Something that the house told the caller."""
        assert who.id
        row = NoticeRow(id=new_id(), person_id=who.id, title="Hello", body="Hello", url="/", created_at=clock.now())
        async with self.house.database.transaction() as session:
            session.add(row)
        return str(row.id)

    async def _pictures(self, who: Caller, file_id: str) -> str:
        assert who.id
        order = images.TuneOrder(subject="woman", photos=[UUID(file_id)])
        async with self.house.database.transaction() as session:
            return str((await images.order(session, Use(Owner("person", who.id), "street.pictures"), order)).id)

    async def _made(self, who: Caller, path: str, **body: Any) -> str:
        headers = {**who.headers, "Idempotency-Key": str(uuid4())}
        answer = await self.client.post(f"/api/v1{path}", headers=headers, **body)
        assert answer.status_code in (201, 202), answer.text
        return str(answer.json()["id"])

    async def _got(self, who: Caller, path: str) -> Any:
        answer = await self.client.get(f"/api/v1{path}", headers=who.headers)
        assert answer.status_code == 200, answer.text
        return answer.json()


class Archive:
    """Looks at the database from outside: every row of every table, by its place and the transaction that wrote it."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]", question: str) -> None:
        self._connection = connection
        self._question = question

    @classmethod
    async def opened(cls, connection: "asyncpg.Connection[asyncpg.Record]") -> "Archive":
        tables = await connection.fetch(
            "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables"
            " WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"
        )
        each = "SELECT '{0}', count(*), coalesce(sum(hashtext(ctid::text || ' ' || xmin::text)), 0) FROM {0}"
        return cls(connection, " UNION ALL ".join(each.format(table["name"]) for table in tables))

    async def digest(self) -> dict[str, tuple[int, int]]:
        """How many rows each table has, and which versions of them: an UPDATE that changes no value shows too."""
        return {table: (count, rows) for table, count, rows in await self._connection.fetch(self._question)}


def changed(before: Mapping[str, tuple[int, int]], after: Mapping[str, tuple[int, int]]) -> list[str]:
    """The tables that are not as they were."""
    return [table for table in after if after[table] != before[table]]

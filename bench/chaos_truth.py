"""What the outside says of the money, held against our books: lost, double, stuck.

The sandbox's memory is read from its file: what its people paid, what it paid out, what it gave back. It is killed as
often as we are, and forgets nothing that it answered.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from bench.chaos_load import Load
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.house import House
from tillhouse.parts.ledger import api as ledger

Wire = dict[str, Any]
_DISPUTES = {"dispute": "razorpay", "stripe_dispute": "stripe", "omise_dispute": "omise"}
Paid = tuple[str, str, int, str]  # provider, the payment's id there, minor units, currency


@dataclass(frozen=True)
class Given:
    """A refund there. One without our reference was made at the dashboard."""

    provider: str
    id: str
    payment: str
    reference: str
    amount: int


@dataclass
class Outside:
    """The outside as it is now."""

    payments: set[Paid] = field(default_factory=set)
    payouts: list[tuple[str, str]] = field(default_factory=list)  # our reference, where it stands
    arrived: dict[str, int] = field(default_factory=dict)  # what the payee's bank got, by our reference
    refunds: list["Given"] = field(default_factory=list)
    lost: dict[tuple[str, str], int] = field(default_factory=dict)  # disputes, by provider and id: their amounts
    forms: dict[str, int] = field(default_factory=dict)  # orders of SePay's gateway that were paid, by our number
    transfers: dict[str, int] = field(default_factory=dict)  # to our bank account, by number

    @classmethod
    def read(cls, path: Path) -> "Outside":
        found = cls()
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as memory:
            for kind, data in memory.execute("SELECT kind, data FROM record"):
                found._take(kind, json.loads(data))
        return found

    def _take(self, kind: str, one: Wire) -> None:
        if kind == "payment" and one["captured"]:
            self.payments.add(("razorpay", one["id"], one["amount"], one["currency"]))
        elif kind == "stripe_payment_intent" and one["status"] == "succeeded":
            self.payments.add(("stripe", one["id"], one["amount"], one["currency"].upper()))
        elif kind == "omise_charge" and one["status"] == "successful":
            self.payments.add(("omise", one["id"], one["amount"], one["currency"].upper()))
        elif kind == "sepay_transaction" and one["transfer_type"] == "in":
            self.transfers[str(one["number"])] = one["amount"]
        elif kind == "payout":
            self.payouts.append((one["reference_id"], one["status"]))
            self.arrived[one["reference_id"]] = one["amount"]
        elif kind == "omise_transfer" and not one["deleted"]:
            ended = "failed" if one["failure_code"] else "processed" if one["paid"] else "processing"
            self.payouts.append((one["metadata"].get("reference", ""), ended))
            self.arrived[one["metadata"].get("reference", "")] = one["net"]
        elif kind == "sepay_order" and one["status"] == "CAPTURED":
            self.forms[one["id"]] = one["amount"]
        elif kind == "stripe_transfer":
            self.payouts.append((one["transfer_group"] or "", "reversed" if one["reversed"] else "processed"))
        elif kind in _DISPUTES and one["status"] == "lost":
            self.lost[(_DISPUTES[kind], one["id"])] = one["amount"]
        else:
            self._take_refund(kind, one)

    def _take_refund(self, kind: str, one: Wire) -> None:
        if kind == "refund" and one["status"] != "failed":
            given = Given("razorpay", one["id"], one["payment_id"], one["receipt"] or "", one["amount"])
        elif kind == "stripe_refund" and one["status"] not in ("failed", "canceled"):
            reference = one["metadata"].get("reference", "")
            given = Given("stripe", one["id"], one["payment_intent"], reference, one["amount"])
        elif kind == "omise_refund":
            given = Given("omise", one["id"], one["charge"], one["metadata"].get("reference", ""), one["amount"])
        else:
            return
        self.refunds.append(given)


@dataclass
class Verdict:
    """What is wrong, a sentence for each."""

    lost: list[str] = field(default_factory=list)
    double: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)


async def judge(house: House, load: Load, outside: Outside) -> Verdict:
    """Compare the books with the outside and with what clients were told."""
    found = Verdict()
    async with house.database.reading() as session:
        await _payments(session, outside, found)
        await _payouts(session, outside, found)
        _refunds(outside, found)
        await _wallets(session, outside, found)
        await _promises(session, load, found)
        await _postings(session, load, found)
        found.stuck += await still_open(session)
    return found


async def _payments(session: ReadSession, outside: Outside, found: Verdict) -> None:
    query = (
        "SELECT provider, provider_payment_id, amount, currency FROM payments.payments WHERE captured_at IS NOT NULL"
    )
    booked = Counter([tuple(row) async for row in _rows(session, query)])
    by_gateway = {paid for paid in booked if paid[0] != "sepay"}
    found.lost += [f"paid at {paid[0]}, not booked: {paid}" for paid in sorted(outside.payments - by_gateway)]
    found.double += [f"booked, not paid: {paid}" for paid in sorted(by_gateway - outside.payments)]
    query = """SELECT o.provider_order_id, p.amount
               FROM payments.payments AS p JOIN payments.orders AS o ON o.id = p.order_id
               WHERE p.provider = 'sepay' AND o.method = 'checkout' AND p.captured_at IS NOT NULL"""
    forms = {str(number): int(amount) async for number, amount in _rows(session, query)}
    found.lost += [f"SePay's order {number} is not booked" for number in sorted(outside.forms.keys() - forms.keys())]
    found.double += [f"SePay's order {number} is not paid" for number in sorted(forms.keys() - outside.forms.keys())]
    query = "SELECT transfer_id, amount FROM payments.transfers WHERE direction = 'in'"
    taken = {str(number): int(amount) async for number, amount in _rows(session, query)}
    found.lost += [f"transfer {number} not taken in" for number in sorted(outside.transfers.keys() - taken.keys())]
    found.double += [f"transfer {number} invented" for number in sorted(taken.keys() - outside.transfers.keys())]


async def _payouts(session: ReadSession, outside: Outside, found: Verdict) -> None:
    sent = Counter(reference for reference, _ in outside.payouts)
    found.double += [f"payout {reference} was sent {times} times" for reference, times in sent.items() if times > 1]
    query = "SELECT id, state, amount FROM payments.payouts"
    rows = [(str(row[0]), str(row[1]), int(row[2])) async for row in _rows(session, query)]
    ours = {reference: state for reference, state, _ in rows}
    for reference, _, promised in rows:
        arrived = outside.arrived.get(reference, promised)
        if arrived != promised:
            sentence = f"payout {reference} promised {promised}, and {arrived} arrives"
            (found.double if arrived > promised else found.lost).append(sentence)
    for reference, state in outside.payouts:
        if ours.get(reference) != state and state in ("processed", "reversed", "failed"):
            found.stuck.append(f"payout {reference} is {state} outside and {ours.get(reference)} here")
    found.lost += [
        f"payout {reference} is processed here, and nobody paid it"
        for reference, state in ours.items()
        if state == "processed" and reference not in sent
    ]


def _refunds(outside: Outside, found: Verdict) -> None:
    made = Counter(given.reference for given in outside.refunds if given.reference)
    found.double += [f"refund {reference} was made {times} times" for reference, times in made.items() if times > 1]


Owner = tuple[str, UUID, str]


async def _wallets(session: ReadSession, outside: Outside, found: Verdict) -> None:
    """Each owner has what was paid for them, less what was paid out to them, given back, or taken by their bank."""
    due: dict[Owner, int] = defaultdict(int)
    taken = await _taken_back(session, outside, found)
    query = """SELECT p.provider, p.provider_payment_id, o.owner_kind, o.owner_id, o.currency, p.amount
               FROM payments.payments AS p JOIN payments.orders AS o ON o.id = p.order_id
               WHERE p.captured_at IS NOT NULL"""
    async for provider, payment, kind, owner, currency, amount in _rows(session, query):
        due[(kind, owner, currency)] += amount - min(amount, taken[(provider, payment)])
    query = "SELECT id, owner_kind, owner_id, currency, amount FROM payments.payouts"
    paid_out = {reference for reference, state in outside.payouts if state == "processed"}
    async for reference, kind, owner, currency, amount in _rows(session, query):
        if str(reference) in paid_out:
            due[(kind, owner, currency)] -= amount
    have = await _have(session, list(due))
    for owed, sum_due in due.items():
        if have[owed] != sum_due:
            sentence = f"{owed[1]} has {have[owed]} {owed[2]}, and should have {sum_due}"
            (found.double if have[owed] > sum_due else found.lost).append(sentence)


async def _taken_back(session: ReadSession, outside: Outside, found: Verdict) -> Counter[tuple[str, str]]:
    """What went back of each payment: refunds of ours, those of a dashboard and lost disputes as far as we were told of
    them. Of the others, whose webhook was lost, the house asks twice a day: longer than this bench waits.
    """
    query = "SELECT provider, provider_refund_id FROM payments.refunds WHERE provider_refund_id IS NOT NULL"
    known = {(str(provider), str(refund)) async for provider, refund in _rows(session, query)}
    taken: Counter[tuple[str, str]] = Counter()
    for given in outside.refunds:
        if given.reference or (given.provider, given.id) in known:
            taken[(given.provider, given.payment)] += given.amount
    query = """SELECT d.provider, d.provider_dispute_id, p.provider_payment_id, d.amount
               FROM payments.disputes AS d JOIN payments.payments AS p ON p.id = d.payment_id WHERE d.state = 'lost'"""
    async for provider, dispute, payment, amount in _rows(session, query):
        if outside.lost.get((provider, dispute)) == amount:
            taken[(provider, payment)] += amount
        else:
            found.lost.append(f"dispute {dispute} over {amount} is lost here, and not there")
    return taken


async def _have(session: ReadSession, owners: list[Owner]) -> dict[Owner, int]:
    """What owners have in their wallets, less what they owe."""
    wallets = [ledger.AccountRef(kind, owner, "wallet", unit) for kind, owner, unit in owners]
    debts = [ledger.AccountRef(kind, owner, "receivable", unit) for kind, owner, unit in owners]
    balances = await ledger.balances(session, [*wallets, *debts])
    return {
        owner: balances[wallet].posted.minor - balances[debt].posted.minor
        for owner, wallet, debt in zip(owners, wallets, debts, strict=True)
    }


async def _promises(session: ReadSession, load: Load, found: Verdict) -> None:
    for name, table, told in (
        ("order", "orders", set(load.orders)), ("payout", "payouts", load.payouts), ("refund", "refunds", load.refunds)
    ):  # fmt: skip
        there = {str(row[0]) async for row in _rows(session, f"SELECT id FROM payments.{table}")}
        found.lost += [f"{name} {one} was promised and is not there" for one in sorted(told - there)]


async def _postings(session: ReadSession, load: Load, found: Verdict) -> None:
    account = ledger.AccountRef("ledger", load.ledger_owner, "customer:balance", "INR")
    posted, promised = (await ledger.balance(session, account)).posted.minor, sum(load.posted.values())
    if posted < promised:
        found.lost.append(f"the ledger has {posted} of the {promised} that were posted")
    elif posted > promised and not any(one.startswith("post ") for one in load.unanswered):
        found.double.append(f"the ledger has {posted}, and {promised} were posted")


_OPEN = (
    ("payout", "SELECT id, state FROM payments.payouts WHERE state NOT IN "
               "('processed', 'reversed', 'failed', 'rejected', 'cancelled')"),
    ("refund", "SELECT id, state FROM payments.refunds WHERE state NOT IN ('processed', 'failed')"),
    ("event", "SELECT id, name FROM payments.provider_events WHERE state = 'received'"),
    ("order", "SELECT id, state FROM payments.orders WHERE state = 'authorized'"),
    ("job", "SELECT id, name FROM kernel.jobs WHERE state IN ('queued', 'sent', 'running') "
            "AND run_at < now() - interval '45 seconds'"),
    ("outbox event", "SELECT id, name FROM kernel.events WHERE dispatched_at IS NULL "
                     "AND emitted_at < now() - interval '30 seconds'"),
)  # fmt: skip


async def still_open(session: ReadSession) -> list[str]:
    """What is not at its end yet."""
    return [f"{what} {one} is {state}" for what, query in _OPEN async for one, state in _rows(session, query)]


async def waits(house: House, outside: Outside) -> list[str]:
    """What has to end before the house is at rest: what is open, and what was paid and is not booked."""
    found = Verdict()
    async with house.database.reading() as session:
        await _payments(session, outside, found)
        await _payouts(session, outside, found)
        return [*await still_open(session), *found.lost, *found.stuck]


async def exceptions(house: House) -> dict[str, int]:
    """What was put before people, by why."""
    query = "SELECT kind || ': ' || reason, count(*) FROM payments.exceptions GROUP BY 1 ORDER BY 1"
    async with house.database.reading() as session:
        return {str(reason): int(times) async for reason, times in _rows(session, query)}


async def _rows(session: ReadSession, query: str) -> AsyncIterator[tuple[Any, ...]]:
    for row in (await session.execute(text(query))).all():
        yield tuple(row)

"""Accounts that have to return to zero, and the open items that make up what they hold.

An item is all entries of an account about one matter: a payment, a settlement, a payout, a line of the bank. Items are
counted from the ledger's own entries, once: each account's entries have numbers without a gap, and a cursor remembers
how far they are counted. What is newer is counted on top when somebody looks, so a report is never behind the books.
Bank transfers in suspense are read from their rows instead: several pay one order, and one pays several.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.money import Money
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments.domain.reconciliation import BUCKETS, bucket_of, days_of
from tillhouse.parts.payments.service.attention import look_into
from tillhouse.parts.payments.service.books import TRANSFERS
from tillhouse.parts.payments.service.registry import settings_of
from tillhouse.parts.payments.store import open_items as store
from tillhouse.parts.payments.store import reconciliation as exceptions
from tillhouse.parts.payments.store import transfers

KINDS = ("clearing", "settling", "payouts", "suspense")
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class OpenItem:
    """What is left of one matter, in the account's natural sign, and how long it has been there."""

    item: str
    amount: Money
    since: datetime
    age: timedelta
    bucket: str


@dataclass(frozen=True, slots=True)
class AgedAccount:
    """An account with what makes up its balance, oldest first. The items' sum is the balance."""

    account: str
    balance: Money
    items: tuple[OpenItem, ...]

    def sums(self) -> dict[str, Money]:
        """The sum of each age bucket, youngest first."""
        found = {name: Money(0, self.balance.unit) for name, _ in BUCKETS}
        for item in self.items:
            found[item.bucket] += item.amount
        return found


@dataclass(frozen=True, slots=True)
class _Counted:
    sequence: int
    balance: int
    items: dict[str, tuple[int, datetime]]
    touched: frozenset[str]


async def ageing(session: ReadSession) -> list[AgedAccount]:
    """Every account that has to return to zero, with its open items, as of now."""
    return [await _aged(session, account) for account in await _accounts(session)]


async def count_items(session: Session) -> None:
    """Write down the open items up to now, so that looking stays quick."""
    await exceptions.take_turns(session, "payments.open_items")
    for account in await _accounts(session):
        if account.code == TRANSFERS:
            continue
        counted = await _count(session, account)
        changed = {item: counted.items.get(item, (0, clock.now())) for item in counted.touched}
        await store.replace_items(session, account.code, account.unit, changed)
        await store.move_cursor(session, account.code, account.unit, counted.sequence, counted.balance)


async def name_too_old(session: Session) -> None:
    """Put each item that is older than its kind of account allows before a person, once."""
    allowed = days_of(settings_of(session).ageing_days)
    for account in await ageing(session):
        kind = account.account.partition(":")[0]
        if kind not in allowed:
            continue
        old = {
            f"{account.account}:{one.amount.unit}:{one.item}": one
            for one in account.items
            if one.age.days > allowed[kind]
        }
        named = await exceptions.was_named(session, old.keys(), "too_old_in_clearing")
        for subject in old.keys() - named:
            item = old[subject]
            await look_into(
                session, "ageing", subject, "too_old_in_clearing",
                amount=item.amount.minor, currency=item.amount.unit, account=account.account, item=item.item,
                since=item.since.isoformat(),
            )  # fmt: skip


async def items_make_up_balances(session: ReadSession) -> Sequence[str]:
    """One line for each account whose open items are not what it holds."""
    wrong = await store.items_that_do_not_sum_up(session)
    for account in await ageing(session):
        total = sum((item.amount for item in account.items), Money(0, account.balance.unit))
        if total != account.balance:
            wrong.append(f"the open items of {account.account} sum to {total}, its balance is {account.balance}")
    return wrong


async def _aged(session: ReadSession, account: ledger.AccountRef) -> AgedAccount:
    if account.code == TRANSFERS:
        held = await ledger.balance(session, account)
        return _by_age(account, held.posted.minor, await transfers.unplaced(session, account.unit))
    counted = await _count(session, account)
    return _by_age(account, counted.balance, counted.items)


def _by_age(account: ledger.AccountRef, balance: int, found: Mapping[str, tuple[int, datetime]]) -> AgedAccount:
    now = clock.now()
    items = [
        OpenItem(item, Money(amount, account.unit), since, now - since, bucket_of(now - since))
        for item, (amount, since) in found.items()
    ]
    items.sort(key=lambda one: (one.since, one.item))
    return AgedAccount(account.code, Money(balance, account.unit), tuple(items))


async def _count(session: ReadSession, account: ledger.AccountRef) -> _Counted:
    sequence, balance, items = await store.counted(session, account.code, account.unit)
    touched: set[str] = set()
    last = sequence
    async for line in _newer(session, account, sequence):
        if line.sequence > last:
            last, balance = line.sequence, line.balance.minor
        item = _item_of(account.code, line)
        amount, since = items.get(item, (0, line.recorded_at))
        items[item] = amount + line.amount.minor, min(since, line.recorded_at)
        touched.add(item)
    left = {item: found for item, found in items.items() if found[0]}
    return _Counted(last, balance, left, frozenset(touched))


async def _newer(
    session: ReadSession, account: ledger.AccountRef, sequence: int
) -> AsyncIterator[ledger.StatementLine]:
    """Entries of an account after the one of that number, newest first."""
    before: int | None = None
    while True:
        lines = await ledger.statement(session, account, limit=_PAGE, before=before)
        for line in lines:
            if line.sequence <= sequence:
                return
            yield line
        if len(lines) < _PAGE:
            return
        before = lines[-1].transaction_id


def _item_of(code: str, line: ledger.StatementLine) -> str:
    """What an entry is about: what its posting says, else its payout, else the transaction that it began with."""
    items = line.metadata.get("items")
    named = items.get(code) if isinstance(items, dict) else None
    if isinstance(named, str):
        return named
    payout = line.metadata.get("payout")
    if code.startswith("payouts:") and isinstance(payout, str):
        return payout
    return str(line.reverses or line.transaction_id)


async def _accounts(session: ReadSession) -> list[ledger.AccountRef]:
    found = await ledger.balances_of_owner(session, "house", None)
    return [one.account for one in found if one.account.code.partition(":")[0] in KINDS]

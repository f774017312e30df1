"""What was held at a past effective time, as it was known at a past recorded time. None of it takes a lock.

Two times, each the last instant that counts, each optional: without `effective` everything recorded counts (as in
`balance`, what was dated into the future too), without `recorded` everything known by now.

Every answer says whether it is `stable`: it is once `recorded` lies below the watermark, and no posting can change it
any more. One that is not is what was committed when it was read.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain import AccountRef, BalanceAt, StatementAt, StatementLine
from tillhouse.parts.ledger.service.charts import chart_of
from tillhouse.parts.ledger.store import history
from tillhouse.parts.ledger.store.history import Amounts, Point


async def watermark(session: ReadSession) -> datetime:
    """The instant below which no posting can appear any more: what is read as known before it is final."""
    return await history.watermark(session)


async def balance_at(
    session: ReadSession, account: AccountRef, *, effective: datetime | None = None, recorded: datetime | None = None
) -> BalanceAt:
    """What `account` held at `effective`, as known at `recorded`; zero when it had never been used.

    Raises `InvalidInput` for a time without a zone, `UnknownAccount`.
    """
    found = await balances_at(session, [account], effective=effective, recorded=recorded)
    return found[account]


async def balances_at(
    session: ReadSession,
    accounts: Collection[AccountRef],
    *,
    effective: datetime | None = None,
    recorded: datetime | None = None,
) -> Mapping[AccountRef, BalanceAt]:
    """What each of `accounts` held, all at one point. Raises as `balance_at` does."""
    for account in accounts:
        chart_of(session).account_kind(account)
    point, stable = await _point(session, effective, recorded)
    amounts = dict(await history.balances_at(session, accounts, point))
    found = [(account, amounts.get(account, Money(0, account.unit))) for account in accounts]
    return {one.account: one for one in _answers(found, point, stable=stable)}


async def curve(session: ReadSession, account: AccountRef, instants: Sequence[datetime]) -> Sequence[Money]:
    """What `account` held at each of `instants` by effective time, as known by now: one query. For charts.

    Raises `InvalidInput` for a time without a zone.
    """
    for instant in instants:
        _require_zones(effective=instant)
    return await history.curve(session, account, instants)


async def balances_of_owner_at(
    session: ReadSession,
    owner_kind: str,
    owner_id: UUID | None,
    *,
    effective: datetime | None = None,
    recorded: datetime | None = None,
) -> Sequence[BalanceAt]:
    """What every account of an owner held, in the order of code and unit. Raises `InvalidInput`."""
    point, stable = await _point(session, effective, recorded)
    return _answers(await history.owner_balances_at(session, owner_kind, owner_id, point), point, stable=stable)


async def all_balances_at(
    session: ReadSession, *, effective: datetime | None = None, recorded: datetime | None = None
) -> Sequence[BalanceAt]:
    """The trial balance: every account that was ever posted to. One query; per unit the debits equal the credits.

    Raises `InvalidInput`.
    """
    point, stable = await _point(session, effective, recorded)
    return _answers(await history.all_balances_at(session, point), point, stable=stable)


async def statement_at(
    session: ReadSession,
    account: AccountRef,
    *,
    limit: int,
    since: datetime | None = None,
    until: datetime | None = None,
    recorded: datetime | None = None,
    after: StatementLine | None = None,
) -> StatementAt:
    """The first `limit` entries that took effect from `since` to before `until`, in that order, as known at `recorded`.

    For the next page give the last line as `after`, and the same times; the pages are one statement if it is stable.
    Raises `InvalidInput` for a time without a zone, `UnknownAccount`.
    """
    _require_zones(since=since, until=until)
    if after is not None:
        opening, (point, stable) = after.balance, await _point(session, None, recorded)
    else:
        before = None if since is None else since - timedelta(microseconds=1)
        found = await balance_at(session, account, effective=before, recorded=recorded)
        opening = found.posted if since is not None else Money(0, account.unit)
        point, stable = Point(before, recorded), found.stable
    lines = await history.lines_at(
        session, account, since=since, until=until, known=point.known, limit=limit,
        after=None if after is None else (after.effective_at, after.transaction_id),
    )  # fmt: skip
    shown = tuple(replace(line, balance=opening + line.balance) for line in lines)
    return StatementAt(opening=opening, lines=shown, recorded=recorded, stable=stable)


async def _point(session: ReadSession, effective: datetime | None, recorded: datetime | None) -> tuple[Point, bool]:
    """The point, and whether it is final. Read before the rows, in a statement of its own: that is what makes it so."""
    _require_zones(effective=effective, recorded=recorded)
    stable = recorded is not None and recorded < await history.watermark(session)
    return Point(effective, recorded), stable


def _answers(amounts: Amounts, point: Point, *, stable: bool) -> list[BalanceAt]:
    return [
        BalanceAt(account=account, posted=amount, effective=point.effective, recorded=point.recorded, stable=stable)
        for account, amount in amounts
    ]


def _require_zones(**times: datetime | None) -> None:
    naive = [name for name, time in times.items() if time is not None and time.tzinfo is None]
    if naive:
        sentence = N_("The time carries no zone.")
        raise InvalidInput(sentence, errors=[FieldError(f"/{name}", "naive", sentence) for name in naive])

"""The bank's side: each line of a statement is stored once and booked at once, against what it ends or in suspense."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, DomainError
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import store as payments
from tillhouse.parts.payments.domain.reconciliation import BankClass, Expected, choose
from tillhouse.parts.payments.domain.statements import BankLine, Statement
from tillhouse.parts.payments.models import BankLineRow, BankStatementRow, PayoutRow
from tillhouse.parts.payments.service.attention import count_bank_line, look_into
from tillhouse.parts.payments.service.reconciliation.books import bank_posting, match_posting, subject_of_bank_line
from tillhouse.parts.payments.store import claims as claiming
from tillhouse.parts.payments.store import reconciliation as store

_Key = tuple[date, int, str, int]
_AT_ONCE = 5_000

FILE = "file"  # the source of what people hand in; any other is the provider that saw it

BANK = "payments.bank"  # one turn for all accounts: a settlement is ended by one line, whichever account it came to


_READ_BY = N_("The lines of account {account} come from {other}: a file would book them a second time.")
_FILES_THERE = N_("The lines of account {account} come from files: what a provider sees would book them a second time.")


class ReadElsewhere(Conflict):
    """Two sources of one account number its lines apart: each would be booked twice."""

    code = "account_read_elsewhere"


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import added. `known` lines were there before; `changed` contradict a day that was closed: not added."""

    account: str
    first_day: date
    last_day: date
    added: int
    known: int
    changed: int
    matched: int


async def import_statement(
    session: Session, statement: Statement, *, source: str, by: UUID | None, cursor: str | None = None
) -> Imported:
    """Store what is new of a statement, and book it. Imports take turns; the same again adds nothing.

    A balance that does not continue the account's, and a line that a closed day did not have (or has no more), are put
    before a person. Raises `ReadElsewhere` for an account whose lines come from another source.
    """
    await store.take_turns(session, BANK)
    earlier = await store.statements_of(session, statement.account)
    other = next((one.source for one in earlier if one.source != source), None)
    if other:
        raise ReadElsewhere(_FILES_THERE if other == FILE else _READ_BY, account=statement.account, other=other)
    row = _statement_row(statement, source, by, cursor)
    if any(one.content_hash == row.content_hash for one in earlier):
        return _imported(statement, [], known=len(statement.lines), changed=0)
    stored = await store.bank_lines_between(session, statement.account, statement.first_day, statement.last_day)
    fresh, changed = _compare(statement, earlier, {_key_of(row) for row in stored})
    for day, (added, gone) in changed.items():
        await _name_changed(session, statement, day, added, gone)
    await _check_chain(session, statement, earlier)
    if changed:
        row.opening = row.closing = None  # what contradicts a closed day closes none
    session.add(row)
    await session.flush()
    rows = [_line_row(session, row, line) for line in fresh]
    await _book(session, rows)
    contradicting = sum(len(added) for added, _ in changed.values())
    known = len(statement.lines) - len(fresh) - contradicting
    return _imported(statement, rows, known=known, changed=contradicting)


async def number_transfers(session: ReadSession, statement: Statement) -> Statement:
    """The transfers of a provider that are new, numbered on from those of the day that are equal to them."""
    stored = await store.bank_lines_between(session, statement.account, statement.first_day, statement.last_day)
    ids = [line.source_id for line in statement.lines if line.source_id]
    known = await store.known_source_ids(session, statement.account, ids)
    seen = Counter((row.day, row.amount, row.reference) for row in stored)
    lines = []
    for line in statement.lines:
        if line.source_id not in known:
            key = (line.day, line.change.minor, line.reference)
            seen[key] += 1
            lines.append(replace(line, sequence=seen[key]))
    return replace(statement, lines=tuple(lines))


async def match_again(session: Session, after: UUID | None = None) -> UUID | None:
    """Look once more at lines that wait in suspense. Returns where to go on, None at the end."""
    await store.take_turns(session, BANK)
    rows = await store.unmatched_bank_lines(session, after=after)
    expected = await _expected(session, rows)
    taken = await _taken(session, expected.values())
    for row in rows:
        found, what = choose(row.change, expected[row.id], taken)
        if found == BankClass.MATCHED and what:
            row.matched_transaction_id = (await ledger.post(session, match_posting(row, what))).id
            taken |= {what.target}
        if found != row.line_class:
            await payments.close_exception(session, subject=subject_of_bank_line(row), reason=f"bank_{row.line_class}")
            row.line_class, row.target = found, what.target if what else None
            await session.flush()
            await _name(session, row)
    return rows[-1].id if rows else None


async def _book(session: Session, rows: Sequence[BankLineRow]) -> None:
    expected = await _expected(session, rows)
    taken = await _taken(session, expected.values())
    postings = []
    for row in rows:
        found, what = choose(row.change, expected[row.id], taken)
        row.line_class, row.target = found, what.target if what else None
        if found == BankClass.MATCHED and what:
            taken |= {what.target}
        postings.append(bank_posting(row, what if found == BankClass.MATCHED else None))
    for start in range(0, len(postings), _AT_ONCE):
        outcomes = await ledger.post_many(session, postings[start : start + _AT_ONCE])
        for row, outcome in zip(rows[start : start + _AT_ONCE], outcomes, strict=True):
            if isinstance(outcome, DomainError):
                raise outcome
            row.transaction_id = outcome.id
    session.add_all(rows)
    await session.flush()
    for row in rows:
        count_bank_line(session, row.line_class)
        await _name(session, row)


async def _expected(session: ReadSession, rows: Sequence[BankLineRow]) -> dict[UUID, list[Expected]]:
    """What each line may end: the transfer that a provider told of, or what is expected under its reference."""
    by_reference: defaultdict[str, list[Expected]] = defaultdict(list)
    references = {row.reference for row in rows if row.reference}
    for reference, provider, settlement, unit, total in await store.settlements_by_references(session, references):
        target = f"settlement:{provider}:{settlement}"
        by_reference[reference].append(Expected(target, Money(total, unit), f"settling:{provider}", settlement))
    for payout in await store.payouts_by_utrs(session, references):
        by_reference[payout.utr or ""] += _of_payout(payout)
    transfers = await _transfers(session, rows)
    return {row.id: [transfers[row.id]] if row.id in transfers else by_reference[row.reference] for row in rows}


def _of_payout(payout: PayoutRow) -> list[Expected]:
    account, item = f"payouts:{payout.provider}", str(payout.id)
    expected = [
        Expected(f"payout:{payout.id}", -payout.money, account, item),
        Expected(f"payout_return:{payout.id}", payout.money, account, item),
    ]
    if payout.fee:
        fee, fees = Money(payout.fee, payout.currency), f"fees:{payout.provider}"
        expected += [
            Expected(f"payout_fee:{payout.id}", -fee, fees, None),
            Expected(f"payout_fee_return:{payout.id}", fee, fees, None),
        ]
    return expected


async def _transfers(session: ReadSession, rows: Sequence[BankLineRow]) -> dict[UUID, Expected]:
    """Transfers that a provider told us of and that our books have taken in: they never were with a gateway."""
    told = [row for row in rows if row.source_id]
    sources = await store.sources_of(session, {row.statement_id for row in told})
    found: dict[UUID, Expected] = {}
    for source in set(sources.values()):
        mine = {row.source_id or "": row for row in told if sources[row.statement_id] == source}
        for one, claim in (await claiming.claims(session, source, "transfer", mine.keys())).items():
            target = f"transfer:{source}:{one}"
            found[mine[one].id] = Expected(target, claim.amount, f"clearing:{source}", claim.item)
    return found


async def _taken(session: ReadSession, expected: Iterable[Sequence[Expected]]) -> frozenset[str]:
    return await store.matched_targets(session, {one.target for some in expected for one in some})


async def _name(session: Session, row: BankLineRow) -> None:
    if row.line_class != BankClass.MATCHED:
        await look_into(
            session, "bank", subject_of_bank_line(row), f"bank_{row.line_class}",
            amount=row.amount, currency=row.currency, reference=row.reference, day=row.day.isoformat(),
            target=row.target,
        )  # fmt: skip


# --- days that were imported before ---------------------------------------------------------------------------------


def _compare(
    statement: Statement, earlier: Sequence[BankStatementRow], stored: set[_Key]
) -> tuple[list[BankLine], dict[date, tuple[list[_Key], list[_Key]]]]:
    """The lines to add, and for each closed day what the file has more and less than we stored.

    A day is closed once it was over when its closing balance was told: a bank adds to one that still runs.
    """
    closed = [(one.first_day, _closed_until(one)) for one in earlier if one.closing is not None]
    fresh: list[BankLine] = []
    changed: defaultdict[date, tuple[list[_Key], list[_Key]]] = defaultdict(lambda: ([], []))
    for line in statement.lines:
        if _key(line) in stored:
            continue
        if _within(line.day, closed):
            changed[line.day][0].append(_key(line))
        else:
            fresh.append(line)
    for key in sorted(stored - {_key(line) for line in statement.lines}):
        if statement.closing is not None and _within(key[0], closed):
            changed[key[0]][1].append(key)
    return fresh, changed


async def _check_chain(session: Session, statement: Statement, earlier: Sequence[BankStatementRow]) -> None:
    """Each stretch of days opens with what the one before closed with. A gap that is filled is no exception."""
    if statement.opening is None or statement.closing is None:
        return
    closed = [one for one in earlier if one.opening is not None and one.closing is not None]
    older = [one for one in closed if one.last_day < statement.first_day]
    newer = [one for one in closed if one.first_day > statement.last_day]
    before = max(older, key=lambda one: (one.last_day, one.imported_at), default=None)
    after = min(newer, key=lambda one: (one.first_day, one.imported_at), default=None)
    if before and before.closing is not None:
        await _link(session, statement, statement.first_day, before.closing, statement.opening.minor)
    if after and after.opening is not None:
        await _link(session, statement, after.first_day, statement.closing.minor, after.opening)


async def _link(session: Session, statement: Statement, day: date, closing: int, opening: int) -> None:
    subject = f"statement:{statement.account}:{day}"
    if closing == opening:
        await payments.close_exception(session, subject=subject, reason="balance_gap")
        return
    await look_into(
        session, "statement", subject, "balance_gap",
        closed_with=closing, opens_with=opening, amount=opening - closing, currency=statement.currency,
    )  # fmt: skip


async def _name_changed(
    session: Session, statement: Statement, day: date, added: Sequence[_Key], gone: Sequence[_Key]
) -> None:
    details: JsonObject = {
        "added": [f"{key[1]} {key[2]}" for key in added[:50]],
        "gone": [f"{key[1]} {key[2]}" for key in gone[:50]],
        "amount": sum(key[1] for key in added) - sum(key[1] for key in gone),
        "currency": statement.currency,
    }
    await look_into(session, "statement", f"statement:{statement.account}:{day}", "statement_changed", **details)


def _imported(statement: Statement, rows: Sequence[BankLineRow], *, known: int, changed: int) -> Imported:
    matched = sum(row.line_class == BankClass.MATCHED for row in rows)
    return Imported(
        statement.account, statement.first_day, statement.last_day,
        added=len(rows), known=known, changed=changed, matched=matched,
    )  # fmt: skip


def _within(day: date, stretches: Iterable[tuple[date, date]]) -> bool:
    return any(first <= day <= last for first, last in stretches)


def _closed_until(one: BankStatementRow) -> date:
    return min(one.last_day, one.imported_at.date() - timedelta(days=1))


def _key(line: BankLine) -> _Key:
    return line.day, line.change.minor, line.reference, line.sequence


def _key_of(row: BankLineRow) -> _Key:
    return row.day, row.amount, row.reference, row.sequence


def _statement_row(statement: Statement, source: str, by: UUID | None, cursor: str | None) -> BankStatementRow:
    return BankStatementRow(
        id=new_id(),
        account=statement.account,
        currency=statement.currency,
        first_day=statement.first_day,
        last_day=statement.last_day,
        opening=None if statement.opening is None else statement.opening.minor,
        closing=None if statement.closing is None else statement.closing.minor,
        content_hash=hashlib.sha256(repr(statement).encode()).digest(),
        source=source,
        cursor=cursor,
        imported_by=by,
        imported_at=clock.now(),
    )


def _line_row(session: Session, statement: BankStatementRow, line: BankLine) -> BankLineRow:
    return BankLineRow(
        id=new_id(),
        statement_id=statement.id,
        account=statement.account,
        day=line.day,
        reference=line.reference,
        amount=line.change.minor,
        currency=line.change.unit,
        sequence=line.sequence,
        source_id=line.source_id,
        text=house_of(session).vault.seal(line.text),
        found_at=clock.now(),
    )

"""SQL of reconciliation: lines of providers' reports, statements of our bank, resolutions.

Writers take the lock of their provider or bank account first: runs at the same time take turns.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, select, text, true
from sqlalchemy.dialects.postgresql import insert

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.parts.payments.domain.reconciliation import AGREED
from tillhouse.parts.payments.models import (
    BankLineRow,
    BankStatementRow,
    ExceptionRow,
    PaymentRow,
    PayoutRow,
    ReconLineRow,
    ReconStartRow,
    ResolutionRow,
)

_AT_ONCE = 500

# Of an exception: something is proposed for it, and waits for a second person.
_PROPOSED = exists().where(ResolutionRow.exception_id == ExceptionRow.id, ResolutionRow.state == "proposed")


async def take_turns(session: Session, what: str) -> None:
    """Wait until no other transaction works on `what`; the turn ends with this transaction."""
    await session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:what, 0))"), {"what": what})


async def start_of(session: Session, provider: str, at: datetime) -> datetime:
    """Since when a provider's reports are read: what it reported before then we do not know. Set once, by the first
    run, and never moved.
    """
    first = insert(ReconStartRow).values(provider=provider, since=at).on_conflict_do_nothing()
    await session.execute(first)
    statement = select(ReconStartRow.since).where(ReconStartRow.provider == provider)
    return (await session.execute(statement)).scalar_one()


async def providers_used(session: ReadSession) -> set[str]:
    """Providers that have captured or paid out anything for us."""
    paid = select(PaymentRow.provider).where(PaymentRow.captured_at.is_not(None))
    out = select(PayoutRow.provider).where(PayoutRow.processed_at.is_not(None))
    return set((await session.execute(paid.union(out))).scalars())


# --- lines of reports -----------------------------------------------------------------------------------------------


async def lines_by_ids(session: ReadSession, provider: str, ids: Collection[str]) -> Sequence[ReconLineRow]:
    """The stored lines of these ids of the provider."""
    query = select(ReconLineRow).where(ReconLineRow.provider == provider, ReconLineRow.line_id.in_(ids))
    return (await session.execute(query)).scalars().all()


async def lines_of_claims(
    session: ReadSession, provider: str, kind: str, ids: Collection[str]
) -> dict[str, ReconLineRow]:
    """The line that settled each of these subjects, or names it missing."""
    query = select(ReconLineRow).where(
        ReconLineRow.provider == provider,
        ReconLineRow.kind == kind,
        ReconLineRow.subject_id.in_(ids),
        ReconLineRow.line_class.in_((*AGREED, "missing")),
    )
    return {row.subject_id: row for row in (await session.execute(query)).scalars()}


async def unclaimed_lines(session: ReadSession, provider: str) -> Sequence[ReconLineRow]:
    """Lines about what our books did not know, and nobody has decided about yet: oldest first."""
    open_one = exists().where(
        ExceptionRow.subject == func.concat("recon:", ReconLineRow.id), ExceptionRow.closed_at.is_(None)
    )
    query = (
        select(ReconLineRow)
        .where(
            ReconLineRow.provider == provider,
            ReconLineRow.line_class == "extra",
            ReconLineRow.kind != "adjustment",
            open_one,
        )
        .order_by(ReconLineRow.id)
        .limit(_AT_ONCE)
    )
    return (await session.execute(query)).scalars().all()


async def lines_of_day(session: ReadSession, provider: str, day: date) -> Sequence[ReconLineRow]:
    """What a provider said it settled on a day, in the order in which we heard of it."""
    query = select(ReconLineRow).where(ReconLineRow.provider == provider, ReconLineRow.settled_on == day)
    return (await session.execute(query.order_by(ReconLineRow.id))).scalars().all()


async def agreed_lines_not_booked(session: ReadSession) -> list[str]:
    """One line for each agreed line of a report that is not booked."""
    query = select(ReconLineRow.provider, ReconLineRow.line_id).where(
        ReconLineRow.line_class.in_(AGREED), ReconLineRow.transaction_id.is_(None), ReconLineRow.gross != 0
    )
    return [f"line {row[1]} of {row[0]} agrees and is not booked" for row in await session.execute(query)]


# --- our bank -------------------------------------------------------------------------------------------------------


async def statements_of(session: ReadSession, account: str) -> Sequence[BankStatementRow]:
    """Every stretch of days that was imported of an account, in order."""
    query = select(BankStatementRow).where(BankStatementRow.account == account)
    order = (BankStatementRow.first_day, BankStatementRow.id)
    return (await session.execute(query.order_by(*order))).scalars().all()


async def bank_lines_between(session: ReadSession, account: str, first: date, last: date) -> Sequence[BankLineRow]:
    """The lines of an account's days, in the order of import."""
    query = select(BankLineRow).where(BankLineRow.account == account, BankLineRow.day.between(first, last))
    return (await session.execute(query.order_by(BankLineRow.day, BankLineRow.id))).scalars().all()


async def last_transfer(session: ReadSession, source: str) -> str | None:
    """The last transfer that a provider told us of, None before the first."""
    query = (
        select(BankStatementRow.cursor)
        .where(BankStatementRow.source == source, BankStatementRow.cursor.is_not(None))
        .order_by(BankStatementRow.imported_at.desc())
        .limit(1)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def sources_of(session: ReadSession, statement_ids: Collection[UUID]) -> dict[UUID, str]:
    """Who told us each of these stretches of days."""
    query = select(BankStatementRow.id, BankStatementRow.source).where(BankStatementRow.id.in_(statement_ids))
    return {row[0]: row[1] for row in await session.execute(query)}


async def known_source_ids(session: ReadSession, account: str, ids: Collection[str]) -> set[str]:
    """Those of a provider's ids that are lines of the account already."""
    query = select(BankLineRow.source_id).where(BankLineRow.account == account, BankLineRow.source_id.in_(ids))
    return {found for found in (await session.execute(query)).scalars() if found}


async def unmatched_bank_lines(session: Session, *, after: UUID | None = None) -> Sequence[BankLineRow]:
    """Lines of the bank that wait in suspense and nobody has decided about yet, locked: oldest first."""
    open_one = exists().where(
        ExceptionRow.subject == func.concat("bank:", BankLineRow.id), ExceptionRow.closed_at.is_(None)
    )
    query = (
        select(BankLineRow)
        .where(BankLineRow.line_class != "matched", open_one, BankLineRow.id > after if after else true())
        .order_by(BankLineRow.id)
        .limit(_AT_ONCE)
        .with_for_update()
    )
    return (await session.execute(query)).scalars().all()


async def matched_targets(session: ReadSession, targets: Collection[str]) -> frozenset[str]:
    """Those of `targets` that a line of the bank has ended already."""
    query = select(BankLineRow.target).where(BankLineRow.target.in_(targets), BankLineRow.line_class == "matched")
    return frozenset(found for found in (await session.execute(query)).scalars() if found)


async def settlements_by_references(
    session: ReadSession, references: Collection[str]
) -> list[tuple[str, str, str, str, int]]:
    """What providers say they paid under these references: reference, provider, settlement, currency, sum."""
    return await _settlements(session, ReconLineRow.bank_reference.in_(references))


async def settlements_of_day(session: ReadSession, provider: str, day: date) -> list[tuple[str, str, str, str, int]]:
    """What a provider says it paid on a day: reference, provider, settlement, currency, sum."""
    return await _settlements(session, and_(ReconLineRow.provider == provider, ReconLineRow.settled_on == day))


async def _settlements(session: ReadSession, where: ColumnElement[bool]) -> list[tuple[str, str, str, str, int]]:
    row = ReconLineRow
    names = (row.bank_reference, row.provider, row.settlement_id, row.currency)
    query = (
        select(*names, func.sum(row.gross - row.fee))
        .where(where, row.bank_reference.is_not(None), row.bank_reference != "", row.line_id.is_not(None))
        .group_by(*names)
        .order_by(row.provider, row.settlement_id)
    )
    return [(r[0] or "", r[1], r[2] or "", r[3], int(r[4] or 0)) for r in await session.execute(query)]


async def payouts_by_utrs(session: ReadSession, utrs: Collection[str]) -> Sequence[PayoutRow]:
    """Payouts that a bank knows under these references."""
    return (await session.execute(select(PayoutRow).where(PayoutRow.utr.in_(utrs)))).scalars().all()


async def bank_lines_by_references(session: ReadSession, references: Collection[str]) -> Sequence[BankLineRow]:
    """Lines of the bank under these references."""
    query = select(BankLineRow).where(BankLineRow.reference.in_(references)).order_by(BankLineRow.id)
    return (await session.execute(query)).scalars().all()


# --- exceptions and how they end ------------------------------------------------------------------------------------


async def lock_exception(session: Session, exception_id: UUID) -> ExceptionRow | None:
    """The exception as it is now, locked until the transaction ends; None when there is none."""
    query = select(ExceptionRow).where(ExceptionRow.id == exception_id).with_for_update()
    return (await session.execute(query.execution_options(populate_existing=True))).scalar_one_or_none()


async def exception_by_id(session: ReadSession, exception_id: UUID) -> ExceptionRow | None:
    """The exception, None when there is none."""
    return await session.get(ExceptionRow, exception_id)


async def open_exception_about(session: ReadSession, subject: str, reasons: Collection[str]) -> ExceptionRow | None:
    """The open exception about a subject for one of these reasons: one with a proposal, else the newest."""
    query = (
        select(ExceptionRow)
        .where(ExceptionRow.subject == subject, ExceptionRow.reason.in_(reasons), ExceptionRow.closed_at.is_(None))
        .order_by(_PROPOSED.desc(), ExceptionRow.id.desc())
        .limit(1)
    )
    return (await session.execute(query)).scalar_one_or_none()


async def was_named(session: ReadSession, subjects: Collection[str], reason: str) -> set[str]:
    """Those of `subjects` that were put before a person for that reason, whether or not it has ended."""
    query = select(ExceptionRow.subject).where(ExceptionRow.subject.in_(subjects), ExceptionRow.reason == reason)
    return set((await session.execute(query)).scalars())


async def proposal_of(session: ReadSession, exception_id: UUID) -> ResolutionRow | None:
    """What is proposed for an exception now, if anything."""
    query = select(ResolutionRow).where(ResolutionRow.exception_id == exception_id, ResolutionRow.state == "proposed")
    return (await session.execute(query)).scalar_one_or_none()


async def resolutions_of(session: ReadSession, exception_ids: Collection[UUID]) -> Mapping[UUID, ResolutionRow]:
    """The last resolution of each exception."""
    query = select(ResolutionRow).where(ResolutionRow.exception_id.in_(exception_ids)).order_by(ResolutionRow.id)
    return {row.exception_id: row for row in (await session.execute(query)).scalars()}


async def exceptions_page(
    session: ReadSession, *, state: str | None, kind: str | None, reason: str | None, limit: int, before: UUID | None
) -> Sequence[ExceptionRow]:
    """Exceptions, newest first, narrowed by what is not None."""
    by_state: dict[str, ColumnElement[bool]] = {
        "open": and_(ExceptionRow.closed_at.is_(None), ~_PROPOSED),
        "proposed": and_(ExceptionRow.closed_at.is_(None), _PROPOSED),
        "resolved": ExceptionRow.closed_at.is_not(None),
    }
    query: Select[ExceptionRow] = select(ExceptionRow).order_by(ExceptionRow.id.desc()).limit(limit)
    if state is not None:
        query = query.where(by_state[state])
    if kind is not None:
        query = query.where(ExceptionRow.kind == kind)
    if reason is not None:
        query = query.where(ExceptionRow.reason == reason)
    if before is not None:
        query = query.where(ExceptionRow.id < before)
    return (await session.execute(query)).scalars().all()


async def exceptions_open(session: ReadSession, *, proposed: bool | None = None) -> tuple[int, datetime | None]:
    """How many exceptions are open, and since when the oldest: all, or those with (without) a proposal that waits."""
    query = select(func.count(), func.min(ExceptionRow.opened_at)).where(ExceptionRow.closed_at.is_(None))
    if proposed is not None:
        query = query.where(_PROPOSED if proposed else ~_PROPOSED)
    row = (await session.execute(query)).one()
    return row[0], row[1]

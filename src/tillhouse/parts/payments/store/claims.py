"""What our books claim of each provider: what its reports have to say, and what they have not said."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Select, exists, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.money import Money
from tillhouse.parts.payments.domain import DisputeState, PayoutState, RefundState
from tillhouse.parts.payments.domain.reconciliation import AGREED, Claim, LineKind
from tillhouse.parts.payments.models import (
    DisputeRow,
    PaymentRow,
    PayoutRow,
    ReconLineRow,
    RefundRow,
    TransferRow,
)

_AT_ONCE = 500
Missing = tuple[LineKind, Claim]
R = TypeVar("R", PaymentRow, PayoutRow, RefundRow, DisputeRow)


async def _payment_claims(session: ReadSession, provider: str, ids: Collection[str]) -> list[Claim]:
    query = select(PaymentRow).where(
        PaymentRow.provider == provider,
        PaymentRow.provider_payment_id.in_(ids),
        PaymentRow.captured_at.is_not(None),
    )
    return [_payment_claim(row) for row in (await session.execute(query)).scalars()]


async def _payout_claims(session: ReadSession, provider: str, ids: Collection[str]) -> list[Claim]:
    """Payouts that left. One that was back before we heard that it had left moved nothing of ours: its two lines end
    an open item of its own.
    """
    query = select(PayoutRow).where(
        PayoutRow.provider == provider,
        PayoutRow.provider_payout_id.in_(ids),
        or_(PayoutRow.processed_at.is_not(None), PayoutRow.state == PayoutState.REVERSED),
    )
    return [_payout_claim(row) for row in (await session.execute(query)).scalars()]


async def _returned_claims(session: ReadSession, provider: str, ids: Collection[str]) -> list[Claim]:
    """What is still to come back of payouts that came back whole: each part that is told leaves less."""
    payouts = {subject: subject.partition("/")[0] for subject in ids}
    query = select(PayoutRow).where(
        PayoutRow.provider == provider,
        PayoutRow.provider_payout_id.in_(payouts.values()),
        PayoutRow.state == PayoutState.REVERSED,
    )
    rows = {row.provider_payout_id: row for row in (await session.execute(query)).scalars()}
    told = await _told_of_returns(session, provider, rows.keys())
    return [
        Claim(
            row_id=row.id,
            subject_id=subject,
            amount=row.money - Money(told.get(payout, 0), row.currency),
            fee=None,
            item=str(row.id),
            since=row.finished_at or row.created_at,
            in_parts=True,
        )
        for subject, payout in payouts.items()
        if (row := rows.get(payout))
    ]


async def _told_of_returns(session: ReadSession, provider: str, payouts: Collection[str | None]) -> dict[str, int]:
    payout = func.split_part(ReconLineRow.subject_id, "/", 1)
    query = (
        select(payout, func.sum(ReconLineRow.gross))
        .where(
            ReconLineRow.provider == provider,
            ReconLineRow.kind == "returned",
            payout.in_(payouts),
            ReconLineRow.line_class.in_(AGREED),
        )
        .group_by(payout)
    )
    return {row[0]: int(row[1]) for row in await session.execute(query)}


def _payout_claim(row: PayoutRow) -> Claim:
    return Claim(
        row_id=row.id,
        subject_id=row.provider_payout_id or "",
        amount=-row.money,
        fee=None if row.fee is None else Money(row.fee, row.currency),
        item=str(row.id),
        since=row.processed_at or row.created_at,
    )


async def _refund_claims(session: ReadSession, provider: str, ids: Collection[str]) -> list[Claim]:
    query = select(RefundRow).where(
        RefundRow.provider == provider,
        RefundRow.provider_refund_id.in_(ids),
        RefundRow.transaction_id.is_not(None),
        RefundRow.reversal_id.is_(None),
    )
    return [_refund_claim(row) for row in (await session.execute(query)).scalars()]


def _refund_claim(row: RefundRow) -> Claim:
    return Claim(
        row_id=row.id,
        subject_id=row.provider_refund_id or "",
        amount=-row.money,
        fee=None,
        item=str(row.transaction_id),
        since=row.finished_at or row.created_at,
    )


async def _dispute_claims(session: ReadSession, provider: str, ids: Collection[str]) -> list[Claim]:
    """A lost dispute is in our books. One that was won moved nothing of ours: what a provider took meanwhile and gave
    back is an open item of its own, which both of its lines end. For one that is lost in part a provider takes that
    part at the end, or took all of it when it began.
    """
    query = select(DisputeRow).where(
        DisputeRow.provider == provider,
        DisputeRow.provider_dispute_id.in_(ids),
        or_(DisputeRow.transaction_id.is_not(None), DisputeRow.state == DisputeState.WON),
    )
    return [_dispute_claim(row) for row in (await session.execute(query)).scalars()]


def _dispute_claim(row: DisputeRow) -> Claim:
    return Claim(
        row_id=row.id,
        subject_id=row.provider_dispute_id,
        amount=-row.lost,
        fee=Money(row.fee, row.currency) if row.fee else None,
        item=_dispute_item(row),
        since=row.closed_at or row.opened_at,
        instead=-row.money,
    )


async def _reinstated_claims(session: ReadSession, provider: str, ids: Collection[str]) -> list[Claim]:
    """A won dispute gives back what was taken: what we had booked as lost, or what only the provider took meanwhile.
    One that is lost in part gives back the rest, where all of it was taken.
    """
    query = select(DisputeRow).where(
        DisputeRow.provider == provider,
        DisputeRow.provider_dispute_id.in_(ids),
        or_(DisputeRow.state == DisputeState.WON, DisputeRow.lost_part.is_not(None)),
    )
    return [
        Claim(
            row_id=row.id,
            subject_id=row.provider_dispute_id,
            amount=row.lost if row.state == DisputeState.WON else row.money - row.lost,
            fee=None,
            item=_dispute_item(row),
            since=row.closed_at or row.opened_at,
        )
        for row in (await session.execute(query)).scalars()
    ]


def _dispute_item(row: DisputeRow) -> str:
    return str(row.transaction_id) if row.transaction_id else f"dispute:{row.id}"


async def _transfer_claims(session: ReadSession, provider: str, ids: Collection[str]) -> list[Claim]:
    query = select(TransferRow).where(
        TransferRow.provider == provider,
        TransferRow.transfer_id.in_(ids),
        TransferRow.transaction_id.is_not(None),
    )
    return [
        Claim(
            row_id=row.id,
            subject_id=row.transfer_id,
            amount=Money(row.amount if row.direction == "in" else -row.amount, row.currency),
            fee=None,
            item=str(row.transaction_id),
            since=row.happened_at,
        )
        for row in (await session.execute(query)).scalars()
    ]


def _payment_claim(row: PaymentRow) -> Claim:
    assert row.captured_at is not None
    return Claim(
        row_id=row.id,
        subject_id=row.provider_payment_id,
        amount=row.money,
        fee=None if row.fee is None else Money(row.fee, row.currency),
        item=str(row.transaction_id),
        since=row.captured_at,
    )


# One entry for each kind of subject that our books know; what has none is extra.
_CLAIMS: Mapping[str, Callable[[ReadSession, str, Collection[str]], Awaitable[list[Claim]]]] = {
    "payment": _payment_claims,
    "payout": _payout_claims,
    "refund": _refund_claims,
    "returned": _returned_claims,
    "dispute": _dispute_claims,
    "reinstated": _reinstated_claims,
    "transfer": _transfer_claims,
}


async def claims(session: ReadSession, provider: str, kind: str, ids: Collection[str]) -> dict[str, Claim]:
    """What our books expect of these subjects of a provider, by the provider's id."""
    finder = _CLAIMS.get(kind)
    found = await finder(session, provider, ids) if finder and ids else []
    return {claim.subject_id: claim for claim in found}


async def unreported(session: ReadSession, provider: str, since: datetime, before: datetime) -> list[Missing]:
    """What happened at a provider within that time, stands in none of its reports, and was not named missing yet.

    Some of it at a time: there is more until there is none.
    """
    return [
        *(("payment", claim) for claim in await _unreported_payments(session, provider, since, before)),
        *(("payout", claim) for claim in await _unreported_payouts(session, provider, since, before)),
        *(("refund", claim) for claim in await _unreported_refunds(session, provider, since, before)),
        *(("dispute", claim) for claim in await _unreported_disputes(session, provider, since, before)),
    ]


async def _unreported_payouts(session: ReadSession, provider: str, since: datetime, before: datetime) -> list[Claim]:
    """Payouts that left and stayed away."""
    subject, left_at = PayoutRow.provider_payout_id, PayoutRow.processed_at
    query = _unreported(PayoutRow, "payout", provider, subject, left_at, since=since, before=before)
    stayed_away = query.where(PayoutRow.state == PayoutState.PROCESSED, subject.is_not(None))
    return [_payout_claim(row) for row in (await session.execute(stayed_away)).scalars()]


async def _unreported_payments(session: ReadSession, provider: str, since: datetime, before: datetime) -> list[Claim]:
    """Payments that were captured."""
    subject, came_at = PaymentRow.provider_payment_id, PaymentRow.captured_at
    query = _unreported(PaymentRow, "payment", provider, subject, came_at, since=since, before=before)
    return [_payment_claim(row) for row in (await session.execute(query)).scalars()]


async def _unreported_refunds(session: ReadSession, provider: str, since: datetime, before: datetime) -> list[Claim]:
    """Refunds that the payer has, and whose money did not come back."""
    subject, ended_at = RefundRow.provider_refund_id, RefundRow.finished_at
    query = _unreported(RefundRow, "refund", provider, subject, ended_at, since=since, before=before)
    booked = (RefundRow.transaction_id.is_not(None), RefundRow.reversal_id.is_(None), subject.is_not(None))
    given = query.where(RefundRow.state == RefundState.PROCESSED, *booked)
    return [_refund_claim(row) for row in (await session.execute(given)).scalars()]


async def _unreported_disputes(session: ReadSession, provider: str, since: datetime, before: datetime) -> list[Claim]:
    """Disputes that were lost: one that was won moved nothing of ours."""
    subject, ended_at = DisputeRow.provider_dispute_id, DisputeRow.closed_at
    query = _unreported(DisputeRow, "dispute", provider, subject, ended_at, since=since, before=before)
    lost = query.where(DisputeRow.state == DisputeState.LOST, DisputeRow.transaction_id.is_not(None))
    return [_dispute_claim(row) for row in (await session.execute(lost)).scalars()]


def _unreported(
    row: type[R],
    kind: str,
    provider: str,
    subject: InstrumentedAttribute[str] | InstrumentedAttribute[str | None],
    at: InstrumentedAttribute[datetime | None],
    *,
    since: datetime,
    before: datetime,
) -> Select[R]:
    """What happened at a provider within that time, the oldest first, of which no line of its reports tells."""
    reported = exists().where(
        ReconLineRow.provider == row.provider, ReconLineRow.kind == kind, ReconLineRow.subject_id == subject
    )
    within = (row.provider == provider, at >= since, at < before)
    return select(row).where(*within, ~reported).order_by(at).limit(_AT_ONCE)

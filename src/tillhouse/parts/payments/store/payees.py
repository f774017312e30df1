"""SQL of payees, of what went out lately, and of payouts that wait for a person.

Locks are taken in one order: payee, payout, the ledger's accounts, then the turns (`take_turn`).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.dialects.postgresql import insert

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.parts.payments.domain import PayoutState
from tillhouse.parts.payments.domain.payouts import NEVER_HAPPENED
from tillhouse.parts.payments.domain.velocity import Used
from tillhouse.parts.payments.models import PayeeRow, PayoutReviewRow, PayoutRow

_AT_ONCE = 500


async def insert_payee(session: Session, row: PayeeRow) -> PayeeRow:
    """Insert a payee, or return the owner's earlier one of the same account; locked either way."""
    values = {column.key: getattr(row, column.key) for column in PayeeRow.__table__.columns}
    await session.execute(insert(PayeeRow).values(values).on_conflict_do_nothing())
    mine = (
        PayeeRow.owner_kind == row.owner_kind,
        PayeeRow.owner_id == row.owner_id,
        PayeeRow.fingerprint == row.fingerprint,
    )
    found = select(PayeeRow).where(*mine).with_for_update(key_share=True).execution_options(populate_existing=True)
    return (await session.execute(found)).scalar_one()


async def payee_by_id(session: ReadSession, payee_id: UUID) -> PayeeRow | None:
    """The payee, None when there is none."""
    return await session.get(PayeeRow, payee_id)


async def lock_payee(session: Session, payee_id: UUID) -> PayeeRow | None:
    """The payee as it is now, locked until the transaction ends; None when there is none."""
    statement = select(PayeeRow).where(PayeeRow.id == payee_id).with_for_update(key_share=True)
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()


async def payee_of_check(session: ReadSession, provider: str, check_id: str) -> PayeeRow | None:
    """The payee that a provider's check is about, None when it is none of ours (any more)."""
    statement = select(PayeeRow).where(PayeeRow.provider == provider, PayeeRow.check_id == check_id)
    return (await session.execute(statement)).scalar_one_or_none()


async def payout_before(session: ReadSession, payee_id: UUID, provider: str) -> str | None:
    """The provider's id of the last payout to this payee that it knows of."""
    statement = select(PayoutRow.provider_payout_id).where(
        PayoutRow.payee_id == payee_id, PayoutRow.provider == provider, PayoutRow.provider_payout_id.is_not(None)
    )
    return (await session.execute(statement.order_by(PayoutRow.created_at.desc()).limit(1))).scalar_one_or_none()


async def payees_of(
    session: ReadSession, owner_kind: str, owner_id: UUID, *, limit: int, before: UUID | None
) -> Sequence[PayeeRow]:
    """An owner's payees that are not removed, the newest first, those before the id `before` where given."""
    statement = select(PayeeRow).where(
        PayeeRow.owner_kind == owner_kind, PayeeRow.owner_id == owner_id, PayeeRow.state != "removed"
    )
    if before:
        statement = statement.where(PayeeRow.id < before)
    return (await session.execute(statement.order_by(PayeeRow.id.desc()).limit(limit))).scalars().all()


async def count_payees(session: ReadSession, owner_kind: str, owner_id: UUID) -> int:
    """How many payees an owner has that are not removed."""
    statement = select(func.count()).where(
        PayeeRow.owner_kind == owner_kind, PayeeRow.owner_id == owner_id, PayeeRow.state != "removed"
    )
    return int((await session.execute(statement)).scalar_one())


async def take_due_checks(session: Session, next_check_at: datetime) -> list[UUID]:
    """Ids of payees whose check is due to be asked about, pushed to `next_check_at` so that nobody else takes them."""
    due = (
        select(PayeeRow.id)
        .where(PayeeRow.next_check_at <= clock.now())
        .order_by(PayeeRow.next_check_at)
        .limit(_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    statement = update(PayeeRow).where(PayeeRow.id.in_(due)).values(next_check_at=next_check_at).returning(PayeeRow.id)
    return list((await session.execute(statement)).scalars())


async def erase_payees(session: Session, owner_kind: str, owner_id: UUID, empty: bytes) -> None:
    """Forget an owner's accounts: what is sealed, what is shown, and what would find them again."""
    nobody = func.uuid_send(PayeeRow.id)  # unique, and no fingerprint of anything
    await session.execute(
        update(PayeeRow)
        .where(PayeeRow.owner_kind == owner_kind, PayeeRow.owner_id == owner_id)
        .values(
            destination=empty, masked="…", fingerprint=nobody, registered_name=None, state="removed", next_check_at=None
        )
    )
    await session.execute(
        update(PayoutRow)
        .where(PayoutRow.owner_kind == owner_kind, PayoutRow.owner_id == owner_id)
        .values(fingerprint=None)
    )


# --- what went out lately -------------------------------------------------------------------------------------------


async def take_turn(session: Session, *what: str) -> None:
    """Wait until no other transaction has the turn of `what`, and keep it until this one ends."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(":".join(what), 0))))


def by_owner(payout: PayoutRow) -> Sequence[ColumnElement[bool]]:
    """Payouts of the same owner."""
    return PayoutRow.owner_kind == payout.owner_kind, PayoutRow.owner_id == payout.owner_id


def to_payee(payout: PayoutRow) -> Sequence[ColumnElement[bool]]:
    """Payouts of the same owner to the same account."""
    return (PayoutRow.payee_id == payout.payee_id,)


def to_account(payout: PayoutRow) -> Sequence[ColumnElement[bool]]:
    """Anybody's payouts to the same account."""
    return (PayoutRow.fingerprint == payout.fingerprint,)


async def used_since(
    session: ReadSession, which: Sequence[ColumnElement[bool]], currency: str, since: datetime
) -> Used:
    """How many payouts were asked for since then and of how much together, without what never went out.

    Needs what makes the payouts in question take turns: the hold on the wallet, or `take_turn`.
    """
    statement = select(
        func.count(), func.coalesce(func.sum(PayoutRow.amount), 0), func.min(PayoutRow.created_at)
    ).where(
        *which,
        PayoutRow.currency == currency,
        PayoutRow.created_at >= since,
        PayoutRow.state.not_in(NEVER_HAPPENED),
    )
    count, total, oldest = (await session.execute(statement)).one()
    return Used(int(count), int(total), clock.now() - oldest if oldest else timedelta())


async def persons_paid_at(session: ReadSession, payout: PayoutRow) -> int:
    """How many owners were, or are to be, paid out to the account of this payout."""
    owners = select(PayoutRow.owner_kind, PayoutRow.owner_id).where(
        *to_account(payout), PayoutRow.state.not_in(NEVER_HAPPENED)
    )
    statement = select(func.count()).select_from(owners.distinct().subquery())
    return int((await session.execute(statement)).scalar_one())


# --- payouts that wait ----------------------------------------------------------------------------------------------


async def payout_by_key(session: ReadSession, owner_kind: str, owner_id: UUID, request_key: str) -> PayoutRow | None:
    """The owner's payout of this request, None when there is none."""
    statement = select(PayoutRow).where(
        PayoutRow.owner_kind == owner_kind, PayoutRow.owner_id == owner_id, PayoutRow.request_key == request_key
    )
    return (await session.execute(statement)).scalar_one_or_none()


async def lock_payouts_awaiting(session: Session, payee_id: UUID) -> Sequence[PayoutRow]:
    """Payouts to a payee that wait for somebody, as they are now and locked, in the order of their ids."""
    statement = (
        select(PayoutRow)
        .where(PayoutRow.payee_id == payee_id, PayoutRow.state == PayoutState.AWAITING_APPROVAL)
        .order_by(PayoutRow.id)
        .with_for_update()
    )
    return (await session.execute(statement.execution_options(populate_existing=True))).scalars().all()


async def all_payouts(
    session: ReadSession, state: PayoutState | None, *, limit: int, after: UUID | None
) -> Sequence[PayoutRow]:
    """Everybody's payouts, the oldest first, those after the id `after` where given."""
    statement = select(PayoutRow)
    if state:
        statement = statement.where(PayoutRow.state == state)
    if after:
        statement = statement.where(PayoutRow.id > after)
    return (await session.execute(statement.order_by(PayoutRow.id).limit(limit))).scalars().all()


async def add_review(session: Session, row: PayoutReviewRow) -> None:
    """Write a decision down. Needs the payout's lock."""
    session.add(row)
    await session.flush()


async def reviews_of(session: ReadSession, payout_ids: Sequence[UUID]) -> Sequence[PayoutReviewRow]:
    """The decisions about some payouts, the oldest first."""
    statement = select(PayoutReviewRow).where(PayoutReviewRow.payout_id.in_(payout_ids)).order_by(PayoutReviewRow.id)
    return (await session.execute(statement)).scalars().all()

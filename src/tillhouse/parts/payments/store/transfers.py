"""SQL of bank transfers. The orders that a transfer is for are locked before it, in the order of their ids: whoever has
an order's lock knows which transfers wait for it.
"""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert

from tillhouse.kernel.db import ReadSession, Session, rows_of
from tillhouse.parts.payments.domain import OrderState
from tillhouse.parts.payments.models import OrderRow, TransferCursorRow, TransferProposalRow, TransferRow

_FRESH = {"populate_existing": True}


async def insert_transfer(session: Session, row: TransferRow) -> bool:
    """Insert a transfer. False when it was there already; waits for another transaction that inserts the same."""
    values = {column.key: getattr(row, column.key) for column in TransferRow.__table__.columns}
    return rows_of(await session.execute(insert(TransferRow).values(values).on_conflict_do_nothing())) == 1


async def transfer_by_id(session: ReadSession, transfer_row_id: UUID) -> TransferRow | None:
    """The transfer as it is now."""
    statement = select(TransferRow).where(TransferRow.id == transfer_row_id)
    return (await session.execute(statement.execution_options(**_FRESH))).scalar_one_or_none()


async def lock_transfer(session: Session, transfer_row_id: UUID) -> TransferRow | None:
    """The transfer as it is now, locked until the transaction ends."""
    statement = select(TransferRow).where(TransferRow.id == transfer_row_id).with_for_update()
    return (await session.execute(statement.execution_options(**_FRESH))).scalar_one_or_none()


async def transfer_by_provider_id(session: ReadSession, provider: str, transfer_id: str) -> TransferRow | None:
    """The transfer with this id at the provider."""
    statement = select(TransferRow).where(TransferRow.provider == provider, TransferRow.transfer_id == transfer_id)
    return (await session.execute(statement)).scalar_one_or_none()


async def lock_orders(session: Session, order_ids: Collection[UUID]) -> Sequence[OrderRow]:
    """These orders as they are now, locked in the order of their ids."""
    statement = select(OrderRow).where(OrderRow.id.in_(order_ids)).order_by(OrderRow.id).with_for_update()
    return (await session.execute(statement.execution_options(**_FRESH))).scalars().all()


async def lock_orders_by_codes(session: Session, provider: str, codes: Collection[str]) -> Sequence[OrderRow]:
    """The orders that have these codes, as they are now, locked in the order of their ids."""
    statement = (
        select(OrderRow)
        .where(OrderRow.provider == provider, OrderRow.provider_order_id.in_(codes))
        .order_by(OrderRow.id)
        .with_for_update()
    )
    return (await session.execute(statement.execution_options(**_FRESH))).scalars().all()


async def waiting_for(session: ReadSession, order_id: UUID) -> Sequence[TransferRow]:
    """Transfers that are parts of what an order costs, oldest first, as they are now. Needs the order's lock."""
    statement = select(TransferRow).where(TransferRow.order_id == order_id, TransferRow.state == "waiting")
    return (await session.execute(statement.order_by(TransferRow.id).execution_options(**_FRESH))).scalars().all()


async def candidates(session: ReadSession, provider: str, currency: str, amount: int, limit: int = 10) -> list[str]:
    """Codes of unpaid orders over exactly this amount, newest first: for a person to compare."""
    statement = (
        select(OrderRow.provider_order_id)
        .where(
            OrderRow.provider == provider,
            OrderRow.currency == currency,
            OrderRow.amount == amount,
            OrderRow.state.in_((OrderState.PENDING, OrderState.EXPIRED)),
            OrderRow.provider_order_id.is_not(None),
        )
        .order_by(OrderRow.id.desc())
        .limit(limit)
    )
    return [code for code in (await session.execute(statement)).scalars() if code]


async def transfers(session: ReadSession, *, open_only: bool, limit: int, before: UUID | None) -> Sequence[TransferRow]:
    """Transfers, newest first; with `open_only` those whose money waits in suspense."""
    statement = select(TransferRow)
    if open_only:
        statement = statement.where(TransferRow.state.in_(("waiting", "unplaced")))
    if before:
        statement = statement.where(TransferRow.id < before)
    return (await session.execute(statement.order_by(TransferRow.id.desc()).limit(limit))).scalars().all()


async def cursor(session: ReadSession, provider: str) -> str | None:
    """The last transfer up to which the provider was asked."""
    return (
        await session.execute(select(TransferCursorRow.transfer_id).where(TransferCursorRow.provider == provider))
    ).scalar_one_or_none()


async def move_cursor(session: Session, provider: str, transfer_id: str) -> None:
    """Remember up to where the provider was asked."""
    statement = insert(TransferCursorRow).values(provider=provider, transfer_id=transfer_id)
    await session.execute(
        statement.on_conflict_do_update(index_elements=["provider"], set_={"transfer_id": transfer_id})
    )


async def unplaced(session: ReadSession, unit: str) -> dict[str, tuple[int, datetime]]:
    """What is in suspense of each transfer in `unit`, in minor units, and since when; by the transaction of the ledger
    that brought it.
    """
    statement = select(
        TransferRow.transaction_id, TransferRow.amount - TransferRow.placed, TransferRow.recorded_at
    ).where(TransferRow.state.in_(("waiting", "unplaced")), TransferRow.currency == unit)
    return {str(row[0]): (row[1], row[2]) for row in await session.execute(statement)}


async def unplaced_totals(session: ReadSession) -> dict[str, int]:
    """For each currency, minor units of booked transfers that are still in suspense."""
    statement = (
        select(TransferRow.currency, func.sum(TransferRow.amount - TransferRow.placed))
        .where(TransferRow.transaction_id.is_not(None))
        .group_by(TransferRow.currency)
    )
    return {row[0]: int(row[1]) for row in await session.execute(statement)}


async def proposal_of(session: ReadSession, transfer_row_id: UUID) -> TransferProposalRow | None:
    """What somebody said a transfer is for, while it waits for another one who says the same."""
    query = select(TransferProposalRow).where(TransferProposalRow.transfer_id == transfer_row_id)
    return (await session.execute(query.execution_options(populate_existing=True))).scalar_one_or_none()


async def propose(session: Session, row: TransferProposalRow) -> None:
    """Write down what somebody says, in the place of what was said before. Needs the transfer's lock."""
    said = {"what": row.what, "target": row.target, "by": row.by, "at": row.at}
    statement = insert(TransferProposalRow).values(transfer_id=row.transfer_id, **said)
    await session.execute(statement.on_conflict_do_update(index_elements=["transfer_id"], set_=said))


async def forget_proposal(session: Session, transfer_row_id: UUID) -> None:
    """It was done, or something else was. Needs the transfer's lock."""
    await session.execute(delete(TransferProposalRow).where(TransferProposalRow.transfer_id == transfer_row_id))

"""All SQL of calls to models."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import case, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert

from tillhouse.kernel.db import JsonObject, ReadSession, Session, rows_of
from tillhouse.parts.ai.domain.calls import UsageLine
from tillhouse.parts.ai.models import CallRow, PriceListRow


async def keep_price_list(session: Session, version: str, unit: str, models: JsonObject, at: datetime) -> None:
    """A version of prices, once."""
    values = {"version": version, "unit": unit, "models": models, "first_used_at": at}
    await session.execute(insert(PriceListRow).values(values).on_conflict_do_nothing())


async def add(session: Session, row: CallRow) -> None:
    """A call that is about to be made."""
    session.add(row)
    await session.flush()


async def end(session: Session, call_id: UUID, values: Mapping[str, object]) -> CallRow | None:
    """Write how a running call ended; None when that was written before."""
    statement = update(CallRow).where(CallRow.id == call_id, CallRow.state == "running").values(**values)
    return (await session.execute(statement.returning(CallRow))).scalar_one_or_none()


async def overdue(session: Session, before: datetime, limit: int) -> Sequence[UUID]:
    """Running calls that should long have ended, locked; those that somebody else has locked are left out."""
    statement = select(CallRow.id).where(CallRow.state == "running", CallRow.deadline_at < before)
    statement = statement.order_by(CallRow.deadline_at).limit(limit).with_for_update(skip_locked=True)
    return (await session.execute(statement)).scalars().all()


async def calls(
    session: ReadSession, *, owner_id: UUID | None = None, before: UUID | None = None, limit: int
) -> Sequence[CallRow]:
    """Calls, newest first: of one owner, or of everyone."""
    statement = select(CallRow).order_by(CallRow.id.desc()).limit(limit)
    if owner_id:
        statement = statement.where(CallRow.owner_id == owner_id)
    if before:
        statement = statement.where(CallRow.id < before)
    return (await session.execute(statement)).scalars().all()


async def usage(
    session: ReadSession, since: datetime, until: datetime, *, owner_id: UUID | None = None
) -> Sequence[UsageLine]:
    """What was used in a span, by purpose and model, the dearest first: of one owner, or of everyone."""
    statement = (
        select(
            CallRow.purpose,
            CallRow.model,
            CallRow.unit,
            func.count(),
            func.count(case((CallRow.state.not_in(("done", "running")), 1))),
            func.sum(CallRow.input_tokens),
            func.sum(CallRow.output_tokens),
            func.sum(CallRow.cached_tokens),
            func.sum(CallRow.milliseconds),
            func.sum(CallRow.cost),
        )
        .where(CallRow.created_at >= since, CallRow.created_at < until)
        .group_by(CallRow.purpose, CallRow.model, CallRow.unit)
        .order_by(func.sum(CallRow.cost).desc(), CallRow.purpose, CallRow.model)
    )
    if owner_id:
        statement = statement.where(CallRow.owner_id == owner_id)
    rows = (await session.execute(statement)).all()
    return [UsageLine(*row[:3], *map(int, row[3:])) for row in rows]


async def forget_owner(session: Session, owner_id: UUID) -> None:
    """Calls of an owner become the house's: what they came to is kept, whose they were is not."""
    statement = update(CallRow).where(CallRow.owner_id == owner_id)
    await session.execute(statement.values(owner_kind="house", owner_id=None))


async def remove_before(session: Session, before: datetime) -> int:
    """Remove what is too old; how many there were."""
    statement = delete(CallRow).where(CallRow.created_at < before, CallRow.state != "running")
    return rows_of(await session.execute(statement))

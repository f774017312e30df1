"""The chain of sealed blocks: made by one SQL function, checked by another."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import func, select, text

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.parts.ledger.domain import Head
from tillhouse.parts.ledger.models import BlockRow

_SEAL = text("SELECT * FROM ledger.seal(:margin, :most)")

# A block against the one before it, and against what its rows make now.
_CHECK = text("""
    SELECT block.number, before.number AS before_number, before.hash = block.previous_hash AS chained,
           block.first_id IS NOT DISTINCT FROM now.first_id AND block.transactions = now.transactions
               AND block.entries = now.entries AS counted,
           block.hash = now.hash AS kept,
           block.transactions, block.entries, now.transactions AS transactions_now, now.entries AS entries_now
    FROM ledger.blocks AS block
    LEFT JOIN ledger.blocks AS before ON before.number = block.number - 1
    CROSS JOIN LATERAL ledger.block_hash(
        block.number, coalesce(before.last_id, 0), block.last_id, block.previous_hash, block.sealed_at) AS now
    WHERE block.number = :number
""")


@dataclass(frozen=True, slots=True)
class Checked:
    """One block as it was found. `chained` is None when the block before it is missing."""

    number: int
    before_number: int | None
    chained: bool | None
    counted: bool
    kept: bool
    transactions: int
    entries: int
    transactions_now: int
    entries_now: int


async def seal(session: Session, margin: timedelta, most: int) -> Head | None:
    """Seal the next block of at most `most` transactions recorded `margin` below the watermark; None without any."""
    rows = await session.execute(select(BlockRow).from_statement(_SEAL), {"margin": margin, "most": most})
    row = rows.scalar_one_or_none()
    return None if row is None else _head(row)


async def head(session: ReadSession) -> Head | None:
    """The last block."""
    row = (await session.execute(select(BlockRow).order_by(BlockRow.number.desc()).limit(1))).scalar_one_or_none()
    return None if row is None else _head(row)


async def block_of(session: ReadSession, transaction_id: int) -> Head | None:
    """The block that a transaction is sealed in; None while it is not."""
    query = select(BlockRow).where(BlockRow.first_id <= transaction_id).order_by(BlockRow.number.desc()).limit(1)
    row = (await session.execute(query)).scalar_one_or_none()
    return None if row is None or row.last_id < transaction_id else _head(row)


async def heads(session: ReadSession, numbers: Sequence[int]) -> list[Head]:
    """The blocks of those numbers that there are."""
    rows = await session.execute(select(BlockRow).where(BlockRow.number == func.any(numbers)))
    return [_head(row) for row in rows.scalars()]


async def numbers(session: ReadSession, *, most_recent: int | None = None) -> list[int]:
    """The numbers of all blocks, or of the most recent ones, in order."""
    query = select(BlockRow.number).order_by(BlockRow.number.desc()).limit(most_recent)
    return sorted((await session.execute(query)).scalars())


async def check(session: ReadSession, number: int) -> Checked | None:
    """Hash the rows of a block again; None when it is gone."""
    row = (await session.execute(_CHECK, {"number": number})).one_or_none()
    return None if row is None else Checked(*row)


def _head(row: BlockRow) -> Head:
    return Head(number=row.number, hash=row.hash.hex(), last_id=row.last_id, sealed_at=row.sealed_at)

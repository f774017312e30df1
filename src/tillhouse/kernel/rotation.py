"""Rotation of encryption keys: every sealed column is rewritten under the newest, in bites, while the house runs."""

from collections.abc import AsyncIterator
from uuid import UUID

from sqlalchemy import RowMapping, text

from tillhouse.kernel.db import Session, Transactions
from tillhouse.kernel.house import House
from tillhouse.kernel.vault import SealedColumn, Vault

_BITE = 200
_FIRST = UUID(int=0)


async def rotate_keys(house: House) -> AsyncIterator[tuple[SealedColumn, int]]:
    """Rewrite each sealed column of the house; yields it with the number of texts rewritten.

    Safe to repeat and to interrupt. Raises `UnreadableSecret` for a text that no known key opens: nothing of its bite
    is changed, and the old key must stay.
    """
    for module in house.modules:
        for sealed in module.sealed:
            yield sealed, await _rotate(house.database.transaction, house.vault, sealed)


async def _rotate(transaction: Transactions, vault: Vault, sealed: SealedColumn) -> int:
    after, done = _FIRST, 0
    while True:
        async with transaction() as session:
            rows = await _bite(session, sealed, after)
            for row in rows:
                await _rewrite(session, sealed, row["key"], vault.rotate(row["sealed"]))
        done += len(rows)
        if len(rows) < _BITE:
            return done
        after = rows[-1]["key"]


async def _bite(session: Session, sealed: SealedColumn, after: UUID) -> list[RowMapping]:
    found = await session.execute(
        text(
            f"SELECT {sealed.key} AS key, {sealed.column} AS sealed FROM {sealed.table} "  # noqa: S608  from manifests
            f"WHERE {sealed.key} > :after AND {sealed.column} IS NOT NULL ORDER BY {sealed.key} LIMIT :bite FOR UPDATE"
        ),
        {"after": after, "bite": _BITE},
    )
    return list(found.mappings())


async def _rewrite(session: Session, sealed: SealedColumn, key: UUID, rotated: bytes) -> None:
    await session.execute(
        text(f"UPDATE {sealed.table} SET {sealed.column} = :rotated WHERE {sealed.key} = :key"),  # noqa: S608
        {"rotated": rotated, "key": key},
    )

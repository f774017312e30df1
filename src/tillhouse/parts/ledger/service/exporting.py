"""The journal for other programs, piece by piece: it never is in memory as a whole."""

from collections.abc import AsyncIterator
from datetime import datetime

from tillhouse.kernel.db import ReadSession
from tillhouse.parts.ledger.domain.exporting import (
    ExportFormat,
    as_csv,
    as_hledger,
    as_json_line,
    csv_header,
    hledger_account,
    hledger_account_declaration,
    hledger_header,
    hledger_unit_declaration,
)
from tillhouse.parts.ledger.store import exporting as store


async def export(
    session: ReadSession, form: ExportFormat, *, since: datetime | None = None, until: datetime | None = None
) -> AsyncIterator[str]:
    """Every transaction effective in [since, until), in the order recorded, as text to be written one after another.

    Holds are no part of a journal. `hledger check --strict` accepts the journal and makes the same balances.
    """
    match form:
        case "csv":
            yield csv_header()
            async for transaction, _ in store.transactions(session, since, until):
                yield as_csv(transaction)
        case "jsonl":
            async for transaction, _ in store.transactions(session, since, until):
                yield as_json_line(transaction)
        case "hledger":
            async for piece in _hledger(session, since, until):
                yield piece


async def _hledger(session: ReadSession, since: datetime | None, until: datetime | None) -> AsyncIterator[str]:
    yield hledger_header()
    async for transaction, types in store.transactions(session, since, until):
        yield as_hledger(transaction, types)
    # Declared at the end: an account that was opened while the journal was read is declared too.
    for unit in await store.units(session):
        yield hledger_unit_declaration(unit)
    async for account, kind in store.accounts(session):
        yield hledger_account_declaration(hledger_account(account, kind))

"""Transactions: found by what is known of them, and one of them with everything that hangs on it."""

from collections.abc import AsyncIterator, Sequence

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from tillhouse.kernel.db import JsonObject, ReadSession
from tillhouse.kernel.errors import InvalidInput
from tillhouse.kernel.http import Read, TheHouse
from tillhouse.kernel.paging import cut
from tillhouse.kernel.web.deps import Pages
from tillhouse.kernel.web.filters import Day, begin_of, end_of, filter_of, is_filtered, valid
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.sheets import csv_download
from tillhouse.parts.ledger.domain import AccountRef, Transaction
from tillhouse.parts.ledger.domain.lists import TransactionFilter, account_named, said
from tillhouse.parts.ledger.pages.common import (
    BITE,
    PAGE,
    ROOT,
    Reader,
    kind_options,
    number_in_range,
    number_of,
    words,
)
from tillhouse.parts.ledger.service import holding, lots_reading, reading, sealing

router = APIRouter()


class TransactionForm(BaseModel):
    """Which transactions, as it stands in the address."""

    kind: str | None = Field(default=None, max_length=200)
    account: str | None = Field(default=None, max_length=300)
    metadata: str | None = Field(default=None, max_length=200)
    first: Day | None = None
    last: Day | None = None


@router.get(f"{ROOT}/transactions")
async def transactions(
    request: Request, session: Read, pages: Pages, _reader: Reader, cursor: str | None = None
) -> Response:
    """Transactions that fit, the last recorded first."""
    form = filter_of(request, TransactionForm)
    wanted = _wanted(form)
    found: Sequence[Transaction] = []
    if form.is_valid:
        found = await reading.transactions(session, wanted=wanted, limit=PAGE + 1, before=number_of(cursor))
    shown, following = cut(found, PAGE, lambda one: (one.id,))
    context = {
        **await words(session, _accounts(shown)),
        "transactions": shown,
        "following": following,
        "cursor": cursor,
        "filtered": is_filtered(form),
        "kinds": kind_options(session),
    }
    return pages.render_form(request, "ledger/transactions.html", form, context, fragment="ledger/_transactions.html")


@router.get(f"{ROOT}/transactions.csv")
async def transactions_csv(request: Request, house: TheHouse, _reader: Reader) -> Response:
    """The same, all of it, one line per leg."""
    form = filter_of(request, TransactionForm)
    wanted = _wanted(form)
    valid(form)
    columns = ("transaction", "recorded_at", "effective_at", "kind", "account", "unit", "amount", "reverses")

    async def rows(session: ReadSession) -> AsyncIterator[Sequence[object]]:
        before: int | None = None
        while bite := await reading.transactions(session, wanted=wanted, limit=BITE, before=before):
            for one in bite:
                for account, amount in one.legs:
                    yield (one.id, one.recorded_at.isoformat(), one.effective_at.isoformat(), one.kind, str(account),
                           account.unit, amount, one.reverses or "")  # fmt: skip
            before = bite[-1].id

    return csv_download("transactions", columns, house.database, rows)


@router.get(ROOT + "/transactions/{transaction_id}")
async def transaction(request: Request, session: Read, pages: Pages, _reader: Reader, transaction_id: int) -> Response:
    """One transaction: its legs, what it reverses, captured and moved, and the block it is sealed in."""
    found = await reading.transaction(session, number_in_range(transaction_id))
    context = {
        **await words(session, _accounts([found])),
        "transaction": found,
        "key": await reading.key_of(session, found.id),
        "hold": await holding.get_hold(session, found.captures) if found.captures else None,
        "granted": await lots_reading.granted_by(session, found.id),
        "moved": await lots_reading.lots_moved_by(session, found.id),
        "block": await sealing.block_of(session, found.id),
    }
    return pages.render_page(request, "ledger/transaction.html", context)


def _accounts(found: Sequence[Transaction]) -> list[AccountRef]:
    return [account for one in found for account, _ in one.legs]


def _wanted(form: Form[TransactionForm]) -> TransactionFilter:
    """What the form asks for; what of it cannot be read says so in the form."""
    if not form.is_valid:
        return TransactionFilter()
    asked, account = form.data, None
    wanted: tuple[JsonObject, ...] = ()
    try:
        account = account_named(asked.account) if asked.account else None
        wanted = said(asked.metadata) if asked.metadata else ()
    except InvalidInput as refusal:
        form.refuse(refusal)
    return TransactionFilter(
        said=wanted,
        kind=asked.kind,
        account=account,
        since=begin_of(asked.first) if asked.first else None,
        until=end_of(asked.last) if asked.last else None,
    )

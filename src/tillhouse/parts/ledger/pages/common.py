"""What the pages of the explorer share: who reads, addresses and words for what is shown, and typed accounts."""

from collections.abc import Iterable, Mapping
from typing import Annotated
from urllib.parse import quote
from uuid import UUID

from fastapi import Depends

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.money import MAX_MINOR, Money
from tillhouse.kernel.paging import decode_cursor
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.forms import Option
from tillhouse.kernel.web.i18n import gettext
from tillhouse.parts.identity import api as identity
from tillhouse.parts.ledger.domain import AccountRef, Transaction, UnknownKind
from tillhouse.parts.ledger.service.charts import chart_of, kind_title

ROOT = "/console/ledger"
PAGE = 50
BITE = 500  # rows of a file that are read at once

Reader = Annotated[Principal, Depends(require("ledger.read"))]

TYPES = {
    "asset": N_("Asset"),
    "liability": N_("Liability"),
    "equity": N_("Equity"),
    "income": N_("Income"),
    "expense": N_("Expense"),
}
SOURCES = {"purchased": N_("Purchased"), "earned": N_("Earned"), "promotional": N_("Promotional")}
MOVEMENTS = {"spend": N_("Spent"), "refund": N_("Given back"), "expire": N_("Expired"), "revoke": N_("Revoked")}
STATES = {"open": N_("Open"), "captured": N_("Captured"), "voided": N_("Voided"), "expired": N_("Expired")}


async def words(session: ReadSession, accounts: Iterable[AccountRef]) -> Mapping[str, object]:
    """What every template of the explorer calls: addresses, and the names of accounts, their owners and kinds."""
    chart = chart_of(session)
    people = {one.owner_id for one in accounts if one.owner_kind == "person" and one.owner_id}
    names = await identity.names(session, people) if people else {}

    def account_title(account: AccountRef) -> str:
        kind = chart.kind_at(account.path)
        return gettext(kind.title) if kind else account.code

    def title_of_kind(kind: str) -> str:
        try:
            return gettext(kind_title(session, kind))
        except UnknownKind:
            return kind

    return {
        "account_href": account_href,
        "account_title": account_title,
        "owner_name": lambda account: names.get(account.owner_id, ""),
        "title_of_kind": title_of_kind,
        "debits_of": debits_of,
        "types": TYPES,
        "sources": SOURCES,
        "movements": MOVEMENTS,
        "states": STATES,
    }


def debits_of(transaction: Transaction) -> list[Money]:
    """How much a transaction moved: the sum of its debits in each unit."""
    sums: dict[str, Money] = {}
    for account, amount in transaction.legs:
        if amount.minor > 0:
            sums[account.unit] = sums.get(account.unit, Money(0, account.unit)) + amount
    return list(sums.values())


def account_href(account: AccountRef) -> str:
    """The address of an account's page."""
    owner = account.owner_kind if account.owner_id is None else f"{account.owner_kind}:{account.owner_id}"
    return f"{ROOT}/accounts/{quote(owner, safe=':')}/{quote(account.code, safe=':')}/{quote(account.unit, safe='')}"


def account_at(owner: str, code: str, unit: str) -> AccountRef:
    """The account behind an address. Raises `NotFound`."""
    kind, _, number = owner.partition(":")
    try:
        return AccountRef(kind, UUID(number) if number else None, code, unit)
    except ValueError:
        raise NotFound(N_("There is no such account.")) from None


def kind_options(session: ReadSession) -> list[Option]:
    """The kinds of transactions of this house, by what people call them."""
    kinds = chart_of(session).transaction_kinds
    return sorted((Option(kind.name, gettext(kind.title)) for kind in kinds), key=lambda option: option.label)


def number_of(cursor: str | None) -> int | None:
    """The number behind a cursor. Raises `InvalidInput` for one that we did not give out."""
    return int(decode_cursor(cursor, (int,))[0]) if cursor else None


def number_in_range(number: int) -> int:
    """A transaction's, hold's or lot's number from an address. Raises `NotFound` for one that none can have."""
    if not 0 < number <= MAX_MINOR:
        raise NotFound(N_("There is nothing of that number in the books."))
    return number

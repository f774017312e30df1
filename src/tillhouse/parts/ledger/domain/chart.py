"""The chart of accounts: which accounts there are, and which kinds of transactions may touch them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import get_args

from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain.books import (
    BOOK,
    AccountKind,
    AccountRef,
    AccountType,
    Posting,
    TransactionKind,
    covers,
)
from tillhouse.parts.ledger.domain.checks import check_posting
from tillhouse.parts.ledger.domain.errors import AccountNotAllowed, CarriesLots, UnknownAccount, UnknownKind

_REMEMBERED = 10_000
REVERSAL = "ledger.reversal"
ENTRY = "ledger.entry"
REVERSAL_KIND = TransactionKind(name=REVERSAL, title=N_("Reversal"), legs=("*",))
ENTRY_KIND = TransactionKind(name=ENTRY, title=N_("Ledger entry"), legs=(f"{BOOK}/*",), open_to_machines=True)
_LINE = re.compile(r"(?P<code>[a-z][a-z0-9:._-]*\*?)=(?P<type>[a-z]+)(/(?P<floor>-?[0-9]+))?")


class Chart:
    """The chart of accounts and the kinds of transactions of one house: what may be posted, and where."""

    def __init__(self, accounts: Iterable[AccountKind], transactions: Iterable[TransactionKind]) -> None:
        self.accounts = tuple(accounts)
        self._exact = {kind.pattern: kind for kind in self.accounts if not kind.code.endswith("*")}
        self._starred = [kind for kind in self.accounts if kind.code.endswith("*")]
        self._transactions: dict[str, TransactionKind] = {}
        for kind in transactions:
            if self._transactions.setdefault(kind.name, kind) != kind:
                raise ValueError(f"two transaction kinds are called {kind.name}")
        # Asked several times for each leg, with few different answers.
        self._covering = lru_cache(_REMEMBERED)(self._find_covering)
        self._allows = lru_cache(_REMEMBERED)(self._find_allows)

    @property
    def transaction_kinds(self) -> Sequence[TransactionKind]:
        """Every kind that may be posted."""
        return tuple(self._transactions.values())

    def account_kind(self, account: AccountRef) -> AccountKind:
        """The line of the chart that covers `account`. Raises `UnknownAccount`."""
        found = self._covering(account.owner_kind, account.code)
        if found is None or (account.owner_kind == "house") != (account.owner_id is None):
            raise UnknownAccount(N_("There is no account of the kind {account} in this house."), account=account.path)
        return found

    def kind_at(self, path: str) -> AccountKind | None:
        """The line of the chart that covers a path, if one does; an exact one wins over a starred one."""
        found = self._exact.get(path)
        return found or next((kind for kind in self._starred if covers(kind.pattern, path)), None)

    def transaction_kind(self, name: str) -> TransactionKind:
        """The kind of that name. Raises `UnknownKind`."""
        try:
            return self._transactions[name]
        except KeyError:
            raise UnknownKind(N_("There is no transaction kind {kind} in this house."), kind=name) from None

    def check(self, posting: Posting, *, lots_of: AccountRef | None = None) -> None:
        """Pass if `posting` may be written. The lots of the account `lots_of` are moved with it.

        Raises `BadPosting`, `UnknownKind`, `AccountNotAllowed`, `UnknownAccount`, `CarriesLots`.
        """
        check_posting(posting)
        kind = self.transaction_kind(posting.kind)
        for account, _ in posting.legs:
            if self.account_kind(account).lots and account != lots_of:
                raise CarriesLots(account)
            if not self._allows(kind.name, account.owner_kind, account.code):
                raise AccountNotAllowed(
                    N_("A transaction of kind {kind} may not touch {account}."), kind=kind.name, account=account.path
                )

    def _find_covering(self, owner_kind: str, code: str) -> AccountKind | None:
        return self.kind_at(f"{owner_kind}/{code}")

    def _find_allows(self, name: str, owner_kind: str, code: str) -> bool:
        return self._transactions[name].allows(AccountRef(owner_kind, None, code, ""))


def book_accounts(lines: Iterable[str]) -> Iterator[AccountKind]:
    """The lines of the chart that the setting LEDGER_CHART makes: `customer:*=liability/0`.

    Raises `ValueError` for one that cannot be read.
    """
    for line in lines:
        found = _LINE.fullmatch(line)
        if found is None or found["type"] not in get_args(AccountType):
            raise ValueError(f"{line} is not code=type or code=type/floor; types: {', '.join(get_args(AccountType))}")
        floor = None if found["floor"] is None else int(found["floor"])
        account_type: AccountType = found["type"]  # type: ignore[assignment]  # it is one of its words
        yield AccountKind(owner_kind=BOOK, code=found["code"], type=account_type, floor=floor, title=found["code"])

"""The chart of the house that runs: what its modules provide, put together once."""

from collections.abc import Iterable
from functools import cached_property

from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.house import House
from tillhouse.parts.ledger.domain import AccountKind, AccountRef, Chart, TransactionKind
from tillhouse.parts.ledger.ports import AccountWatcher
from tillhouse.parts.ledger.store.writing import KnownAccounts


class HouseChart:
    """Provided by the ledger itself; looks at what the others provide when it is first asked."""

    def __init__(self, house: House) -> None:
        self._house = house

    @cached_property
    def watchers(self) -> dict[tuple[str, str], list[AccountWatcher]]:
        """Who wants to know of a change, by the owner's kind and the account's code."""
        found: dict[tuple[str, str], list[AccountWatcher]] = {}
        for watcher in self._house.provided(AccountWatcher):
            found.setdefault((watcher.owner_kind, watcher.code), []).append(watcher)
        return found

    @cached_property
    def chart(self) -> Chart:
        return Chart(self._house.provided(AccountKind), self._house.provided(TransactionKind))

    @cached_property
    def known(self) -> KnownAccounts:
        """What this process knows of the accounts it has posted to."""
        return KnownAccounts(self.chart)


def house_chart(session: ReadSession) -> HouseChart:
    """What the house that opened this session knows of accounts."""
    return house_of(session).the(HouseChart)


def chart_of(session: ReadSession) -> Chart:
    """The chart of accounts and transaction kinds of the house that opened this session."""
    return house_chart(session).chart


def tell_watchers(session: Session, accounts: Iterable[AccountRef]) -> None:
    """Let those who watch these accounts know that something was written for them."""
    if watchers := house_chart(session).watchers:
        for account in dict.fromkeys(accounts):
            for watcher in watchers.get((account.owner_kind, account.code), ()):
                watcher.changed(session, account)


def kind_title(session: ReadSession, kind: str) -> str:
    """What people read beside a movement of that kind: an English message id, to be translated at the edge.

    Raises `UnknownKind`.
    """
    return chart_of(session).transaction_kind(kind).title

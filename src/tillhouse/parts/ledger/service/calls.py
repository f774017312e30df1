"""From postings to one call of `ledger.post` and back: what is refused without asking, the columns, the outcomes."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC
from typing import NamedTuple

from tillhouse.kernel.db import JsonValue
from tillhouse.kernel.errors import DomainError, NotFound
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain import (
    REVERSAL,
    AccountClosed,
    AccountRef,
    AlreadyReversed,
    BalanceTooLarge,
    CaptureNotCovered,
    Chart,
    HoldEnded,
    IdempotencyKeyReused,
    InsufficientFunds,
    PeriodClosed,
    Posting,
    Transaction,
    UnknownKind,
    posting_hash,
    recorded_at_of,
)
from tillhouse.parts.ledger.store.writing import Batch, KnownAccount, KnownAccounts, Outcome

Result = Transaction | DomainError


class Order(NamedTuple):
    """A posting with what it does besides: end a hold, reverse a transaction, move the lots of an account."""

    posting: Posting
    captures: int | None = None
    reverses: int | None = None
    lots_of: AccountRef | None = None


class Call:
    """Orders made ready: `batch` holds those that the database is to judge.

    A key that stands among them a second time is not sent again: it gets the outcome of the first.
    """

    def __init__(self, chart: Chart, known: KnownAccounts, orders: Sequence[Order]) -> None:
        self.batch = Batch()
        self._known = known
        self._orders = orders
        self._results: list[Result | None] = [None] * len(orders)
        self._sent: list[int] = []
        self._first_of_key: dict[str, tuple[int, bytes]] = {}
        known.make_room()
        for place, order in enumerate(orders):
            try:
                _check(chart, order)
            except DomainError as refusal:
                self._results[place] = refusal
            else:
                self._prepare(place, order)

    def take(self, outcomes: Sequence[Outcome]) -> None:
        """Read what the function answered. What it withheld because of others has no result."""
        for place, outcome in zip(self._sent, outcomes, strict=True):
            if outcome.outcome != "withheld":
                self._results[place] = _result(self._orders[place], self.batch, outcome)

    @property
    def refusals(self) -> Mapping[int, DomainError]:
        """What is refused so far, by the place of the order."""
        return {place: result for place, result in enumerate(self._results) if isinstance(result, DomainError)}

    def results(self) -> list[Result]:
        """One for each order."""
        return [self._result(place, order) for place, order in enumerate(self._orders)]

    def _prepare(self, place: int, order: Order) -> None:
        posting = order.posting
        accounts = [self._known.account(account) for account, _ in posting.legs]
        digest = posting_hash(
            posting,
            captures=order.captures,
            reverses=order.reverses,
            names=[known.text for known in accounts],
        )
        first, first_digest = self._first_of_key.setdefault(posting.key, (place, digest))
        if first == place:
            self._sent.append(place)
            self._add(order, accounts, digest)
        elif digest != first_digest:
            self._results[place] = _key_reused()

    def _add(self, order: Order, accounts: Sequence[KnownAccount], digest: bytes) -> None:
        posting, batch = order.posting, self.batch
        batch.keys.append(posting.key)
        batch.hashes.append(digest)
        batch.kinds.append(posting.kind)
        batch.effective.append(posting.effective_at)
        batch.metadata.append(as_json(posting.metadata))
        batch.captures.append(order.captures)
        batch.reverses.append(order.reverses)
        place = len(batch.keys)
        for known, (_, amount) in zip(accounts, posting.legs, strict=True):
            batch.leg_postings.append(place)
            batch.leg_accounts.append(batch.accounts.setdefault(known, len(batch.accounts) + 1))
            batch.leg_amounts.append(amount.minor)

    def _result(self, place: int, order: Order) -> Result:
        found = self._results[place]
        if found is not None:
            return found
        first = self._results[self._first_of_key[order.posting.key][0]]
        assert first is not None
        return _written(order, first.id, replayed=True) if isinstance(first, Transaction) else first


def _check(chart: Chart, order: Order) -> None:
    chart.check(order.posting, lots_of=order.lots_of)
    if (order.posting.kind == REVERSAL) != (order.reverses is not None):
        raise UnknownKind(N_("A reversal is written by reversing a transaction, not by posting."))


def as_json(metadata: Mapping[str, JsonValue]) -> str | None:
    """Metadata as it is stored: none at all when there is none."""
    return json.dumps(dict(metadata)) if metadata else None


def _result(order: Order, batch: Batch, outcome: Outcome) -> Result:
    if outcome.outcome in ("posted", "replayed"):
        assert outcome.number is not None
        return _written(order, outcome.number, replayed=outcome.outcome == "replayed")
    if outcome.outcome == "insufficient_funds":
        return _insufficient(order, batch, outcome)
    if outcome.outcome == "already_reversed":
        message = N_("This transaction was reversed already, by {reversed_by}.")
        return AlreadyReversed(message, reversed_by=outcome.number)
    try:
        return _REFUSALS[outcome.outcome]()
    except KeyError:
        raise RuntimeError(f"ledger.post answered {outcome.outcome}") from None


def _written(order: Order, number: int, *, replayed: bool) -> Transaction:
    posting, recorded_at = order.posting, recorded_at_of(number)
    return Transaction(
        id=number,
        kind=posting.kind,
        legs=tuple(posting.legs),
        effective_at=recorded_at if posting.effective_at is None else posting.effective_at.astimezone(UTC),
        recorded_at=recorded_at,
        metadata=dict(posting.metadata),
        reverses=order.reverses,
        captures=order.captures,
        replayed=replayed,
    )


def _insufficient(order: Order, batch: Batch, outcome: Outcome) -> InsufficientFunds:
    assert outcome.available is not None
    assert outcome.account is not None
    refused = batch.account_at(outcome.account)
    account, amount = next(leg for leg in order.posting.legs if leg[0] == refused)
    return InsufficientFunds(account, Money(outcome.available, account.unit), Money(abs(amount.minor), account.unit))


def account_closed() -> AccountClosed:
    """The refusal of a posting or hold on a closed account."""
    return AccountClosed(N_("This account is closed."))


def hold_ended() -> HoldEnded:
    """The refusal to end a hold twice."""
    return HoldEnded(N_("What was held has been taken or given back already."))


def _key_reused() -> IdempotencyKeyReused:
    return IdempotencyKeyReused(N_("This idempotency key was used before, for something else."))


_PERIOD_CLOSED = N_("The books are closed for that time. Nothing was written: post it at a later one.")
_NOT_COVERED = N_("A capture takes some or all of what is held from the held account, not more.")
_REFUSALS: Mapping[str, Callable[[], DomainError]] = {
    "account_closed": account_closed,
    "balance_too_large": lambda: BalanceTooLarge(N_("A balance would become larger than the ledger can count.")),
    "period_closed": lambda: PeriodClosed(_PERIOD_CLOSED),
    "key_reused": _key_reused,
    "hold_not_found": lambda: NotFound(N_("There is no such hold.")),
    "hold_ended": hold_ended,
    "capture_not_covered": lambda: CaptureNotCovered(_NOT_COVERED),
}

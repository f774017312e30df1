"""Writing transactions: one or many, captures of holds, reversals. All of it is one call of one SQL function."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from tillhouse.kernel.db import JsonValue, Session
from tillhouse.kernel.errors import DomainError, InvalidInput, NotFound
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain import (
    MAX_POSTINGS,
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
    NotReversible,
    PeriodClosed,
    Posting,
    Transaction,
    UnknownKind,
    posting_hash,
    recorded_at_of,
)
from tillhouse.parts.ledger.service.charts import chart_of
from tillhouse.parts.ledger.store import reading, writing
from tillhouse.parts.ledger.store.writing import Batch, Outcome


@dataclass(frozen=True, slots=True)
class _Order:
    """A posting with what it does besides: end a hold, reverse a transaction, move the lots of an account."""

    posting: Posting
    captures: int | None = None
    reverses: int | None = None
    lots_of: AccountRef | None = None

    @property
    def hash(self) -> bytes:
        return posting_hash(self.posting, captures=self.captures, reverses=self.reverses)


async def post(session: Session, posting: Posting) -> Transaction:
    """Write one transaction, or return what its key wrote before.

    A refusal has written nothing, so it may be caught and the session used on.
    Raises `InsufficientFunds`, `AccountClosed`, `PeriodClosed`, `IdempotencyKeyReused`, `BalanceTooLarge` (409);
    `BadPosting`, `UnknownKind`, `UnknownAccount`, `AccountNotAllowed` (422).
    """
    return await _write_one(session, _Order(posting))


async def capture(session: Session, hold_id: int, posting: Posting) -> Transaction:
    """End a hold by writing `posting`, which takes the held amount or less from the held account.

    What is not taken is released. The posting may have other legs too (a fee). A hold past its `expires_at` can be
    captured until the job has ended it: its money is still there.
    Raises `NotFound`, `HoldEnded`, `CaptureNotCovered`, and what `post` raises.
    """
    return await _write_one(session, _Order(posting, captures=hold_id))


async def reverse(
    session: Session,
    transaction_id: int,
    *,
    key: str,
    effective_at: datetime | None = None,
    metadata: Mapping[str, JsonValue] | None = None,
) -> Transaction:
    """Write the mirror image of a transaction, once.

    A captured hold stays captured: its reversal gives the money back to the balance.
    Raises `NotFound`, `AlreadyReversed`, `NotReversible` (it is a reversal itself), and what `post` raises.
    """
    original = await reading.transaction(session, transaction_id)
    if original is None:
        raise NotFound(N_("There is no such transaction."))
    if original.reverses is not None:
        raise NotReversible(N_("A reversal is not reversed: post what is right instead."))
    legs = [(account, -amount) for account, amount in original.legs]
    posting = Posting(key=key, kind=REVERSAL, legs=legs, effective_at=effective_at, metadata=metadata or {})
    return await _write_one(session, _Order(posting, reverses=transaction_id))


async def post_with_lots(
    session: Session, posting: Posting, lots_of: AccountRef, *, captures: int | None = None
) -> Transaction:
    """Write a posting as `post` does; the caller has locked the account `lots_of` and moves its lots with it."""
    return await _write_one(session, _Order(posting, captures=captures, lots_of=lots_of))


async def post_many(session: Session, postings: Sequence[Posting]) -> Sequence[Transaction | DomainError]:
    """Write up to 10,000 transactions in one call, in order, each with its own outcome.

    A refused one is returned as the error that `post` would raise, and has written nothing.
    Raises `InvalidInput` for more than 10,000.
    """
    if len(postings) > MAX_POSTINGS:
        raise InvalidInput(N_("At most {most} transactions can be posted at once."), most=MAX_POSTINGS)
    return await _write(session, [_Order(posting) for posting in postings])


async def _write_one(session: Session, order: _Order) -> Transaction:
    (result,) = await _write(session, [order])
    if isinstance(result, DomainError):
        raise result
    return result


async def _write(session: Session, orders: Sequence[_Order]) -> list[Transaction | DomainError]:
    chart = chart_of(session)
    results: list[Transaction | DomainError | None] = [None] * len(orders)
    batch, places, first_of_key = Batch(), list[int](), dict[str, int]()
    for place, order in enumerate(orders):
        try:
            _check(chart, order)
        except DomainError as refusal:
            results[place] = refusal
            continue
        if first_of_key.setdefault(order.posting.key, place) == place:
            _add(batch, chart, order)
            places.append(place)
    outcomes = await writing.post(session, batch) if places else []
    for place, outcome in zip(places, outcomes, strict=True):
        results[place] = _result(orders[place], batch, outcome)
    return [
        result if result is not None else _repeated(order, orders[first], results[first])
        for order, result in zip(orders, results, strict=True)
        for first in [first_of_key.get(order.posting.key, 0)]
    ]


def _check(chart: Chart, order: _Order) -> None:
    chart.check(order.posting, lots_of=order.lots_of)
    if (order.posting.kind == REVERSAL) != (order.reverses is not None):
        raise UnknownKind(N_("A reversal is written by reversing a transaction, not by posting."))


def _add(batch: Batch, chart: Chart, order: _Order) -> None:
    posting = order.posting
    batch.keys.append(posting.key)
    batch.hashes.append(order.hash)
    batch.kinds.append(posting.kind)
    batch.effective.append(posting.effective_at)
    batch.metadata.append(as_json(posting.metadata))
    batch.captures.append(order.captures)
    batch.reverses.append(order.reverses)
    for account, amount in posting.legs:
        batch.leg_postings.append(len(batch.keys))
        batch.leg_accounts.append(batch.accounts.position(account, chart.account_kind(account)))
        batch.leg_amounts.append(amount.minor)


def as_json(metadata: Mapping[str, JsonValue]) -> str | None:
    """Metadata as it is stored: none at all when there is none."""
    return json.dumps(dict(metadata)) if metadata else None


def _repeated(order: _Order, first: _Order, result: Transaction | DomainError | None) -> Transaction | DomainError:
    """The outcome of a key that stands in one call a second time."""
    assert result is not None
    if order.hash != first.hash:
        return _key_reused()
    return _written(order, result.id, replayed=True) if isinstance(result, Transaction) else result


def _result(order: _Order, batch: Batch, outcome: Outcome) -> Transaction | DomainError:
    if outcome.outcome in ("posted", "replayed"):
        assert outcome.number is not None
        return _written(order, outcome.number, replayed=outcome.outcome == "replayed")
    return _refusal(order, batch, outcome)


def _written(order: _Order, number: int, *, replayed: bool) -> Transaction:
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


def _refusal(order: _Order, batch: Batch, outcome: Outcome) -> DomainError:
    match outcome.outcome:
        case "insufficient_funds":
            return _insufficient(order, batch, outcome)
        case "account_closed":
            return account_closed()
        case "balance_too_large":
            return BalanceTooLarge(N_("A balance would become larger than the ledger can count."))
        case "period_closed":
            return PeriodClosed(
                N_(
                    "The books are closed for the time of this transaction: nothing was written. Post it at a later one."
                )
            )
        case "key_reused":
            return _key_reused()
        case "already_reversed":
            return AlreadyReversed(
                N_("This transaction was reversed already, by {reversed_by}."), reversed_by=outcome.number
            )
        case "hold_not_found":
            return NotFound(N_("There is no such hold."))
        case "hold_ended":
            return hold_ended()
        case "capture_not_covered":
            return CaptureNotCovered(N_("A capture takes some or all of what is held from the held account, not more."))
        case other:
            raise RuntimeError(f"ledger.post answered {other}")


def _insufficient(order: _Order, batch: Batch, outcome: Outcome) -> InsufficientFunds:
    assert outcome.available is not None
    account, amount = next(leg for leg in order.posting.legs if batch.accounts.positions[leg[0]] == outcome.account)
    return InsufficientFunds(account, Money(outcome.available, account.unit), Money(abs(amount.minor), account.unit))


def account_closed() -> AccountClosed:
    """The refusal of a posting or hold on a closed account."""
    return AccountClosed(N_("This account is closed."))


def hold_ended() -> HoldEnded:
    """The refusal to end a hold twice."""
    return HoldEnded(N_("What was held has been taken or given back already."))


def _key_reused() -> IdempotencyKeyReused:
    return IdempotencyKeyReused(N_("This idempotency key was used before, for something else."))

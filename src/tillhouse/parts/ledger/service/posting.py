"""Writing transactions: one or many, captures of holds, reversals. All of it is one call of one SQL function."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from tillhouse.kernel.db import JsonValue, Session, after_commit
from tillhouse.kernel.errors import DomainError, InvalidInput, NotFound
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain import (
    MAX_POSTINGS,
    REVERSAL,
    AccountRef,
    BulkRefused,
    NotReversible,
    Posting,
    Transaction,
)
from tillhouse.parts.ledger.service.calls import Call, Order, Result
from tillhouse.parts.ledger.service.charts import house_chart, tell_watchers
from tillhouse.parts.ledger.store import reading, writing


async def post(session: Session, posting: Posting) -> Transaction:
    """Write one transaction, or return what its key wrote before.

    A refusal has written nothing, so it may be caught and the session used on.
    Raises `InsufficientFunds`, `AccountClosed`, `PeriodClosed`, `IdempotencyKeyReused`, `BalanceTooLarge` (409);
    `BadPosting`, `UnknownKind`, `UnknownAccount`, `AccountNotAllowed` (422).
    """
    return await _write_one(session, Order(posting))


async def capture(session: Session, hold_id: int, posting: Posting) -> Transaction:
    """End a hold by writing `posting`, which takes the held amount or less from the held account.

    What is not taken is released. The posting may have other legs too (a fee). A hold past its `expires_at` can be
    captured until the job has ended it: its money is still there.
    Raises `NotFound`, `HoldEnded`, `CaptureNotCovered`, and what `post` raises.
    """
    return await _write_one(session, Order(posting, captures=hold_id))


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
    return await _write_one(session, Order(posting, reverses=transaction_id))


async def post_with_lots(
    session: Session, posting: Posting, lots_of: AccountRef, *, captures: int | None = None
) -> Transaction:
    """Write a posting as `post` does; the caller has locked the account `lots_of` and moves its lots with it."""
    return await _write_one(session, Order(posting, captures=captures, lots_of=lots_of))


async def post_many(
    session: Session, postings: Sequence[Posting], *, atomic: bool = False, watched: bool = False
) -> Sequence[Result]:
    """Write up to 10,000 transactions in one call, in order, each with its own outcome; or, `atomic`, all or none.

    With `watched`, those who watch an account are told as by `post`.

    A refused one is returned as the error that `post` would raise, and has written nothing.
    Raises `InvalidInput` for more than 10,000, and `BulkRefused` when one of an atomic bulk is refused: nothing has
    been written then, and the session may be used on.
    """
    if len(postings) > MAX_POSTINGS:
        raise InvalidInput(N_("At most {most} transactions can be posted at once."), most=MAX_POSTINGS)
    results = await _write(session, [Order(posting) for posting in postings], atomic=atomic)
    if watched:
        tell_watchers(session, (account for one in results if isinstance(one, Transaction) for account, _ in one.legs))
    return results


async def forget_refusals(session: Session) -> int:
    """Delete what was refused to the API's callers more than two days ago; returns how many."""
    return await writing.forget_refusals(session)


async def _write_one(session: Session, order: Order) -> Transaction:
    (result,) = await _write(session, [order])
    if isinstance(result, DomainError):
        raise result
    tell_watchers(session, (account for account, _ in result.legs))
    return result


async def _write(session: Session, orders: Sequence[Order], *, atomic: bool = False) -> list[Result]:
    house = house_chart(session)
    call = Call(house.chart, house.known, orders)
    if call.batch.keys and not (atomic and call.refusals):
        written = await writing.post(session, call.batch, all_or_nothing=atomic)
        call.take(written.outcomes)
        if written.looked_up:
            after_commit(session, lambda: house.known.learn(written.looked_up))
    if atomic and call.refusals:
        raise BulkRefused(call.refusals)
    return call.results()

"""Points and credits: granted as lots, spent soonest-ending first, given back to where they came from, ended on time.

Every use case locks the account first, then posts, then moves the lots, all in the caller's transaction: of a spend and
an expiry one is first, and the other sees what it left. One transaction that works on several accounts calls
`lock_lots` with all of them before anything else.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from tillhouse.kernel import clock
from tillhouse.kernel.db import JsonValue, Session, house_of
from tillhouse.kernel.errors import FieldError, NotFound
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain import (
    AccountRef,
    BadPosting,
    Hold,
    InsufficientFunds,
    Posting,
    Transaction,
    credit,
    debit,
    house_account,
)
from tillhouse.parts.ledger.domain.lots import (
    EXPIRED,
    LOTS_EXPIRY,
    LOTS_FORFEIT,
    LOTS_REFUND,
    SPENT,
    Lot,
    LotMovementKind,
    LotsMoved,
    LotSource,
    Part,
    RefundTooLarge,
    issued,
    spendable,
    take,
)
from tillhouse.parts.ledger.service.charts import chart_of
from tillhouse.parts.ledger.service.holding import get_hold, set_aside
from tillhouse.parts.ledger.service.posting import post_with_lots
from tillhouse.parts.ledger.settings import LedgerSettings
from tillhouse.parts.ledger.store import lots as store
from tillhouse.parts.ledger.store import reading

_EXPIRED_AT_ONCE = 100  # accounts

Metadata = Mapping[str, JsonValue]


async def lock_accounts(session: Session, accounts: Collection[AccountRef]) -> None:
    """Lock accounts of any kind, in order, opened where they never were: for a use case that locks rows of its own as
    well and wants one order for all of it. Raises `UnknownAccount`.
    """
    chart = chart_of(session)
    await store.lock(session, [(account, chart.account_kind(account)) for account in accounts])


async def lock_lots(session: Session, accounts: Collection[AccountRef]) -> Mapping[AccountRef, int]:
    """Lock accounts with lots, in order, before a transaction works on more than one. Returns their internal ids.

    Raises `UnknownAccount`; `BadPosting` for an account without lots.
    """
    chart = chart_of(session)
    kinds = [(account, chart.account_kind(account)) for account in accounts]
    for account, kind in kinds:
        if not kind.lots:
            raise _bad("/account", "no_lots", N_("{account} carries no lots: post to it."), account=account.path)
    return await store.lock(session, kinds)


async def grant(
    session: Session,
    account: AccountRef,
    amount: Money,
    *,
    key: str,
    kind: str,
    source: LotSource,
    price: Money | None = None,
    expires_at: datetime | None = None,
    priority: int = 0,
    against: AccountRef | None = None,
    metadata: Metadata | None = None,
) -> Lot:
    """Give `account` a lot of `amount`, out of `against` (by default the house's `lots:issued:<source>`).

    `price` is what was paid for the whole lot, so that a price of a third of a satang per point stays exact. Spent are
    first the lots of the lowest `priority`. The same key and input return the lot as it is now.
    Raises what `post` raises, and `BadPosting` for an amount or price below zero or an end that is past.
    """
    _check(account, amount, expires_at, price)
    account_id = await _lock(session, account)
    if expires_at is not None and expires_at <= clock.now() and not await store.key_is_used(session, key):
        raise _bad("/expires_at", "past", N_("Points cannot end before they are granted."))
    terms: dict[str, JsonValue] = {
        "source": source,
        "price": f"{price} {price.unit}" if price else None,
        "expires_at": expires_at.isoformat() if expires_at else None,
        "priority": priority or None,
    }
    origin = against or house_account(issued(source), amount.unit)
    written = await post_with_lots(
        session,
        Posting(
            key=key,
            kind=kind,
            legs=(debit(origin, amount), credit(account, amount)),
            metadata={**(metadata or {}), "lot": {name: term for name, term in terms.items() if term is not None}},
        ),
        account,
    )
    if not written.replayed:
        await store.open_lot(
            session, written.id, account_id, amount.minor,
            source=source, price=price, priority=priority, expires_at=expires_at,
        )  # fmt: skip
    return await _lot(session, written.id)


async def spend(
    session: Session,
    account: AccountRef,
    amount: Money,
    *,
    key: str,
    kind: str,
    sources: Collection[LotSource] | None = None,
    against: AccountRef | None = None,
    metadata: Metadata | None = None,
) -> LotsMoved:
    """Spend `amount`, of `sources` alone when they are named, into `against` (by default the house's `lots:spent`).

    What a hold has reserved, and lots that have ended, are not touched. A refusal has written nothing.
    Raises `InsufficientFunds` and what `post` raises.
    """
    _check(account, amount)
    details = _with_sources(metadata, sources)
    account_id = await _lock(session, account)
    lots = spendable(await store.open_lots(session, account), clock.now(), sources)
    posting = Posting(
        key=key,
        kind=kind,
        legs=(debit(account, amount), credit(against or house_account(SPENT, amount.unit), amount)),
        metadata=details,
    )
    return await _take(session, account_id, posting, lots, "spend")


async def revoke(
    session: Session,
    lot_id: int,
    amount: Money,
    *,
    key: str,
    kind: str,
    against: AccountRef | None = None,
    metadata: Metadata | None = None,
) -> LotsMoved:
    """Take back `amount` of one lot, unspent and not reserved: its purchase was refunded, or it was granted wrongly.

    By default it goes where lots of that source come from.
    Raises `NotFound`, `InsufficientFunds`, and what `post` raises.
    """
    lot = await _lot(session, lot_id)
    _check(lot.account, amount)
    account_id = await _lock(session, lot.account)
    lot = await _lot(session, lot_id)
    posting = Posting(
        key=key,
        kind=kind,
        legs=(debit(lot.account, amount), credit(against or house_account(issued(lot.source), amount.unit), amount)),
        metadata={**(metadata or {}), "lot": str(lot_id)},
    )
    return await _take(session, account_id, posting, [lot], "revoke")


async def refund(session: Session, spend_id: int, amount: Money, *, key: str) -> LotsMoved:
    """Give `amount` of a spend back to the lots it came from, the last taken first.

    A lot that ended meanwhile can be spent for LEDGER_LOTS_GRACE_DAYS more: what is given back, and nothing that had
    ended before. Raises `NotFound`, `RefundTooLarge`, and what `post` raises.
    """
    spent = await reading.transaction(session, spend_id)
    found = await store.moved(session, spend_id)
    if spent is None or found is None or found[0] != "spend":
        raise NotFound(N_("There is no such spend."))
    chart = chart_of(session)
    account, against = sorted((leg for leg, _ in spent.legs), key=lambda leg: not chart.account_kind(leg).lots)
    _check(account, amount)
    account_id = await _lock(session, account)
    given = await store.given_back(session, spend_id)
    open_parts = [Part(part.lot_id, part.amount - given.get(part.lot_id, 0)) for part in reversed(found[1])]
    parts, extensions = take(open_parts, amount.minor), None
    if not await store.key_is_used(session, key):
        if parts is None:
            raise RefundTooLarge(Money(sum(part.amount for part in open_parts), amount.unit), amount)
        extensions = await _extensions(session, account, parts)
    written = await post_with_lots(
        session,
        Posting(
            key=key,
            kind=LOTS_REFUND,
            legs=(debit(against, amount), credit(account, amount)),
            metadata={"spend": str(spend_id)},
        ),
        account,
    )
    if written.replayed:
        return await _moved_before(session, account, written, amount)
    assert parts is not None
    await store.move(session, written.id, account_id, "refund", parts, spend_id=spend_id, extensions=extensions)
    return LotsMoved(transaction_id=written.id, kind="refund", account=account, amount=amount, parts=tuple(parts))


async def reserve(
    session: Session,
    account: AccountRef,
    amount: Money,
    *,
    key: str,
    sources: Collection[LotSource] | None = None,
    expires_at: datetime | None = None,
    metadata: Metadata | None = None,
) -> Hold:
    """Set `amount` aside for work that is charged when it is done: the lots it would be spent from are pinned.

    Neither spending nor expiry touches them while the hold is open. End it by `capture_reserved` at the true cost, or
    by `void`; `expires_at` is the hold's own end. Raises `InsufficientFunds` and what `hold` raises.
    """
    _check(account, amount)
    details = _with_sources(metadata, sources)
    await _lock(session, account)
    lots = spendable(await store.open_lots(session, account), clock.now(), sources)
    parts = take([Part(lot.id, lot.free.minor) for lot in lots], amount.minor)
    if parts is None and not await store.key_is_used(session, key):
        raise InsufficientFunds(account, _free(account, lots), amount)
    held = await set_aside(session, key=key, account=account, amount=amount, expires_at=expires_at, metadata=details)
    if not await store.pins(session, held.id):
        assert parts is not None
        await store.pin(session, held.id, parts)
    return held


async def capture_reserved(
    session: Session,
    hold_id: int,
    amount: Money,
    *,
    key: str,
    kind: str,
    against: AccountRef | None = None,
    metadata: Metadata | None = None,
) -> LotsMoved:
    """Spend `amount` (some or all) of what a hold has reserved, and free the rest.

    Lots that ended while they were reserved are spent all the same. Raises `NotFound`, `HoldEnded`,
    `CaptureNotCovered`, and what `post` raises.
    """
    account = (await get_hold(session, hold_id)).account
    _check(account, amount)
    account_id = await _lock(session, account)
    posting = Posting(
        key=key,
        kind=kind,
        legs=(debit(account, amount), credit(against or house_account(SPENT, amount.unit), amount)),
        metadata=metadata or {},
    )
    written = await post_with_lots(session, posting, account, captures=hold_id)
    if written.replayed:
        return await _moved_before(session, account, written, amount)
    parts = take(await store.pins(session, hold_id), amount.minor)
    assert parts is not None, "a capture is at most what was held, and that is what was pinned"
    await store.move(session, written.id, account_id, "spend", parts)
    return LotsMoved(transaction_id=written.id, kind="spend", account=account, amount=amount, parts=tuple(parts))


async def expire(session: Session) -> bool:
    """End the lots of up to 100 accounts whose time is over. Returns whether there may be more.

    What a hold has reserved stays until the hold ends.
    """
    due = await store.accounts_with_ended_lots(session, clock.now(), _EXPIRED_AT_ONCE)
    if due:
        await _expire(session, due)
    return len(due) == _EXPIRED_AT_ONCE


async def _expire(session: Session, accounts: Collection[AccountRef]) -> None:
    now = clock.now()
    for account, account_id in (await lock_lots(session, accounts)).items():
        ended = [lot for lot in await store.open_lots(session, account) if lot.ended(now) and lot.free]
        await _end(session, account, account_id, ended, LOTS_EXPIRY)


async def forfeit(session: Session, accounts: Collection[AccountRef]) -> None:
    """End every lot of these accounts whose owner gives them up: counted as ended unused, as on time. What a hold has
    reserved stays.
    """
    for account, account_id in (await lock_lots(session, accounts)).items():
        left = [lot for lot in await store.open_lots(session, account) if lot.free]
        await _end(session, account, account_id, left, LOTS_FORFEIT)


async def _end(session: Session, account: AccountRef, account_id: int, ended: Sequence[Lot], kind: str) -> None:
    if not ended:
        return
    amount = _free(account, ended)
    legs = (debit(account, amount), credit(house_account(EXPIRED, account.unit), amount))
    written = await post_with_lots(session, Posting(key=f"{kind}:{new_id()}", kind=kind, legs=legs), account)
    await store.move(session, written.id, account_id, "expire", [Part(lot.id, lot.free.minor) for lot in ended])


async def _lock(session: Session, account: AccountRef) -> int:
    return (await lock_lots(session, [account]))[account]


async def _take(
    session: Session, account_id: int, posting: Posting, lots: Sequence[Lot], movement: LotMovementKind
) -> LotsMoved:
    """Post what begins with the debit of the locked account, and take that from `lots` in their order."""
    account, amount = posting.legs[0]
    parts = take([Part(lot.id, lot.free.minor) for lot in lots], amount.minor)
    if parts is None and not await store.key_is_used(session, posting.key):
        raise InsufficientFunds(account, _free(account, lots), amount)
    written = await post_with_lots(session, posting, account)
    if written.replayed:
        return await _moved_before(session, account, written, amount)
    assert parts is not None, "a key that was used is replayed or refused"
    await store.move(session, written.id, account_id, movement, parts)
    return LotsMoved(transaction_id=written.id, kind=movement, account=account, amount=amount, parts=tuple(parts))


async def _moved_before(session: Session, account: AccountRef, written: Transaction, amount: Money) -> LotsMoved:
    found = await store.moved(session, written.id)
    assert found is not None, "what has the input of a lots' transaction has moved lots"
    kind, parts = found
    return LotsMoved(
        transaction_id=written.id, kind=kind, account=account, amount=amount, parts=tuple(parts), replayed=True
    )


async def _extensions(session: Session, account: AccountRef, parts: Sequence[Part]) -> list[datetime | None]:
    """The later ends that a refund gives to lots that have ended; what of them had not been swept is ended first."""
    now = clock.now()
    lots = {part.lot_id: await _lot(session, part.lot_id) for part in parts}
    if any(lot.ended(now) and lot.free for lot in lots.values()):
        await _expire(session, [account])
    grace = house_of(session).settings_of(LedgerSettings).lots_grace
    return [now + grace if lots[part.lot_id].ended(now) else None for part in parts]


async def _lot(session: Session, lot_id: int) -> Lot:
    found = await store.lot(session, lot_id)
    if found is None:
        raise NotFound(N_("There is no such lot."))
    return found


def _free(account: AccountRef, lots: Sequence[Lot]) -> Money:
    return sum((lot.free for lot in lots), Money(0, account.unit))


def _with_sources(metadata: Metadata | None, sources: Collection[LotSource] | None) -> Metadata:
    """Metadata that says which sources were asked for, so that a key used again comes with the same."""
    return {**(metadata or {}), **({} if sources is None else {"sources": list[JsonValue](sorted(sources))})}


def _check(account: AccountRef, amount: Money, expires_at: datetime | None = None, price: Money | None = None) -> None:
    if amount.unit != account.unit:
        raise _bad("/amount", "wrong_unit", N_("The amount is in another unit than the account."))
    if amount.minor <= 0:
        raise _bad("/amount", "bad_amount", N_("Only an amount above zero can be granted, spent or given back."))
    if price is not None and price.minor < 0:
        raise _bad("/price", "bad_amount", N_("A price is not below zero."))
    if expires_at is not None and expires_at.tzinfo is None:
        raise _bad("/expires_at", "naive", N_("The time of expiry carries no zone."))


def _bad(pointer: str, code: str, message: str, **fields: object) -> BadPosting:
    return BadPosting(message, errors=[FieldError(pointer, code, message.format(**fields))], **fields)

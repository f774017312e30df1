"""Setting money aside, and giving it back."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from tillhouse.kernel import clock
from tillhouse.kernel.db import JsonValue, ReadSession, Session
from tillhouse.kernel.errors import FieldError, NotFound
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain import (
    AccountInUse,
    AccountRef,
    BadPosting,
    CarriesLots,
    Hold,
    IdempotencyKeyReused,
    InsufficientFunds,
    hold_hash,
    key_faults,
    metadata_faults,
)
from tillhouse.parts.ledger.service.calls import account_closed, as_json, hold_ended
from tillhouse.parts.ledger.service.charts import chart_of, tell_watchers
from tillhouse.parts.ledger.store import reading, writing

_EXPIRED_AT_ONCE = 500


async def hold(
    session: Session,
    *,
    key: str,
    account: AccountRef,
    amount: Money,
    expires_at: datetime | None = None,
    metadata: Mapping[str, JsonValue] | None = None,
) -> Hold:
    """Set `amount` (positive, natural sign) of `account` aside: available falls, the balance stays.

    The same key and input return the first hold, whatever became of it. A refusal has written nothing.
    Raises `InsufficientFunds`, `AccountClosed`, `IdempotencyKeyReused` (409); `UnknownAccount`, `BadPosting`,
    `CarriesLots` (422).
    """
    if chart_of(session).account_kind(account).lots:
        raise CarriesLots(account)
    return await set_aside(session, key=key, account=account, amount=amount, expires_at=expires_at, metadata=metadata)


async def set_aside(
    session: Session,
    *,
    key: str,
    account: AccountRef,
    amount: Money,
    expires_at: datetime | None = None,
    metadata: Mapping[str, JsonValue] | None = None,
) -> Hold:
    """What `hold` does, for any account: with lots, the caller pins them in this transaction, the account locked."""
    kind = chart_of(session).account_kind(account)
    details = metadata or {}
    _check(account, amount, expires_at, [*key_faults(key), *metadata_faults(details)])
    outcome = await writing.hold(
        session,
        account,
        kind,
        key=key,
        input_hash=hold_hash(account, amount, expires_at, details),
        amount=amount.minor,
        expires_at=expires_at,
        metadata=as_json(details),
    )
    match outcome.outcome:
        case "held" | "replayed":
            assert outcome.number is not None
            tell_watchers(session, [account])
            return await get_hold(session, outcome.number)
        case "insufficient_funds":
            assert outcome.available is not None
            raise InsufficientFunds(account, Money(outcome.available, account.unit), amount)
        case "account_closed":
            raise account_closed()
        case "key_reused":
            raise IdempotencyKeyReused(N_("This idempotency key was used before, for something else."))
        case other:
            raise RuntimeError(f"ledger.hold answered {other}")


async def void(session: Session, hold_id: int) -> Hold:
    """End a hold and give its amount back. Voiding a voided hold is harmless.

    Raises `NotFound`, `HoldEnded` when it was captured or has expired.
    """
    await writing.release(session, [hold_id], "voided", None)
    found = await get_hold(session, hold_id)
    if found.state != "voided":
        raise hold_ended()
    tell_watchers(session, [found.account])
    return found


async def expire(session: Session) -> bool:
    """End up to 500 holds whose time is over, and give their amounts back. Returns whether there may be more."""
    now = clock.now()
    due = await reading.due_holds(session, now, _EXPIRED_AT_ONCE)
    if due:
        await writing.release(session, due, "expired", now)
    return len(due) == _EXPIRED_AT_ONCE


async def get_hold(session: ReadSession, hold_id: int) -> Hold:
    """One hold, open or ended. Raises `NotFound`."""
    found = await reading.hold(session, hold_id)
    if found is None:
        raise NotFound(N_("There is no such hold."))
    return found


async def open_holds(session: ReadSession, account: AccountRef) -> Sequence[Hold]:
    """The open holds of `account`, oldest first."""
    return await reading.open_holds(session, account)


async def close_account(session: Session, account: AccountRef) -> None:
    """Let `account` take no more postings or holds. Closing a closed or unused account is harmless.

    Raises `AccountInUse` while it has a balance or an open hold.
    """
    if not await writing.close_account(session, account):
        raise AccountInUse(N_("This account still has a balance or money held: empty it first."))


def _check(account: AccountRef, amount: Money, expires_at: datetime | None, faults: list[tuple[str, str, str]]) -> None:
    if amount.unit != account.unit:
        faults.append(("/amount", "wrong_unit", N_("The amount is in another unit than the account.")))
    if amount.minor <= 0:
        faults.append(("/amount", "bad_amount", N_("Only an amount above zero can be held.")))
    if expires_at is not None and expires_at.tzinfo is None:
        faults.append(("/expires_at", "naive", N_("The time of expiry carries no zone.")))
    if faults:
        raise BadPosting(faults[0][2], errors=[FieldError(*fault) for fault in faults])

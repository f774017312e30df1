"""Use cases of the ledger, each inside the caller's transaction."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Literal
from uuid import UUID

from tillhouse.kernel.db import JsonValue, ReadSession, Session
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.money import Money
from tillhouse.parts.ledger.domain import AccountRef, Balance, Hold, Posting, StatementLine, Transaction


async def post(session: Session, posting: Posting) -> Transaction:
    """Write one transaction, or return what its key wrote before.

    A refusal changes nothing, so it may be caught and the session used on.
    Raises `InsufficientFunds`, `AccountClosed`, `IdempotencyKeyReused`, `BalanceTooLarge` (409); `BadPosting`,
    `UnknownKind`, `UnknownAccount`, `AccountNotAllowed` (422).
    """
    raise NotImplementedError


async def post_many(session: Session, postings: Sequence[Posting]) -> Sequence[Transaction | DomainError]:
    """Write up to 10,000 transactions in one call, in order, each with its own outcome: a refused one is returned as
    the error that `post` would raise, and changes nothing.

    Raises `InvalidInput` for more than 10,000.
    """
    raise NotImplementedError


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

    The same key and input return the first hold, whatever became of it.
    Raises `InsufficientFunds`, `AccountClosed`, `IdempotencyKeyReused`, `UnknownAccount`, `BadPosting`.
    """
    raise NotImplementedError


async def capture(session: Session, hold_id: int, posting: Posting) -> Transaction:
    """End a hold by writing `posting`, which takes the held amount or less from the held account.

    What is not taken is released. The posting may have other legs too (a fee).
    Raises `NotFound`, `HoldEnded`, `CaptureNotCovered`, and what `post` raises.
    """
    raise NotImplementedError


async def void(session: Session, hold_id: int) -> Hold:
    """End a hold and give its amount back. Voiding a voided hold is harmless.

    Raises `NotFound`, `HoldEnded` when it was captured or has expired.
    """
    raise NotImplementedError


async def reverse(
    session: Session,
    transaction_id: int,
    *,
    key: str,
    effective_at: datetime | None = None,
    metadata: Mapping[str, JsonValue] | None = None,
) -> Transaction:
    """Write the mirror image of a transaction, once.

    Raises `NotFound`, `AlreadyReversed`, `NotReversible` (it is a reversal itself), and what `post` raises.
    """
    raise NotImplementedError


async def balance(session: ReadSession, account: AccountRef) -> Balance:
    """What `account` holds now; zero when it has never been used. Takes no lock."""
    raise NotImplementedError


async def balances(session: ReadSession, accounts: Collection[AccountRef]) -> Mapping[AccountRef, Balance]:
    """What each of `accounts` holds, all as of one moment."""
    raise NotImplementedError


async def balances_of_owner(session: ReadSession, owner_kind: str, owner_id: UUID | None) -> Sequence[Balance]:
    """Every account opened for an owner, in the order of code and unit."""
    raise NotImplementedError


async def statement(
    session: ReadSession,
    account: AccountRef,
    *,
    limit: int,
    before: int | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    direction: Literal["in", "out"] | None = None,
    kinds: Collection[str] = (),
) -> Sequence[StatementLine]:
    """The newest `limit` entries of `account` recorded before the transaction `before`, newest first.

    `since` (inclusive) and `until` (exclusive) are effective times; `direction` is seen from the account's natural
    sign. For pages ask for one more than shown and continue with the last shown `transaction_id`.
    """
    raise NotImplementedError


async def transaction(session: ReadSession, transaction_id: int) -> Transaction:
    """One transaction with its legs. Raises `NotFound`."""
    raise NotImplementedError


async def get_hold(session: ReadSession, hold_id: int) -> Hold:
    """One hold, open or ended. Raises `NotFound`."""
    raise NotImplementedError


async def open_holds(session: ReadSession, account: AccountRef) -> Sequence[Hold]:
    """The open holds of `account`, oldest first."""
    raise NotImplementedError


async def close_account(session: Session, account: AccountRef) -> None:
    """Let `account` take no more postings or holds. Closing a closed or unused account is harmless.

    Raises `AccountInUse` while it has a balance or an open hold.
    """
    raise NotImplementedError


def kind_title(session: ReadSession, kind: str) -> str:
    """What people read beside a movement of that kind: an English message id, to be translated at the edge."""
    raise NotImplementedError

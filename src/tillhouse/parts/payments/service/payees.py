"""Saved payees: added, found again, asked about at the bank, removed."""

import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import emit, enqueue
from tillhouse.parts.payments.domain import (
    BankAccount,
    Destination,
    NameMatch,
    PayeeState,
    StripeAccount,
    ThaiBankAccount,
    Vpa,
    account_of,
    match_names,
    next_account_check,
)
from tillhouse.parts.payments.events import CheckPayee, PayeeAdded
from tillhouse.parts.payments.models import PayeeRow, PayoutRow
from tillhouse.parts.payments.ports import AccountFacts, Payee
from tillhouse.parts.payments.service.attention import count_check
from tillhouse.parts.payments.service.registry import guards_of, payout_provider_for
from tillhouse.parts.payments.store import payees as store
from tillhouse.parts.wallets.api import PayoutAccount

_DESTINATIONS: dict[str, Callable[..., Destination]] = {
    "vpa": Vpa,
    "bank_account": BankAccount,
    "thai_bank_account": ThaiBankAccount,
    "stripe_account": StripeAccount,
}


@dataclass(frozen=True, slots=True)
class NewPayee:
    """An account that an owner wants to pay out to. `holder` is the owner's own name, as we know it."""

    owner_kind: str
    owner_id: UUID
    to: Destination
    holder: str


@dataclass(frozen=True, slots=True)
class Checking:
    """What a provider is to be asked about an account. `check_id`: it was asked before, and this is its answer's id."""

    payee_id: UUID
    provider: str
    key: UUID
    check_id: str | None
    to: Destination
    payee: Payee


class TooManyPayees(Conflict):
    """No more accounts may be saved."""

    code = "too_many_payees"


async def save_payee(session: Session, wish: NewPayee, *, by: UUID | None) -> PayeeRow:
    """The owner's payee of this account, made when there is none, added anew when it was removed; locked.

    `by` is the person or machine that adds it.

    Raises `TooManyPayees`.
    """
    fresh = _row(session, wish)
    row = await store.insert_payee(session, fresh)
    again = row.state == PayeeState.REMOVED
    if again:
        _add_again(row, fresh)
    if again or row.id == fresh.id:
        await store.take_turn(session, "payments.payees", str(wish.owner_id))
        most = guards_of(session).most_payees
        if await store.count_payees(session, wish.owner_kind, wish.owner_id) > most:
            raise TooManyPayees(N_("You have saved {most} accounts, the most that is allowed: remove one."), most=most)
        await emit(session, PayeeAdded(payee_id=row.id, by=by))
    await session.flush()
    return row


async def add_payee(session: Session, wish: NewPayee, *, by: UUID) -> PayeeRow:
    """Save a payee on purpose: the bank is asked about it, where its provider can, also after it refused it."""
    row = await save_payee(session, wish, by=by)
    if row.state in (PayeeState.NEW, PayeeState.REFUSED):
        await start_check(session, row)
    return row


async def remove_payee(session: Session, owner: tuple[str, UUID], payee_id: UUID) -> PayeeRow:
    """Take a payee off the owner's list. Payouts on their way to it go on. Raises `NotFound`."""
    row = await store.lock_payee(session, payee_id)
    if row is None or (row.owner_kind, row.owner_id) != owner or row.state == PayeeState.REMOVED:
        raise _no_such_payee()
    row.state, row.next_check_at, row.updated_at = PayeeState.REMOVED, None, clock.now()
    await session.flush()
    return row


async def destination_of(session: ReadSession, owner: tuple[str, UUID], payee_id: UUID) -> Destination:
    """The account behind an owner's payee. Raises `NotFound`, for a removed one too."""
    row = await store.payee_by_id(session, payee_id)
    if row is None or (row.owner_kind, row.owner_id) != owner or row.state == PayeeState.REMOVED:
        raise _no_such_payee()
    return unsealed(house_of(session).vault.open(row.destination), row.owner_id)[0]


async def payout_accounts(session: ReadSession, owner_kind: str, owner_id: UUID, name: str) -> list[PayoutAccount]:
    """An owner's saved accounts, and how the names that banks told of them agree with `name`."""
    vault = house_of(session).vault
    found = []
    for row in await store.payees_of(session, owner_kind, owner_id, limit=guards_of(session).most_payees, before=None):
        told = vault.open(row.registered_name) if row.registered_name else None
        found.append(PayoutAccount(row.state == PayeeState.VERIFIED, match_names(told, name).value))
    return found


async def start_check(session: Session, row: PayeeRow) -> None:
    """Have the bank asked whose account it is, where a provider can ask: the question is written down, and sent after
    the commit. Needs the payee's lock.
    """
    to, _ = unsealed(house_of(session).vault.open(row.destination), row.owner_id)
    provider = payout_provider_for(house_of(session), to.kind)
    if provider is None or provider.checks is None:
        return
    now = clock.now()
    row.state, row.provider, row.check_key = PayeeState.CHECKING, provider.gateway.name, new_id()
    row.check_id = row.check_reason = row.check_sent_at = row.checked_at = None
    row.registered_name = row.name_match = None
    row.next_check_at, row.updated_at = next_account_check(now, now), now
    await enqueue(session, CheckPayee(payee_id=row.id), unique=f"first:{row.check_key}")
    count_check(session, row.provider, "asked")
    await session.flush()


async def begin_check(session: Session, payee_id: UUID) -> Checking | None:
    """Note that the provider is about to be asked; None when there is nothing to ask about (any more)."""
    row = await store.lock_payee(session, payee_id)
    if row is None or row.state != PayeeState.CHECKING or row.provider is None or row.check_key is None:
        return None
    now = clock.now()
    row.check_sent_at = row.check_sent_at or now
    row.next_check_at = next_account_check(row.check_sent_at, now)
    await session.flush()
    to, payee = unsealed(house_of(session).vault.open(row.destination), row.owner_id)
    return Checking(row.id, row.provider, row.check_key, row.check_id, to, replace(payee, since=row.added_at))


async def record_check(session: Session, asked: Checking, facts: AccountFacts) -> PayeeRow | None:
    """Take in what the bank says of an account. Returns the payee when it is now known, or refused, by this.

    Old news changes nothing: an answer to an earlier question, one about a payee that is removed, the same once more.
    """
    row = await store.lock_payee(session, asked.payee_id)
    if row is None or row.state != PayeeState.CHECKING or row.check_key != asked.key:
        return None
    row.check_id, row.updated_at = facts.check_id or None, clock.now()
    if facts.state == "pending":
        await session.flush()
        return None
    row.checked_at, row.next_check_at, row.check_reason = clock.now(), None, facts.reason
    if facts.state == "valid":
        row.state = PayeeState.VERIFIED
        row.name_match = match_names(facts.registered_name, asked.payee.name)
        if facts.registered_name:
            row.registered_name = house_of(session).vault.seal(facts.registered_name)
    else:
        row.state = PayeeState.REFUSED
    count_check(session, asked.provider, row.name_match or row.state)
    await session.flush()
    return row


def fingerprint(house: House, to: Destination) -> bytes:
    """What finds an account again without telling it: HMAC-SHA256 under a key of the house's own."""
    key = hmac.digest(house.settings.secret_key.encode(), b"payments.payees", hashlib.sha256)
    return hmac.digest(key, account_of(to).encode(), hashlib.sha256)


def sealed(house: House, to: Destination, holder: str) -> bytes:
    """A destination with the owner's name, for a column."""
    return house.vault.seal(json.dumps({**asdict(to), "payee": holder}))


def unsealed(text: str, owner_id: UUID) -> tuple[Destination, Payee]:
    """What was sealed, as it was: a second try sends the same body under the same key."""
    details = json.loads(text)
    payee = Payee(details.pop("payee"), owner_id.hex)
    kind = details.pop("kind")
    return _DESTINATIONS[kind](**details), payee


async def known_there(session: ReadSession, payout: PayoutRow, payee: Payee) -> Payee:
    """The payee of a payout with what its provider knows it by."""
    row = await store.payee_by_id(session, payout.payee_id) if payout.payee_id else None
    if row is None:
        return payee
    return replace(
        payee,
        account_id=row.check_id if row.provider == payout.provider else None,
        paid_before=await store.payout_before(session, row.id, payout.provider),
        since=row.added_at,
    )


def name_match_of(row: PayeeRow) -> NameMatch | None:
    """How the bank's name agrees with the owner's; None while the bank has not told."""
    return NameMatch(row.name_match) if row.name_match else None


def _row(session: Session, wish: NewPayee) -> PayeeRow:
    now, house = clock.now(), house_of(session)
    return PayeeRow(
        id=new_id(),
        owner_kind=wish.owner_kind,
        owner_id=wish.owner_id,
        kind=wish.to.kind,
        destination=sealed(house, wish.to, wish.holder),
        masked=wish.to.masked,
        fingerprint=fingerprint(house, wish.to),
        state=PayeeState.NEW,
        usable_from=now + guards_of(session).cooling,
        added_at=now,
        updated_at=now,
    )


def _add_again(row: PayeeRow, fresh: PayeeRow) -> None:
    """A removed payee begins anew: what was known of it, and its waiting, do not outlive the removal."""
    row.destination, row.masked, row.state = fresh.destination, fresh.masked, PayeeState.NEW
    row.usable_from, row.added_at, row.updated_at = fresh.usable_from, fresh.added_at, fresh.updated_at
    row.registered_name = row.name_match = row.provider = row.check_key = row.check_id = row.check_reason = None
    row.check_sent_at = row.checked_at = None


def _no_such_payee() -> NotFound:
    return NotFound(N_("There is no such saved account."))

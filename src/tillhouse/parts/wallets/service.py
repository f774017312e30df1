"""Reading wallets. A wallet that was never used is there too, with nothing in it: asking writes nothing."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from datetime import datetime, tzinfo
from uuid import UUID

from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.live import tell
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.identity import api as identity
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.wallets.domain import (
    ACCOUNT_CODE,
    Direction,
    Movement,
    MovementFilter,
    OwnerKind,
    Wallet,
    account_ref,
    wallet_id,
)
from tillhouse.parts.wallets.ports import PendingSource
from tillhouse.parts.wallets.settings import WalletsSettings

_BITE = 1_000  # lines of a file that are read at once


async def wallets_of(session: ReadSession, person_id: UUID) -> Sequence[Wallet]:
    """All wallets of a person: those everyone has, then those in which something was ever booked or is pending."""
    used = {
        found.account.unit: found
        for found in await ledger.balances_of_owner(session, "person", person_id)
        if found.account.code == ACCOUNT_CODE
    }
    pending = await _pending(session, person_id)
    units = dict.fromkeys([*house_of(session).settings_of(WalletsSettings).currencies, *sorted(used), *sorted(pending)])
    return [_wallet(person_id, unit, used.get(unit), pending[unit]) for unit in units]


async def owner_of(session: ReadSession, person_id: UUID, organisation_id: UUID | None) -> tuple[OwnerKind, UUID]:
    """Whose wallets are asked for: a person's own, or those of an organisation whose money they may read.

    Raises `NotFound` for whoever does not belong to it, `Forbidden` for a member in another role.
    """
    if organisation_id is None:
        return "person", person_id
    await identity.require_member(session, organisation_id, person_id, *identity.MONEY_READERS)
    return "organisation", organisation_id


async def wallets_of_organisation(session: ReadSession, organisation_id: UUID, person_id: UUID) -> Sequence[Wallet]:
    """The wallets of an organisation in which something was ever booked, for a member who may read its money.

    Raises what `owner_of` raises.
    """
    await owner_of(session, person_id, organisation_id)
    return [_wallet(organisation_id, found.account.unit, found, 0) for found in await _booked(session, organisation_id)]


async def reasons_to_keep_organisation(session: ReadSession, organisation_id: UUID) -> Sequence[str]:
    """Why an organisation cannot be closed yet: sentences for its owner."""
    found = await _booked(session, organisation_id)
    if any(balance.available or balance.held for balance in found):
        return [N_("There is still money in the organisation's wallet: pay it out first.")]
    return []


async def close_organisation(session: Session, organisation_id: UUID) -> None:
    """Close an organisation's wallets, so that money which comes late is booked elsewhere. The entries stay.

    Raises `AccountInUse` when money came in since the reasons were asked for.
    """
    for balance in await _booked(session, organisation_id):
        await ledger.close_account(session, balance.account)


async def wallet_of(session: ReadSession, person_id: UUID, unit: str) -> Wallet:
    """A person's wallet in `unit`."""
    found = await ledger.balance(session, account_ref(person_id, unit))
    return _wallet(person_id, unit, found, (await _pending(session, person_id))[unit])


async def wallet_by_id(
    session: ReadSession, person_id: UUID, wanted: UUID, organisation_id: UUID | None = None
) -> Wallet:
    """The wallet of that id, when it is this person's, or that organisation's. Raises `NotFound` for anyone else's, and
    what `owner_of` raises.
    """
    found = (
        await wallets_of_organisation(session, organisation_id, person_id)
        if organisation_id
        else await wallets_of(session, person_id)
    )
    for wallet in found:
        if wallet.id == wanted:
            return wallet
    raise NotFound(N_("There is no such wallet."))


async def movements(
    session: ReadSession,
    owner_id: UUID,
    unit: str,
    *,
    owner_kind: OwnerKind = "person",
    limit: int,
    before: int | None = None,
    direction: Direction | None = None,
    kinds: Collection[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
) -> Sequence[Movement]:
    """The newest `limit` movements of an owner's wallet before the movement `before`, newest first.

    `since` (inclusive) and `until` (exclusive) are effective times.
    """
    lines = await ledger.statement(
        session,
        account_ref(owner_id, unit, owner_kind),
        limit=limit,
        before=before,
        direction=direction,
        kinds=kinds,
        since=since,
        until=until,
    )
    return [_movement(line, ledger.kind_title(session, line.kind)) for line in lines]


async def movement_rows(
    session: ReadSession,
    owner_id: UUID,
    unit: str,
    wanted: MovementFilter,
    *,
    owner_kind: OwnerKind = "person",
    before: int | None,
    zone: tzinfo,
    say: Callable[[str], str],
) -> tuple[Sequence[Sequence[object]], int | None]:
    """A bite of a file of movements, in `MOVEMENT_COLUMNS`, newest first: up to 1,000 lines before the movement
    `before`, and where the next bite begins, None at the end. Instants are written in `zone`, titles by `say`.
    """
    found = await movements(
        session,
        owner_id,
        unit,
        owner_kind=owner_kind,
        limit=_BITE,
        before=before,
        direction=wanted.direction,
        kinds=wanted.kinds,
        since=wanted.since,
        until=wanted.until,
    )
    rows = [
        (str(one.id), one.effective_at.astimezone(zone).isoformat(), one.recorded_at.astimezone(zone).isoformat(),
         one.kind, say(one.title), one.direction, one.amount if one.direction == "in" else -one.amount,
         one.amount.unit, one.balance, one.reverses or "")
        for one in found
    ]  # fmt: skip
    return rows, found[-1].id if len(found) == _BITE else None


def tell_of_change(session: Session, account: ledger.AccountRef) -> None:
    """Tell a person, once this transaction has committed, that what is in a wallet of theirs has changed."""
    if account.owner_id is not None:
        tell(session, account.owner_id, "wallets", id=str(wallet_id(account.owner_id, account.unit)))


async def reasons_to_keep(session: ReadSession, person_id: UUID) -> Sequence[str]:
    """Why a person cannot be erased yet: sentences for that person."""
    found = await wallets_of(session, person_id)
    reasons = []
    if any(wallet.available for wallet in found):
        reasons.append(N_("There is still money in your wallet: withdraw it first."))
    if any(wallet.held for wallet in found):
        reasons.append(N_("Money of yours is set aside for a withdrawal: wait until it has arrived."))
    return reasons


async def close_wallets(session: Session, person_id: UUID, _addresses: Sequence[str]) -> None:
    """Close a person's wallets, so that money which comes late is booked elsewhere. The entries stay.

    Raises `AccountInUse` when money came in since the reasons were asked for.
    """
    for balance in await ledger.balances_of_owner(session, "person", person_id):
        if balance.account.code == ACCOUNT_CODE:
            await ledger.close_account(session, balance.account)


async def _booked(session: ReadSession, organisation_id: UUID) -> list[ledger.Balance]:
    found = await ledger.balances_of_owner(session, "organisation", organisation_id)
    return [balance for balance in found if balance.account.code == ACCOUNT_CODE]


async def _pending(session: ReadSession, person_id: UUID) -> Counter[str]:
    sums: Counter[str] = Counter()
    for source in house_of(session).provided(PendingSource):
        for amount in await source.pending(session, person_id):
            sums[amount.unit] += amount.minor
    return sums


def _wallet(owner_id: UUID, unit: str, balance: ledger.Balance | None, pending: int) -> Wallet:
    nothing = Money(0, unit)
    return Wallet(
        id=wallet_id(owner_id, unit),
        currency=unit,
        available=balance.available if balance else nothing,
        held=balance.held if balance else nothing,
        pending=Money(pending, unit),
    )


def _movement(line: ledger.StatementLine, title: str) -> Movement:
    came_in = line.amount.minor > 0
    return Movement(
        id=line.transaction_id,
        kind=line.kind,
        title=title,
        direction="in" if came_in else "out",
        amount=line.amount if came_in else -line.amount,
        balance=line.balance,
        effective_at=line.effective_at,
        recorded_at=line.recorded_at,
        reverses=line.reverses,
        about=line.metadata,
    )

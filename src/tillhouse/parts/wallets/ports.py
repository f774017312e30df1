"""What wallets ask of parts above them."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.money import Money
from tillhouse.parts.wallets.domain import OwnerKind


@dataclass(frozen=True, slots=True)
class PendingSource:
    """Provided by a part that knows of money on its way into wallets: authorised, not yet captured.

    `pending(session, person_id)` returns amounts; several in one unit are added up.
    """

    pending: Callable[[ReadSession, UUID], Awaitable[Sequence[Money]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """Money that a person would have paid out, their own or their organisation's. `amount` is what is asked for, then,
    once it is set aside, that together with what left the owner's wallet in the 24 hours before.
    """

    owner_kind: OwnerKind
    owner_id: UUID
    by: UUID
    amount: Money


@dataclass(frozen=True, slots=True)
class PayoutRule:
    """Provided by a part that may stand against money being paid out.

    `check(session, leaving)` goes on, or raises a `DomainError` that says what to do.
    """

    check: Callable[[ReadSession, Leaving], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class PayoutAccount:
    """An account outside to which an owner has money paid out. `confirmed`: a bank said that it exists; `name`: how the
    name that the bank tells agrees with the one asked about, `unknown` where it tells none.
    """

    confirmed: bool
    name: Literal["match", "partial", "mismatch", "unknown"]


@dataclass(frozen=True, slots=True)
class PayoutAccounts:
    """Provided by a part that pays out: `of(session, owner_kind, owner_id, name)` are the accounts an owner saved."""

    of: Callable[[ReadSession, str, UUID, str], Awaitable[Sequence[PayoutAccount]]]

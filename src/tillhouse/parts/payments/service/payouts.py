"""Payouts: reserved, approved, begun, and what the provider says of them."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, FieldError, NotFound
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import MAX_MINOR, Money
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import Event, emit, enqueue
from tillhouse.parts.payments import store
from tillhouse.parts.payments.domain import (
    Destination,
    PayoutFacts,
    PayoutState,
    mismatch,
    next_payout_check,
    payout_step,
)
from tillhouse.parts.payments.domain.endings import ENDED_BY_A_WORD
from tillhouse.parts.payments.domain.payouts import (
    FEE_DIFFERENCE,
    NEVER_HAPPENED,
    PARTLY_REVERSED,
    payout_differs,
    payout_lacks,
)
from tillhouse.parts.payments.events import (
    PayoutFailed,
    PayoutProcessed,
    PayoutRequested,
    PayoutReversed,
    SendPayout,
)
from tillhouse.parts.payments.models import PayoutRow
from tillhouse.parts.payments.ports import Payee
from tillhouse.parts.payments.service.attention import (
    count_review,
    count_withdrawal,
    look_into,
    no_longer,
    payout_moved,
    remind_of,
    tell_anew,
    tell_of_payout,
)
from tillhouse.parts.payments.service.books import book_payout, free_payout, hold_for, reverse_payout
from tillhouse.parts.payments.service.guards import guard
from tillhouse.parts.payments.service.orders import OverLimit, check_limits
from tillhouse.parts.payments.service.payees import NewPayee, fingerprint, known_there, save_payee, sealed, unsealed
from tillhouse.parts.payments.service.registry import choose_payout_provider, payout_gateway, settings_of
from tillhouse.parts.payments.service.returns import collect_debt, pay_after_all

_DAY = timedelta(hours=24)
_SENDABLE = (PayoutState.RESERVED, PayoutState.SENDING, PayoutState.UNKNOWN)
_ASKABLE = (PayoutState.PROCESSING, PayoutState.PROCESSED)

NEVER_MADE = "never_made"
UNAPPROVED = "unapproved_too_long"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPayout:
    """`amount` is to leave the owner's wallet for `to`. The same owner and `request_key` mean the same payout.

    `payee_name` is who the provider is told it is for; `requested_by` is the person or machine that asked.
    """

    owner_kind: str
    owner_id: UUID
    amount: Money
    to: Destination
    payee_name: str
    request_key: str
    requested_by: UUID | None
    origin: Literal["withdrawal", "payout"] = "withdrawal"
    id: UUID = field(default_factory=new_id)


@dataclass(frozen=True, slots=True)
class Sending:
    """What a provider of payouts is to be asked. `first` means that nothing can have been sent yet, `since` is when it
    was sent for the first time. `to` is None for one that may not be sent (again): where it went may be forgotten.
    """

    payout_id: UUID
    provider: str
    provider_payout_id: str | None
    amount: Money
    since: datetime
    first: bool
    to: tuple[Destination, Payee] | None


async def reserve_payout(session: Session, wish: NewPayout) -> PayoutRow:
    """Set the money aside and plan the payout, or return what the same key made before. The account becomes a payee of
    the owner's where it is none yet.

    Raises `OverLimit`, `InvalidInput`, the ledger's `InsufficientFunds`, what the guards raise, and `Conflict` for
    another wish under the key.
    """
    house = house_of(session)
    provider = check_wish(session, wish.amount, wish.to)
    new = NewPayee(wish.owner_kind, wish.owner_id, wish.to, wish.payee_name)
    payee = await save_payee(session, new, by=wish.requested_by)
    payout = await store.insert_payout(session, _row(session, wish, provider, payee.id))
    if payout.id != wish.id:
        if (payout.money, payout.fingerprint) != (wish.amount, fingerprint(house, wish.to)):
            raise Conflict(N_("This request was made before with other details: start again."))
        return payout
    await collect_debt(session, payout.owner_kind, payout.owner_id, payout.currency, key=f"payout:{payout.id}")
    payout.hold_id = await hold_for(session, payout)
    await _check_day(session, payout)  # after the hold: its lock on the wallet makes withdrawals take turns
    payout.reasons = list(await guard(session, payout, payee))
    if payout.reasons:
        payout.state = PayoutState.AWAITING_APPROVAL
        for reason in payout.reasons:
            count_review(session, reason)
    else:
        await _plan(session, payout)
    await emit(session, PayoutRequested(payout_id=payout.id))
    count_withdrawal(session, payout.provider, "requested")
    tell_of_payout(session, payout)
    await session.flush()
    return payout


def check_wish(session: ReadSession, amount: Money, to: Destination) -> str:
    """Who would pay this out. Raises `InvalidInput` where nobody can, `OverLimit` for too little or too much."""
    provider = choose_payout_provider(house_of(session), to.kind, amount.unit)
    least, most = settings_of(session).withdrawal_range(amount.unit)
    check_limits(amount, least=least, most=most)
    return provider.gateway.name


async def needs_step_up(session: ReadSession, payout: PayoutRow) -> bool:
    """Whether a person has to show again who they are for a payout just reserved: slices count together.

    Ask after `reserve_payout`: its hold makes withdrawals at the same time take turns.
    """
    above = settings_of(session).withdrawal_step_up_above.within(payout.currency, 0)
    return await _paid_out_within_a_day(session, payout) > above


async def out_lately(session: ReadSession, payout: PayoutRow) -> Money:
    """What left its owner's wallet in its currency within 24 hours, or is about to, with it. Ask as `needs_step_up`."""
    return Money(await _paid_out_within_a_day(session, payout), payout.currency)


async def let_go(session: Session, payout: PayoutRow) -> None:
    """Send a payout that waited on its way. Needs its lock."""
    _move(session, payout, PayoutState.RESERVED)
    await no_longer(session, str(payout.id), UNAPPROVED)
    await _plan(session, payout)


async def turn_down(session: Session, payout: PayoutRow) -> None:
    """Do not send a payout that waited: its money is free again. Needs its lock."""
    await no_longer(session, str(payout.id), UNAPPROVED)
    await _never_left(session, payout, PayoutState.REJECTED)


async def begin_sending(session: Session, payout_id: UUID) -> Sending | None:
    """Note that the provider is about to be asked; None when there is nothing to ask about (any more)."""
    payout = await store.lock_payout(session, payout_id)
    if payout is None or payout.state not in (*_SENDABLE, *_ASKABLE):
        return None
    now, house = clock.now(), house_of(session)
    first = payout.state == PayoutState.RESERVED
    if payout.state in _SENDABLE:
        payout.state = PayoutState.SENDING
        payout.sent_at = payout.sent_at or now
        tell_of_payout(session, payout)
    payout.updated_at = now
    _plan_check(payout)
    await session.flush()
    assert payout.sent_at is not None
    valid = timedelta(hours=payout_gateway(house, payout.provider).key_valid_hours)
    may_send = payout.state == PayoutState.SENDING and now < payout.sent_at + valid
    return Sending(
        payout.id,
        payout.provider,
        payout.provider_payout_id,
        payout.money,
        payout.sent_at,
        first=first,
        to=await _destination(session, payout) if may_send else None,
    )


async def record_unknown(session: Session, payout_id: UUID) -> None:
    """Nobody knows whether the call had its effect: the hold stays, and the provider is asked until it knows."""
    payout = await store.lock_payout(session, payout_id)
    assert payout is not None
    if payout_step(PayoutState(payout.state), PayoutState.UNKNOWN):
        _move(session, payout, PayoutState.UNKNOWN)
        _plan_check(payout)
        await session.flush()


async def record_lost(session: Session, payout_id: UUID) -> None:
    """The provider does not know a payout that may have been sent, and it is too late to send it again: a person
    decides. The hold stays.
    """
    await record_unknown(session, payout_id)
    payout = await store.lock_payout(session, payout_id)
    if payout is not None and payout.state == PayoutState.UNKNOWN:  # nobody has decided meanwhile
        await remind_of(
            session, "payout", str(payout_id), "unknown_to_provider", amount=payout.amount, currency=payout.currency
        )


async def record_refused(session: Session, payout_id: UUID, *, reason: str, description: str) -> None:
    """The provider would not take it: the money never left and is free again."""
    payout = await store.lock_payout(session, payout_id)
    assert payout is not None
    if payout_step(PayoutState(payout.state), PayoutState.FAILED):
        payout.failure_code, payout.failure_message = reason, description
        await _never_left(session, payout, PayoutState.FAILED)
        await session.flush()


async def record_payout(session: Session, payout_id: UUID, facts: PayoutFacts) -> str | None:
    """Take in what the provider says of a payout, after asking it. Old news changes nothing.

    Returns why it was put aside instead (and put before a person), or None.
    """
    payout = await store.lock_payout(session, payout_id)
    assert payout is not None
    if reason := _not_ours(payout, facts):
        await look_into(session, "payout", str(payout.id), reason, provider_payout=facts.payout_id)
        return reason
    _note(payout, facts)
    before = PayoutState(payout.state)
    if payout_step(before, facts.state):
        await _take_in(session, payout, before, facts)
    elif payout_differs(before, facts.state):
        await look_into(
            session, "payout", str(payout.id), "provider_disagrees",
            ours=before, theirs=facts.state, provider_payout=facts.payout_id,
            amount=payout.amount, currency=payout.currency,
        )  # fmt: skip
    elif before == facts.state:
        await no_longer(session, str(payout.id), "provider_disagrees")
    await _compare_with_promise(session, payout, facts)
    _plan_check(payout)
    await session.flush()
    return None


async def call_off(session: Session, payout: PayoutRow) -> None:
    """People found out that a payout never happened: its money is in the wallet again. Needs its lock."""
    payout.failure_code = NEVER_MADE
    await no_longer(session, str(payout.id), FEE_DIFFERENCE, PARTLY_REVERSED)
    if payout.state == PayoutState.PROCESSED:
        payout.reversal_id = await reverse_payout(session, payout)
        await _finish(session, payout, PayoutState.REVERSED, PayoutReversed(payout_id=payout.id))
    else:
        await _never_left(session, payout, PayoutState.CANCELLED)
    await session.flush()


async def take_at_word(session: Session, payout: PayoutRow, facts: PayoutFacts) -> None:
    """People found a payout at its provider, which says the same: it is booked, also where its money had been freed.
    Needs its lock.
    """
    _note(payout, facts)
    payout.found_under = facts.reference if facts.reference != str(payout.id) else None
    before = PayoutState(payout.state)
    if payout_step(before, facts.state):
        await _take_in(session, payout, before, facts)
    elif before in NEVER_HAPPENED:
        payout.transaction_id, payout.reversal_id = await pay_after_all(session, payout), None
        payout.failure_code = payout.failure_message = None
        payout.processed_at = clock.now()
        await _finish(session, payout, PayoutState.PROCESSED, PayoutProcessed(payout_id=payout.id))
    await _compare_with_promise(session, payout, facts)
    _plan_check(payout)
    await session.flush()


async def payout_for(session: ReadSession, payout_id: UUID, *, owner: tuple[str, UUID] | None) -> PayoutRow:
    """The payout; for an `owner` only their own. Raises `NotFound`."""
    payout = await store.payout_by_id(session, payout_id)
    if payout is None or (owner is not None and (payout.owner_kind, payout.owner_id) != owner):
        raise NotFound(N_("There is no such withdrawal."))
    return payout


async def _destination(session: ReadSession, payout: PayoutRow) -> tuple[Destination, Payee]:
    to, payee = unsealed(house_of(session).vault.open(payout.destination), payout.owner_id)
    return to, await known_there(session, payout, payee)


def _not_ours(payout: PayoutRow, facts: PayoutFacts) -> str | None:
    """Why this cannot be the payout; None where it is."""
    if facts.reference not in (str(payout.id), payout.found_under):
        return "foreign_reference"
    if reason := mismatch(payout.money, facts.amount):
        return reason
    return "paid_out_twice" if payout.provider_payout_id not in (None, facts.payout_id) else None


def _note(payout: PayoutRow, facts: PayoutFacts) -> None:
    payout.provider_payout_id = facts.payout_id
    payout.utr, payout.fee, payout.tax = facts.utr or payout.utr, facts.fee, facts.tax


async def _take_in(session: Session, payout: PayoutRow, before: PayoutState, facts: PayoutFacts) -> None:
    await no_longer(session, str(payout.id), "unknown_to_provider")
    if facts.state == PayoutState.PROCESSING:
        _move(session, payout, facts.state)
    elif facts.state == PayoutState.PROCESSED:
        payout.transaction_id = await book_payout(session, payout)
        payout.processed_at = clock.now()
        await _finish(session, payout, facts.state, PayoutProcessed(payout_id=payout.id))
    else:
        payout.failure_code, payout.failure_message = facts.reason, facts.message
        if before == PayoutState.PROCESSED:
            payout.reversal_id = await reverse_payout(session, payout)
            await _finish(session, payout, facts.state, PayoutReversed(payout_id=payout.id))
        else:
            await _never_left(session, payout, facts.state)


async def _compare_with_promise(session: Session, payout: PayoutRow, facts: PayoutFacts) -> None:
    """What the payee does not get of it, or gets beyond it, is put before a person; the payout goes its way."""
    for reason, lack in payout_lacks(payout.money, facts).items():
        if not lack:
            await no_longer(session, str(payout.id), reason)
            continue
        await tell_anew(
            session, "payout", str(payout.id), reason,
            amount=lack.minor, currency=payout.currency, promised=payout.amount,
            provider_payout=facts.payout_id,
        )  # fmt: skip


async def _never_left(session: Session, payout: PayoutRow, state: PayoutState) -> None:
    await free_payout(session, payout)
    await _finish(session, payout, state, PayoutFailed(payout_id=payout.id))


async def _finish(session: Session, payout: PayoutRow, state: PayoutState, event: Event) -> None:
    _move(session, payout, state)
    payout.finished_at, payout.next_check_at = clock.now(), None
    await no_longer(session, str(payout.id), *ENDED_BY_A_WORD)
    await emit(session, event)


def _move(session: Session, payout: PayoutRow, state: PayoutState) -> None:
    payout.state, payout.updated_at = state, clock.now()
    payout_moved(session, payout)


def _plan_check(payout: PayoutRow) -> None:
    since = payout.processed_at or payout.sent_at or payout.created_at
    payout.next_check_at = next_payout_check(PayoutState(payout.state), since, clock.now())


async def _plan(session: Session, payout: PayoutRow) -> None:
    _plan_check(payout)
    await enqueue(session, SendPayout(payout_id=payout.id), unique=f"first:{payout.id}")


async def _check_day(session: Session, payout: PayoutRow) -> None:
    daily = settings_of(session).withdrawal_daily.within(payout.currency, MAX_MINOR)
    total = await _paid_out_within_a_day(session, payout)
    if total > daily:
        errors = [FieldError("/amount", "over_daily_limit", N_("This is more than may leave within 24 hours."))]
        most = Money(daily, payout.currency)
        left = Money(max(0, daily - total + payout.amount), payout.currency)
        raise OverLimit(
            N_("At most {most} may be withdrawn within 24 hours; {left} is left of it."),
            errors=errors, most=most, left=left,
        )  # fmt: skip


async def _paid_out_within_a_day(session: ReadSession, payout: PayoutRow) -> int:
    since = clock.now() - _DAY
    return await store.paid_out_since(session, payout.owner_kind, payout.owner_id, payout.currency, since)


def _row(session: Session, wish: NewPayout, provider: str, payee_id: UUID) -> PayoutRow:
    now, house = clock.now(), house_of(session)
    return PayoutRow(
        id=wish.id,
        owner_kind=wish.owner_kind,
        owner_id=wish.owner_id,
        request_key=wish.request_key,
        origin=wish.origin,
        requested_by=wish.requested_by,
        amount=wish.amount.minor,
        currency=wish.amount.unit,
        provider=provider,
        state=PayoutState.RESERVED,
        destination_kind=wish.to.kind,
        destination=sealed(house, wish.to, wish.payee_name),
        destination_masked=wish.to.masked,
        payee_id=payee_id,
        fingerprint=fingerprint(house, wish.to),
        reasons=[],
        advanced=0,
        created_at=now,
        updated_at=now,
    )

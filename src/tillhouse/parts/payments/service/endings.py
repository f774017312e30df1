"""A payout or refund that nobody can tell the end of is ended by two people, with the provider's word beside theirs.

It *never happened*: the provider, asked once more, still knows nothing of it, and the money is in the wallet again. It
*did happen*, under an id that was found at the provider: it is booked; where its money had been freed, what was spent
meanwhile is owed. The row's lock (for a refund its order's) is taken before the exception's, as events do.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import store
from tillhouse.parts.payments.domain import PayoutFacts, PayoutState, RefundFacts, RefundState, mismatch
from tillhouse.parts.payments.domain.endings import (
    ENDED_BY_A_WORD,
    PAYOUTS_WITHOUT_END,
    REFUNDS_WITHOUT_END,
    Ending,
    Outcome,
)
from tillhouse.parts.payments.domain.payouts import NEVER_HAPPENED
from tillhouse.parts.payments.models import OrderRow, PaymentRow, PayoutRow, RefundRow
from tillhouse.parts.payments.service.books import wallet_of
from tillhouse.parts.payments.service.given_back import room_for
from tillhouse.parts.payments.service.own import refuse_own
from tillhouse.parts.payments.service.payouts import NEVER_MADE, call_off, record_payout, take_at_word
from tillhouse.parts.payments.service.refunds import (
    KEY_LIVES,
    record_refund,
    record_refund_refused,
    take_refund_at_word,
)
from tillhouse.parts.payments.service.registry import payout_gateway
from tillhouse.parts.payments.service.returns import source_of
from tillhouse.parts.payments.store import reconciliation as exceptions
from tillhouse.parts.payments.store import refunds as refund_store

Facts = PayoutFacts | RefundFacts

# What was begun before a key's end may arrive a little after it.
_ON_ITS_WAY = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Case:
    """The payout or refund that an exception is about. `known_as` is the provider's id where we have one; `payment_id`
    the provider's of a refund's payment.
    """

    kind: Literal["payout", "refund"]
    id: UUID
    provider: str
    known_as: str | None
    payment_id: str = ""


@dataclass(frozen=True, slots=True)
class Moves:
    """What an ending does to the money: `amount` in `account`, which is set aside there (`held`) or free again."""

    amount: Money
    account: ledger.AccountRef
    balance: ledger.Balance
    held: bool


async def moves_of(session: ReadSession, case: Case) -> Moves:
    """Where the money of a case is, for whoever is asked about it."""
    if case.kind == "payout":
        payout = await store.payout_by_id(session, case.id)
        assert payout is not None
        account, held = wallet_of(payout), payout.state in PAYOUTS_WITHOUT_END
        return Moves(payout.money, account, await ledger.balance(session, account), held)
    refund = await refund_store.refund_by_id(session, case.id)
    payment = await store.payment_by_id(session, refund.payment_id) if refund else None
    order = await store.order_by_id(session, payment.order_id) if payment else None
    assert refund is not None
    assert payment is not None
    assert order is not None
    account, held = await source_of(session, order, payment), refund.state in REFUNDS_WITHOUT_END
    return Moves(refund.money, account, await ledger.balance(session, account), held)


async def case_of(session: ReadSession, exception_id: UUID) -> Case:
    """What an exception is about. Raises `NotFound`, and `Conflict` for one that does not end like this."""
    row = await exceptions.exception_by_id(session, exception_id)
    if row is None:
        raise NotFound(N_("There is no such exception."))
    found = await _case(session, row.kind, row.subject) if row.reason in ENDED_BY_A_WORD else None
    if found is None:
        raise Conflict(N_("This ends by a correction or an explanation: propose one of these."))
    return found


async def open_case(session: ReadSession, row_id: UUID) -> UUID | None:
    """The open exception in which people can say what became of this payout or refund, if there is one."""
    found = await exceptions.open_exception_about(session, str(row_id), ENDED_BY_A_WORD)
    return found.id if found else None


async def check_end(session: Session, case: Case, ending: Ending, *, by: UUID) -> None:
    """Raise unless this person may say this of the case as it is now: `Forbidden`, or `Conflict`. Keeps it locked."""
    if case.kind == "payout":
        await _check_payout(session, await _locked_payout(session, case), ending, by)
    else:
        order, _, refund = await _locked_refund(session, case)
        await _check_refund(session, order, refund, ending, by)


async def check_word(session: ReadSession, case: Case, ending: Ending, facts: Facts | None) -> None:
    """Raise unless the provider's word agrees with what is said: `Conflict`, or `InvalidInput` at the provider's id."""
    if ending.outcome == Outcome.NEVER_HAPPENED:
        if contradicts(facts):
            raise Conflict(N_("The provider knows it after all: what it says was taken in. Look at it again."))
        if facts is None and await _is_booked(session, case):
            raise Conflict(N_("It is booked as made, and the provider does not say that it failed."))
    elif facts is None:
        raise _wrong("unknown_to_provider", N_("The provider knows nothing under this id."))
    elif isinstance(facts, PayoutFacts):
        await _check_found_payout(session, case, facts)
    else:
        await _check_found_refund(session, case, facts)


def contradicts(facts: Facts | None) -> bool:
    """Whether the provider has what people say never happened."""
    return facts is not None and facts.state not in (*NEVER_HAPPENED, RefundState.FAILED)


async def carry_out(session: Session, case: Case, ending: Ending, facts: Facts | None) -> int | None:
    """Book what became of it; returns the ledger's transaction, if there was one. Needs `check_end`'s lock."""
    happened = ending.outcome == Outcome.HAPPENED
    if case.kind == "payout":
        payout = await _locked_payout(session, case)
        if happened:
            assert isinstance(facts, PayoutFacts)
            await take_at_word(session, payout, facts)
            return payout.transaction_id
        await call_off(session, payout)
        return payout.reversal_id
    order, payment, refund = await _locked_refund(session, case)
    if happened:
        assert isinstance(facts, RefundFacts)
        await take_refund_at_word(session, order, payment, refund, facts)
        return refund.transaction_id
    await record_refund_refused(session, refund.id, reason=NEVER_MADE, description="")
    return refund.reversal_id


async def take_in_news(session: Session, case: Case, facts: Facts) -> None:
    """What the last look-up has found although nobody expected it: settled as if an event had told it."""
    if isinstance(facts, PayoutFacts):
        await record_payout(session, case.id, facts)
    else:
        await record_refund(session, case.id, facts)


async def _case(session: ReadSession, kind: str, subject: str) -> Case | None:
    try:
        row_id = UUID(subject)
    except ValueError:
        return None
    if kind == "payout" and (payout := await store.payout_by_id(session, row_id)):
        return Case("payout", payout.id, payout.provider, payout.provider_payout_id)
    if kind == "refund" and (refund := await refund_store.refund_by_id(session, row_id)):
        payment = await store.payment_by_id(session, refund.payment_id)
        assert payment is not None
        return Case("refund", refund.id, refund.provider, refund.provider_refund_id, payment.provider_payment_id)
    return None


async def _check_payout(session: Session, payout: PayoutRow, ending: Ending, by: UUID) -> None:
    await refuse_own(session, by, payout.owner_kind, payout.owner_id)
    if by == payout.requested_by:
        raise Forbidden(N_("Somebody other than who asked for this payout says what became of it."))
    state = PayoutState(payout.state)
    never = ending.outcome == Outcome.NEVER_HAPPENED
    if state not in PAYOUTS_WITHOUT_END:
        possible = state == PayoutState.PROCESSED if never else state in NEVER_HAPPENED
        if not possible:
            raise _has_ended()
        return
    hours = payout_gateway(house_of(session), payout.provider).key_valid_hours
    _check_not_sent_again(payout.sent_at, timedelta(hours=hours))


async def _check_refund(session: Session, order: OrderRow, refund: RefundRow, ending: Ending, by: UUID) -> None:
    await refuse_own(session, by, order.owner_kind, order.owner_id)
    state = RefundState(refund.state)
    never = ending.outcome == Outcome.NEVER_HAPPENED
    if state not in REFUNDS_WITHOUT_END:
        possible = state == RefundState.PROCESSED if never else state == RefundState.FAILED
        if not possible:
            raise _has_ended()
        return
    _check_not_sent_again(refund.sent_at, KEY_LIVES)


def _check_not_sent_again(sent_at: datetime | None, key_lives: timedelta) -> None:
    """While it may still be sent under its key, nobody knows the end: what is freed now could go out a minute later."""
    if sent_at is not None and clock.now() < (until := sent_at + key_lives + _ON_ITS_WAY):
        hours = -((clock.now() - until) // timedelta(hours=1))
        raise Conflict(N_("It may still be sent again under its key: decide about it in {hours} hours."), hours=hours)


async def _check_found_payout(session: ReadSession, case: Case, facts: PayoutFacts) -> None:
    payout = await store.payout_by_id(session, case.id)
    assert payout is not None
    other = await store.payout_by_provider_id(session, case.provider, facts.payout_id)
    if other is not None and other.id != payout.id:
        raise _wrong("belongs_to_another", N_("This id belongs to another payout of ours."))
    if facts.reference != str(payout.id) and await _names_one_of_ours(session, facts.reference):
        raise _wrong("belongs_to_another", N_("The provider made it for another payout of ours."))
    _check_amount(mismatch(payout.money, facts.amount))
    if facts.state == PayoutState.PROCESSING and payout.state not in PAYOUTS_WITHOUT_END:
        raise _under_way()
    if facts.state not in (PayoutState.PROCESSED, PayoutState.PROCESSING):
        raise _not_made(facts.state)


async def _check_found_refund(session: ReadSession, case: Case, facts: RefundFacts) -> None:
    refund = await refund_store.refund_by_id(session, case.id)
    payment = await store.payment_by_id(session, refund.payment_id) if refund else None
    assert refund is not None
    assert payment is not None
    other = await refund_store.refund_by_provider_id(session, case.provider, facts.refund_id)
    if (other is not None and other.id != refund.id) or facts.payment_id not in ("", case.payment_id):
        raise _wrong("belongs_to_another", N_("This id belongs to another refund."))
    _check_amount(mismatch(refund.money, facts.amount))
    if facts.state == RefundState.PENDING and refund.state not in REFUNDS_WITHOUT_END:
        raise _under_way()
    if facts.state not in (RefundState.PROCESSED, RefundState.PENDING):
        raise _not_made(facts.state)
    if refund.state == RefundState.FAILED and refund.amount > await room_for(session, payment):
        raise Conflict(
            N_("This payment was given back by another refund meanwhile: end this by a correction of what was lost.")
        )


async def _is_booked(session: ReadSession, case: Case) -> bool:
    if case.kind == "payout":
        payout = await store.payout_by_id(session, case.id)
        return payout is not None and payout.state == PayoutState.PROCESSED
    refund = await refund_store.refund_by_id(session, case.id)
    return refund is not None and refund.state == RefundState.PROCESSED


async def _names_one_of_ours(session: ReadSession, reference: str) -> bool:
    try:
        return await store.payout_by_id(session, UUID(reference)) is not None
    except ValueError:
        return False


async def _locked_payout(session: Session, case: Case) -> PayoutRow:
    payout = await store.lock_payout(session, case.id)
    assert payout is not None
    return payout


async def _locked_refund(session: Session, case: Case) -> tuple[OrderRow, PaymentRow, RefundRow]:
    known = await refund_store.refund_by_id(session, case.id)
    assert known is not None
    found = await refund_store.lock_payment(session, known.payment_id)
    refund = await refund_store.refund_by_id(session, case.id)
    assert found is not None
    assert refund is not None
    return *found, refund


def _check_amount(reason: str | None) -> None:
    if reason:
        raise _wrong(reason, N_("What the provider has under this id is over another amount."))


def _under_way() -> Conflict:
    return Conflict(N_("Its money is free here, and it is under way at the provider: decide when it has an end there."))


def _not_made(state: str) -> InvalidInput:
    wrong = FieldError("/provider_id", "not_made", N_("By what the provider says, it did not go out."))
    return InvalidInput(
        N_("The provider says that it is {state}: it did not go out."), errors=[wrong], state=str(state)
    )


def _wrong(code: str, message: str) -> InvalidInput:
    return InvalidInput(message, errors=[FieldError("/provider_id", code, message)])


def _has_ended() -> Conflict:
    return Conflict(N_("This has an end already: look at it again."))

"""Refunds: begun, sent, and what the gateway says of them. The order's lock makes those of one payment take turns."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session, house_of
from tillhouse.kernel.errors import Conflict, FieldError, InvalidInput, NotFound, TransientError
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import emit, enqueue
from tillhouse.parts.identity import api as identity
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments.domain import (
    RefundFacts,
    RefundState,
    mismatch,
    next_refund_check,
    refund_step,
)
from tillhouse.parts.payments.domain.endings import ENDED_BY_A_WORD
from tillhouse.parts.payments.events import RefundFailed, RefundProcessed, RefundRequested, SendRefund
from tillhouse.parts.payments.models import OrderRow, PaymentRow, RefundRow
from tillhouse.parts.payments.ports import SettledPayment
from tillhouse.parts.payments.service.attention import count_refund, look_into, no_longer, remind_of
from tillhouse.parts.payments.service.disputes import BEYOND_WHAT_WAS_PAID, take_what_is_free
from tillhouse.parts.payments.service.given_back import left_of, restate
from tillhouse.parts.payments.service.own import refuse_own
from tillhouse.parts.payments.service.registry import installed_gateway, purpose
from tillhouse.parts.payments.service.returns import (
    book_refund,
    bring_home,
    collect_debt,
    free_refund,
    refund_after_all,
    return_refund,
    set_aside,
    source_of,
)
from tillhouse.parts.payments.store import close_exception
from tillhouse.parts.payments.store import refunds as store

# After this a gateway may have forgotten our key (Stripe does): a person looks before anything is sent again.
KEY_LIVES = timedelta(hours=23)
_SENDABLE = (RefundState.CREATED, RefundState.SENDING, RefundState.UNKNOWN)
_ASKABLE = (RefundState.PENDING, RefundState.PROCESSED)

REFUNDS_MISSING = "refunds_missing"


class CannotRefund(Conflict):
    """The gateway cannot give money back, or there is nothing (left) to give."""

    code = "cannot_refund"


@dataclass(frozen=True, slots=True)
class RefundSending:
    """What a gateway is to be asked. `first` means that nothing can have been sent yet."""

    refund_id: UUID
    provider: str
    provider_payment_id: str
    provider_refund_id: str | None
    amount: Money
    first: bool
    may_send: bool
    email: str | None


@dataclass(frozen=True, slots=True)
class RefundPlan:
    """What a refund would do: `left` of the payment remains, `source` is where it is taken from and what is free there,
    `missing` is what the house would lend.
    """

    amount: Money
    left: Money
    source: ledger.AccountRef
    available: Money
    missing: Money


async def plan_refund(session: Session, payment_id: UUID, amount: Money | None, *, by: UUID) -> RefundPlan:
    """What giving `amount` of a payment back (all that is left, for None) would do. Nothing is begun.

    Raises what `start_refund` raises for an amount that cannot be given back.
    """
    order, payment = await _locked(session, payment_id)
    await refuse_own(session, by, order.owner_kind, order.owner_id)
    _check_possible(session, payment)
    left = Money(await left_of(session, payment), payment.currency)
    wanted = left if amount is None else amount
    await _check_amount(session, payment, wanted)
    source = await source_of(session, order, payment)
    available = (await ledger.balance(session, source)).available
    nothing = Money(0, wanted.unit)
    return RefundPlan(wanted, left - wanted, source, available, max(wanted - available, nothing))


async def start_refund(
    session: Session,
    payment_id: UUID,
    amount: Money | None,
    *,
    reason: str,
    key: str,
    by: UUID | None,
    advance: bool = False,
    email: str | None = None,
) -> RefundRow:
    """Begin to give `amount` of a payment back to its payer (all that is left, for None); the same key does so once.

    The product takes back what it sold, the money is set aside, and a job sends it. What the wallet lacks the house
    lends with `advance`: it becomes a debt of the owner. `email` is the payer's, for a gateway that has to write to
    them where none is known. `by` is the person who asks, also behind a key; None for the product itself.

    Raises `NotFound`, `CannotRefund`, `InvalidInput`, `Forbidden` for a payment of one's own, `Conflict` for another
    wish under the key, what the product's `on_refund` raises, and the ledger's `InsufficientFunds`.
    """
    order, payment = await _locked(session, payment_id)
    earlier = await store.refund_by_key(session, payment.id, key)
    if earlier:
        if amount is not None and earlier.money != amount:
            raise Conflict(N_("This request was made before with other details: start again."))
        return earlier
    if by is not None:
        await refuse_own(session, by, order.owner_kind, order.owner_id)
    _check_possible(session, payment)
    wanted = Money(await left_of(session, payment), payment.currency) if amount is None else amount
    await _check_amount(session, payment, wanted)
    await _take_back(session, order, payment, wanted)
    refund = _row(payment, wanted, key=key, reason=reason, by=by, origin="house")
    refund.email = await _payer_to_ask(session, order, payment, email, by=by)
    await set_aside(session, order, payment, refund, advance=advance)
    refund = await store.insert_refund(session, refund)
    await enqueue(session, SendRefund(refund_id=refund.id), unique=f"first:{refund.id}")
    await _begun(session, refund)
    return refund


async def begin_refund(session: Session, refund_id: UUID) -> RefundSending | None:
    """Note that the gateway is about to be asked; None when there is nothing to ask about (any more)."""
    found = await _locked_refund(session, refund_id)
    if found is None or found[2].state not in (*_SENDABLE, *_ASKABLE):
        return None
    _, payment, refund = found
    now, first = clock.now(), refund.state == RefundState.CREATED
    if refund.state in _SENDABLE:
        refund.state, refund.sent_at = RefundState.SENDING, refund.sent_at or now
    refund.updated_at = now
    _plan_check(refund)
    await session.flush()
    assert refund.sent_at is not None or refund.origin == "gateway"
    return RefundSending(
        refund.id,
        refund.provider,
        payment.provider_payment_id,
        refund.provider_refund_id,
        refund.money,
        first=first,
        may_send=refund.state == RefundState.SENDING and now < (refund.sent_at or now) + KEY_LIVES,
        email=refund.email,
    )


async def record_refund_unknown(session: Session, refund_id: UUID) -> None:
    """Nobody knows whether the call had its effect: the hold stays, and the gateway is asked until it knows."""
    _, _, refund = await _must(session, refund_id)
    if refund_step(RefundState(refund.state), RefundState.UNKNOWN):
        _move(session, refund, RefundState.UNKNOWN)
        _plan_check(refund)
        await session.flush()


async def record_refund_lost(session: Session, refund_id: UUID) -> None:
    """The gateway does not know a refund that may have been sent, and it is too late to send it again under its key: a
    person decides. The hold stays.
    """
    await record_refund_unknown(session, refund_id)
    _, _, refund = await _must(session, refund_id)
    if refund.state == RefundState.UNKNOWN:  # nobody has decided meanwhile
        await remind_of(
            session, "refund", str(refund_id), "unknown_to_provider", amount=refund.amount, currency=refund.currency
        )


async def record_refund_refused(session: Session, refund_id: UUID, *, reason: str, description: str) -> None:
    """The gateway would not give it back: the money is free again."""
    order, payment, refund = await _must(session, refund_id)
    if refund_step(RefundState(refund.state), RefundState.FAILED):
        refund.failure_code, refund.failure_message = reason, description
        await _failed(session, order, payment, refund)
        await session.flush()


async def record_refund(session: Session, refund_id: UUID, facts: RefundFacts) -> str | None:
    """Take in what the gateway says of a refund of ours, after asking it. Old news changes nothing.

    Returns why it was put aside instead (and put before a person), or None.
    """
    order, payment, refund = await _must(session, refund_id)
    reason = mismatch(refund.money, facts.amount)
    if reason is None and refund.provider_refund_id not in (None, facts.refund_id):
        reason = "refunded_twice"
    if reason:
        await look_into(session, "refund", str(refund.id), reason, provider_refund=facts.refund_id)
        return reason
    refund.provider_refund_id = facts.refund_id
    before = RefundState(refund.state)
    if refund_step(before, facts.state):
        await _take_in(session, order, payment, refund, facts)
    elif before == RefundState.FAILED and facts.state != RefundState.FAILED:
        await look_into(
            session, "refund", str(refund.id), "provider_disagrees",
            ours=before, theirs=facts.state, provider_refund=facts.refund_id,
            amount=refund.amount, currency=refund.currency,
        )  # fmt: skip
    elif before == facts.state:
        await no_longer(session, str(refund.id), "provider_disagrees")
    _plan_check(refund)
    await session.flush()
    return None


async def take_refund_at_word(
    session: Session, order: OrderRow, payment: PaymentRow, refund: RefundRow, facts: RefundFacts
) -> None:
    """People found a refund at its gateway, which says the same: it is booked, also where its money had been freed.
    Needs the order's lock.
    """
    refund.provider_refund_id = facts.refund_id
    if refund_step(RefundState(refund.state), facts.state):
        await _take_in(session, order, payment, refund, facts)
    elif refund.state == RefundState.FAILED:
        refund.transaction_id = await refund_after_all(session, order, payment, refund)
        refund.reversal_id = refund.failure_code = refund.failure_message = None
        await _processed(session, order, payment, refund)
    _plan_check(refund)
    await session.flush()


async def settle_refund(session: Session, facts: RefundFacts) -> str | None:
    """Take in what the gateway says of any refund: ours, or one that was made at its own dashboard.

    Needs a transaction of its own. Returns why it was put aside instead (and put before a person), or None.
    """
    subject = f"{facts.provider}:{facts.refund_id}"
    found = await store.lock_payment_by_provider_id(session, facts.provider, facts.payment_id)
    if found is None:
        await look_into(session, "refund", subject, "unknown_payment")
        return "unknown_payment"
    order, payment = found
    refund = await _known(session, payment, facts)
    if refund is None:
        if payment.captured_at is None or facts.state == RefundState.FAILED:
            return None  # the money never was in our books, or is in them still
        left = Money(payment.amount - payment.refunded, payment.currency)
        if facts.amount.unit != left.unit or facts.amount > left:
            await look_into(session, "refund", subject, BEYOND_WHAT_WAS_PAID)
            return BEYOND_WHAT_WAS_PAID
        refund = await _made_elsewhere(session, order, payment, facts)
    return await record_refund(session, refund.id, facts)


async def add_up(session: Session, payment_id: UUID, made: Sequence[RefundFacts], refunded: int) -> None:
    """Compare the refunds that a gateway lists with what it says it gave back of their payment.

    Raises `TransientError` while they are less: its list may come after its sum.
    """
    listed = sum(facts.amount.minor for facts in made if facts.state != RefundState.FAILED)
    if listed < refunded:
        raise TransientError(N_("The gateway does not list all it gave back yet: we ask again."))
    await close_exception(session, subject=str(payment_id), reason=REFUNDS_MISSING)


def _check_possible(session: Session, payment: PaymentRow) -> None:
    if payment.captured_at is None:
        raise CannotRefund(N_("Nothing was paid here, so there is nothing to give back."))
    if installed_gateway(house_of(session), payment.provider).refunds is None:
        raise CannotRefund(
            N_("{provider} cannot send money back. Ask the payer for an account and pay it out to them instead."),
            provider=payment.provider,
        )


async def _check_amount(session: Session, payment: PaymentRow, amount: Money) -> None:
    if amount.unit != payment.currency:
        message = N_("A refund is in the currency of its payment.")
        raise InvalidInput(message, errors=[FieldError("/currency", "foreign_currency", message)])
    left = Money(await left_of(session, payment), payment.currency)
    if not left:
        raise CannotRefund(N_("All of this payment was given back already, or its bank is taking it back."))
    if amount > left:
        errors = [FieldError("/amount", "too_large", N_("This is more than is left to give back."))]
        raise CannotRefund(N_("Of this payment {left} is left to give back."), errors=errors, left=left)
    if amount.minor <= 0:
        errors = [FieldError("/amount", "too_small", N_("Give back more than nothing."))]
        raise InvalidInput(N_("Give back more than nothing."), errors=errors)


async def _take_back(session: Session, order: OrderRow, payment: PaymentRow, amount: Money) -> None:
    known = purpose(house_of(session), order.purpose)
    if payment.purpose_state != "done" or known is None or known.on_refund is None:
        return
    settled = SettledPayment(
        payment.id, order.id, order.owner_kind, order.owner_id, order.purpose, order.purpose_reference, payment.money
    )
    await known.on_refund(session, settled, amount)


async def _known(session: Session, payment: PaymentRow, facts: RefundFacts) -> RefundRow | None:
    """The row of what the gateway tells of: by its own id or, where it has not told us that one yet, by ours."""
    named = await store.refund_by_provider_id(session, facts.provider, facts.refund_id)
    if named:
        return named
    ours = await store.refunds_of_payment(session, payment.id)
    return next((refund for refund in ours if str(refund.id) == facts.reference), None)


async def _made_elsewhere(session: Session, order: OrderRow, payment: PaymentRow, facts: RefundFacts) -> RefundRow:
    """A refund that somebody made at the gateway's own dashboard: the money has left, whatever is in the wallet."""
    refund = _row(payment, facts.amount, key=f"gateway:{facts.refund_id}", reason="", by=None, origin="gateway")
    refund.state, refund.provider_refund_id = RefundState.PENDING, facts.refund_id
    await set_aside(session, order, payment, refund, advance=True)
    refund = await store.insert_refund(session, refund)
    await look_into(
        session, "refund", str(refund.id), "refunded_at_gateway", payment=str(payment.id), amount=refund.amount,
        currency=refund.currency,
    )  # fmt: skip
    await _begun(session, refund)
    return refund


async def _begun(session: Session, refund: RefundRow) -> None:
    _plan_check(refund)
    count_refund(session, refund.provider, "requested")
    await emit(session, RefundRequested(refund_id=refund.id))
    await session.flush()


async def _take_in(
    session: Session, order: OrderRow, payment: PaymentRow, refund: RefundRow, facts: RefundFacts
) -> None:
    await no_longer(session, str(refund.id), "unknown_to_provider")
    if facts.state == RefundState.PENDING:
        _move(session, refund, facts.state)
    elif facts.state == RefundState.PROCESSED:
        refund.transaction_id = await book_refund(session, refund)
        await _processed(session, order, payment, refund)
    else:
        refund.failure_code, refund.failure_message = facts.reason, facts.message
        await _failed(session, order, payment, refund)


async def _processed(session: Session, order: OrderRow, payment: PaymentRow, refund: RefundRow) -> None:
    refund.finished_at = clock.now()
    _move(session, refund, RefundState.PROCESSED)
    await no_longer(session, str(refund.id), *ENDED_BY_A_WORD)
    await restate(session, order, payment)
    await emit(session, RefundProcessed(refund_id=refund.id))


async def _failed(session: Session, order: OrderRow, payment: PaymentRow, refund: RefundRow) -> None:
    if refund.transaction_id is None:
        await free_refund(session, refund)
    else:
        refund.reversal_id = await return_refund(session, refund)
    await bring_home(session, order, refund.hold_id, key=f"refund:{refund.id}")
    _move(session, refund, RefundState.FAILED)
    refund.finished_at, refund.next_check_at = clock.now(), None
    await session.flush()
    await no_longer(session, str(refund.id), *ENDED_BY_A_WORD)
    await take_what_is_free(session, order, payment, refund)
    await collect_debt(session, order.owner_kind, order.owner_id, order.currency, key=f"refund:{refund.id}")
    await restate(session, order, payment)
    await emit(session, RefundFailed(refund_id=refund.id))


def _move(session: Session, refund: RefundRow, state: RefundState) -> None:
    refund.state, refund.updated_at = state, clock.now()
    count_refund(session, refund.provider, state)


def _plan_check(refund: RefundRow) -> None:
    since = refund.finished_at or refund.sent_at or refund.created_at
    refund.next_check_at = next_refund_check(RefundState(refund.state), since, clock.now())


async def _locked(session: Session, payment_id: UUID) -> tuple[OrderRow, PaymentRow]:
    found = await store.lock_payment(session, payment_id)
    if found is None:
        raise NotFound(N_("There is no such payment."))
    return found


async def _locked_refund(session: Session, refund_id: UUID) -> tuple[OrderRow, PaymentRow, RefundRow] | None:
    known = await store.refund_by_id(session, refund_id)
    if known is None:
        return None
    order, payment = await _locked(session, known.payment_id)
    fresh = await store.refund_by_id(session, refund_id)
    assert fresh is not None
    return order, payment, fresh


async def _must(session: Session, refund_id: UUID) -> tuple[OrderRow, PaymentRow, RefundRow]:
    found = await _locked_refund(session, refund_id)
    assert found is not None
    return found


async def _payer_to_ask(
    session: Session, order: OrderRow, payment: PaymentRow, said: str | None, *, by: UUID | None
) -> str | None:
    """The e-mail at which the gateway asks the payer for a bank account; None where it needs none.

    The order's own, or one of the person whose order it is; where nobody knows any, what staff say, and never an
    address of theirs: whoever is asked says where the money goes. Raises `InvalidInput`.
    """
    if payment.method not in installed_gateway(house_of(session), payment.provider).refunds_by_email:
        return None
    owners = await _emails(session, order.owner_id) if order.owner_kind == "person" else []
    known = [order.email, *owners] if order.email else owners
    if known and said not in (None, *known):
        message = N_("The payer's e-mail address is known, and the gateway writes there: leave it out.")
        raise InvalidInput(message, errors=[FieldError("/email", "email_known", message)])
    if known:
        return said or known[0]
    if said and by and said in await _emails(session, by):
        message = N_("This address is your own: the gateway would ask you where the money goes.")
        raise InvalidInput(message, errors=[FieldError("/email", "email_of_ones_own", message)])
    if said is None:
        message = N_(
            "The gateway cannot pay this back by itself: it writes to the payer and asks for a bank account. "
            "Give the payer's e-mail address with the refund."
        )
        raise InvalidInput(message, errors=[FieldError("/email", "email_needed", message)])
    return said


async def _emails(session: Session, person_id: UUID) -> list[str]:
    return [one.address for one in await identity.contacts(session, person_id) if one.kind == "email"]


def _row(
    payment: PaymentRow,
    amount: Money,
    *,
    key: str,
    reason: str,
    by: UUID | None,
    origin: Literal["house", "gateway"],
) -> RefundRow:
    now = clock.now()
    return RefundRow(
        id=new_id(),
        payment_id=payment.id,
        request_key=key,
        origin=origin,
        requested_by=by,
        reason=reason,
        amount=amount.minor,
        currency=amount.unit,
        provider=payment.provider,
        state=RefundState.CREATED,
        advanced=0,
        created_at=now,
        updated_at=now,
    )

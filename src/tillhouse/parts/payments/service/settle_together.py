"""Plain deposits settled together: what `settle` does to each, in a dozen statements for all of them.

Plain is what nothing can be said against: captured, over the amount and for the order that we asked for, the first
payment of an order that sells nothing, nothing given back. Whatever else is told is left to `settle`, one at a time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session
from tillhouse.kernel.work import emit_all
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import store
from tillhouse.parts.payments.domain import OrderState, PaymentFacts, mismatch, order_step
from tillhouse.parts.payments.events import PaymentCaptured
from tillhouse.parts.payments.models import OrderRow, PaymentRow
from tillhouse.parts.payments.service.books import deposit_posting
from tillhouse.parts.payments.service.deposits import WALLET_DEPOSIT
from tillhouse.parts.payments.service.returns import debt_account
from tillhouse.parts.payments.service.settle import first_heard_of, pay_debt, pay_order, step_of, take_facts


@dataclass(frozen=True, slots=True)
class Told:
    """What a gateway said of a payment, and the request that had it asked."""

    facts: PaymentFacts
    cause: str | None

    @property
    def payment(self) -> tuple[str, str]:
        return self.facts.provider, self.facts.payment_id

    @property
    def order(self) -> tuple[str, str]:
        return self.facts.provider, self.facts.order_id


@dataclass(frozen=True, slots=True)
class _Deposit:
    """A payment that is to be booked. `row` is None when we had not heard of it."""

    told: Told
    order: OrderRow
    row: PaymentRow | None


async def settle_together(session: Session, told: Sequence[Told]) -> set[tuple[str, str]]:
    """Settle those that are plain, each payment being told of once. Returns them by provider and id there.

    Needs a transaction of its own. Locks the orders in one order, then the ledger's accounts in one order.
    """
    if not told:
        return set()
    orders = await store.lock_orders_by_provider_ids(session, [one.order for one in told])
    payments = await store.payments_by_provider_ids(session, [one.payment for one in told])
    settled = {one.payment for one in told if _is_old_news(orders.get(one.order), payments.get(one.payment), one.facts)}
    for one in told:
        if one.payment in settled:
            take_facts(payments[one.payment], one.facts, None)
    booked = await _book(session, _plain(told, orders, payments))
    await _collect_debts(session, booked)
    return settled | {(payment.provider, payment.provider_payment_id) for _, payment in booked}


def _is_old_news(order: OrderRow | None, row: PaymentRow | None, facts: PaymentFacts) -> bool:
    if order is None or row is None or row.order_id != order.id or row.captured_at is None:
        return False
    return _says_captured(facts) and mismatch(order.money, facts.amount) is None


def _plain(
    told: Sequence[Told], orders: Mapping[tuple[str, str], OrderRow], payments: Mapping[tuple[str, str], PaymentRow]
) -> list[_Deposit]:
    """Of an order that two of them pay, the first alone: the other is the buyer's, and paid twice."""
    found: dict[tuple[str, str], _Deposit] = {}
    for one in told:
        order, row = orders.get(one.order), payments.get(one.payment)
        if order and _pays(order, row, one.facts):
            found.setdefault(one.order, _Deposit(one, order, row))
    return list(found.values())


def _pays(order: OrderRow, row: PaymentRow | None, facts: PaymentFacts) -> bool:
    return (
        order.purpose == WALLET_DEPOSIT
        and order.paid_at is None
        and order_step(OrderState(order.state), OrderState.CAPTURED) is not None
        and mismatch(order.money, facts.amount) is None
        and _says_captured(facts)
        and (row is None or (row.order_id == order.id and step_of(row, facts) is not None))
    )


def _says_captured(facts: PaymentFacts) -> bool:
    return facts.state == OrderState.CAPTURED and facts.refunded == 0


async def _book(session: Session, deposits: Sequence[_Deposit]) -> list[tuple[OrderRow, PaymentRow]]:
    """Book them in one call of the ledger. One that it refuses is left as it was."""
    postings = [deposit_posting(one.order, one.told.facts) for one in deposits]
    outcomes = await ledger.post_many(session, postings, watched=True) if postings else []
    booked, causes = [], []
    for one, outcome in zip(deposits, outcomes, strict=True):
        if isinstance(outcome, ledger.Transaction):
            booked.append((one.order, _capture(session, one, outcome.id)))
            causes.append(one.told.cause)
    await session.flush()  # the rows before what tells of them
    await emit_all(session, [PaymentCaptured(payment_id=payment.id) for _, payment in booked], caused_by=causes)
    return booked


def _capture(session: Session, deposit: _Deposit, transaction_id: int) -> PaymentRow:
    facts = deposit.told.facts
    payment = deposit.row or first_heard_of(session, deposit.order, facts)
    take_facts(payment, facts, OrderState.CAPTURED)
    payment.transaction_id, payment.captured_at, payment.purpose_state = transaction_id, clock.now(), "done"
    paid = pay_order(session, deposit.order, payment)
    assert paid  # `_pays` said so, and the order is locked
    return payment


async def _collect_debts(session: Session, booked: Sequence[tuple[OrderRow, PaymentRow]]) -> None:
    """As `settle` does, after the money is in the wallets; almost nobody owes anything."""
    owed = {payment.id: debt_account(order.owner_kind, order.owner_id, order.currency) for order, payment in booked}
    found = await ledger.balances(session, set(owed.values())) if owed else {}
    for order, payment in booked:
        if found[owed[payment.id]].posted.minor > 0:
            await pay_debt(session, order, payment)

"""What Razorpay owes the house and pays it: adjustments, a day's settlement, its lines, and what is wrong with them."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from typing import ClassVar, Literal

from tillhouse.sandbox import ids
from tillhouse.sandbox.razorpay import events
from tillhouse.sandbox.razorpay.errors import RazorpayError
from tillhouse.sandbox.razorpay.schemas import Card, Entity, Notes, Order, Payment, Refund
from tillhouse.sandbox.razorpay.transactions import BankTransfer, book
from tillhouse.sandbox.store import Record
from tillhouse.sandbox.world import World

INDIA = timezone(timedelta(hours=5, minutes=30), "IST")  # the days of the provider and the bank

Distortion = Literal["missing", "extra", "amount", "fee", "currency", "duplicate"]

_EVERYTHING = 1_000_000


class Adjustment(Record):
    """Money that Razorpay takes (below zero) or gives for another reason than a payment or a refund, in paise."""

    kind: ClassVar[str] = "adjustment"

    amount: int
    description: str
    payment_id: str
    dispute_id: str | None = None


class Settlement(Entity):
    """One transfer to the house's bank account. Fees are taken off the payments, so a normal one has none itself."""

    kind: ClassVar[str] = "settlement"
    private: ClassVar[frozenset[str]] = frozenset({"day"})

    entity: Literal["settlement"] = "settlement"
    amount: int
    status: Literal["created", "processed", "failed"]
    fees: int = 0
    tax: int = 0
    utr: str
    day: str


class ReconLine(Entity):
    """One line of the reconciliation report: what one payment, refund or adjustment added to a settlement."""

    kind: ClassVar[str] = "recon_line"
    private: ClassVar[frozenset[str]] = frozenset({"id", "hidden", "distortion"})

    entity_id: str
    type: Literal["payment", "refund", "adjustment", "transfer"]
    debit: int = 0
    credit: int = 0
    amount: int
    currency: str
    fee: int = 0
    tax: int = 0
    on_hold: bool = False
    settled: bool = True
    settled_at: int = 0
    settlement_id: str = ""
    posted_at: int | None = None
    credit_type: str = "default"
    description: str | None = None
    notes: Notes = {}
    payment_id: str | None = None
    settlement_utr: str = ""
    order_id: str | None = None
    order_receipt: str | None = None
    method: str | None = None
    card_network: str | None = None
    card_issuer: str | None = None
    card_type: str | None = None
    dispute_id: str | None = None
    hidden: bool = False
    distortion: Distortion | None = None


def adjust(world: World, amount: int, description: str, payment_id: str, dispute_id: str | None = None) -> None:
    """Take (below zero) or give `amount` paise with the next settlement. Needs a transaction."""
    adjustment = Adjustment(
        id=ids.razorpay_id("adj"),
        created_at=world.clock.now_s(),
        amount=amount,
        description=description,
        payment_id=payment_id,
        dispute_id=dispute_id,
    )
    world.store.put(adjustment)


def deducted_for_disputes(world: World, payment_id: str) -> int:
    """What disputes have taken of a payment, in paise."""
    return -sum(a.amount for a in world.store.find(Adjustment, {"payment_id": payment_id}) if a.dispute_id)


def is_settled(world: World, entity_id: str) -> bool:
    """Whether a payment, refund or adjustment is part of a settlement."""
    return world.store.count(ReconLine, {"entity_id": entity_id}) > 0


def today(world: World) -> date:
    """The day in India."""
    return world.clock.now().astimezone(INDIA).date()


def seconds_of(day: date, days: int = 1) -> tuple[int, int]:
    """The first second of an Indian day and the first after it (or after `days` of them), in unix seconds."""
    start = int(datetime.combine(day, time(), INDIA).timestamp())
    return start, start + days * 86_400


def unsettled(world: World, day: date) -> list[ReconLine]:
    """Everything up to the end of `day` that is in no settlement yet, oldest first."""
    before = seconds_of(day)[1]
    settled = {line.entity_id for line in world.store.find(ReconLine, limit=_EVERYTHING)}
    lines = [*_payments(world), *_refunds(world), *_adjustments(world)]
    open_lines = [line for line in lines if line.entity_id not in settled and line.created_at < before]
    return sorted(open_lines, key=lambda line: line.created_at)


def settle(world: World, day: date) -> Settlement:
    """Pay out what has come in up to the end of `day`: one settlement, one bank transfer, one event.

    Raises:
        RazorpayError: nothing is left to pay; what is open (refunds above payments) waits for the next time.
    """
    lines = unsettled(world, day)
    amount = sum(line.credit - line.debit for line in lines)
    if amount <= 0:
        raise RazorpayError(f"There is nothing to settle up to {day}: {amount} paise.", status=409)
    now = world.clock.now_s()
    settlement = Settlement(
        id=ids.razorpay_id("setl"),
        created_at=now,
        amount=amount,
        status="processed",
        utr=f"{now}{ids.token(6).lower()}",
        day=day.isoformat(),
    )
    with world.store.transaction():
        world.store.put(settlement)
        for line in lines:
            line.settlement_id, line.settlement_utr, line.settled_at = settlement.id, settlement.utr, now
            world.store.put(line)
        events.emit(world, "settlement.processed", settlement)
        book(world, amount, BankTransfer(id=ids.razorpay_id("bt"), bank_reference=settlement.utr, amount=amount))
    return settlement


def lines_of(world: World, settlement_id: str) -> list[ReconLine]:
    """The lines of one settlement as the report shows them, oldest first."""
    return world.store.find(
        ReconLine, {"settlement_id": settlement_id, "hidden": 0}, limit=_EVERYTHING, oldest_first=True
    )


def distort(world: World, settlement: Settlement, kind: Distortion, entity_id: str | None) -> ReconLine:
    """Make the report wrong about one line (a payment's, unless told otherwise). The money stays what it was.

    Raises:
        RazorpayError: the settlement has no such line.
    """
    lines = lines_of(world, settlement.id)
    wanted = [line for line in lines if line.entity_id == entity_id or (entity_id is None and line.type == "payment")]
    line = next(iter(wanted), None)
    if line is None:
        raise RazorpayError("The settlement has no such line", field="entity_id")
    wrong = line.model_copy(update={"distortion": kind, **_CHANGES[kind](line)})
    world.store.put(wrong)
    return wrong


def _another_row(line: ReconLine) -> dict[str, object]:
    return {"id": ids.razorpay_id("line")}


def _of_nobody(line: ReconLine) -> dict[str, object]:
    return {**_another_row(line), "entity_id": ids.razorpay_id(line.entity_id.partition("_")[0])}


def _other_amount(line: ReconLine) -> dict[str, object]:
    side = "credit" if line.credit else "debit"
    return {"amount": line.amount + 100, side: getattr(line, side) + 100}


def _other_fee(line: ReconLine) -> dict[str, object]:
    return {"fee": line.fee + 100, "credit": line.credit - 100} if line.credit else {"fee": line.fee + 100}


_CHANGES: dict[Distortion, Callable[[ReconLine], dict[str, object]]] = {
    "missing": lambda _: {"hidden": True},
    "extra": _of_nobody,
    "amount": _other_amount,
    "fee": _other_fee,
    "currency": lambda _: {"currency": "USD"},
    "duplicate": _another_row,
}


def _payments(world: World) -> list[ReconLine]:
    found = world.store.find(Payment, {"captured": 1, "currency": "INR"}, limit=_EVERYTHING, oldest_first=True)
    return [_line_of_payment(world, payment) for payment in found]


def _refunds(world: World) -> list[ReconLine]:
    """Refunds of captured money. One that failed before it was settled never happened to the balance."""
    lines: list[ReconLine] = []
    for refund in world.store.find(Refund, {"currency": "INR"}, limit=_EVERYTHING, oldest_first=True):
        payment = world.store.get(Payment, refund.payment_id)
        if payment and payment.captured and refund.status != "failed":
            line = _line_of_payment(world, payment)
            change = {"type": "refund", "fee": 0, "tax": 0, "credit": 0, "debit": refund.amount}
            change |= {"id": refund.id, "entity_id": refund.id, "created_at": refund.created_at, "description": None}
            change |= {"amount": refund.amount, "payment_id": payment.id, "notes": refund.notes}
            lines.append(line.model_copy(update=change))
    return lines


def _adjustments(world: World) -> list[ReconLine]:
    return [
        ReconLine(
            id=made.id,
            entity_id=made.id,
            created_at=made.created_at,
            type="adjustment",
            debit=max(0, -made.amount),
            credit=max(0, made.amount),
            amount=abs(made.amount),
            currency="INR",
            description=made.description,
            payment_id=made.payment_id,
            dispute_id=made.dispute_id,
        )
        for made in world.store.find(Adjustment, limit=_EVERYTHING, oldest_first=True)
    ]


def _line_of_payment(world: World, payment: Payment) -> ReconLine:
    order = world.store.get(Order, payment.order_id) if payment.order_id else None
    fee, card = payment.fee or 0, payment.card or Card(id="", last4="", network="")
    with_card = payment.card is not None
    return ReconLine(
        id=payment.id,
        entity_id=payment.id,
        created_at=payment.captured_at or payment.created_at,
        type="payment",
        credit=payment.amount - fee,
        amount=payment.amount,
        currency=payment.currency,
        fee=fee,
        tax=payment.tax or 0,
        description=payment.description,
        notes=payment.notes,
        order_id=payment.order_id,
        order_receipt=order.receipt if order else None,
        method=payment.method,
        card_network=card.network if with_card else None,
        card_issuer=card.issuer if with_card else None,
        card_type=card.type if with_card else None,
    )

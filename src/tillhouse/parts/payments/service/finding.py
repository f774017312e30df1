"""What staff look for among payments, and everything that hangs on one order, payout, transfer or event."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession, house_of
from tillhouse.kernel.errors import NotFound
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import store
from tillhouse.parts.payments.domain.finding import (
    DisputeFilter,
    EventFilter,
    LineFilter,
    OrderFilter,
    PayoutFilter,
    RefundFilter,
    TransferFilter,
)
from tillhouse.parts.payments.domain.masking import masked_body
from tillhouse.parts.payments.models import BankStatementRow, ReconLineRow
from tillhouse.parts.payments.service import registry
from tillhouse.parts.payments.service.books import account_of
from tillhouse.parts.payments.service.given_back import left_of
from tillhouse.parts.payments.service.orders import order_for
from tillhouse.parts.payments.service.owners import still_moves
from tillhouse.parts.payments.service.payouts import payout_for
from tillhouse.parts.payments.service.returns import debt_account
from tillhouse.parts.payments.service.reviews import approvals_needed
from tillhouse.parts.payments.service.views import (
    DisputeView,
    EventView,
    OrderView,
    PaymentView,
    PayoutView,
    RefundView,
    ReviewView,
    TransferView,
    dispute_view,
    event_view,
    order_view,
    payment_view,
    payout_view,
    refund_view,
    review_view,
    transfer_view,
)
from tillhouse.parts.payments.service.waiting import given_up
from tillhouse.parts.payments.store import finding
from tillhouse.parts.payments.store import payees as payee_store

_DAYS_SHOWN = 30


@dataclass(frozen=True, slots=True)
class OrderFile:
    """Everything about one order. `left` is what may still be given back of each payment, by its id."""

    order: OrderView
    payments: Sequence[PaymentView]
    refunds: Sequence[RefundView]
    disputes: Sequence[DisputeView]
    transfers: Sequence[TransferView]
    events: Sequence[EventView]
    left: dict[UUID, Money]
    wallet: ledger.AccountRef
    balance: ledger.Balance


@dataclass(frozen=True, slots=True)
class PayoutFile:
    """Everything about one payout: what was decided, what its provider told, and what its owner has.

    `asker_may`: whoever asked for it might do so now; False of a member who has lost their role since.
    """

    payout: PayoutView
    decisions: Sequence[ReviewView]
    approvals_needed: int
    events: Sequence[EventView]
    wallet: ledger.AccountRef
    balance: ledger.Balance
    asker_may: bool


@dataclass(frozen=True, slots=True)
class EventFile:
    """One event of a provider: its message with everything hidden that names people, accounts or secrets."""

    event: EventView
    body: str
    given_up: bool


@dataclass(frozen=True, slots=True)
class TransferFile:
    """One bank transfer. `sent_back_by` are transfers that left the same account since, over the same amount."""

    transfer: TransferView
    sent_back_by: Sequence[TransferView]
    orders: Sequence[OrderView]


@dataclass(frozen=True, slots=True)
class ReportedDay:
    """What a provider reported of one day in one currency: how many lines of each class, and what it says it paid."""

    provider: str
    day: date
    classes: dict[str, int]
    net: Money

    @property
    def differing(self) -> int:
        """Lines that do not agree with our books."""
        return sum(count for name, count in self.classes.items() if name not in ("matched", "late"))


@dataclass(frozen=True, slots=True)
class ReportLine:
    """A line of a provider's report beside our books. `theirs`, `fee`: the provider's word; `ours`: our books'."""

    id: UUID
    provider: str
    kind: str
    subject: str
    line_class: str
    settled_on: date | None
    theirs: Money | None
    fee: Money | None
    ours: Money | None
    bank_reference: str | None
    transaction_id: int | None


@dataclass(frozen=True, slots=True)
class ImportedStatement:
    """What was imported of one of our bank accounts."""

    id: UUID
    account: str
    first_day: date
    last_day: date
    opening: Money | None
    closing: Money | None
    source: str


async def orders(
    session: ReadSession, wanted: OrderFilter, *, limit: int, before: UUID | None = None
) -> Sequence[OrderView]:
    """Orders that fit, newest first."""
    rows = await finding.orders(session, wanted, _providers(session), limit=limit, before=before)
    return [order_view(row) for row in rows]


async def payouts(
    session: ReadSession, wanted: PayoutFilter, *, limit: int, before: UUID | None = None
) -> Sequence[tuple[PayoutView, Sequence[ReviewView], int]]:
    """Payouts that fit, newest first, each with what was decided about it and how many have to approve it."""
    rows = await finding.payouts(session, wanted, _providers(session), limit=limit, before=before)
    reviews = await payee_store.reviews_of(session, [row.id for row in rows])
    decided = {row.id: [review_view(review) for review in reviews if review.payout_id == row.id] for row in rows}
    return [(payout_view(row), decided[row.id], approvals_needed(session, row)) for row in rows]


async def refunds(
    session: ReadSession, wanted: RefundFilter, *, limit: int, before: UUID | None = None
) -> Sequence[RefundView]:
    """Refunds that fit, newest first."""
    rows = await finding.refunds(session, wanted, _providers(session), limit=limit, before=before)
    return [refund_view(row) for row in rows]


async def disputes(
    session: ReadSession, wanted: DisputeFilter, *, limit: int, before: UUID | None = None
) -> Sequence[DisputeView]:
    """Disputes that fit, newest first."""
    rows = await finding.disputes(session, wanted, _providers(session), limit=limit, before=before)
    return [dispute_view(row) for row in rows]


async def events(
    session: ReadSession, wanted: EventFilter, *, limit: int, before: UUID | None = None
) -> Sequence[EventView]:
    """Providers' events that fit, newest first. `wanted.dead` is `given_up`'s answer, where the filter needs it."""
    rows = await finding.events(session, wanted, _providers(session), limit=limit, before=before)
    return [event_view(row) for row in rows]


async def transfers(
    session: ReadSession, wanted: TransferFilter, *, limit: int, before: UUID | None = None
) -> Sequence[TransferView]:
    """Bank transfers that fit, newest first, with what their senders wrote."""
    rows = await finding.transfers(session, wanted, _providers(session), limit=limit, before=before)
    vault = house_of(session).vault
    return [transfer_view(row, vault.open(row.content)) for row in rows]


async def payments_by_ids(session: ReadSession, payment_ids: Collection[UUID]) -> dict[UUID, PaymentView]:
    """These payments by their ids."""
    return {key: payment_view(row) for key, row in (await finding.payments_by_ids(session, payment_ids)).items()}


async def order_file(session: ReadSession, order_id: UUID) -> OrderFile:
    """Everything about one order. Raises `NotFound`."""
    row = await order_for(session, order_id, owner=None)
    payments = await store.payments_of_order(session, row.id)
    ids = [payment.id for payment in payments]
    vault, wallet = house_of(session).vault, account_of(row.owner_kind, row.owner_id, row.currency)
    told = await finding.events_about(
        session,
        row.provider,
        order_id=row.provider_order_id,
        payment_ids=[payment.provider_payment_id for payment in payments],
    )
    transfers_in = await finding.transfers_of_order(session, row.id)
    return OrderFile(
        order=order_view(row),
        payments=[payment_view(payment) for payment in payments],
        refunds=[refund_view(one) for one in await finding.refunds_of_payments(session, ids)],
        disputes=[dispute_view(one) for one in await finding.disputes_of_payments(session, ids)],
        transfers=[transfer_view(one, vault.open(one.content)) for one in transfers_in],
        events=[event_view(one) for one in told],
        left={
            payment.id: Money(await left_of(session, payment), payment.currency)
            for payment in payments
            if payment.captured_at and _gives_back(session, payment.provider)
        },
        wallet=wallet,
        balance=await ledger.balance(session, wallet),
    )


async def payout_file(session: ReadSession, payout_id: UUID) -> PayoutFile:
    """Everything about one payout. Raises `NotFound`."""
    row = await payout_for(session, payout_id, owner=None)
    wallet = account_of(row.owner_kind, row.owner_id, row.currency)
    return PayoutFile(
        payout=payout_view(row),
        decisions=[review_view(one) for one in await payee_store.reviews_of(session, [row.id])],
        approvals_needed=approvals_needed(session, row),
        events=[event_view(one) for one in await finding.events_of_payout(session, row.id)],
        wallet=wallet,
        balance=await ledger.balance(session, wallet),
        asker_may=await still_moves(session, row),
    )


async def event_file(session: ReadSession, event_row_id: UUID) -> EventFile:
    """One event with its masked message. Raises `NotFound`."""
    row = await finding.event_by_id(session, event_row_id)
    if row is None:
        raise NotFound(N_("There is no such event."))
    body = masked_body(house_of(session).vault.open(row.body))
    dead = row.state == "received" and row.id in await given_up(session)
    return EventFile(event_view(row), body, dead)


async def transfer_file(session: ReadSession, transfer_row_id: UUID) -> TransferFile:
    """One transfer, with what it may be for and what may have sent it back. Raises `NotFound`."""
    row = await finding.transfer_by_id(session, transfer_row_id)
    if row is None:
        raise NotFound(N_("There is no such transfer."))
    vault, waits = house_of(session).vault, row.state in ("waiting", "unplaced")
    back = await finding.outgoing_like(session, row) if waits else []
    return TransferFile(
        transfer_view(row, vault.open(row.content)),
        [transfer_view(one, vault.open(one.content)) for one in back],
        [order_view(one) for one in await finding.orders_costing(session, row)] if waits else [],
    )


async def days_reported(session: ReadSession) -> Sequence[ReportedDay]:
    """What providers reported of the last days, newest first."""
    since = clock.now().date() - timedelta(days=_DAYS_SHOWN)
    found: dict[tuple[str, date, str], ReportedDay] = {}
    for provider, day, unit, line_class, count, net in await finding.days_reported(session, since=since):
        one = found.setdefault((provider, day, unit), ReportedDay(provider, day, {}, Money(0, unit)))
        one.classes[line_class] = count
        found[provider, day, unit] = ReportedDay(provider, day, one.classes, one.net + Money(net, unit))
    return list(found.values())


async def report_lines(
    session: ReadSession, wanted: LineFilter, *, limit: int, before: UUID | None = None
) -> Sequence[ReportLine]:
    """Lines of providers' reports that fit, newest first."""
    return [_line(row) for row in await finding.lines(session, wanted, limit=limit, before=before)]


async def statements(session: ReadSession, *, limit: int = 20) -> Sequence[ImportedStatement]:
    """What was imported of our bank accounts, the last first."""
    return [_statement(row) for row in await finding.statements(session, limit=limit)]


async def debt_of(session: ReadSession, owner_kind: str, owner_id: UUID, unit: str) -> Money:
    """What an owner owes the house for money that went back to payers after it was spent."""
    return (await ledger.balance(session, debt_account(owner_kind, owner_id, unit))).posted


def providers_reporting(session: ReadSession) -> list[str]:
    """The providers that report what they settled."""
    return sorted(registry.settlement_reports(house_of(session)))


def provider_names(session: ReadSession) -> list[str]:
    """Everyone who takes or pays out money for this house."""
    return sorted(registry.provider_names(house_of(session)))


def _providers(session: ReadSession) -> frozenset[str]:
    return registry.provider_names(house_of(session))


def _gives_back(session: ReadSession, provider: str) -> bool:
    try:
        return registry.installed_gateway(house_of(session), provider).refunds is not None
    except NotFound:
        return False  # one that is not installed any more


def _line(row: ReconLineRow) -> ReportLine:
    ours = None if row.ours is None else Money(row.ours, row.our_currency or row.currency)
    return ReportLine(
        id=row.id,
        provider=row.provider,
        kind=row.kind,
        subject=row.subject_id,
        line_class=row.line_class,
        settled_on=row.settled_on,
        theirs=None if row.gross is None else Money(row.gross, row.currency),
        fee=None if row.fee is None else Money(row.fee, row.currency),
        ours=ours,
        bank_reference=row.bank_reference,
        transaction_id=row.transaction_id,
    )


def _statement(row: BankStatementRow) -> ImportedStatement:
    return ImportedStatement(
        id=row.id,
        account=row.account,
        first_day=row.first_day,
        last_day=row.last_day,
        opening=None if row.opening is None else Money(row.opening, row.currency),
        closing=None if row.closing is None else Money(row.closing, row.currency),
        source=row.source,
    )

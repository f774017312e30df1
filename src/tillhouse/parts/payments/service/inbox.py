"""The door for providers' events: stored once, looked at later, settled by what the provider then says."""

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.context import request_id
from tillhouse.kernel.db import ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, NotFound
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import enqueue, enqueue_all
from tillhouse.parts.payments import store
from tillhouse.parts.payments.domain import mismatch
from tillhouse.parts.payments.events import HandleEvent
from tillhouse.parts.payments.models import OrderRow, ProviderEventRow
from tillhouse.parts.payments.ports import BadSignature, ProviderEvent
from tillhouse.parts.payments.service.attention import count_event, look_into
from tillhouse.parts.payments.store.cards import card_by_method
from tillhouse.parts.payments.store.payees import payee_of_check


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event is about, and so what to ask its provider: a payout, a payee's account, a transfer, a saved card
    that its holder changed at their bank (`card_id`), or else an order or payment, and then perhaps a refund or dispute
    of that. `order_id` is our order's; without it the provider knows the payment's. `unanswered_id`: our order is
    charged to a saved card, and its event came before the answer.
    """

    provider: str
    order_id: str | None = None
    payment_id: str | None = None
    refund_id: str | None = None
    dispute_id: str | None = None
    transfer_id: str | None = None
    payout_row_id: UUID | None = None
    payout_id: str | None = None
    payee_id: UUID | None = None
    card_id: UUID | None = None
    unanswered_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event whose signature was right, with the bytes that were signed and the request that brought it.

    Raises `BadSignature` for what is signed and cannot be an event: no table could hold it.
    """

    provider: str
    event: ProviderEvent
    body: bytes
    request_id: str | None = None

    def __post_init__(self) -> None:
        if not self.event.plausible:
            raise BadSignature(N_("This is signed, but it is not an event."))

    @property
    def claims(self) -> tuple[tuple[str, str], ...]:
        """What no two events of one call of `take_events` may share: the id, and the body."""
        digest = hashlib.sha256(self.body).hexdigest()
        return (self.provider, f"id:{self.event.event_id or digest}"), (self.provider, f"body:{digest}")


Told = Callable[[int], Sequence[timedelta]]  # of how many tasks → after how long a worker is told of each


def at_once(count: int) -> Sequence[timedelta]:
    """A worker is told of each at once."""
    return [timedelta()] * count


async def take_event(session: Session, provider: str, event: ProviderEvent, body: bytes) -> None:
    """`take_events` for one."""
    await take_events(session, [Arrived(provider, event, body, request_id())])


async def take_events(session: Session, arrived: Sequence[Arrived], told: Told = at_once) -> None:
    """Store events; what each is about is looked at after the commit, by a worker that hears of it when `told` says.

    The very same event again changes nothing. The same id with another body, and the same body under another id, are
    put aside: neither is what a provider does. No two of them share a claim (`Arrived.claims`).
    """
    seal = house_of(session).vault.seal
    rows = {_row(seal(one.body.decode("utf-8", "replace")), one.provider, one.event, one.body): one for one in arrived}
    # In one order, whoever else stores the same at this moment.
    in_order = sorted(rows, key=lambda row: (row.provider, row.event_id, row.body_hash))
    inserted = await store.insert_events(session, in_order)
    replayed = await store.bodies_came_before(session, inserted) if inserted else set()
    fresh = [row for row in in_order if row.id in inserted and row.id not in replayed]
    for row in fresh:
        count_event(session, row.provider, "received")
    tasks = [HandleEvent(event_row_id=row.id) for row in fresh]
    await enqueue_all(session, tasks, caused_by=[rows[row].request_id for row in fresh], told=told(len(tasks)))
    for row in in_order:
        if row.id in replayed:
            await _conclude(session, await _stored(session, row.id), "parked", "replayed_under_another_id")
        elif row.id not in inserted:
            await _put_aside(session, row, rows[row].event)


async def _put_aside(session: Session, row: ProviderEventRow, event: ProviderEvent) -> None:
    """An event that was there already: nothing new, or another body under its id."""
    row.is_first, row.state, row.reason, row.handled_at = False, "parked", "id_used_for_another_body", clock.now()
    if await store.insert_event(session, row):
        count_event(session, row.provider, "parked")
        await look_into(session, "event", f"{row.provider}:{event.event_id}", "id_used_for_another_body")


async def subject_of(session: Session, event_row_id: UUID) -> Subject | None:
    """What to ask the provider about, or None when the event is done with: handled, about nothing of ours, or parked.

    An event whose amount is not the one we asked for is not acted on, however well it is signed.
    """
    event = await store.lock_event(session, event_row_id)
    if event is None or event.state != "received":
        return None
    if event.check_id:
        return await _check_subject(session, event)
    if event.authorisation_id:
        return await _card_subject(session, event)
    if event.payout_id or event.payout_reference:
        return await _payout_subject(session, event)
    if event.transfer_id:
        return Subject(event.provider, transfer_id=event.transfer_id)
    if event.order_id or event.payment_id or event.receipt:
        return await _order_subject(session, event)
    await _conclude(session, event, "ignored")
    return None


async def replay_event(session: Session, event_row_id: UUID) -> ProviderEventRow:
    """Have a stored event looked at again, whatever became of it. Harmless for one that was settled: the provider is
    asked anew, and what is old news changes nothing. Raises `NotFound`, and `Conflict` for one that came under an id
    which another body had before: what it claims to be is not known.
    """
    event = await store.lock_event(session, event_row_id)
    if event is None:
        raise NotFound(N_("There is no such event."))
    if not event.is_first:
        raise Conflict(N_("Another event came under this id before: replay that one."))
    for reason in (event.reason, "unhandled_too_long"):
        if reason:  # it is put before a person anew where it still cannot be settled
            await store.close_exception(session, subject=f"{event.provider}:{event.event_id}", reason=reason)
    event.state, event.reason, event.handled_at = "received", None, None
    await enqueue(session, HandleEvent(event_row_id=event.id))
    await session.flush()
    return event


async def conclude_event(session: Session, event_row_id: UUID, parked: str | None) -> None:
    """The provider was asked and its answer is settled, or put aside for the reason `parked`."""
    event = await store.lock_event(session, event_row_id)
    if event is not None and event.state == "received":
        await _conclude(session, event, "parked" if parked else "processed", parked)


async def plain_subjects(session: ReadSession, event_row_ids: Collection[UUID]) -> Mapping[UUID, Subject]:
    """What those of these events are about that only tell of a payment for an order which they name, over the amount
    that we asked for. The others need a look at each (`subject_of`).
    """
    events = [event for event in await store.events_received(session, event_row_ids) if _tells_of_payment(event)]
    orders = await store.orders_by_provider_ids(session, [(event.provider, event.order_id or "") for event in events])
    found = {event.id: orders.get((event.provider, event.order_id or "")) for event in events}
    return {
        event.id: Subject(event.provider, order_id=order.provider_order_id, payment_id=event.payment_id)
        for event in events
        if (order := found[event.id]) and not (event.money and mismatch(order.money, event.money))
    }


async def conclude_settled(session: Session, event_row_ids: Collection[UUID]) -> None:
    """The providers were asked what these events are about, and their answers are settled."""
    for event in await store.lock_events(session, event_row_ids):
        if event.state == "received":
            _mark(session, event, "processed", None)
    await session.flush()


def _tells_of_payment(event: ProviderEventRow) -> bool:
    about_more = (
        event.refund_id, event.dispute_id, event.transfer_id, event.check_id, event.payout_id, event.payout_reference,
        event.authorisation_id,
    )  # fmt: skip
    return bool(event.payment_id and event.order_id) and not any(about_more)


async def _order_subject(session: Session, event: ProviderEventRow) -> Subject | None:
    order = await _order_of(session, event)
    if order is None and (unanswered := await _by_receipt(session, event)) and unanswered.saved_card_id:
        return Subject(event.provider, unanswered_id=unanswered.id)
    if order is None and event.payment_id is None:
        await _conclude(session, event, "parked", "unknown_order")
        return None
    about_part = event.refund_id or event.dispute_id
    reason = order and event.money and not about_part and mismatch(order.money, event.money)
    if reason:
        await _conclude(session, event, "parked", reason)
        return None
    return Subject(
        event.provider,
        order_id=order.provider_order_id if order else None,
        payment_id=event.payment_id,
        refund_id=event.refund_id,
        dispute_id=event.dispute_id,
    )


async def _order_of(session: Session, event: ProviderEventRow) -> OrderRow | None:
    """The order of ours that an event names: by the gateway's id, by our receipt, or by a payment that we know."""
    for named in (_by_provider_id, _by_receipt, _by_payment):
        order = await named(session, event)
        if order and order.provider == event.provider and order.provider_order_id:
            return order
    return None


async def _by_provider_id(session: Session, event: ProviderEventRow) -> OrderRow | None:
    return await store.order_by_provider_id(session, event.provider, event.order_id) if event.order_id else None


async def _by_receipt(session: Session, event: ProviderEventRow) -> OrderRow | None:
    try:
        return await store.order_by_id(session, UUID(hex=event.receipt or ""))
    except ValueError:
        return None


async def _by_payment(session: Session, event: ProviderEventRow) -> OrderRow | None:
    if not event.payment_id:
        return None
    payment = await store.payment_by_provider_id(session, event.provider, event.payment_id)
    return await store.order_by_id(session, payment.order_id) if payment else None


async def _payout_subject(session: Session, event: ProviderEventRow) -> Subject | None:
    try:
        payout = await store.payout_by_id(session, UUID(event.payout_reference or ""))
    except ValueError:
        payout = None
    if payout is None or payout.provider != event.provider:
        await _conclude(session, event, "parked", "unknown_payout")
        return None
    reason = event.money and mismatch(payout.money, event.money)
    if reason:
        await _conclude(session, event, "parked", reason)
        return None
    return Subject(event.provider, payout_row_id=payout.id, payout_id=event.payout_id)


async def _check_subject(session: Session, event: ProviderEventRow) -> Subject | None:
    """A check that we know of. Any other is passed over: what is ours is asked about in time without its event."""
    payee = await payee_of_check(session, event.provider, event.check_id or "")
    if payee is None:
        await _conclude(session, event, "ignored")
        return None
    return Subject(event.provider, payee_id=payee.id)


async def _card_subject(session: Session, event: ProviderEventRow) -> Subject | None:
    """A card that we know of. One that is still being given is asked about in time without its event."""
    card = await card_by_method(session, event.provider, event.authorisation_id or "")
    if card is None:
        await _conclude(session, event, "ignored")
        return None
    return Subject(event.provider, card_id=card.id)


def _mark(session: Session, event: ProviderEventRow, state: str, reason: str | None) -> None:
    event.state, event.reason, event.handled_at = state, reason, clock.now()
    count_event(session, event.provider, state)


async def _conclude(session: Session, event: ProviderEventRow, state: str, reason: str | None = None) -> None:
    _mark(session, event, state, reason)
    if reason:
        await look_into(session, "event", f"{event.provider}:{event.event_id}", reason, event=event.name)
    await session.flush()


async def _stored(session: Session, event_row_id: UUID) -> ProviderEventRow:
    found = await store.lock_event(session, event_row_id)
    assert found is not None
    return found


def _row(sealed: bytes, provider: str, event: ProviderEvent, body: bytes) -> ProviderEventRow:
    digest = hashlib.sha256(body).digest()
    return ProviderEventRow(
        id=new_id(),
        provider=provider,
        event_id=event.event_id or digest.hex(),
        body_hash=digest,
        is_first=True,
        name=event.name,
        body=sealed,
        payment_id=event.payment_id,
        order_id=event.order_id,
        payout_id=event.payout_id,
        payout_reference=event.payout_reference,
        check_id=event.check_id,
        authorisation_id=event.authorisation_id,
        receipt=event.receipt,
        refund_id=event.refund_id,
        dispute_id=event.dispute_id,
        transfer_id=event.transfer_id,
        amount=event.amount.minor if event.amount else None,
        currency=event.amount.unit if event.amount else None,
        state="received",
        received_at=clock.now(),
    )

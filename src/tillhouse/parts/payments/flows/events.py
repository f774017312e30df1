"""Providers' events, after they are stored: the truth is asked of the provider and settled."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Sequence
from contextvars import Context
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from tillhouse.kernel.context import request_id
from tillhouse.kernel.db import Session
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.domain import OrderState, PaymentFacts, PayoutFacts
from tillhouse.parts.payments.flows.cards import look_at_card
from tillhouse.parts.payments.flows.deposits import check_order
from tillhouse.parts.payments.flows.payees import check_payee
from tillhouse.parts.payments.ports import ProviderEvent, Refused
from tillhouse.parts.payments.service.disputes import settle_dispute
from tillhouse.parts.payments.service.inbox import Arrived, Subject, conclude_event, subject_of, take_events
from tillhouse.parts.payments.service.orders import order_for
from tillhouse.parts.payments.service.payouts import record_payout
from tillhouse.parts.payments.service.refunds import settle_refund
from tillhouse.parts.payments.service.registry import gateway, installed_gateway, payout_gateway
from tillhouse.parts.payments.service.settle import settle
from tillhouse.parts.payments.service.transfers import settle_transfer

_UNKNOWN = "not_known_to_provider"
_GROUP = 200  # events in one transaction
_COMPANY = timedelta(milliseconds=200)  # for which an event may wait for a job that takes it along
_WAITING = 10_000  # what comes then is sent again by its provider: the queue of a process is not a store


class EventDoor:
    """Stores what comes in at the same time in one transaction: one commit, and one insert, for many events.

    Whoever brought an event is answered when it is committed. One writer a process, which waits for nobody: idle, it
    takes what there is. When a group fails, each of it is stored by itself, so that none fails because of another.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._waiting: deque[tuple[Arrived, asyncio.Future[None]]] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._told_at = -math.inf
        house.on_close(self.close)

    async def take(self, provider: str, event: ProviderEvent, body: bytes) -> None:
        """Store an event whose signature was right (`take_events`). Raises `TransientError` when too many wait."""
        if len(self._waiting) >= _WAITING:
            raise TransientError(N_("There is more coming in than we can store. Nothing was stored: send it again."))
        stored = asyncio.get_running_loop().create_future()
        self._waiting.append((Arrived(provider, event, body, request_id()), stored))
        if self._writer is None or self._writer.done():
            # An empty context: it works for many requests, and is none of them in the logs.
            self._writer = asyncio.get_running_loop().create_task(self._write(), context=Context())
        await stored

    async def close(self) -> None:
        """Wait until everything that came in is stored."""
        if self._writer:
            await asyncio.wait([self._writer])

    async def _write(self) -> None:
        while self._waiting:
            group = self._group()
            try:
                await self._store(group)
            except BaseException as error:  # the writer is going away: nobody waits for it for ever
                self._give_up(group, error)
                raise

    def _give_up(self, group: Sequence[tuple[Arrived, asyncio.Future[None]]], error: BaseException) -> None:
        for _, stored in (*group, *self._waiting):
            if not stored.done():
                stored.set_exception(error)
        self._waiting.clear()

    def _told(self, count: int) -> list[timedelta]:
        """A worker is told of one event at once and then of none for a moment: that one's job takes along whatever else
        has come by then. Only what it did not take has a worker told of it.
        """
        now, waits = time.monotonic(), [_COMPANY] * count
        if waits and now - self._told_at >= _COMPANY.total_seconds():
            self._told_at, waits[0] = now, timedelta()
        return waits

    def _group(self) -> list[tuple[Arrived, asyncio.Future[None]]]:
        """What waits, from the front, up to one that shares a claim with another of the group."""
        group: list[tuple[Arrived, asyncio.Future[None]]] = []
        claims: set[tuple[str, str]] = set()
        while self._waiting and len(group) < _GROUP and claims.isdisjoint(self._waiting[0][0].claims):
            claims.update(self._waiting[0][0].claims)
            group.append(self._waiting.popleft())
        return group

    async def _store(self, group: Sequence[tuple[Arrived, asyncio.Future[None]]]) -> None:
        try:
            async with self._house.database.transaction() as session:
                await take_events(session, [arrived for arrived, _ in group], self._told)
        except Exception as error:  # noqa: BLE001  whoever brought it is told; the writer goes on for the others
            if len(group) > 1:
                for one in group:
                    await self._store([one])
            elif not group[0][1].done():
                group[0][1].set_exception(error)
        else:
            for _, stored in group:
                if not stored.done():  # whoever brought it may have gone meanwhile
                    stored.set_result(None)


async def handle_event(house: House, event_row_id: UUID) -> None:
    """Settle what a stored event is about. Raises `TransientError` while the provider cannot be asked."""
    async with house.database.transaction() as session:
        subject = await subject_of(session, event_row_id)
    if subject is None:
        return
    if subject.payee_id:
        await check_payee(house, subject.payee_id)
        await _conclude(house, event_row_id, None)
    elif subject.card_id:
        await look_at_card(house, subject.card_id)
        await _conclude(house, event_row_id, None)
    elif subject.unanswered_id:
        await _ask_about(house, event_row_id, subject.unanswered_id)
    else:
        try:
            await _settle(house, event_row_id, subject)
        except Refused:
            await _conclude(house, event_row_id, _UNKNOWN)


async def _conclude(house: House, event_row_id: UUID, parked: str | None) -> None:
    async with house.database.transaction() as session:
        await conclude_event(session, event_row_id, parked)


async def _ask_about(house: House, event_row_id: UUID, order_id: UUID) -> None:
    """The charge that an event is about may be told of before our call is answered: it is looked for by our receipt."""
    await check_order(house, order_id)
    async with house.database.transaction() as session:
        order = await order_for(session, order_id, owner=None)
        if order.state == OrderState.CREATED:
            raise TransientError(N_("The payment company tells of a payment that it does not show yet."))
        await conclude_event(session, event_row_id, None)


async def _settle(house: House, event_row_id: UUID, subject: Subject) -> None:
    known = None if subject.payout_row_id else installed_gateway(house, subject.provider)
    if subject.payout_row_id:
        await _payout(house, event_row_id, subject.payout_row_id, subject)
    elif known and known.refunds and subject.refund_id:
        await _refund(house, event_row_id, subject.refund_id, subject)
    elif known and known.disputes and subject.dispute_id:
        await _dispute(house, event_row_id, subject.dispute_id, subject)
    elif known and known.transfers and subject.transfer_id:
        transfer = await known.transfers.fetch_transfer(subject.transfer_id)
        async with house.database.transaction() as session:
            await settle_transfer(session, transfer)
            await conclude_event(session, event_row_id, None)
    else:
        await _payments(house, event_row_id, subject)


async def _payments(house: House, event_row_id: UUID, subject: Subject) -> None:
    found = await _payments_of(house, subject)
    async with house.database.transaction() as session:
        await conclude_event(session, event_row_id, await _settle_payments(session, subject, found))


async def _refund(house: House, event_row_id: UUID, refund_id: str, subject: Subject) -> None:
    """What a refund is about may be news too: its payment is settled first."""
    known = installed_gateway(house, subject.provider).refunds
    assert known is not None
    facts = await known.fetch_refund(refund_id=refund_id, payment_id=subject.payment_id or "")
    facts = replace(facts, payment_id=facts.payment_id or subject.payment_id or "")
    found = await _payments_of(house, subject)
    async with house.database.transaction() as session:
        parked = await _settle_payments(session, subject, found) or await settle_refund(session, facts)
        await conclude_event(session, event_row_id, parked)


async def _dispute(house: House, event_row_id: UUID, dispute_id: str, subject: Subject) -> None:
    known = installed_gateway(house, subject.provider).disputes
    assert known is not None
    facts = await known.fetch_dispute(dispute_id)
    facts = replace(facts, payment_id=facts.payment_id or subject.payment_id or "")
    found = await _payments_of(house, subject)
    async with house.database.transaction() as session:
        parked = await _settle_payments(session, subject, found) or await settle_dispute(session, facts)
        await conclude_event(session, event_row_id, parked)


async def _settle_payments(session: Session, subject: Subject, found: Sequence[PaymentFacts]) -> str | None:
    """Settle an event's payments, oldest first. Returns why one was put aside, or None."""
    parked: str | None = None
    for facts in reversed(found):
        foreign = subject.order_id is not None and facts.order_id != subject.order_id
        parked = ("payment_of_another_order" if foreign else await settle(session, facts)) or parked
    return parked


async def _payments_of(house: House, subject: Subject) -> list[PaymentFacts]:
    known = gateway(house, subject.provider)
    if subject.payment_id:
        return [await known.fetch_payment(subject.payment_id, order_id=subject.order_id)]
    return await known.payments_of(subject.order_id or "")


async def _payout(house: House, event_row_id: UUID, payout_row_id: UUID, subject: Subject) -> None:
    known = payout_gateway(house, subject.provider)
    if subject.payout_id:
        facts: PayoutFacts | None = await known.fetch_payout(subject.payout_id)
    else:
        facts = await known.find_payout(payout_row_id)
    async with house.database.transaction() as session:
        parked = await record_payout(session, payout_row_id, facts) if facts else _UNKNOWN
        await conclude_event(session, event_row_id, parked)

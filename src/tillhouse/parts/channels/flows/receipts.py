"""Telling people that a flow took what they wrote: read, and somebody is typing while an answer is on its way.

A courtesy, so it is tried once: what a provider does not take is left, and what is late is not told at all.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.house import House
from tillhouse.kernel.logs import get_logger
from tillhouse.kernel.work import JobRun
from tillhouse.parts.channels.events import ShowRead
from tillhouse.parts.channels.ports import Carriers, ShowsRead
from tillhouse.parts.channels.store import chats

_log = get_logger(__name__)

_MOST = 50  # people told in one attempt
_CALLS = 8  # to providers at once
_LATE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class _Receipt:
    provider: str
    account: str
    message_id: str
    typing: bool


async def show_read(run: JobRun, task: ShowRead) -> None:
    """Tell whoever wrote this message, and others who wait to be told. Fails of nothing that a provider says."""
    along = await run.take_along(ShowRead, _MOST - 1) if run.attempt == 1 else ()
    async with run.house.database.reading() as session:
        receipts = await _receipts(session, [task.inbound_id, *(one.task.inbound_id for one in along)])
    free = asyncio.Semaphore(_CALLS)
    await asyncio.gather(*(_show(run.house, free, one) for one in receipts))
    async with run.transaction() as session:
        await run.finish_along(session, along)


async def _receipts(session: ReadSession, inbound_ids: Sequence[UUID]) -> list[_Receipt]:
    """What to tell. Nobody types where everything that was to be said is on its way already."""
    found = await chats.inbound_with_contacts(session, inbound_ids)
    answering = await chats.about_to_hear(session, {contact.id for _, contact in found})
    return [
        _Receipt(row.provider, contact.account, row.external_id, contact.id in answering)
        for row, contact in found
        if row.created_at > clock.now() - _LATE
    ]


async def _show(house: House, free: asyncio.Semaphore, receipt: _Receipt) -> None:
    async with free:
        try:
            carrier = house.the(Carriers).of("whatsapp", receipt.provider)
            if isinstance(carrier, ShowsRead):
                await carrier.show_read(receipt.account, receipt.message_id, typing=receipt.typing)
        except DomainError as error:
            _log.info("channels.receipt_not_shown", provider=receipt.provider, error=error.code)

"""What comes in, taken in together where it waits at the same time. Each delivery and each conversation keeps a job.

The first attempt at one takes others along; what does not go in company, for whatever reason, is tried by itself.
"""

import asyncio
from uuid import UUID

from tillhouse.kernel.context import request_id
from tillhouse.kernel.logs import get_logger
from tillhouse.kernel.work import Along, JobRun
from tillhouse.parts.channels.events import Converse, TakeIn
from tillhouse.parts.channels.service import conversations, inbound
from tillhouse.parts.channels.service.company import take_in_together

log = get_logger(__name__)

_MOST = 100  # deliveries in one transaction
_TALKS = 50  # conversations, each in a transaction of its own, in one attempt
_SECONDS = 15  # for all of it: well within the lease of those that are taken along


class ByItself(Exception):
    """There is nothing wrong with it that is known: it is looked at by itself."""


async def take_in(run: JobRun, task: TakeIn) -> None:
    """Read a delivery, and at its first attempt others that wait."""
    if run.attempt == 1 and await _together(run, task):
        return
    async with run.transaction() as session:
        await inbound.take_in(session, task)


async def _together(run: JobRun, task: TakeIn) -> bool:
    """Whether the delivery itself is taken in. Every other is, or is tried by itself."""
    along = {one.task.received_id: one for one in await run.take_along(TakeIn, _MOST - 1)}
    causes = {task.received_id: request_id()} | {received: one.claim.request_id for received, one in along.items()}
    done: set[UUID] = set()
    try:
        async with asyncio.timeout(_SECONDS), run.transaction() as session:
            done = await take_in_together(session, causes)
            await run.finish_along(session, [one for received, one in along.items() if received in done])
    except Exception:
        log.exception("channels.not_taken_in_together", deliveries=len(causes))
        done = set()
    await run.put_back([one for received, one in along.items() if received not in done], ByItself())
    return task.received_id in done


async def converse(run: JobRun, task: Converse) -> None:
    """Answer what a contact wrote, and at the first attempt what others did; each in a transaction of its own.

    One whose flow fails is tried by itself, and holds up nobody. Raises what the contact's own flow raises.
    """
    taken = await run.take_along(Converse, _TALKS - 1) if run.attempt == 1 else ()
    waiting: dict[UUID, list[Along[Converse]]] = {task.contact_id: []}
    for one in taken:
        waiting.setdefault(one.task.contact_id, []).append(one)
    failed: Exception | None = None
    try:
        async with asyncio.timeout(_SECONDS if taken else None):
            while waiting:
                contact_id, jobs = next(iter(waiting.items()))
                try:
                    await _converse(run, contact_id, jobs)
                except Exception as error:  # noqa: BLE001  it is the error of one contact
                    await run.put_back(jobs, error)
                    failed = error if contact_id == task.contact_id else failed
                del waiting[contact_id]
    except TimeoutError as error:
        failed = error if task.contact_id in waiting else failed
        await run.put_back([one for jobs in waiting.values() for one in jobs], ByItself())
    if failed:
        raise failed


async def _converse(run: JobRun, contact_id: UUID, jobs: list[Along[Converse]]) -> None:
    async with run.transaction() as session:
        await conversations.converse(session, Converse(contact_id=contact_id))
        await run.finish_along(session, jobs)

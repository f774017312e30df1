"""Putting an end to things: lifetimes, unfinished uploads, and bytes that no file needs.

Bytes go first and their rows after them, so that a crash in between leaves a row to find them by.
"""

from datetime import timedelta

from tillhouse.kernel import clock
from tillhouse.kernel.work import JobRun
from tillhouse.parts.files import service, store
from tillhouse.parts.files.events import Sweep
from tillhouse.parts.files.flows import direct, uploads
from tillhouse.parts.files.flows.storing import key_of
from tillhouse.parts.files.providers.objects import Objects

_UNFINISHED = timedelta(hours=6)  # no writing of bytes takes so long
_REFUSED = timedelta(days=30)  # what was refused is shown for so long
_ADDRESSED = direct.LIFETIME + _UNFINISHED  # after it nothing can come under an address that was given out
_AT_ONCE = 500


async def sweep(run: JobRun, _task: Sweep) -> None:
    """One round; what is too much for it is left to the next."""
    await _end_what_is_over(run)
    await _refuse_what_is_too_long(run)
    await _remove_uploads(run)
    await _remove_bytes(run)
    async with run.transaction() as session:
        await store.remove_files(session, await store.forgettable_files(session, _AT_ONCE))


async def _end_what_is_over(run: JobRun) -> None:
    now = clock.now()
    async with run.transaction() as session:
        await service.expire(session, now - _REFUSED, _AT_ONCE)
        for file_id in await store.overdue_uploads(session, now, _AT_ONCE):
            await service.refuse(session, file_id, "expired")
        for file_id in await store.abandoned_files(session, now - _UNFINISHED, _AT_ONCE):
            await service.refuse(session, file_id, "broken")


async def _refuse_what_is_too_long(run: JobRun) -> None:
    """No vendor's address binds a length that we can sign: what is longer than it was announced to be goes unasked."""
    async with run.transaction() as session:
        waiting = await store.waiting_direct(session, _AT_ONCE)
    for upload in waiting:
        if (await direct.arrived(run.house, upload.file_id) or 0) > upload.length:
            async with run.transaction() as session:
                await service.refuse(session, upload.file_id, "size")


async def _remove_uploads(run: JobRun) -> None:
    over = clock.now() - _ADDRESSED
    async with run.transaction() as session:
        finished = await store.finished_uploads(session, clock.now(), over, _AT_ONCE)
        addressed = await store.addressed_uploads(session, over, _AT_ONCE)
    for file_id in addressed:  # the row stays: what comes later is found by it
        await uploads.discard(run.house, file_id)
    for file_id in finished:
        await uploads.discard(run.house, file_id)
        async with run.transaction() as session:
            await store.remove_upload(session, file_id)


async def _remove_bytes(run: JobRun) -> None:
    async with run.transaction() as session:
        await store.let_go_of_shared(session)
        unneeded = await store.unneeded_blobs(session, _AT_ONCE)
    for blob in unneeded:
        async with run.transaction() as session:
            await store.lock_owner(session, blob.owner_id)  # nobody may take these bytes up meanwhile
            await store.give_up_blob(session, blob.owner_id, blob.id, clock.now())
    async with run.transaction() as session:
        waste = await store.waste(session, clock.now() - _UNFINISHED, _AT_ONCE)
    for blob_id in waste:
        await run.house.the(Objects).delete(key_of(blob_id))
        async with run.transaction() as session:
            await store.remove_blob(session, blob_id)

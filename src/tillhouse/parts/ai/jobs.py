"""Background jobs of ai."""

from datetime import timedelta
from uuid import UUID

from tillhouse.kernel.db import Session, house_of
from tillhouse.kernel.work import AnyJob, Job, Schedule
from tillhouse.parts.ai.events import (
    CancelImages,
    FollowImages,
    IndexDocument,
    LookAtImages,
    RemoveDocument,
    RemoveOldCalls,
    StartImages,
    SweepCalls,
)
from tillhouse.parts.ai.flows import imaging
from tillhouse.parts.ai.flows.indexing import give_up, index_document, remove_document
from tillhouse.parts.ai.service import images, metering
from tillhouse.parts.ai.settings import AISettings

_NO_DOCUMENT = UUID("00000000-0000-7000-8000-000000000000")


async def sweep_calls(session: Session, _task: SweepCalls) -> None:
    """Give back what was reserved for calls whose process died."""
    await metering.sweep(session)


async def remove_old_calls(session: Session, _task: RemoveOldCalls) -> None:
    """Remove records of calls that are older than they are kept."""
    days = house_of(session).settings_of(AISettings).keep_calls_days
    await metering.remove_old(session, timedelta(days=days))


async def follow_images(session: Session, _task: FollowImages) -> None:
    """Have open orders of pictures looked at whose callback did not come."""
    await images.follow(session)


JOBS: tuple[AnyJob, ...] = (
    Job(
        task=StartImages,
        flow=imaging.start,
        on_dead=imaging.give_up,
        time_limit=timedelta(minutes=5),
        example=lambda: StartImages(image_job_id=_NO_DOCUMENT),
    ),
    Job(
        task=LookAtImages,
        flow=imaging.look,
        attempts=5,
        time_limit=timedelta(minutes=10),
        example=lambda: LookAtImages(image_job_id=_NO_DOCUMENT),
    ),
    Job(task=CancelImages, flow=imaging.cancel, example=lambda: CancelImages(image_job_id=_NO_DOCUMENT)),
    Job(task=FollowImages, run=follow_images, schedule=Schedule(every=timedelta(minutes=1)), example=FollowImages),
    Job(task=SweepCalls, run=sweep_calls, schedule=Schedule(every=timedelta(minutes=5)), example=SweepCalls),
    Job(task=RemoveOldCalls, run=remove_old_calls, schedule=Schedule(cron="40 3 * * *"), example=RemoveOldCalls),
    Job(
        task=IndexDocument,
        flow=index_document,
        on_dead=give_up,
        attempts=5,
        time_limit=timedelta(hours=2),
        example=lambda: IndexDocument(document_id=_NO_DOCUMENT, revision=1),
    ),
    Job(task=RemoveDocument, flow=remove_document, example=lambda: RemoveDocument(document_id=_NO_DOCUMENT)),
)

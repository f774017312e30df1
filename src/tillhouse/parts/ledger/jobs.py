"""The ledger's scheduled work."""

from datetime import timedelta

from tillhouse.kernel.db import Session
from tillhouse.kernel.work import Job, Schedule, enqueue
from tillhouse.parts.ledger.events import EnsurePartitions, ExpireHolds, ForgetRefusals
from tillhouse.parts.ledger.service import holding, partitions, posting


async def _expire_holds(session: Session, task: ExpireHolds) -> None:
    if await holding.expire(session):
        await enqueue(session, task)


async def _ensure_partitions(session: Session, task: EnsurePartitions) -> None:
    await partitions.ensure(session)


async def _forget_refusals(session: Session, task: ForgetRefusals) -> None:
    await posting.forget_refusals(session)


JOBS = (
    Job(
        task=ExpireHolds,
        run=_expire_holds,
        schedule=Schedule(every=timedelta(seconds=30)),
        example=ExpireHolds,
    ),
    Job(
        task=EnsurePartitions,
        run=_ensure_partitions,
        schedule=Schedule(cron="17 3 * * *"),
        example=EnsurePartitions,
    ),
    Job(
        task=ForgetRefusals,
        run=_forget_refusals,
        schedule=Schedule(cron="41 * * * *"),
        example=ForgetRefusals,
    ),
)

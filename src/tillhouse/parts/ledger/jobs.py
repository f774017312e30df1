"""The ledger's scheduled work."""

from datetime import timedelta

from tillhouse.kernel.db import Session
from tillhouse.kernel.work import Job, Schedule, enqueue
from tillhouse.parts.ledger.events import EnsurePartitions, ExpireHolds, ExpireLots, ForgetRefusals, Seal
from tillhouse.parts.ledger.flows.sealing import seal
from tillhouse.parts.ledger.service import holding, lots, partitions, posting


async def _expire_holds(session: Session, task: ExpireHolds) -> None:
    if await holding.expire(session):
        await enqueue(session, task)


async def _expire_lots(session: Session, task: ExpireLots) -> None:
    if await lots.expire(session):
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
        task=ExpireLots,
        run=_expire_lots,
        schedule=Schedule(every=timedelta(seconds=60)),
        example=ExpireLots,
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
    Job(
        task=Seal,
        flow=seal,
        schedule=Schedule(every=timedelta(minutes=1)),
        time_limit=timedelta(minutes=10),
        example=Seal,
    ),
)

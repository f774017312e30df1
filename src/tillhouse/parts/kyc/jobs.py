"""Background work of kyc."""

from datetime import timedelta

from tillhouse.kernel.db import Session
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.work import Job, JobRun, Schedule, enqueue
from tillhouse.parts.kyc.events import CheckCase, LookAfter
from tillhouse.parts.kyc.flows import check_case, checks_gave_up
from tillhouse.parts.kyc.service import keeping


async def _check_case(run: JobRun, task: CheckCase) -> None:
    await check_case(run.house, task.case_id)


async def _gave_up(session: Session, task: CheckCase) -> None:
    await checks_gave_up(session, task.case_id)


async def _look_after(session: Session, task: LookAfter) -> None:
    if await keeping.look_after(session):
        await enqueue(session, task)


JOBS = (
    Job(
        task=CheckCase,
        flow=_check_case,
        attempts=20,
        on_dead=_gave_up,
        example=lambda: CheckCase(case_id=new_id()),
    ),
    Job(task=LookAfter, run=_look_after, schedule=Schedule(every=timedelta(minutes=30)), example=LookAfter),
)

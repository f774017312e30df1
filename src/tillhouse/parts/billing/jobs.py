"""Background jobs of billing."""

from datetime import timedelta

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.work import Job, JobRun, Schedule, enqueue
from tillhouse.parts.billing import store
from tillhouse.parts.billing.events import Advance, ChargeRenewal, LookAfter, Recognise
from tillhouse.parts.billing.flows import charge_renewal
from tillhouse.parts.billing.service import earning, invoices, subscribing, work
from tillhouse.parts.billing.store import charging

_AT_ONCE = 500


async def _advance(session: Session, task: Advance) -> None:
    await subscribing.advance(session, task.subscription_id)


async def _charge_renewal(run: JobRun, task: ChargeRenewal) -> None:
    await charge_renewal(run.house, task.invoice_id, task.attempt)


async def _look_after(run: JobRun, _task: LookAfter) -> None:
    async with run.transaction() as session:
        for subscription_id, look_at in await store.due(session, clock.now(), _AT_ONCE):
            once = f"{subscription_id}:{look_at.isoformat()}"
            await enqueue(session, Advance(subscription_id=subscription_id), unique=once)
        for invoice_id, attempt, look_at in await charging.due(session, clock.now(), _AT_ONCE):
            once = f"{invoice_id}:{attempt}:{look_at.isoformat()}"
            await enqueue(session, ChargeRenewal(invoice_id=invoice_id, attempt=attempt), unique=once)
    for give_up in (work.free_abandoned, invoices.void_abandoned):
        more = True
        while more:
            async with run.transaction() as session:
                more = await give_up(session)


async def _recognise(run: JobRun, _task: Recognise) -> None:
    async with run.transaction() as session:
        after = await earning.recognise(session, None)
    while after:
        async with run.transaction() as session:
            after = await earning.recognise(session, after)


JOBS = (
    Job(task=Advance, run=_advance, example=lambda: Advance(subscription_id=new_id())),
    Job(
        task=ChargeRenewal,
        flow=_charge_renewal,
        attempts=5,
        example=lambda: ChargeRenewal(invoice_id=new_id(), attempt=1),
    ),
    Job(task=LookAfter, flow=_look_after, schedule=Schedule(every=timedelta(minutes=1)), example=LookAfter),
    Job(task=Recognise, flow=_recognise, schedule=Schedule(cron="10 0 * * *"), example=Recognise),
)

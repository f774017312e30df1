"""Background jobs of payments."""

from datetime import timedelta

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.work import Job, JobRun, Schedule
from tillhouse.parts.payments import store
from tillhouse.parts.payments.events import (
    CapturePayment,
    CheckOrder,
    CheckPayee,
    HandleEvent,
    LookAfter,
    PruneEvents,
    SendPayout,
    SettlePurpose,
)
from tillhouse.parts.payments.flows import deposits, events, look_after, payees, payouts
from tillhouse.parts.payments.service.attention import look_into
from tillhouse.parts.payments.service.registry import settings_of
from tillhouse.parts.payments.service.settle import PURPOSE_CRASHES, settle_purpose


async def _handle_event(run: JobRun, task: HandleEvent) -> None:
    await events.handle_event(run.house, task.event_row_id)


async def _check_order(run: JobRun, task: CheckOrder) -> None:
    await deposits.check_order(run.house, task.order_id)


async def _capture_payment(run: JobRun, task: CapturePayment) -> None:
    await deposits.capture_payment(run.house, task.payment_id)


async def _settle_purpose(session: Session, task: SettlePurpose) -> None:
    await settle_purpose(session, task.payment_id)


async def _purpose_given_up(session: Session, task: SettlePurpose) -> None:
    await look_into(session, "purpose", str(task.payment_id), PURPOSE_CRASHES)


async def _send_payout(run: JobRun, task: SendPayout) -> None:
    await payouts.send_payout(run.house, task.payout_id)


async def _check_payee(run: JobRun, task: CheckPayee) -> None:
    await payees.check_payee(run.house, task.payee_id)


async def _look_after(run: JobRun, task: LookAfter) -> None:
    await look_after.look_after(run.house)


async def _prune_events(session: Session, task: PruneEvents) -> None:
    keep = timedelta(days=settings_of(session).keep_events_days)
    await store.delete_events_before(session, clock.now() - keep)


JOBS = (
    Job(task=HandleEvent, flow=_handle_event, attempts=20, example=lambda: HandleEvent(event_row_id=new_id())),
    Job(task=CheckOrder, flow=_check_order, attempts=5, example=lambda: CheckOrder(order_id=new_id())),
    Job(task=CapturePayment, flow=_capture_payment, example=lambda: CapturePayment(payment_id=new_id())),
    Job(
        task=SettlePurpose,
        run=_settle_purpose,
        attempts=8,
        on_dead=_purpose_given_up,
        example=lambda: SettlePurpose(payment_id=new_id()),
    ),
    Job(task=SendPayout, flow=_send_payout, attempts=20, example=lambda: SendPayout(payout_id=new_id())),
    Job(task=CheckPayee, flow=_check_payee, attempts=5, example=lambda: CheckPayee(payee_id=new_id())),
    Job(task=LookAfter, flow=_look_after, schedule=Schedule(every=timedelta(minutes=1)), example=LookAfter),
    Job(task=PruneEvents, run=_prune_events, schedule=Schedule(cron="40 2 * * *"), example=PruneEvents),
)

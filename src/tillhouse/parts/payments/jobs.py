"""Background jobs of payments."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import TypeVar

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.work import Job, JobRun, Schedule, Task, enqueue
from tillhouse.parts.payments import store
from tillhouse.parts.payments.events import (
    CapturePayment,
    CheckCard,
    CheckDispute,
    CheckOrder,
    CheckPayee,
    CheckRefunds,
    ForgetCard,
    HandleEvent,
    ImportTransfers,
    LookAfter,
    PollTransfers,
    PruneEvents,
    Reconcile,
    ReconcileDay,
    SendPayout,
    SendRefund,
    SettlePurpose,
)
from tillhouse.parts.payments.flows import (
    cards,
    deposits,
    look_after,
    payees,
    payouts,
    reconciliation,
    refunds,
    together,
    transfers,
)
from tillhouse.parts.payments.ports import KeyRefused
from tillhouse.parts.payments.service.attention import look_into, look_into_key
from tillhouse.parts.payments.service.refunds import REFUNDS_MISSING
from tillhouse.parts.payments.service.registry import settings_of, settlement_reports, transfer_sources
from tillhouse.parts.payments.service.settle import PURPOSE_CRASHES, settle_purpose

T = TypeVar("T", bound=Task)


async def _handle_event(run: JobRun, task: HandleEvent) -> None:
    await together.handle_events(run, task)


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


async def _check_card(run: JobRun, task: CheckCard) -> None:
    await cards.check_card(run.house, task.card_id)


async def _forget_card(run: JobRun, task: ForgetCard) -> None:
    await cards.forget_card(run.house, task.card_id)


async def _send_refund(run: JobRun, task: SendRefund) -> None:
    await refunds.send_refund(run.house, task.refund_id)


async def _check_refunds(run: JobRun, task: CheckRefunds) -> None:
    await refunds.check_refunds(run.house, task.payment_id)


async def _refunds_stay_missing(session: Session, task: CheckRefunds) -> None:
    await look_into(session, "payment", str(task.payment_id), REFUNDS_MISSING)


async def _check_dispute(run: JobRun, task: CheckDispute) -> None:
    await refunds.check_dispute(run.house, task.dispute_id)


async def _poll_transfers(run: JobRun, task: PollTransfers) -> None:
    await transfers.poll_all_transfers(run.house)


async def _look_after(run: JobRun, task: LookAfter) -> None:
    await look_after.look_after(run.house)


async def _prune_events(session: Session, task: PruneEvents) -> None:
    keep = timedelta(days=settings_of(session).keep_events_days)
    await store.delete_events_before(session, clock.now() - keep)


async def _reconcile(run: JobRun, task: Reconcile) -> None:
    """One job for each provider and day: one that cannot be asked keeps nobody else waiting."""
    house = run.house
    reporting, seeing = await reconciliation.providers_to_ask(house)
    async with house.database.transaction() as session:
        for provider in reporting:
            for day in reconciliation.days_to_ask(house):
                await enqueue(session, ReconcileDay(provider=provider, day=day.isoformat()))
        for provider in seeing:
            await enqueue(session, ImportTransfers(provider=provider))
    await reconciliation.look_at_ages(house)


async def _reconcile_day(run: JobRun, task: ReconcileDay) -> None:
    if task.provider in settlement_reports(run.house):
        await reconciliation.reconcile(run.house, task.provider, date.fromisoformat(task.day))


async def _import_transfers(run: JobRun, task: ImportTransfers) -> None:
    if task.provider in transfer_sources(run.house):
        await reconciliation.import_transfers(run.house, task.provider)


def _telling(flow: Callable[[JobRun, T], Awaitable[None]]) -> Callable[[JobRun, T], Awaitable[None]]:
    """The flow, which fails as it does; when it fails of our own key, a person is told besides."""

    async def told(run: JobRun, task: T) -> None:
        try:
            await flow(run, task)
        except KeyRefused as refused:
            async with run.house.database.transaction() as session:
                await look_into_key(session, refused)
            raise

    return told


JOBS = (
    Job(
        task=HandleEvent, flow=_telling(_handle_event), attempts=20, example=lambda: HandleEvent(event_row_id=new_id())
    ),
    Job(task=CheckOrder, flow=_telling(_check_order), attempts=5, example=lambda: CheckOrder(order_id=new_id())),
    Job(task=CapturePayment, flow=_telling(_capture_payment), example=lambda: CapturePayment(payment_id=new_id())),
    Job(
        task=SettlePurpose,
        run=_settle_purpose,
        attempts=8,
        on_dead=_purpose_given_up,
        example=lambda: SettlePurpose(payment_id=new_id()),
    ),
    Job(task=SendPayout, flow=_send_payout, attempts=20, example=lambda: SendPayout(payout_id=new_id())),
    Job(task=CheckPayee, flow=_check_payee, attempts=5, example=lambda: CheckPayee(payee_id=new_id())),
    Job(task=CheckCard, flow=_telling(_check_card), attempts=5, example=lambda: CheckCard(card_id=new_id())),
    Job(task=ForgetCard, flow=_telling(_forget_card), attempts=20, example=lambda: ForgetCard(card_id=new_id())),
    Job(task=SendRefund, flow=_send_refund, attempts=20, example=lambda: SendRefund(refund_id=new_id())),
    Job(
        task=CheckRefunds,
        flow=_telling(_check_refunds),
        attempts=1000,  # it has a deadline
        on_dead=_refunds_stay_missing,
        example=lambda: CheckRefunds(payment_id=new_id()),
    ),
    Job(
        task=CheckDispute, flow=_telling(_check_dispute), attempts=5, example=lambda: CheckDispute(dispute_id=new_id())
    ),
    Job(
        task=PollTransfers,
        flow=_telling(_poll_transfers),
        attempts=1,
        schedule=Schedule(every=timedelta(minutes=5)),
        example=PollTransfers,
    ),
    Job(task=LookAfter, flow=_look_after, schedule=Schedule(every=timedelta(minutes=1)), example=LookAfter),
    # Every provider's day has ended by then, from India to UTC.
    Job(task=Reconcile, flow=_reconcile, schedule=Schedule(cron="30 4 * * *"), example=Reconcile),
    Job(
        task=ReconcileDay,
        flow=_telling(_reconcile_day),
        attempts=12,
        example=lambda: ReconcileDay(provider="nobody", day="2026-01-15"),
    ),
    Job(
        task=ImportTransfers,
        flow=_telling(_import_transfers),
        attempts=5,
        example=lambda: ImportTransfers(provider="nobody"),
    ),
    Job(task=PruneEvents, run=_prune_events, schedule=Schedule(cron="40 2 * * *"), example=PruneEvents),
)

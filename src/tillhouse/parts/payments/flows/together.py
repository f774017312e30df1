"""Events that wait at the same time: the plain ones are asked about at once and settled in one transaction.

Each keeps a job of its own. The first attempt at one takes others along; what is not settled in company, for whatever
reason, is tried by itself (`events.handle_event`), with its own error, pauses and end.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from tillhouse.kernel.context import request_id
from tillhouse.kernel.house import House
from tillhouse.kernel.logs import get_logger
from tillhouse.kernel.work import Along, JobRun
from tillhouse.parts.payments.domain import PaymentFacts
from tillhouse.parts.payments.events import HandleEvent
from tillhouse.parts.payments.flows.events import handle_event
from tillhouse.parts.payments.service.inbox import Subject, conclude_settled, plain_subjects
from tillhouse.parts.payments.service.registry import gateway
from tillhouse.parts.payments.service.settle_together import Told, settle_together

_log = get_logger(__name__)

_MOST = 50  # events in one transaction
_CALLS = 8  # to providers at once
_SECONDS = 15  # for all of it: well within the lease of those that are taken along


class ByItself(Exception):
    """There is nothing wrong with it that is known: it is looked at by itself."""


async def handle_events(run: JobRun, task: HandleEvent) -> None:
    """Settle what an event is about, and at its first attempt what others are about that wait."""
    if run.attempt == 1 and await _together(run, task):
        return
    await handle_event(run.house, task.event_row_id)


async def _together(run: JobRun, task: HandleEvent) -> bool:
    """Whether the event itself is settled. Every other is, or is tried by itself."""
    along = {one.task.event_row_id: one for one in await run.take_along(HandleEvent, _MOST - 1)}
    causes = {task.event_row_id: request_id()} | {event: one.claim.request_id for event, one in along.items()}
    errors: dict[UUID, Exception] = {}
    settled: set[UUID] = set()
    try:
        async with asyncio.timeout(_SECONDS):
            settled, errors = await settle_company(run, causes, along)
    except Exception:  # noqa: BLE001  company is never why an event fails
        _log.exception("not_settled_together", events=len(causes))
    left = {event: one for event, one in along.items() if event not in settled}
    await run.put_back([one for event, one in left.items() if event not in errors], ByItself())
    for event in left.keys() & errors.keys():
        await run.put_back([left[event]], errors[event])
    return task.event_row_id in settled


async def settle_company(
    run: JobRun, causes: Mapping[UUID, str | None], along: Mapping[UUID, Along[HandleEvent]]
) -> tuple[set[UUID], dict[UUID, Exception]]:
    """Settle the plain ones of these events (id → the request that brought it) and end the jobs of those `along`.

    Returns the events that are settled, and what went wrong with others. Opens its own transactions.
    """
    async with run.house.database.reading() as session:
        subjects = await plain_subjects(session, causes)
    answers = await _ask(run.house, set(subjects.values()))
    errors = {event: one for event, about in subjects.items() if isinstance(one := answers[about], Exception)}
    told = {event: Told(one, causes[event]) for event, one in _answered(subjects, answers)}
    async with run.house.database.transaction() as session:
        payments = await settle_together(session, _once(told.values()))
        settled = {event for event, one in told.items() if one.payment in payments}
        await conclude_settled(session, settled)
        await run.finish_along(session, [along[event] for event in settled if event in along])
    return settled, errors


def _answered(
    subjects: Mapping[UUID, Subject], answers: Mapping[Subject, PaymentFacts | Exception]
) -> Iterable[tuple[UUID, PaymentFacts]]:
    """What the gateway says of each event's payment, where it says that it is for the event's order."""
    for event, about in subjects.items():
        answer = answers[about]
        if isinstance(answer, PaymentFacts) and answer.order_id == about.order_id:
            yield event, answer


def _once(told: Collection[Told]) -> Sequence[Told]:
    """Each payment once, however many events tell of it."""
    return list({one.payment: one for one in told}.values())


async def _ask(house: House, subjects: Collection[Subject]) -> Mapping[Subject, PaymentFacts | Exception]:
    """What the gateways say of each payment: asked once, after all that tell of it were stored."""
    free = asyncio.Semaphore(_CALLS)

    async def ask(about: Subject) -> PaymentFacts | Exception:
        async with free:
            try:
                return await gateway(house, about.provider).fetch_payment(
                    about.payment_id or "", order_id=about.order_id
                )
            except Exception as error:  # noqa: BLE001  it is that of one event, which is asked about by itself
                return error

    return dict(zip(subjects, await asyncio.gather(*map(ask, subjects)), strict=True))

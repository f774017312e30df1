"""Running one attempt at a job, whoever asks for it: a worker or `run_due`.

Every ending is written with a fence (lease holder and attempt), so that an attempt that lost its lease changes nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar
from uuid import UUID

from pydantic import ValidationError

from tillhouse.kernel import clock, live
from tillhouse.kernel.context import tracing
from tillhouse.kernel.db import Session, Transactions
from tillhouse.kernel.errors import DomainError, TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.logs import get_logger
from tillhouse.kernel.work import store
from tillhouse.kernel.work.along import Along, finish_along, put_back, take_along
from tillhouse.kernel.work.definitions import Cancelled, Task
from tillhouse.kernel.work.endings import GivenUp, LeaseLost, describe, next_try
from tillhouse.kernel.work.metrics import measured
from tillhouse.kernel.work.outbox import HANDLES
from tillhouse.kernel.work.registry import Work, registry_of
from tillhouse.kernel.work.store import Claim

_log = get_logger("tillhouse.work")

T = TypeVar("T", bound=Task)

Outcome = Literal["done", "retried", "dead", "cancelled", "lost"]


@dataclass(frozen=True, slots=True)
class Ran:
    """How an attempt ended. `error` is what ended it, if something did."""

    name: str
    outcome: Outcome
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A `JobRun`: what a flow is given."""

    house: House
    claim: Claim

    @property
    def transaction(self) -> Transactions:
        return self.house.database.transaction

    @property
    def job_id(self) -> UUID:
        return self.claim.id

    @property
    def attempt(self) -> int:
        return self.claim.attempt

    async def progress(self, done: int, total: int, note: str = "") -> None:
        async with self.transaction() as session:
            go_on = await store.record_progress(session, self.claim, done, total, note)
            live.publish(session, f"job:{self.claim.id}", {"done": done, "total": total, "note": note})
        if not go_on:
            raise Cancelled

    async def take_along(self, kind: type[T], most: int) -> Sequence[Along[T]]:
        return await take_along(self.house, self.claim, kind, most)

    async def finish_along(self, session: Session, taken: Sequence[Along[T]]) -> None:
        await finish_along(session, self.house, taken)

    async def put_back(self, taken: Sequence[Along[T]], why: Exception) -> None:
        await put_back(self.house, taken, why)


async def run_claimed(house: House, claim: Claim) -> Ran:
    """Run the attempt and write how it ended. Raises what the database raises when that cannot be written."""
    work = registry_of(house).works.get(claim.name)
    with tracing(claim.request_id), measured(work) as attempt:
        ran = await _run(house, claim, work)
        attempt.outcome = ran.outcome
    level = _log.info if ran.outcome in ("done", "lost", "cancelled") else _log.warning
    level("job", job=claim.name, id=str(claim.id), attempt=claim.attempt, outcome=ran.outcome, **_log_fields(ran))
    return ran


async def _run(house: House, claim: Claim, work: Work | None) -> Ran:
    if work is None:
        unknown = LookupError(f"no module of this process has a job {claim.name}")
        return await _fail(house, claim, None, None, unknown)
    try:
        message = work.message(claim.payload)
    except ValidationError:
        return await _fail(house, claim, work, None, GivenUp("bad_payload", "written by a build with another shape"))
    try:
        _refuse_if_over(claim, work)
        await _attempt(house, claim, work, message)
    except LeaseLost as error:
        return Ran(claim.name, "lost", error)
    except Exception as error:  # noqa: BLE001  whatever a job raises is written down and decides what happens next
        return await _fail(house, claim, work, message, error)
    return Ran(claim.name, "done")


def _refuse_if_over(claim: Claim, work: Work) -> None:
    if claim.cancel_requested:
        raise Cancelled
    if claim.deadline and claim.deadline <= clock.now():
        raise GivenUp("deadline_passed", "not done in time")
    if claim.attempt > work.attempts:
        raise GivenUp("attempts_exhausted", "its workers kept dying")


async def _attempt(house: House, claim: Claim, work: Work, message: Any) -> None:
    limit = work.time_limit
    if claim.deadline:
        limit = min(limit, claim.deadline - clock.now())
    async with asyncio.timeout(limit.total_seconds()):
        if work.job and work.job.flow:
            await work.job.flow(Run(house, claim), message)
            await _in_transaction(house, claim, None, None)
        else:
            run = work.job.run if work.job else _reaction(claim, work)
            await _in_transaction(house, claim, run, message)


def _reaction(claim: Claim, work: Work) -> Callable[[Session, Any], Awaitable[None]]:
    """The handler's function, its session knowing which event it is about: the unique key of a delivery is its id."""
    assert work.handler
    assert claim.unique_key
    react, event_id = work.handler.run, UUID(claim.unique_key)

    async def run(session: Session, event: Any) -> None:
        session.info[HANDLES] = event_id
        await react(session, event)

    return run


async def _in_transaction(
    house: House, claim: Claim, run: Callable[[Session, Any], Awaitable[None]] | None, message: Any
) -> None:
    """The effect and the mark that it is done commit together."""
    async with house.database.transaction() as session:
        if run:
            await run(session, message)
        if not await store.finish(session, claim, "done"):
            raise LeaseLost


async def _fail(house: House, claim: Claim, work: Work | None, message: Any, error: Exception) -> Ran:
    ending = _decide(claim, work, error)
    if ending != "retried":
        try:
            return await _end(house, claim, work, message, Ran(claim.name, ending, error))
        except Exception as way_back:  # noqa: BLE001  the way back is tried until it succeeds
            error = way_back
    async with house.database.transaction() as session:
        queued = await store.retry(session, claim, next_try(claim.attempt), *describe(error))
    return Ran(claim.name, "retried" if queued else "lost", error)


def _decide(claim: Claim, work: Work | None, error: Exception) -> Literal["retried", "dead", "cancelled"]:
    if isinstance(error, Cancelled):
        return "cancelled"
    final = isinstance(error, GivenUp) or (isinstance(error, DomainError) and not isinstance(error, TransientError))
    late = claim.deadline is not None and claim.deadline <= clock.now()
    last = claim.attempt >= (work.attempts if work else 10)
    return "dead" if final or late or last else "retried"


async def _end(house: House, claim: Claim, work: Work | None, message: Any, ran: Ran) -> Ran:
    """Write that the job is dead or cancelled, and find the way back in the same transaction."""
    assert ran.error is not None
    code, sentence = describe(ran.error)
    async with house.database.transaction() as session:
        if not await store.finish(session, claim, ran.outcome, error_code=code, error_message=sentence):
            return Ran(claim.name, "lost", ran.error)
        if work and work.job and work.job.on_dead and message is not None:
            await work.job.on_dead(session, message)
    return ran


def _log_fields(ran: Ran) -> dict[str, str]:
    if ran.error is None:
        return {}
    code, sentence = describe(ran.error)
    return {"error": code, "why": sentence}

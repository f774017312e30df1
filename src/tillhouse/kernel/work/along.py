"""Jobs that one attempt takes along: what is cheap to do for many is done for many, in one transaction.

Each stays a job of its own, with its own end. Only first attempts are taken along, so that what fails in company is
tried by itself from then on. Their lease is what the leader's was: a leader that dies, is stopped or takes longer than
that loses them to whoever comes next, and cannot mark them done any more.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pydantic import ValidationError

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session, after_commit
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.logs import get_logger
from tillhouse.kernel.work import store
from tillhouse.kernel.work.definitions import Task
from tillhouse.kernel.work.endings import LeaseLost, describe, next_try
from tillhouse.kernel.work.metrics import count_attempt
from tillhouse.kernel.work.registry import registry_of
from tillhouse.kernel.work.store import Claim

_log = get_logger("tillhouse.work")

T = TypeVar("T", bound=Task)


class _NotReadable(Exception):
    """Written by a build with another shape."""


@dataclass(frozen=True, slots=True)
class Along(Generic[T]):
    """A job that was taken along, begun."""

    task: T
    claim: Claim
    began: float = field(default_factory=time.monotonic)


async def take_along(house: House, leader: Claim, kind: type[T], most: int) -> list[Along[T]]:
    """Begin the first attempt at up to `most` other jobs of the leader's kind that wait."""
    assert leader.name == kind.name
    async with house.database.transaction() as session:
        claims = await store.claim_along(session, leader, most)
    work = registry_of(house).works[kind.name]
    taken: list[Along[T]] = []
    for claim in claims:
        try:
            taken.append(Along(work.message(claim.payload), claim))
        except ValidationError:
            await _put_back(house, [claim], _NotReadable())
    return taken


async def finish_along(session: Session, house: House, taken: Sequence[Along[T]]) -> None:
    """Mark them done, in the transaction of their effect. Raises `LeaseLost`, for the caller to roll all of it back."""
    if taken and not await store.finish_along(session, [one.claim for one in taken]):
        raise LeaseLost
    after_commit(session, lambda: _tell(house, taken, "done"))


async def put_back(house: House, taken: Sequence[Along[T]], why: Exception) -> None:
    """End their attempts: each is tried by itself, after a pause where the cause may pass."""
    if taken:
        await _put_back(house, [one.claim for one in taken], why)
        _tell(house, taken, "retried")


async def _put_back(house: House, claims: Sequence[Claim], why: Exception) -> None:
    run_at = next_try(attempt=1) if isinstance(why, TransientError) else clock.now()
    async with house.database.transaction() as session:
        await store.retry_along(session, claims, run_at, *describe(why))


def _tell(house: House, taken: Sequence[Along[T]], outcome: str) -> None:
    for one in taken:
        claim = one.claim
        count_attempt(registry_of(house).works[claim.name], outcome, time.monotonic() - one.began)
        _log.info("job", job=claim.name, id=str(claim.id), attempt=claim.attempt, outcome=outcome, along=True)

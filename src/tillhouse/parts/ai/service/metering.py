"""Metering: the row of a call is there before the call is made, and says how it ended whatever happened."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import get_args
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.parts.ai.domain.calls import Amounts, Outcome, Owner, OwnerKind, UsageLine
from tillhouse.parts.ai.domain.prices import PriceList, Rates
from tillhouse.parts.ai.models import CallRow
from tillhouse.parts.ai.ports.spending import CountedCall, PlannedCall, SpendGuard
from tillhouse.parts.ai.store import calls as store

_GRACE = timedelta(minutes=5)  # beyond a call's deadline: then nobody will tell how it ended
_AT_ONCE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a call ended. Times in milliseconds; `failure` is a code, never a text of anyone's."""

    outcome: Outcome
    amounts: Amounts
    failure: str | None = None
    provider_request_id: str = ""
    first_token_ms: int | None = None
    latency_ms: int = 0


async def begin(session: Session, planned: PlannedCall, *, prices: PriceList, request_id: UUID, attempt: int) -> None:
    """Write down a call before it is made, and reserve what it may cost. Raises what a guard refuses with."""
    for guard in house_of(session).provided(SpendGuard):
        await guard.reserve(session, planned)
    now = clock.now()
    await store.keep_price_list(session, prices.version, prices.unit, _as_json(prices), now)
    row = CallRow(
        id=planned.id,
        request_id=request_id,
        attempt=attempt,
        kind=planned.kind,
        owner_kind=planned.owner.kind,
        owner_id=planned.owner.id,
        purpose=planned.purpose,
        model=planned.model,
        state="running",
        input_tokens=0,
        output_tokens=0,
        cached_tokens=0,
        milliseconds=0,
        pieces=0,
        estimated=False,
        price_version=prices.version,
        unit=prices.unit,
        most=planned.most,
        cost=0,
        created_at=now,
        deadline_at=now + timedelta(seconds=planned.seconds),
    )
    await store.add(session, row)


async def end(session: Session, call_id: UUID, ending: Ending, rates: Rates) -> None:
    """Write how a call ended, and capture or release. A second time changes nothing."""
    amounts = ending.amounts
    tokens, sound = rates.of_tokens(amounts.tokens), rates.of_sound(amounts.milliseconds)
    pieces = rates.of_pieces(amounts.pieces)
    values = {
        "state": ending.outcome,
        "failure": ending.failure,
        "input_tokens": amounts.input,
        "output_tokens": amounts.output,
        "cached_tokens": amounts.cached,
        "milliseconds": amounts.milliseconds,
        "estimated": amounts.estimated,
        "pieces": amounts.pieces,
        "cost": tokens + sound + pieces,
        "provider_request_id": ending.provider_request_id[:200] or None,
        "first_token_ms": ending.first_token_ms,
        "latency_ms": ending.latency_ms,
        "finished_at": clock.now(),
    }
    row = await store.end(session, call_id, values)
    if row:
        await _settle(session, row, ending)


async def sweep(session: Session) -> int:
    """Calls whose process died: nobody knows what they came to, so that nobody is charged. How many there were."""
    now = clock.now()
    found = await store.overdue(session, now - _GRACE, _AT_ONCE)
    for call_id in found:
        if await store.end(session, call_id, {"state": "lost", "finished_at": now}):
            await _release(session, call_id)
    return len(found)


async def remove_old(session: Session, keep: timedelta) -> int:
    """Remove records that are older than they are kept."""
    return await store.remove_before(session, clock.now() - keep)


async def usage_of(session: ReadSession, owner_id: UUID, since: datetime, until: datetime) -> Sequence[UsageLine]:
    """What an owner used in a span, by purpose and model."""
    return await store.usage(session, since, until, owner_id=owner_id)


async def usage_of_all(session: ReadSession, since: datetime, until: datetime) -> Sequence[UsageLine]:
    """What everyone used in a span, by purpose and model."""
    return await store.usage(session, since, until)


async def erase(session: Session, person_id: UUID, _addresses: Sequence[str]) -> None:
    """Forget whose calls they were."""
    await store.forget_owner(session, person_id)


async def _settle(session: Session, row: CallRow, ending: Ending) -> None:
    if not ending.amounts.worked:
        await _release(session, row.id)
        return
    counted = CountedCall(
        id=row.id,
        owner=Owner(_owner_kind(row.owner_kind), row.owner_id),
        purpose=row.purpose,
        model=row.model,
        outcome=ending.outcome,
        cost=row.cost,
        unit=row.unit,
    )
    for guard in house_of(session).provided(SpendGuard):
        await guard.capture(session, counted)


async def _release(session: Session, call_id: UUID) -> None:
    for guard in house_of(session).provided(SpendGuard):
        await guard.release(session, call_id)


def _owner_kind(found: str) -> OwnerKind:
    kinds: tuple[OwnerKind, ...] = get_args(OwnerKind)
    return next(kind for kind in kinds if kind == found)


def _as_json(prices: PriceList) -> JsonObject:
    return {model: _rates_as_json(rates) for model, rates in prices.models.items()}


def _rates_as_json(rates: Rates) -> JsonObject:
    cached = None if rates.cached is None else str(rates.cached)
    return {
        "input": str(rates.input),
        "output": str(rates.output),
        "cached": cached,
        "minute": str(rates.minute),
        "piece": str(rates.piece),
    }

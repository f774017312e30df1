"""Events that come in at the same time share a transaction, and nothing else."""

import asyncio
import hashlib
import hmac
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import text

from tests.parts.payments.till import Till, new_person, with_amount
from tillhouse.kernel.db import Session
from tillhouse.kernel.errors import TransientError
from tillhouse.parts.payments.flows import events
from tillhouse.parts.payments.service import inbox
from tillhouse.parts.payments.service.inbox import Arrived, Told

SECRET = b"rzp_test_webhook_secret_tillhouse"


def signed(body: str) -> str:
    return hmac.new(SECRET, body.encode(), hashlib.sha256).hexdigest()


async def states(till: Till) -> list[tuple[str, str | None]]:
    async with till.house.database.reading() as session:
        rows = await session.execute(text("SELECT state, reason FROM payments.provider_events ORDER BY state, reason"))
        return [(row.state, row.reason) for row in rows]


async def test_events_at_once_are_each_stored_and_judged_as_if_they_came_alone(till: Till) -> None:
    for _ in range(4):
        await till.pay(await till.order(new_person()))
    first, *others = till.webhooks("payment.captured")
    other_body = with_amount(first.body, 1_500_000)
    answers = await asyncio.gather(
        *(till.deliver(one) for one in (first, *others, first, first)),
        till.deliver(first, body=other_body, signature=signed(other_body)),
        till.deliver(others[0], event_id="claimed-again"),
        till.deliver(others[1], signature="0" * 64),
    )
    assert answers == [200] * 8 + [403]
    stored = await states(till)
    assert [one for one in stored if one[0] == "received"] == [("received", None)] * 4
    assert {reason for state, reason in stored if state == "parked"} == {
        "id_used_for_another_body",
        "replayed_under_another_id",
    }
    assert len(stored) == 6


async def test_an_event_that_cannot_be_stored_fails_no_other(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    async def take_events(session: Session, arrived: Sequence[Arrived], told: Told) -> None:
        await inbox.take_events(session, arrived, told)
        if any(one.event.event_id == "not-storable" for one in arrived):
            raise TransientError("no room")

    monkeypatch.setattr(events, "take_events", take_events)
    for _ in range(3):
        await till.pay(await till.order(new_person()))
    captured = till.webhooks("payment.captured")
    other = with_amount(captured[0].body, 1_500_000)
    answers = await asyncio.gather(
        till.deliver(captured[0]),
        till.deliver(captured[0], body=other, signature=signed(other), event_id="not-storable"),
        *(till.deliver(one) for one in captured[1:]),
    )
    assert answers == [200, 503, 200, 200]
    assert await states(till) == [("received", None)] * 3


async def test_the_job_of_an_event_carries_the_id_of_the_request_that_brought_it(till: Till) -> None:
    await till.pay(await till.order(new_person()))
    (captured,) = till.webhooks("payment.captured")
    assert await till.deliver(captured) == 200
    async with till.house.database.reading() as session:
        query = "SELECT request_id FROM kernel.jobs WHERE name = 'payments.handle_event'"
        assert (await session.execute(text(query))).scalar_one()


async def test_of_events_that_come_together_a_worker_is_told_of_the_first(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its job takes the others along; of one that it did not take a worker is told after a moment."""
    monkeypatch.setattr(events, "_COMPANY", timedelta(hours=1))
    for _ in range(3):
        await till.pay(await till.order(new_person()))
    for captured in till.webhooks("payment.captured"):
        assert await till.deliver(captured) == 200
    async with till.house.database.reading() as session:
        query = "SELECT wake_at - run_at AS wait FROM kernel.jobs WHERE name = 'payments.handle_event' ORDER BY id"
        waits = [row.wait for row in await session.execute(text(query))]
    assert waits == [timedelta(), timedelta(hours=1), timedelta(hours=1)]

"""Deliveries of webhooks: planned with the event, begun by a job, recorded after the network, sent again on wish.

A place is a right to send to one endpoint; there are a few of them, so that a slow endpoint holds up nobody else. A
delivery that finds none is left `waiting`, without a job; whichever finishes next takes the one that has waited
longest. Endpoints whose last try was slow, or that have yet to show, have one place each and share a few in all: a
worker runs eight quick jobs at once, sign-in codes among them, and must not be filled by those. What a dying worker
leaves behind, `look_after` finds.
"""

import random
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from prometheus_client import Counter

from tillhouse import __version__
from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import JsonObject, ReadSession, Session, after_commit, house_of
from tillhouse.kernel.errors import Conflict, NotFound
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.publishing import Rendering
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import Occurrence, enqueue
from tillhouse.parts.channels import store
from tillhouse.parts.channels.domain.webhooks import (
    EVERYTHING,
    TEST,
    Outcome,
    message_body,
    next_pause,
    signed_headers,
)
from tillhouse.parts.channels.events import DeliverWebhook, LookAfterWebhooks
from tillhouse.parts.channels.models import (
    WebhookAttemptRow,
    WebhookDeliveryRow,
    WebhookEndpointRow,
    WebhookMessageRow,
)
from tillhouse.parts.channels.service.endpoints import (
    disable,
    endpoint_for,
    locked_for,
    send_waiting,
    send_waiting_slow,
)
from tillhouse.parts.channels.settings import ChannelsSettings
from tillhouse.parts.identity import api as identity

_DELIVERIES = Counter("webhook_deliveries", "Tries to deliver webhooks by what became of the delivery", ["state"])

_SENDING = timedelta(minutes=1)  # longer than a try may take: after it the place is free again
_FORGOTTEN = timedelta(minutes=2)
_BITE = 500


@dataclass(frozen=True, slots=True)
class Sending:
    """A try that has begun: everything that the network needs, and what its end is recorded under."""

    job_id: UUID
    delivery_id: UUID
    endpoint_id: UUID
    attempt_id: UUID
    url: str
    body: bytes
    headers: dict[str, str]


async def publish(session: Session, type: str, happened: Occurrence, render: Rendering) -> None:  # noqa: A002
    """Plan the delivery of an event to every endpoint that wants it, once for each: a handler may run again."""
    wanting = await store.subscribed(session, type, EVERYTHING)
    data = await render() if wanting else None
    if data is None:
        return
    await _keep(session, happened, type, message_body(type, happened.at, data))
    for endpoint in wanting:
        await _plan(session, happened.id, endpoint)


async def begin(session: Session, delivery_id: UUID, job_id: UUID) -> Sending | None:
    """Note that a try begins; None when there is nothing to send now. The same job takes its own broken try over."""
    found = await _locked(session, delivery_id)
    if found is None:
        return None
    endpoint, delivery = found
    now = clock.now()
    if delivery.state != "pending" or delivery.due_at > now or _is_under_way(delivery, job_id):
        return None
    delivery.sending_job = delivery.sending_until = None
    await session.flush()
    if not await _may_go(session, endpoint):
        delivery.waiting = True
        return None
    delivery.waiting = False
    delivery.sending_job, delivery.sending_until = job_id, now + _SENDING
    delivery.attempts += 1
    delivery.tries += 1
    attempt = WebhookAttemptRow(
        id=new_id(), delivery_id=delivery.id, number=delivery.attempts, started_at=now, answer=""
    )
    session.add(attempt)
    await session.flush()
    return await _sending(session, endpoint, delivery, attempt)


async def record(session: Session, sent: Sending, outcome: Outcome) -> None:
    """Note how a try ended, plan the next one, and give the place to whoever waits for it.

    A try that another has overtaken is noted and decides nothing, unless it was the one that arrived.
    """
    found = await _locked(session, sent.delivery_id)
    attempt = await store.attempt(session, sent.attempt_id)
    if found is None or attempt is None:
        return  # deleted meanwhile
    endpoint, delivery = found
    attempt.finished_at, attempt.status = clock.now(), outcome.status
    attempt.error, attempt.answer = outcome.error, outcome.answer
    if delivery.sending_job == sent.job_id:
        delivery.sending_job = delivery.sending_until = None
    was_slow, endpoint.slow = endpoint.slow, outcome.slow
    if outcome.taken:
        endpoint.failing_since = None
        if delivery.state != "delivered":
            _finish(session, delivery, "delivered")
    elif delivery.state == "pending" and attempt.number == delivery.attempts:
        await _failed(session, endpoint, delivery, outcome)
    await session.flush()
    if endpoint.status == "enabled" and not endpoint.slow:
        await send_waiting(session, endpoint.id, _places(session) if was_slow else 1)
    if was_slow or endpoint.slow:
        await send_waiting_slow(session)


async def redeliver(session: Session, actor: Principal, delivery_id: UUID) -> WebhookDeliveryRow:
    """Send an event again, with all its tries ahead of it, under the same id. Raises `NotFound`, `Conflict`."""
    delivery = await delivery_for(session, actor, delivery_id)
    endpoint = await locked_for(session, actor, delivery.endpoint_id)
    _assert_enabled(endpoint)
    locked = await store.lock_delivery(session, delivery.id)
    assert locked
    if _is_under_way(locked, None):
        raise Conflict(N_("This is being sent at the moment: look again in a minute."))
    locked.state, locked.tries, locked.waiting = "pending", 0, False
    locked.due_at, locked.finished_at = clock.now(), None
    await session.flush()
    await enqueue(session, DeliverWebhook(delivery_id=locked.id))
    await identity.audit(session, actor, "channels.redeliver_webhook", f"webhook_delivery:{locked.id}", {})
    return locked


async def send_test(session: Session, actor: Principal, endpoint_id: UUID) -> WebhookDeliveryRow:
    """Send an event that says nothing, whatever the endpoint has chosen. Raises `NotFound`, `Conflict`."""
    endpoint = await locked_for(session, actor, endpoint_id)
    _assert_enabled(endpoint)
    happened = Occurrence(new_id(), clock.now())
    data: JsonObject = {"object": "webhook_endpoint", "id": str(endpoint.id)}
    await _keep(session, happened, TEST, message_body(TEST, happened.at, data))
    delivery_id = await _plan(session, happened.id, endpoint)
    assert delivery_id
    await identity.audit(session, actor, "channels.test_webhook", f"webhook_endpoint:{endpoint.id}", {})
    return await delivery_for(session, actor, delivery_id)


async def delivery_for(session: ReadSession, actor: Principal, delivery_id: UUID) -> WebhookDeliveryRow:
    """A delivery; for a machine only one to an endpoint of its own. Raises `NotFound`."""
    delivery = await store.delivery(session, delivery_id)
    if delivery is None:
        raise NotFound(N_("There is no such delivery."))
    await endpoint_for(session, actor, delivery.endpoint_id)
    return delivery


async def look_after(session: Session, _task: LookAfterWebhooks) -> None:
    """Begin again with what is due and nobody works on: a worker died, or its broker lost the line."""
    now = clock.now()
    for delivery_id in await store.take_forgotten(session, now - _FORGOTTEN, now, _BITE):
        await enqueue(session, DeliverWebhook(delivery_id=delivery_id))


async def _keep(session: Session, happened: Occurrence, type: str, body: str) -> None:  # noqa: A002
    await store.insert_message(session, WebhookMessageRow(id=happened.id, type=type, body=body, created_at=clock.now()))


async def _plan(session: Session, message_id: UUID, endpoint: WebhookEndpointRow) -> UUID | None:
    waiting = endpoint.status != "enabled"
    delivery_id = await store.insert_delivery(session, message_id, endpoint.id, clock.now(), waiting=waiting)
    if delivery_id and not waiting:
        await enqueue(session, DeliverWebhook(delivery_id=delivery_id))
    return delivery_id


async def _locked(session: Session, delivery_id: UUID) -> tuple[WebhookEndpointRow, WebhookDeliveryRow] | None:
    """Endpoint first, then delivery: whoever locks both does so in this order."""
    known = await store.delivery(session, delivery_id)
    endpoint = await store.lock_endpoint(session, known.endpoint_id) if known else None
    delivery = await store.lock_delivery(session, delivery_id) if endpoint else None
    return (endpoint, delivery) if endpoint and delivery else None


def _is_under_way(delivery: WebhookDeliveryRow, job_id: UUID | None) -> bool:
    """Whether another job sends it right now."""
    until = delivery.sending_until
    return until is not None and until > clock.now() and delivery.sending_job != job_id


async def _may_go(session: Session, endpoint: WebhookEndpointRow) -> bool:
    """Whether there is a place to this endpoint. A machine whose key is no longer good is sent nothing more."""
    if endpoint.status != "enabled":
        return False
    if endpoint.machine_id and not await identity.machine_works(session, endpoint.machine_id):
        await disable(session, endpoint, "key_revoked")
        return False
    under_way = await store.in_flight(session, endpoint.id, clock.now())
    if not endpoint.slow:
        return under_way < _places(session)
    return under_way == 0 and await _slow_place(session)


async def _slow_place(session: Session) -> bool:
    """Whether the slow endpoints have a place left among them; asked by one at a time."""
    await store.lock_slow_places(session)
    most = house_of(session).settings_of(ChannelsSettings).webhook_in_flight_slow
    return await store.in_flight_slow(session, clock.now()) < most


def _places(session: Session) -> int:
    return house_of(session).settings_of(ChannelsSettings).webhook_in_flight


async def _sending(
    session: Session, endpoint: WebhookEndpointRow, delivery: WebhookDeliveryRow, attempt: WebhookAttemptRow
) -> Sending:
    now, vault = clock.now(), house_of(session).vault
    message = await store.message(session, delivery.message_id)
    keys = [vault.open(row.secret) for row in await store.good_secrets(session, endpoint.id, now)]
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"Tillhouse-Webhooks/{__version__}",
        **signed_headers(message.id, now, message.body, keys),
    }
    assert delivery.sending_job
    return Sending(
        delivery.sending_job, delivery.id, endpoint.id, attempt.id, endpoint.url, message.body.encode(), headers
    )


async def _failed(
    session: Session, endpoint: WebhookEndpointRow, delivery: WebhookDeliveryRow, outcome: Outcome
) -> None:
    pause = None if outcome.gone else next_pause(delivery.tries, outcome, random.random())  # noqa: S311  no secret
    if pause:
        delivery.due_at = clock.now() + pause
        await enqueue(session, DeliverWebhook(delivery_id=delivery.id), run_at=delivery.due_at)
        _count(session, "retried")
        return
    _finish(session, delivery, "dead")
    endpoint.failing_since = endpoint.failing_since or clock.now()
    patience = timedelta(days=house_of(session).settings_of(ChannelsSettings).webhook_disable_after_days)
    if endpoint.status == "disabled":
        return
    if outcome.gone:
        await disable(session, endpoint, "gone")
    elif clock.now() - endpoint.failing_since >= patience:
        await disable(session, endpoint, "failing")


def _finish(session: Session, delivery: WebhookDeliveryRow, state: str) -> None:
    delivery.state, delivery.finished_at, delivery.waiting = state, clock.now(), False
    _count(session, state)


def _count(session: Session, state: str) -> None:
    after_commit(session, lambda: _DELIVERIES.labels(state).inc())


def _assert_enabled(endpoint: WebhookEndpointRow) -> None:
    if endpoint.status != "enabled":
        raise Conflict(N_("This endpoint is {status}: enable it first."), status=endpoint.status)

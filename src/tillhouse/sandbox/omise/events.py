"""`/events`, and the webhooks that carry them: envelope, signature, retries."""

import json
from collections.abc import Mapping, Sequence

from fastapi import APIRouter, Depends

from tillhouse.sandbox.omise.access import Listing, OmiseRoute, listed, require_secret_key
from tillhouse.sandbox.omise.errors import not_found
from tillhouse.sandbox.omise.schemas import Event, Wire, new_id
from tillhouse.sandbox.omise.signing import webhook_signature
from tillhouse.sandbox.webhooks import Delivery, Policy
from tillhouse.sandbox.world import Here, World

router = APIRouter(dependencies=[Depends(require_secret_key)], route_class=OmiseRoute)

_ANSWER_WITHIN_SECONDS = 10.0
# UNCONFIRMED: Omise documents neither whether nor when it tries again. Five more tries within a day are chosen here,
# so that an app sees repeats; whoever relies on them finds an hour without, too.
_RETRY_AFTER_SECONDS = (60.0, 300.0, 1800.0, 7200.0, 43_200.0)


def register(world: World) -> None:
    """Teach the outgoing queue how Omise signs and retries."""

    def sign(delivery: Delivery) -> Mapping[str, str]:
        timestamp = world.clock.now_s()
        signatures = [webhook_signature(secret, timestamp, delivery.body.encode()) for secret in _secrets(world)]
        return {"Omise-Signature": ",".join(signatures), "Omise-Signature-Timestamp": str(timestamp)}

    policy = Policy(
        timeout=_ANSWER_WITHIN_SECONDS,
        waits=_RETRY_AFTER_SECONDS,
        retries_on_refusal=True,
        disables=False,
        sign=sign,
        signs_each_try=True,
        event_id_in_body=True,
    )
    world.webhooks.register("omise", policy)


def emit(world: World, key: str, data: Wire, endpoints: Sequence[str] = ()) -> None:
    """Record an event about an object and queue its webhook, to `endpoints` where a charge named its own.

    Call inside the transaction that causes it.
    """
    event = Event(
        id=new_id("evnt"), created_at=world.clock.now_s(), key=key, data=data, subject=str(data.get("id", ""))
    )
    world.store.put(event)
    for url in endpoints or [world.settings.omise_webhook_url]:
        _send(world, event, url)


def send_raw(world: World, key: str, data: Wire, event_id: str | None) -> Delivery:
    """Queue an event with any object, rightly signed, and unknown to `GET /events`: for what must be refused."""
    event = Event(
        id=event_id or new_id("evnt"),
        created_at=world.clock.now_s(),
        key=key,
        data=data,
        subject=str(data.get("id", "")),
    )
    return _send(world, event, world.settings.omise_webhook_url)


def _send(world: World, event: Event, url: str) -> Delivery:
    body = json.dumps({**event.wire(), "webhook_deliveries": []}, separators=(",", ":"), ensure_ascii=False)
    return world.webhooks.enqueue(provider="omise", event=event.key, url=url, body=body, event_id=event.id)


@router.get("/events")
async def list_events(world: Here, query: Listing) -> Wire:
    """All events."""
    return listed(world, Event, query, "/events", wire=lambda event: _wire(world, event))


@router.get("/events/{event_id}")
async def get_event(world: Here, event_id: str) -> Wire:
    """One event."""
    event = world.store.get(Event, event_id)
    if event is None:
        raise not_found("event", event_id)
    return _wire(world, event)


@router.get("/charges/{charge_id}/events")
async def list_events_of_charge(world: Here, charge_id: str, query: Listing) -> Wire:
    """Events of one charge."""
    location = f"/charges/{charge_id}/events"
    return listed(world, Event, query, location, wire=lambda event: _wire(world, event), where={"subject": charge_id})


def _secrets(world: World) -> list[str]:
    """The secret, and while it is being replaced its successor too: both sign."""
    settings = world.settings
    return [secret for secret in (settings.omise_webhook_secret, settings.omise_next_webhook_secret) if secret]


def _wire(world: World, event: Event) -> Wire:
    deliveries: list[Wire] = [
        {
            "object": "webhook_delivery",
            "id": delivery.id,
            "uri": delivery.url,
            "status": delivery.attempts[-1].status if delivery.attempts else None,
            "key": event.key,
            "error": None if delivery.status == "delivered" else delivery.status,
            "payload": None,
        }
        for delivery in world.store.find(Delivery, {"event_id": event.id})
    ]
    return {**event.wire(), "webhook_deliveries": list(deliveries)}

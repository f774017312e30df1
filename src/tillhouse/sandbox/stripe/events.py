"""Stripe's events: kept for `GET /v1/events`, and sent as webhooks signed anew at every try."""

import json
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from fastapi import APIRouter, Depends
from pydantic import JsonValue

from tillhouse.sandbox import ids
from tillhouse.sandbox.stripe.calls import API_VERSION, PREFIX, Calling, StripeRoute, current_call
from tillhouse.sandbox.stripe.forms import params
from tillhouse.sandbox.stripe.listing import find, listed, page_of, shown
from tillhouse.sandbox.stripe.schemas import Entity, ListQuery, Params, Wire
from tillhouse.sandbox.stripe.signing import signature_header
from tillhouse.sandbox.webhooks import Delivery, Policy
from tillhouse.sandbox.world import World

router = APIRouter(prefix=f"{PREFIX}/v1/events", route_class=StripeRoute)

_ANSWER_WITHIN_SECONDS = 20.0
_FIRST_RETRY_SECONDS = 300.0
_GIVE_UP_AFTER_SECONDS = 3 * 24 * 3600.0


class Event(Entity):
    """One thing that happened. `data.object` is as it was then."""

    kind: ClassVar[str] = "stripe_event"
    noun: ClassVar[str] = "event"
    private: ClassVar[frozenset[str]] = frozenset({"metadata", "connected"})

    object: Literal["event"] = "event"
    api_version: str = API_VERSION
    data: dict[str, JsonValue]
    livemode: Literal[False] = False
    pending_webhooks: int = 1
    request: dict[str, str | None]
    type: str
    connected: bool

    def wire(self) -> Wire:
        document = super().wire()
        if self.connected:
            document["account"] = self.account
        return document


class EventQuery(ListQuery):
    """Filters of the list of events."""

    type: str | None = None
    types: list[str] = []


@router.get("")
async def list_events(call: Calling, query: Annotated[EventQuery, Depends(params(EventQuery))]) -> Wire:
    """Events, newest first, of one type or of several."""
    if not query.types:
        return listed(call, Event, query, {"type": query.type}, "/v1/events")
    events = call.world.store.find(Event, {"account": call.account}, limit=100_000)
    return page_of(call, [event for event in events if event.type in query.types], query, "/v1/events")


@router.get("/{event_id}")
async def get_event(call: Calling, event_id: str, query: Annotated[Params, Depends(params(Params))]) -> Wire:
    """One event."""
    return shown(call, find(call.world, Event, event_id, call.account), query)


def emit(world: World, event_type: str, entity: Entity, previous: Mapping[str, JsonValue] | None = None) -> Event:
    """Say that something happened to `entity`. Needs the transaction in which it happened."""
    data: dict[str, JsonValue] = {"object": entity.wire()}
    if previous is not None:
        data["previous_attributes"] = dict(previous)
    event = _event(world, entity.account, event_type, data)
    send(world, event)
    return event


def send_raw(world: World, event_type: str, content: Wire, event_id: str | None) -> Delivery:
    """Queue an event about any object, rightly signed: for tests of what must be refused or parked."""
    account = world.settings.stripe_account_id
    return send(world, _event(world, account, event_type, {"object": content}, event_id))


def send(world: World, event: Event) -> Delivery:
    """Queue an event's webhook: to the Connect endpoint when it is about a connected account."""
    settings = world.settings
    return world.webhooks.enqueue(
        provider="stripe_connect" if event.connected else "stripe",
        event=event.type,
        event_id=event.id,
        url=settings.stripe_connect_webhook_url if event.connected else settings.stripe_webhook_url,
        body=json.dumps(event.wire(), indent=2, ensure_ascii=False),
        content_type="application/json; charset=utf-8",
    )


def _event(
    world: World, account: str, event_type: str, data: dict[str, JsonValue], event_id: str | None = None
) -> Event:
    call = current_call.get()
    event = Event(
        id=event_id or ids.stripe_id("evt"),
        created_at=world.clock.now_s(),
        account=account,
        data=data,
        request={"id": call.id if call else None, "idempotency_key": call.idempotency_key if call else None},
        type=event_type,
        connected=account != world.settings.stripe_account_id,
    )
    world.store.put(event)
    return event


def register(world: World) -> None:
    """Teach the outgoing queue how Stripe signs and retries: up to three days, and no endpoint is disabled."""
    settings = world.settings
    own = [settings.stripe_webhook_secret, settings.stripe_webhook_old_secret]
    world.webhooks.register("stripe", _policy(world, own))
    world.webhooks.register("stripe_connect", _policy(world, [settings.stripe_connect_webhook_secret]))


def _policy(world: World, secrets: list[str]) -> Policy:
    def sign(delivery: Delivery) -> Mapping[str, str]:
        in_force = [secret for secret in secrets if secret]
        return {"Stripe-Signature": signature_header(in_force, world.clock.now_s(), delivery.body.encode())}

    return Policy(
        timeout=_ANSWER_WITHIN_SECONDS,
        first_retry=_FIRST_RETRY_SECONDS,
        give_up_after=_GIVE_UP_AFTER_SECONDS,
        retries_on_refusal=True,
        disables=False,
        sign=sign,
        signs_each_try=True,
        event_id_in_body=True,
    )

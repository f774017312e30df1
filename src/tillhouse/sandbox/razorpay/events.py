"""Webhook events of Razorpay and RazorpayX: envelope, signature, retries over 24 hours."""

import json
from collections.abc import Mapping

from tillhouse.sandbox.razorpay.schemas import Entity, Wire
from tillhouse.sandbox.razorpay.signing import webhook_signature
from tillhouse.sandbox.webhooks import Delivery, Policy
from tillhouse.sandbox.world import World

_ANSWER_WITHIN_SECONDS = 5.0
_FIRST_RETRY_SECONDS = 60.0
_GIVE_UP_AFTER_SECONDS = 24 * 3600.0


def register(world: World) -> None:
    """Teach the outgoing queue how both products sign and retry."""
    settings = world.settings
    for provider, secret in (
        ("razorpay", settings.razorpay_webhook_secret),
        ("razorpayx", settings.razorpayx_webhook_secret),
    ):
        world.webhooks.register(provider, _policy(secret))


def emit(world: World, event: str, *entities: Entity) -> None:
    """Queue a payment event about `entities`, which become `payload.<kind>.entity`."""
    _queue(world, "razorpay", world.settings.razorpay_webhook_url, event, entities)


def emit_payout(world: World, event: str, *entities: Entity) -> None:
    """Queue a RazorpayX event."""
    _queue(world, "razorpayx", world.settings.razorpayx_webhook_url, event, entities)


def send_raw(provider: str, world: World, event: str, payload: Wire, event_id: str | None) -> Delivery:
    """Queue an event with any payload, rightly signed: for tests of what must be refused or parked."""
    is_payout = provider == "razorpayx"
    url = world.settings.razorpayx_webhook_url if is_payout else world.settings.razorpay_webhook_url
    body = _envelope(world, event, payload)
    return world.webhooks.enqueue(provider=provider, event=event, url=url, body=body, event_id=event_id)


def _queue(world: World, provider: str, url: str, event: str, entities: tuple[Entity, ...]) -> None:
    payload: Wire = {entity.kind: {"entity": entity.wire()} for entity in entities}
    world.webhooks.enqueue(provider=provider, event=event, url=url, body=_envelope(world, event, payload))


def _envelope(world: World, event: str, payload: Wire) -> str:
    document: Wire = {
        "entity": "event",
        "account_id": world.settings.razorpay_account_id,
        "event": event,
        "contains": list(payload),
        "payload": payload,
        "created_at": world.clock.now_s(),
    }
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False)


def _policy(secret: str) -> Policy:
    def sign(delivery: Delivery) -> Mapping[str, str]:
        return {
            "X-Razorpay-Signature": webhook_signature(secret, delivery.body.encode()),
            "x-razorpay-event-id": delivery.event_id,
        }

    return Policy(
        timeout=_ANSWER_WITHIN_SECONDS,
        first_retry=_FIRST_RETRY_SECONDS,
        give_up_after=_GIVE_UP_AFTER_SECONDS,
        retries_on_refusal=True,
        disables=True,
        sign=sign,
    )

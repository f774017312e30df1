"""Endpoints of webhooks: made, changed, rotated and deleted by their machine or by staff."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal
from uuid import UUID

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal
from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, FieldError, InvalidInput, NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.publishing import AnyPublishedEvent, PublishedEvent
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import enqueue
from tillhouse.parts.channels import store
from tillhouse.parts.channels.domain.destinations import Rules, destination_of
from tillhouse.parts.channels.domain.webhooks import EVERYTHING, OVERLAP, DisabledReason, new_secret
from tillhouse.parts.channels.events import DeliverWebhook
from tillhouse.parts.channels.models import WebhookEndpointRow, WebhookSecretRow
from tillhouse.parts.channels.ports import WebhookNetwork
from tillhouse.parts.channels.settings import ChannelsSettings
from tillhouse.parts.identity import api as identity


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint that was just made: the only time that `secret` is seen."""

    row: WebhookEndpointRow
    secret: str


async def create(
    session: Session, actor: Principal, url: str, event_types: Sequence[str], description: str = ""
) -> NewEndpoint:
    """Make an endpoint: a machine's own, or the house's when staff make it. Raises `InvalidInput`, `Conflict`."""
    _check(session, url, event_types)
    most = house_of(session).settings_of(ChannelsSettings).webhook_endpoints_most
    if await store.count_endpoints(session, machine_of(actor)) >= most:
        raise Conflict(N_("There are {most} endpoints already: delete one that is not needed."), most=most)
    now = clock.now()
    row = WebhookEndpointRow(
        id=new_id(),
        machine_id=machine_of(actor),
        created_by=actor.made_by if actor.kind == "machine" else actor.id,
        url=url,
        description=description,
        event_types=sorted(set(event_types)),
        status="enabled",
        slow=True,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    await session.flush()
    secret = await _new_secret(session, row.id)
    await _audit(session, actor, "channels.create_webhook", row, {"event_types": list(row.event_types)})
    return NewEndpoint(row, secret)


async def change(
    session: Session,
    actor: Principal,
    endpoint_id: UUID,
    *,
    url: str | None = None,
    event_types: Sequence[str] | None = None,
    description: str | None = None,
    status: Literal["enabled", "paused"] | None = None,
) -> WebhookEndpointRow:
    """Change what is given. Enabled again, an endpoint gets what waited for it. Raises `NotFound`, `InvalidInput`."""
    row = await locked_for(session, actor, endpoint_id)
    _check(session, url or row.url, row.event_types if event_types is None else event_types, old=row.event_types)
    row.url = url or row.url
    row.event_types = row.event_types if event_types is None else sorted(set(event_types))
    row.description = row.description if description is None else description
    if status and status != row.status:
        row.status, row.disabled_reason, row.failing_since = status, None, None
    row.updated_at = clock.now()
    await session.flush()
    if row.status == "enabled":
        await send_waiting(session, row.id, house_of(session).settings_of(ChannelsSettings).webhook_in_flight)
    await _audit(session, actor, "channels.change_webhook", row, {"status": row.status})
    return row


async def rotate_secret(
    session: Session, actor: Principal, endpoint_id: UUID, *, overlap: timedelta = OVERLAP
) -> tuple[WebhookEndpointRow, str]:
    """A new secret, shown this once. The former signs beside it for as long as `overlap`. Raises `NotFound`."""
    row = await locked_for(session, actor, endpoint_id)
    now = clock.now()
    await store.retire_secrets(session, row.id, now, now + overlap)
    secret = await _new_secret(session, row.id)
    await _audit(session, actor, "channels.rotate_webhook_secret", row, {"overlap_s": int(overlap.total_seconds())})
    return row, secret


async def delete(session: Session, actor: Principal, endpoint_id: UUID) -> None:
    """Delete an endpoint and its deliveries; what is under way may still arrive. Raises `NotFound`."""
    row = await locked_for(session, actor, endpoint_id)
    await _audit(session, actor, "channels.delete_webhook", row, {})
    await store.delete_endpoint(session, row.id)


async def endpoint_for(session: ReadSession, actor: Principal, endpoint_id: UUID) -> WebhookEndpointRow:
    """An endpoint; for a machine only its own. Raises `NotFound`."""
    return _theirs(await store.endpoint(session, endpoint_id), actor)


async def locked_for(session: Session, actor: Principal, endpoint_id: UUID) -> WebhookEndpointRow:
    """`endpoint_for`, locked."""
    return _theirs(await store.lock_endpoint(session, endpoint_id), actor)


def machine_of(actor: Principal) -> UUID | None:
    """Whose endpoints this caller deals with: a machine its own; staff the house's, and anyone's."""
    return actor.id if actor.kind == "machine" else None


def event_types(house: House) -> Sequence[AnyPublishedEvent]:
    """What can be sent, by the modules of this process."""
    return house.provided(PublishedEvent)


async def disable(session: Session, row: WebhookEndpointRow, reason: DisabledReason) -> None:
    """Send nothing more there, and tell the person who made the endpoint."""
    row.status, row.disabled_reason, row.updated_at = "disabled", reason, clock.now()
    await session.flush()
    if row.created_by and house_of(session).provided(identity.MessageSender):
        about = row.description or destination_of(row.url, Rules(guarded=False)).host
        page = house_of(session).settings.address(f"/console/channels/webhooks/{row.id}")
        data: JsonObject = {"about": about, "endpoint_id": str(row.id), "reason": reason, "url": page}
        await identity.notify(session, row.created_by, "channels.webhook_disabled", data)


async def send_waiting(session: Session, endpoint_id: UUID, places: int) -> None:
    """Begin with the deliveries that have waited longest for a place."""
    for delivery_id in await store.take_waiting(session, endpoint_id, clock.now(), places):
        await enqueue(session, DeliverWebhook(delivery_id=delivery_id))


async def send_waiting_slow(session: Session) -> None:
    """Begin with the delivery that has waited longest for one of the places of slow endpoints."""
    for delivery_id in await store.take_waiting_slow(session, clock.now()):
        await enqueue(session, DeliverWebhook(delivery_id=delivery_id))


def _theirs(row: WebhookEndpointRow | None, actor: Principal) -> WebhookEndpointRow:
    if row is None or (actor.kind == "machine" and row.machine_id != actor.id):
        raise NotFound(N_("There is no such webhook endpoint."))
    return row


def _check(session: ReadSession, url: str, wanted: Sequence[str], *, old: Sequence[str] = ()) -> None:
    """`old` types stay allowed: this process may not know what another publishes."""
    house = house_of(session)
    destination_of(url, house.the(WebhookNetwork).rules)
    known = {published.type for published in event_types(house)} | {EVERYTHING, *old}
    if not wanted or set(wanted) - known or (EVERYTHING in wanted and len(set(wanted)) > 1):
        message = N_("Choose event types that are sent, or * alone for all.")
        raise InvalidInput(message, errors=[FieldError("/event_types", "bad_event_type", message)])


async def _new_secret(session: Session, endpoint_id: UUID) -> str:
    secret = new_secret()
    sealed = house_of(session).vault.seal(secret)
    session.add(WebhookSecretRow(id=new_id(), endpoint_id=endpoint_id, secret=sealed, created_at=clock.now()))
    await session.flush()
    return secret


async def _audit(session: Session, actor: Principal, action: str, row: WebhookEndpointRow, details: JsonObject) -> None:
    await identity.audit(session, actor, action, f"webhook_endpoint:{row.id}", details)

"""All SQL of channels."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from sqlalchemy import Select, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import aliased

from tillhouse.kernel.db import ReadSession, Session, rows_of
from tillhouse.kernel.ids import new_id
from tillhouse.parts.channels.models import (
    MessageRow,
    WebhookAttemptRow,
    WebhookDeliveryRow,
    WebhookEndpointRow,
    WebhookMessageRow,
    WebhookSecretRow,
)

Row = TypeVar("Row")
_BITE = 2_000


async def lock_message(session: Session, message_id: UUID) -> MessageRow | None:
    """A message by id, locked."""
    statement = select(MessageRow).where(MessageRow.id == message_id).with_for_update()
    return (await session.execute(statement)).scalar_one_or_none()


async def message_of_provider(session: ReadSession, provider: str, provider_id: str) -> UUID | None:
    """Our message that a provider knows by an id of its own."""
    theirs = select(MessageRow.id).where(MessageRow.provider_id == provider_id, MessageRow.provider == provider)
    return (await session.execute(theirs.limit(1))).scalar_one_or_none()


async def lock_messages(session: Session, ids: Sequence[UUID]) -> Mapping[UUID, MessageRow]:
    """Messages by id, locked in the order of their ids."""
    statement = select(MessageRow).where(MessageRow.id.in_(ids)).order_by(MessageRow.id).with_for_update()
    found = await session.execute(statement.execution_options(populate_existing=True))
    return {row.id: row for row in found.scalars()}


async def messages_of_provider(
    session: ReadSession, theirs: Collection[tuple[str, str]]
) -> Mapping[tuple[str, str], UUID]:
    """Our messages that providers know by ids of their own: (provider, its id) → ours."""
    both = tuple_(MessageRow.provider, MessageRow.provider_id)
    statement = select(MessageRow.provider, MessageRow.provider_id, MessageRow.id).where(both.in_(theirs))
    return {(str(provider), str(known)): found for provider, known, found in await session.execute(statement)}


async def waiting_for(session: ReadSession, message_id: UUID) -> Sequence[UUID]:
    """Messages of the same chat that go after this one, and have not gone yet."""
    statement = select(MessageRow.id).where(MessageRow.after_id == message_id, MessageRow.status == "queued")
    return (await session.execute(statement)).scalars().all()


async def delete_before(session: Session, instant: datetime) -> None:
    """Delete messages made before `instant`."""
    await session.execute(delete(MessageRow).where(MessageRow.created_at < instant))


# Endpoints of webhooks.


async def endpoint(session: ReadSession, endpoint_id: UUID) -> WebhookEndpointRow | None:
    """An endpoint by id."""
    return await _one(session, select(WebhookEndpointRow).where(WebhookEndpointRow.id == endpoint_id))


async def lock_endpoint(session: Session, endpoint_id: UUID) -> WebhookEndpointRow | None:
    """An endpoint by id, locked. Rows that refer to it can still be made meanwhile."""
    statement = select(WebhookEndpointRow).where(WebhookEndpointRow.id == endpoint_id)
    return await _one(session, statement.with_for_update(key_share=True).execution_options(populate_existing=True))


async def endpoints(
    session: ReadSession, *, machine_id: UUID | None, limit: int, before: UUID | None = None
) -> Sequence[WebhookEndpointRow]:
    """Endpoints, newest first: a machine's own, or all."""
    statement = select(WebhookEndpointRow).order_by(WebhookEndpointRow.id.desc()).limit(limit)
    if machine_id:
        statement = statement.where(WebhookEndpointRow.machine_id == machine_id)
    if before:
        statement = statement.where(WebhookEndpointRow.id < before)
    return (await session.execute(statement)).scalars().all()


async def count_endpoints(session: ReadSession, machine_id: UUID | None) -> int:
    """How many endpoints a machine has, or the house itself."""
    mine = WebhookEndpointRow.machine_id.is_not_distinct_from(machine_id)
    return await session.scalar(select(func.count()).select_from(WebhookEndpointRow).where(mine)) or 0


async def subscribed(session: ReadSession, event_type: str, everything: str) -> Sequence[WebhookEndpointRow]:
    """The endpoints that want events of this type, those that are paused included."""
    chosen = WebhookEndpointRow.event_types
    wants = or_(chosen.any_() == event_type, chosen.any_() == everything)
    statement = select(WebhookEndpointRow).where(WebhookEndpointRow.status != "disabled", wants)
    return (await session.execute(statement)).scalars().all()


async def delete_endpoint(session: Session, endpoint_id: UUID) -> None:
    """Delete an endpoint with its secrets and deliveries."""
    await session.execute(delete(WebhookEndpointRow).where(WebhookEndpointRow.id == endpoint_id))


async def good_secrets(session: ReadSession, endpoint_id: UUID, now: datetime) -> Sequence[WebhookSecretRow]:
    """The secrets that sign at the moment, newest first."""
    good = or_(WebhookSecretRow.expires_at.is_(None), WebhookSecretRow.expires_at > now)
    mine = select(WebhookSecretRow).where(WebhookSecretRow.endpoint_id == endpoint_id, good)
    return (await session.execute(mine.order_by(WebhookSecretRow.id.desc()))).scalars().all()


async def retire_secrets(session: Session, endpoint_id: UUID, now: datetime, until: datetime) -> None:
    """The present secret signs on until then; older ones go at once."""
    mine = WebhookSecretRow.endpoint_id == endpoint_id
    await session.execute(delete(WebhookSecretRow).where(mine, WebhookSecretRow.expires_at.is_not(None)))
    if until > now:
        await session.execute(update(WebhookSecretRow).where(mine).values(expires_at=until))
    else:
        await session.execute(delete(WebhookSecretRow).where(mine))


# Messages and deliveries of webhooks.


async def insert_message(session: Session, message: WebhookMessageRow) -> None:
    """Keep an event for delivery; one that is kept already stays as it is."""
    values = {
        "id": message.id, "type": message.type, "body": message.body, "created_at": message.created_at,
    }  # fmt: skip
    await session.execute(insert(WebhookMessageRow).values(values).on_conflict_do_nothing())


async def insert_delivery(
    session: Session, message_id: UUID, endpoint_id: UUID, now: datetime, *, waiting: bool
) -> UUID | None:
    """Plan a delivery; None when this event was planned for this endpoint before."""
    statement = (
        insert(WebhookDeliveryRow)
        .values(
            id=new_id(), message_id=message_id, endpoint_id=endpoint_id, state="pending", attempts=0, tries=0,
            due_at=now, waiting=waiting, created_at=now,
        )
        .on_conflict_do_nothing()
        .returning(WebhookDeliveryRow.id)
    )  # fmt: skip
    created: UUID | None = (await session.execute(statement)).scalar_one_or_none()
    return created


async def delivery(session: ReadSession, delivery_id: UUID) -> WebhookDeliveryRow | None:
    """A delivery by id."""
    return await _one(session, select(WebhookDeliveryRow).where(WebhookDeliveryRow.id == delivery_id))


async def lock_delivery(session: Session, delivery_id: UUID) -> WebhookDeliveryRow | None:
    """A delivery by id, locked. Its endpoint is locked first."""
    statement = select(WebhookDeliveryRow).where(WebhookDeliveryRow.id == delivery_id)
    return await _one(session, statement.with_for_update().execution_options(populate_existing=True))


async def message(session: ReadSession, message_id: UUID) -> WebhookMessageRow:
    """The event of a delivery. Raises `NoResultFound`."""
    return await session.get_one(WebhookMessageRow, message_id)


async def in_flight(session: ReadSession, endpoint_id: UUID, now: datetime) -> int:
    """How many deliveries are under way to an endpoint."""
    under_way = (WebhookDeliveryRow.endpoint_id == endpoint_id, WebhookDeliveryRow.sending_until > now)
    return await session.scalar(select(func.count()).select_from(WebhookDeliveryRow).where(*under_way)) or 0


async def lock_slow_places(session: Session) -> None:
    """Make whoever asks for a place among the slow endpoints take turns, until the transaction ends."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtext("channels.webhooks.slow"))))


async def in_flight_slow(session: ReadSession, now: datetime) -> int:
    """How many deliveries are under way to slow endpoints."""
    under_way = (
        select(func.count())
        .select_from(WebhookDeliveryRow)
        .join(WebhookEndpointRow, WebhookEndpointRow.id == WebhookDeliveryRow.endpoint_id)
        .where(WebhookEndpointRow.slow, WebhookDeliveryRow.sending_until > now)
    )
    return await session.scalar(under_way) or 0


async def take_waiting_slow(session: Session, now: datetime) -> Sequence[UUID]:
    """Take the delivery to a slow endpoint with a free place that has waited longest out of their line."""
    other = aliased(WebhookDeliveryRow)
    busy = select(other.id).where(other.endpoint_id == WebhookEndpointRow.id, other.sending_until > now).exists()
    line = (
        select(WebhookDeliveryRow.id)
        .join(WebhookEndpointRow, WebhookEndpointRow.id == WebhookDeliveryRow.endpoint_id)
        .where(
            WebhookEndpointRow.slow,
            WebhookEndpointRow.status == "enabled",
            ~busy,
            WebhookDeliveryRow.state == "pending",
            WebhookDeliveryRow.waiting,
            WebhookDeliveryRow.due_at <= now,
        )
        .order_by(WebhookDeliveryRow.due_at, WebhookDeliveryRow.id)
        .limit(1)
        .with_for_update(skip_locked=True, of=WebhookDeliveryRow)
    )
    return await _wake(session, line)


async def take_waiting(session: Session, endpoint_id: UUID, now: datetime, limit: int) -> Sequence[UUID]:
    """Take the deliveries of an endpoint that have waited longest out of its line."""
    line = (
        select(WebhookDeliveryRow.id)
        .where(
            WebhookDeliveryRow.endpoint_id == endpoint_id,
            WebhookDeliveryRow.state == "pending",
            WebhookDeliveryRow.waiting,
            WebhookDeliveryRow.due_at <= now,
        )
        .order_by(WebhookDeliveryRow.due_at, WebhookDeliveryRow.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return await _wake(session, line)


async def take_forgotten(session: Session, before: datetime, now: datetime, limit: int) -> Sequence[UUID]:
    """Take deliveries that have been due since `before` and that nobody works on; they are due `now`."""
    forgotten = (
        select(WebhookDeliveryRow.id)
        .join(WebhookEndpointRow, WebhookEndpointRow.id == WebhookDeliveryRow.endpoint_id)
        .where(
            WebhookEndpointRow.status == "enabled",
            WebhookDeliveryRow.state == "pending",
            WebhookDeliveryRow.due_at < before,
            or_(WebhookDeliveryRow.sending_until.is_(None), WebhookDeliveryRow.sending_until < now),
        )
        .order_by(WebhookDeliveryRow.due_at)
        .limit(limit)
        .with_for_update(skip_locked=True, of=WebhookDeliveryRow)
    )
    return await _wake(session, forgotten, due_at=now)


async def deliveries(
    session: ReadSession,
    *,
    machine_id: UUID | None = None,
    endpoint_id: UUID | None = None,
    state: str | None = None,
    limit: int,
    before: UUID | None = None,
) -> Sequence[tuple[WebhookDeliveryRow, WebhookMessageRow]]:
    """Deliveries with their events, newest first: those of a machine's endpoints, of one endpoint, of one state."""
    statement = (
        select(WebhookDeliveryRow, WebhookMessageRow)
        .join(WebhookMessageRow, WebhookMessageRow.id == WebhookDeliveryRow.message_id)
        .order_by(WebhookDeliveryRow.id.desc())
        .limit(limit)
    )
    if machine_id:
        theirs = select(WebhookEndpointRow.id).where(WebhookEndpointRow.machine_id == machine_id)
        statement = statement.where(WebhookDeliveryRow.endpoint_id.in_(theirs))
    if endpoint_id:
        statement = statement.where(WebhookDeliveryRow.endpoint_id == endpoint_id)
    if state:
        statement = statement.where(WebhookDeliveryRow.state == state)
    if before:
        statement = statement.where(WebhookDeliveryRow.id < before)
    return [(found, about) for found, about in await session.execute(statement)]


async def attempts(session: ReadSession, delivery_id: UUID) -> Sequence[WebhookAttemptRow]:
    """Every try of a delivery, newest first."""
    mine = select(WebhookAttemptRow).where(WebhookAttemptRow.delivery_id == delivery_id)
    return (await session.execute(mine.order_by(WebhookAttemptRow.number.desc()))).scalars().all()


async def attempt(session: ReadSession, attempt_id: UUID) -> WebhookAttemptRow | None:
    """One try by id."""
    return await _one(session, select(WebhookAttemptRow).where(WebhookAttemptRow.id == attempt_id))


async def delete_webhooks_before(session: Session, instant: datetime) -> bool:
    """Delete events of before `instant` with their deliveries, a bite of them; whether there may be more."""
    bite = select(WebhookMessageRow.id).where(WebhookMessageRow.created_at < instant).limit(_BITE)
    deleted = await session.execute(delete(WebhookMessageRow).where(WebhookMessageRow.id.in_(bite)))
    return rows_of(deleted) == _BITE


async def _wake(session: Session, line: Select[UUID], **also: datetime) -> Sequence[UUID]:
    ids = (await session.execute(line)).scalars().all()
    if ids:
        taken = update(WebhookDeliveryRow).where(WebhookDeliveryRow.id.in_(ids))
        await session.execute(taken.values(waiting=False, **also).execution_options(synchronize_session=False))
    return ids


async def _one(session: ReadSession, statement: Select[Row]) -> Row | None:
    return (await session.execute(statement)).scalar_one_or_none()

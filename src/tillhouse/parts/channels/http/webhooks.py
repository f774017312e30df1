"""`/webhook-endpoints`, `/webhook-deliveries`, `/webhook-event-types`: a machine sees its own, staff see all."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.http import Read, TheHouse, Write
from tillhouse.kernel.idempotency import IdempotentRoute, OptionalKey
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.paging import MAX_PAGE, Page, cut, decode_id
from tillhouse.kernel.web.i18n import gettext
from tillhouse.parts.channels import schemas, store
from tillhouse.parts.channels.models import WebhookDeliveryRow, WebhookEndpointRow, WebhookMessageRow
from tillhouse.parts.channels.service import deliveries, endpoints

Keeper = Annotated[Principal, Depends(require("channels.webhooks"))]

router = APIRouter(route_class=IdempotentRoute)


@router.get("/webhook-event-types")
async def list_event_types(house: TheHouse, _keeper: Keeper) -> Page[schemas.EventTypeOut]:
    """What can be sent."""
    known = [schemas.EventTypeOut(type=one.type, title=gettext(one.title)) for one in endpoints.event_types(house)]
    return Page(items=known, next_cursor=None)


@router.get("/webhook-endpoints")
async def list_endpoints(
    session: Read, keeper: Keeper, cursor: str | None = None, limit: int = 50
) -> Page[schemas.EndpointOut]:
    """Endpoints, newest first."""
    size, before = _size(limit), decode_id(cursor) if cursor else None
    mine = endpoints.machine_of(keeper)
    rows = await store.endpoints(session, machine_id=mine, limit=size + 1, before=before)
    page, next_cursor = cut(rows, size, lambda row: (str(row.id),))
    return Page(items=[_endpoint(row) for row in page], next_cursor=next_cursor)


@router.post("/webhook-endpoints", status_code=201, dependencies=[Depends(rate_limit("20/minute"))])
async def create_endpoint(
    session: Write, keeper: Keeper, _key: OptionalKey, body: schemas.EndpointIn
) -> schemas.NewEndpointOut:
    """Make an endpoint; its secret is shown this once."""
    made = await endpoints.create(session, keeper, body.url, body.event_types, body.description)
    return schemas.NewEndpointOut(**_endpoint(made.row).model_dump(), secret=made.secret)


@router.get("/webhook-endpoints/{endpoint_id}")
async def read_endpoint(session: Read, keeper: Keeper, endpoint_id: UUID) -> schemas.EndpointOut:
    """One endpoint."""
    return _endpoint(await endpoints.endpoint_for(session, keeper, endpoint_id))


@router.patch("/webhook-endpoints/{endpoint_id}", dependencies=[Depends(rate_limit("60/minute"))])
async def change_endpoint(
    session: Write, keeper: Keeper, endpoint_id: UUID, body: schemas.EndpointChange
) -> schemas.EndpointOut:
    """Change an endpoint, pause it, or enable it again."""
    changed = await endpoints.change(session, keeper, endpoint_id, **body.model_dump())
    return _endpoint(changed)


@router.delete("/webhook-endpoints/{endpoint_id}", status_code=204, dependencies=[Depends(rate_limit("60/minute"))])
async def delete_endpoint(session: Write, keeper: Keeper, endpoint_id: UUID) -> None:
    """Delete an endpoint and its deliveries."""
    await endpoints.delete(session, keeper, endpoint_id)


@router.post("/webhook-endpoints/{endpoint_id}/rotate-secret", dependencies=[Depends(rate_limit("10/minute"))])
async def rotate_secret(
    session: Write, keeper: Keeper, _key: OptionalKey, endpoint_id: UUID, body: schemas.RotateIn | None = None
) -> schemas.SecretOut:
    """A new secret, shown this once; the former signs beside it for a day, or as long as you say."""
    overlap = timedelta(hours=(body or schemas.RotateIn()).overlap_hours)
    _, secret = await endpoints.rotate_secret(session, keeper, endpoint_id, overlap=overlap)
    return schemas.SecretOut(secret=secret)


@router.post("/webhook-endpoints/{endpoint_id}/test", status_code=202, dependencies=[Depends(rate_limit("10/minute"))])
async def send_test(session: Write, keeper: Keeper, _key: OptionalKey, endpoint_id: UUID) -> schemas.DeliveryOut:
    """Send an event of type `webhook.test`."""
    delivery = await deliveries.send_test(session, keeper, endpoint_id)
    return await _delivery(session, delivery)


@router.get("/webhook-deliveries")
async def list_deliveries(
    session: Read, keeper: Keeper, query: Annotated[schemas.DeliveryQuery, Query()]
) -> Page[schemas.DeliveryOut]:
    """Deliveries, newest first: all, those of one endpoint, those of one state."""
    size = _size(query.limit)
    rows = await store.deliveries(
        session,
        machine_id=endpoints.machine_of(keeper),
        endpoint_id=query.endpoint_id,
        state=query.state,
        limit=size + 1,
        before=decode_id(query.cursor) if query.cursor else None,
    )
    page, next_cursor = cut(rows, size, lambda found: (str(found[0].id),))
    return Page(items=[_delivery_out(row, message) for row, message in page], next_cursor=next_cursor)


@router.get("/webhook-deliveries/{delivery_id}")
async def read_delivery(session: Read, keeper: Keeper, delivery_id: UUID) -> schemas.DeliveryDetailsOut:
    """One delivery: what is sent, and every try."""
    row = await deliveries.delivery_for(session, keeper, delivery_id)
    message = await store.message(session, row.message_id)
    attempts = await store.attempts(session, row.id)
    tries = [schemas.AttemptOut.model_validate(attempt, from_attributes=True) for attempt in attempts]
    return schemas.DeliveryDetailsOut(**_delivery_out(row, message).model_dump(), body=message.body, tries=tries)


@router.post(
    "/webhook-deliveries/{delivery_id}/redeliver", status_code=202, dependencies=[Depends(rate_limit("60/minute"))]
)
async def redeliver(session: Write, keeper: Keeper, _key: OptionalKey, delivery_id: UUID) -> schemas.DeliveryOut:
    """Send an event again, under the same id."""
    return await _delivery(session, await deliveries.redeliver(session, keeper, delivery_id))


def _size(limit: int) -> int:
    return max(1, min(limit, MAX_PAGE))


def _endpoint(row: WebhookEndpointRow) -> schemas.EndpointOut:
    return schemas.EndpointOut.model_validate(row, from_attributes=True)


async def _delivery(session: ReadSession, row: WebhookDeliveryRow) -> schemas.DeliveryOut:
    return _delivery_out(row, await store.message(session, row.message_id))


def _delivery_out(row: WebhookDeliveryRow, message: WebhookMessageRow) -> schemas.DeliveryOut:
    return schemas.DeliveryOut.model_validate(
        {
            "id": row.id,
            "endpoint_id": row.endpoint_id,
            "message_id": row.message_id,
            "type": message.type,
            "state": row.state,
            "attempts": row.attempts,
            "next_attempt_at": row.due_at if row.state == "pending" else None,
            "created_at": row.created_at,
            "finished_at": row.finished_at,
        }
    )

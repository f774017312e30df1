"""Staff pages of webhooks: endpoints, what was sent to them, and what became of each try."""

import json
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession, house_of
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.http import Read, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.paging import cut, decode_id
from tillhouse.kernel.web.deps import FromOurPage, Pages, TheWeb
from tillhouse.kernel.web.forms import Form
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.channels import store
from tillhouse.parts.channels.domain.destinations import LONGEST_URL
from tillhouse.parts.channels.domain.webhooks import MOST_TRIES, DeliveryState
from tillhouse.parts.channels.models import WebhookEndpointRow
from tillhouse.parts.channels.service import deliveries, endpoints

_HOME = "/console/channels/webhooks"
_PAGE = 30
_ALL = 200  # endpoints on one page: more than the settings let anyone make

router = APIRouter(prefix=_HOME)
Staff = Annotated[Principal, Depends(require("channels.webhooks"))]
_POST = [FromOurPage, Depends(rate_limit("60/minute"))]


class EndpointForm(BaseModel):
    """An endpoint to make or to change."""

    url: str = Field(max_length=LONGEST_URL)
    description: str = Field(default="", max_length=200)
    event_types: list[str] = Field(min_length=1)


@router.get("")
async def home(request: Request, session: Read, staff: Staff, pages: Pages) -> Response:
    """Every endpoint."""
    rows = await store.endpoints(session, machine_id=None, limit=_ALL)
    return pages.render_page(request, "channels/webhooks.html", {"endpoints": rows})


@router.get("/new")
async def new(request: Request, session: Read, staff: Staff, pages: Pages) -> Response:
    """A form for an endpoint."""
    form = Form.blank(EndpointForm, event_types=["*"])
    return pages.render_page(request, "channels/webhook_form.html", _form_page(session, form))


@router.post("", dependencies=_POST)
async def create(request: Request, session: Write, staff: Staff, pages: Pages) -> Response:
    """Make an endpoint, and show its secret this once."""
    form = await Form.read(request, EndpointForm)
    if form.is_valid:
        try:
            async with session.begin_nested():
                data = form.data
                made = await endpoints.create(session, staff, data.url, data.event_types, data.description)
            return _secret(request, pages, made.row, made.secret, rotated=False)
        except DomainError as refusal:
            form.refuse(refusal)
    return pages.render_form(request, "channels/webhook_form.html", form, _form_page(session, form))


@router.get("/deliveries/{delivery_id}")
async def delivery(request: Request, session: Read, staff: Staff, pages: Pages, delivery_id: UUID) -> Response:
    """One delivery with every try."""
    row = await deliveries.delivery_for(session, staff, delivery_id)
    message = await store.message(session, row.message_id)
    found = {
        "delivery": row,
        "endpoint": await endpoints.endpoint_for(session, staff, row.endpoint_id),
        "message": message,
        "body": json.dumps(json.loads(message.body), indent=2, ensure_ascii=False),
        "attempts": await store.attempts(session, row.id),
        "most_tries": MOST_TRIES,
    }
    return pages.render_page(request, "channels/webhook_delivery.html", found)


@router.post("/deliveries/{delivery_id}/redeliver", dependencies=_POST)
async def redeliver(request: Request, session: Write, staff: Staff, web: TheWeb, delivery_id: UUID) -> Response:
    """Send an event again."""
    await deliveries.redeliver(session, staff, delivery_id)
    said = Toast(gettext("It is sent again"), gettext("Under the same id, so that the receiver knows it."))
    return redirect(request, f"{_HOME}/deliveries/{delivery_id}", said, secure=web.secure)


@router.get("/{endpoint_id}")
async def endpoint(
    request: Request,
    session: Read,
    staff: Staff,
    pages: Pages,
    endpoint_id: UUID,
    *,
    state: DeliveryState | None = None,
    cursor: str | None = None,
) -> Response:
    """One endpoint with what was sent to it."""
    row = await endpoints.endpoint_for(session, staff, endpoint_id)
    before = decode_id(cursor) if cursor else None
    found = await store.deliveries(session, endpoint_id=row.id, state=state, limit=_PAGE + 1, before=before)
    page, next_cursor = cut(found, _PAGE, lambda one: (str(one[0].id),))
    values = {"endpoint": row, "deliveries": page, "state": state, "next": next_cursor, "cursor": cursor}
    return pages.render_page(request, "channels/webhook.html", values)


@router.get("/{endpoint_id}/edit")
async def edit(request: Request, session: Read, staff: Staff, pages: Pages, endpoint_id: UUID) -> Response:
    """The form of an endpoint."""
    row = await endpoints.endpoint_for(session, staff, endpoint_id)
    form = Form.blank(EndpointForm, url=row.url, description=row.description, event_types=row.event_types)
    return pages.render_page(request, "channels/webhook_form.html", _form_page(session, form, row))


@router.post("/{endpoint_id}/edit", dependencies=_POST)
async def change(
    request: Request, session: Write, staff: Staff, pages: Pages, *, web: TheWeb, endpoint_id: UUID
) -> Response:
    """Change an endpoint."""
    form = await Form.read(request, EndpointForm)
    row = await endpoints.endpoint_for(session, staff, endpoint_id)
    if form.is_valid:
        try:
            async with session.begin_nested():
                await endpoints.change(session, staff, endpoint_id, **form.data.model_dump())
            return redirect(request, f"{_HOME}/{endpoint_id}", Toast(gettext("Saved.")), secure=web.secure)
        except DomainError as refusal:
            form.refuse(refusal)
    return pages.render_form(request, "channels/webhook_form.html", form, _form_page(session, form, row))


@router.post("/{endpoint_id}/pause", dependencies=_POST)
async def pause(request: Request, session: Write, staff: Staff, web: TheWeb, endpoint_id: UUID) -> Response:
    """Send nothing for now; events wait."""
    await endpoints.change(session, staff, endpoint_id, status="paused")
    said = Toast(gettext("Paused"), gettext("Events are kept and sent when you enable the endpoint again."))
    return redirect(request, f"{_HOME}/{endpoint_id}", said, secure=web.secure)


@router.post("/{endpoint_id}/enable", dependencies=_POST)
async def enable(request: Request, session: Write, staff: Staff, web: TheWeb, endpoint_id: UUID) -> Response:
    """Send again, what waited first."""
    await endpoints.change(session, staff, endpoint_id, status="enabled")
    said = Toast(gettext("Enabled"), gettext("What waited for it is on its way."))
    return redirect(request, f"{_HOME}/{endpoint_id}", said, secure=web.secure)


@router.post("/{endpoint_id}/test", dependencies=_POST)
async def send_test(request: Request, session: Write, staff: Staff, web: TheWeb, endpoint_id: UUID) -> Response:
    """Send an event that says nothing."""
    sent = await deliveries.send_test(session, staff, endpoint_id)
    said = Toast(gettext("A test event is on its way"), gettext("Load this page again to see the answer."), "info")
    return redirect(request, f"{_HOME}/deliveries/{sent.id}", said, secure=web.secure)


@router.post("/{endpoint_id}/rotate-secret", dependencies=_POST)
async def rotate_secret(request: Request, session: Write, staff: Staff, pages: Pages, endpoint_id: UUID) -> Response:
    """A new secret, shown this once."""
    row, secret = await endpoints.rotate_secret(session, staff, endpoint_id)
    return _secret(request, pages, row, secret, rotated=True)


@router.post("/{endpoint_id}/delete", dependencies=_POST)
async def delete(request: Request, session: Write, staff: Staff, web: TheWeb, endpoint_id: UUID) -> Response:
    """Delete an endpoint and its deliveries."""
    await endpoints.delete(session, staff, endpoint_id)
    return redirect(request, _HOME, Toast(gettext("The endpoint is deleted")), secure=web.secure)


def _secret(request: Request, pages: Pages, row: WebhookEndpointRow, secret: str, *, rotated: bool) -> Response:
    values = {"endpoint": row, "secret": secret, "rotated": rotated}
    response = pages.render_page(request, "channels/webhook_secret.html", values)
    response.headers["Cache-Control"] = "no-store"
    return response


def _form_page(
    session: ReadSession, form: Form[EndpointForm], row: WebhookEndpointRow | None = None
) -> dict[str, object]:
    return {"form": form, "endpoint": row, "types": endpoints.event_types(house_of(session))}

"""One owner for staff: their plans, invoices, points and what those went for; points to give, limits, another try."""

from typing import Annotated, Literal
from uuid import UUID, uuid4

import structlog
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.errors import DomainError, NotFound
from tillhouse.kernel.http import Read, Write
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.deps import FromOurPage, Pages, TheWeb
from tillhouse.kernel.web.forms import Form, Option
from tillhouse.kernel.web.i18n import gettext
from tillhouse.kernel.web.toasts import Toast, redirect
from tillhouse.parts.billing import api
from tillhouse.parts.billing.domain.periods import WindowKind
from tillhouse.parts.billing.pages.lines import words
from tillhouse.parts.billing.service import giving, owners
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.payments import api as payments

_ROOT = "/console/billing/subscriptions/owners"
_LATEST = 20

_log = structlog.get_logger("tillhouse.billing")
router = APIRouter(prefix=_ROOT)
Staff = Annotated[Principal, Depends(require("billing.read"))]
Granter = Annotated[Principal, Depends(require("billing.grant"))]
Kind = Literal["person", "organisation"]
Cursor = Annotated[str | None, Query(max_length=200)]
_POST = [FromOurPage, Depends(rate_limit("30/minute"))]


class Gift(BaseModel):
    """Points to give. Pressed twice, the form gives once. `days` blank: they do not end."""

    points: str = Field(max_length=24)
    source: Literal["promotional", "earned"] = "promotional"
    days: int | None = Field(default=None, ge=1, le=3650)
    reason: str = Field(max_length=200)
    request_key: UUID


class Limit(BaseModel):
    """The most that may be spent in a window; `points` blank: no limit any more."""

    most: str | None = Field(default=None, max_length=24)
    window: WindowKind = "day"


@router.get("/{kind}/{owner_id}")
async def show(
    request: Request,
    session: Read,
    staff: Staff,
    pages: Pages,
    *,
    kind: Kind,
    owner_id: UUID,
    invoices: Cursor = None,
    lots: Cursor = None,
    charges: Cursor = None,
) -> Response:
    """Everything of one owner; each list a page at a time."""
    owner = api.Owner(kind, owner_id)
    values = await _about(session, staff, owner, invoices=invoices, lots=lots, charges=charges)
    return pages.render_page(request, "billing/console_owner.html", {**values, **_blank()})


@router.post("/{kind}/{owner_id}/grant", dependencies=_POST)
async def grant(
    request: Request, session: Write, granter: Granter, pages: Pages, *, web: TheWeb, kind: Kind, owner_id: UUID
) -> Response:
    """Give points."""
    owner, form = api.Owner(kind, owner_id), await Form.read(request, Gift)
    if form.is_valid:
        try:
            async with session.begin_nested():
                await _give(session, granter, owner, form.data)
        except DomainError as refusal:
            form.refuse(refusal)
        else:
            said = Toast(gettext("The points are given"), gettext("It stands on the audit log, with your reason."))
            return redirect(request, _address(owner), said, secure=web.secure)
    values = {**await _about(session, granter, owner), **_blank(), "gift": form}
    return pages.render_form(request, "billing/console_owner.html", form, values)


@router.post("/{kind}/{owner_id}/limit", dependencies=_POST)
async def limit(
    request: Request, session: Write, granter: Granter, pages: Pages, *, web: TheWeb, kind: Kind, owner_id: UUID
) -> Response:
    """Set or remove a limit."""
    owner, form = api.Owner(kind, owner_id), await Form.read(request, Limit)
    said = await set_limit(session, granter, owner, form)
    if said:
        return redirect(request, _address(owner), said, secure=web.secure)
    values = {**await _about(session, granter, owner), **_blank(), "limit": form}
    return pages.render_form(request, "billing/console_owner.html", form, values)


@router.post("/{kind}/{owner_id}/payments/{payment_id}/activate", dependencies=_POST)
async def activate(
    request: Request, session: Write, granter: Granter, web: TheWeb, *, kind: Kind, owner_id: UUID, payment_id: UUID
) -> Response:
    """Give what a payment was for, where that failed before."""
    owner = api.Owner(kind, owner_id)
    said = Toast(gettext("Activated"), gettext("What was paid for is theirs."))
    try:
        await giving.activate_again(session, granter, owner, payment_id)
    except DomainError:
        raise
    except Exception:  # noqa: BLE001  the product's own mistake, noted with the payment: its money stays where it is
        _log.exception("activation_failed_again", payment=str(payment_id))
        text = gettext("The money is in their wallet, and nothing was taken from it. The log says what went wrong.")
        said = Toast(gettext("It failed again"), text, tone="danger")
    return redirect(request, _address(owner), said, secure=web.secure)


async def set_limit(session: Session, granter: Principal, owner: api.Owner | None, form: Form[Limit]) -> Toast | None:
    """Set or remove a limit of an owner, or (None) of all together, as typed; None: the form says what is wrong."""
    if not form.is_valid:
        return None
    typed = form.data
    try:
        async with session.begin_nested():
            most = Money.parse(typed.most, api.POINTS) if typed.most else None
            await giving.limit(session, granter, owner, most, typed.window)
    except DomainError as refusal:
        form.refuse(refusal)
        return None
    return Toast(gettext("The limit is set") if typed.most else gettext("There is no limit any more"))


def limit_words() -> dict[str, object]:
    """What the form of limits needs."""
    windows = [Option("day", gettext("A day")), Option("month", gettext("A month"))]
    return {"windows": windows, "limit": Form.blank(Limit, window="day")}


async def _give(session: Session, granter: Principal, owner: api.Owner, typed: Gift) -> None:
    await giving.give(
        session,
        granter,
        owner,
        Money.parse(typed.points, api.POINTS),
        source=typed.source,
        days=typed.days,
        reason=typed.reason,
        key=f"page:{typed.request_key}",
    )


async def _about(
    session: ReadSession,
    staff: Principal,
    owner: api.Owner,
    *,
    invoices: str | None = None,
    lots: str | None = None,
    charges: str | None = None,
) -> dict[str, object]:
    name = (await owners.names(session, [owner])).get(owner)
    subscriptions = await api.subscriptions_of(session, owner)
    found_invoices, more_invoices = await api.invoices_of(session, owner, limit=_LATEST, cursor=invoices)
    found_lots, more_lots = await api.open_lots(session, owner, limit=_LATEST, cursor=lots)
    found_charges, more_charges = await api.charges(session, owner, limit=_LATEST, cursor=charges)
    if name is None and not (subscriptions or found_invoices):
        raise NotFound(N_("There is nobody with this id."))
    return {
        **words(session),
        "owner": owner,
        "name": name or gettext("A deleted account"),
        "here": _address(owner),
        "may_grant": name is not None and staff.may("billing.grant"),
        "subscriptions": subscriptions,
        "points": await ledger.lots_summary(session, api.points_of(owner)),
        "invoices": found_invoices,
        "lots": found_lots,
        "charges": found_charges,
        "more": {"invoices": more_invoices, "lots": more_lots, "charges": more_charges},
        "cursors": {"invoices": invoices, "lots": lots, "charges": charges},
        "caps": await api.caps_of(session, owner, zone=staff.zone),
        "undelivered": await payments.undelivered(session, owner.kind, owner.id),
    }


def _blank() -> dict[str, object]:
    sources = [Option("promotional", gettext("A gift")), Option("earned", gettext("Earned"))]
    gift = Form.blank(Gift, source="promotional", request_key=uuid4())
    return {**limit_words(), "sources_of_gifts": sources, "gift": gift}


def _address(owner: api.Owner) -> str:
    return f"{_ROOT}/{owner.kind}/{owner.id}"

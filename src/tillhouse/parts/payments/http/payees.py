"""JSON endpoints of saved payees: one's own or, with `organisation_id`, an organisation's."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.http import Read, Write
from tillhouse.kernel.idempotency import IdempotentRoute, OptionalKey
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.paging import MAX_PAGE, Page
from tillhouse.kernel.web.i18n import gettext
from tillhouse.parts.payments import api, schemas
from tillhouse.parts.payments.domain import destination_from
from tillhouse.parts.payments.schemas.common import For
from tillhouse.parts.payments.service.views import PayeeView

router = APIRouter(prefix="/payments/payees", route_class=IdempotentRoute)
Payer = Annotated[Principal, Depends(require("payments.pay"))]


@router.get("", dependencies=[Depends(rate_limit("120/minute"))])
async def payees(
    session: Read,
    payer: Payer,
    *,
    organisation_id: For = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 20,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
) -> Page[schemas.PayeeOut]:
    """One's own saved accounts, or an organisation's (for owners, admins and accountants), the newest first."""
    found, next_cursor = await api.payees_of(
        session, payer.person_id, organisation_id=organisation_id, limit=limit, cursor=cursor
    )
    return Page(items=[_payee_out(payee) for payee in found], next_cursor=next_cursor)


@router.post("", status_code=201, dependencies=[Depends(rate_limit("20/hour"))])
async def add_payee(
    session: Write, payer: Payer, key: OptionalKey, body: schemas.PayeeIn, organisation_id: For = None
) -> schemas.PayeeOut:
    """Save an account to withdraw to; the bank is asked whose it is. Saving it twice changes nothing.

    For an organisation: its owners and admins.
    """
    to = destination_from(body.destination.type, **body.destination.model_dump(exclude={"type"}))
    return _payee_out(await api.add_payee(session, payer, to, organisation_id=organisation_id))


@router.delete("/{payee_id}", status_code=204, dependencies=[Depends(rate_limit("60/minute"))])
async def remove_payee(session: Write, payer: Payer, payee_id: UUID, organisation_id: For = None) -> None:
    """Take an account off the list. Withdrawals on their way there go on."""
    await api.remove_payee(session, payer, payee_id, organisation_id=organisation_id)


def _payee_out(payee: PayeeView) -> schemas.PayeeOut:
    return schemas.PayeeOut(
        id=payee.id,
        type=payee.kind,
        destination=payee.destination,
        status=payee.state,
        message=gettext(payee.sentence),
        registered_name=payee.registered_name,
        name_match=payee.name_match,
        usable_from=payee.usable_from,
        added_at=payee.added_at,
    )

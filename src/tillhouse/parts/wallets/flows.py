"""A wallet's statement as PDF: read in one transaction, printed after it."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from tillhouse.kernel import clock
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.i18n import Reader, gettext
from tillhouse.parts.documents import api as documents
from tillhouse.parts.identity import api as identity
from tillhouse.parts.ledger import api as ledger
from tillhouse.parts.wallets import service
from tillhouse.parts.wallets.domain import OwnerKind, account_ref

_HOUSE = "Tillhouse"


async def statement_pdf(
    house: House,
    person_id: UUID,
    wallet_id: UUID,
    month: date | None,
    who: Reader,
    *,
    organisation_id: UUID | None = None,
) -> bytes:
    """One of a person's wallets, or of an organisation's whose money they may read, in a month: as the house's own
    paper. Otherwise as `statement_pdf_of`.

    Raises `NotFound` for a wallet that is not theirs, and what `service.owner_of` raises.
    """
    async with house.database.reading() as session:
        wallet = await service.wallet_by_id(session, person_id, wallet_id, organisation_id)
    kind: OwnerKind = "organisation" if organisation_id else "person"
    owner_id = organisation_id or person_id
    return await statement_pdf_of(house, owner_id, wallet.currency, month, who, brand=_HOUSE, owner_kind=kind)


async def statement_pdf_of(
    house: House,
    owner_id: UUID,
    unit: str,
    month: date | None,
    who: Reader,
    *,
    brand: str,
    accent: str = "house",
    owner_kind: OwnerKind = "person",
) -> bytes:
    """The movements of an owner's wallet in `unit` in a month of `who`'s zone, under a product's name and accent.

    `month` is any day of it; without one it is this month, as far as it has gone. Raises `InvalidInput` for a month
    that has not begun or has more movements than a paper holds.
    """
    async with house.database.reading() as session:
        paper = await _paper(session, owner_kind, owner_id, unit, month, zone=who.tz)
    issuer, look = documents.house_issuer(house, brand), documents.house_look(house, accent)
    return await documents.render_statement(house, replace(paper, issuer=issuer, look=look), who)


async def _paper(
    session: ReadSession, owner_kind: OwnerKind, owner_id: UUID, unit: str, month: date | None, *, zone: ZoneInfo
) -> documents.Statement:
    now = clock.now()
    today = now.astimezone(zone).date()
    first = (month or today).replace(day=1)
    if first > today:
        message = N_("This month has not begun.")
        raise InvalidInput(message, errors=[FieldError("/month", "in_the_future", message)])
    following = (first + timedelta(days=31)).replace(day=1)
    found = await ledger.statement_at(
        session,
        account_ref(owner_id, unit, owner_kind),
        since=_midnight(first, zone),
        until=_midnight(following, zone),
        limit=documents.MOST_LINES + 1,
    )
    if len(found.lines) > documents.MOST_LINES:
        message = N_("This month has more movements than a paper holds. Ask for them page by page instead.")
        raise InvalidInput(message, errors=[FieldError("/month", "too_long", message)])
    return documents.Statement(
        number=f"{first:%Y-%m}",
        issued_at=now,
        issuer=documents.Party(name=_HOUSE),
        holder=documents.Party(name=await _holder(session, owner_kind, owner_id)),
        account=f"{gettext('Wallet')} · {unit}",
        first=first,
        last=min(following - timedelta(days=1), today),
        opening=found.opening,
        closing=found.lines[-1].balance if found.lines else found.opening,
        entries=[
            documents.Entry(
                at=line.effective_at,
                title=gettext(ledger.kind_title(session, line.kind)),
                amount=line.amount,
                balance=line.balance,
                reference=str(line.transaction_id),
            )
            for line in found.lines
        ],
    )


async def _holder(session: ReadSession, owner_kind: OwnerKind, owner_id: UUID) -> str:
    named = identity.organisation_names if owner_kind == "organisation" else identity.names
    return (await named(session, [owner_id])).get(owner_id, "")


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)

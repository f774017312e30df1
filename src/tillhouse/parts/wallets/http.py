"""JSON endpoints of wallets: reading only, one's own or (with `organisation_id`) an organisation's.

Putting money in and taking it out belongs to payments.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import Response
from pydantic import AwareDatetime, Field, StringConstraints

from tillhouse.kernel import clock
from tillhouse.kernel.access import Principal, require
from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.http import Read, TheHouse
from tillhouse.kernel.limits import rate_limit
from tillhouse.kernel.money import MAX_MINOR
from tillhouse.kernel.paging import MAX_PAGE, Page, cut, decode_cursor
from tillhouse.kernel.web.downloads import PDF_ANSWER, pdf_download
from tillhouse.kernel.web.i18n import gettext, reader
from tillhouse.kernel.web.sheets import CSV_ANSWER, csv_in_bites
from tillhouse.parts.wallets import flows, schemas, service
from tillhouse.parts.wallets.domain import MOVEMENT_COLUMNS, Direction, Movement, MovementFilter, Wallet

Owner = Annotated[Principal, Depends(require("wallets.read"))]
Instant = Annotated[AwareDatetime, Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))]
Month = Annotated[str, StringConstraints(pattern=r"^2[01][0-9]{2}-(0[1-9]|1[0-2])$")]
For = Annotated[
    UUID | None, Query(description="An organisation whose money the caller may read; without it, the caller.")
]
Kind = Annotated[str, StringConstraints(max_length=100, pattern=r"^[a-z0-9_.]+$")]

router = APIRouter(prefix="/wallets")


@router.get("")
async def list_wallets(session: Read, owner: Owner) -> Page[schemas.WalletOut]:
    """One's own wallets."""
    found = await service.wallets_of(session, owner.person_id)
    return Page(items=[_wallet(wallet) for wallet in found], next_cursor=None)


@router.get("/organisations/{organisation_id}")
async def list_wallets_of_organisation(session: Read, owner: Owner, organisation_id: UUID) -> Page[schemas.WalletOut]:
    """The wallets of an organisation. For its owners, admins and accountants."""
    found = await service.wallets_of_organisation(session, organisation_id, owner.person_id)
    return Page(items=[_wallet(wallet) for wallet in found], next_cursor=None)


@router.get("/{wallet_id}")
async def get_wallet(session: Read, owner: Owner, wallet_id: UUID, organisation_id: For = None) -> schemas.WalletOut:
    """One of one's own wallets."""
    return _wallet(await service.wallet_by_id(session, owner.person_id, wallet_id, organisation_id))


@router.get("/{wallet_id}/balance")
async def get_balance(session: Read, owner: Owner, wallet_id: UUID, organisation_id: For = None) -> schemas.BalanceOut:
    """What is in a wallet now."""
    wallet = await service.wallet_by_id(session, owner.person_id, wallet_id, organisation_id)
    return schemas.BalanceOut(
        currency=wallet.currency,
        balance=str(wallet.posted),
        available=str(wallet.available),
        held=str(wallet.held),
        pending=str(wallet.pending),
        as_of=clock.now(),
    )


@router.get(
    "/{wallet_id}/transactions.csv",
    dependencies=[Depends(rate_limit("30/minute"))],
    response_class=Response,
    responses=CSV_ANSWER,
)
async def download_movements(
    session: Read,
    house: TheHouse,
    owner: Owner,
    wallet_id: UUID,
    *,
    organisation_id: For = None,
    direction: Direction | None = None,
    kind: Annotated[list[Kind] | None, Query(description="One or more kinds.", max_length=20)] = None,
    since: Annotated[Instant | None, Query(alias="from", description="Happened at this instant or later.")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="Happened before this instant.")] = None,
) -> Response:
    """The movements of a wallet as CSV, newest first, all of them. What went out is below zero."""
    kind_of_owner, owner_id = await service.owner_of(session, owner.person_id, organisation_id)
    wallet = await service.wallet_by_id(session, owner.person_id, wallet_id, organisation_id)
    wanted = MovementFilter(direction=direction, kinds=kind or (), since=since, until=until)

    async def bite(fresh: ReadSession, before: int | None) -> tuple[Sequence[Sequence[object]], int | None]:
        return await service.movement_rows(
            fresh, owner_id, wallet.currency, wanted, owner_kind=kind_of_owner, before=before, zone=UTC, say=gettext
        )

    return csv_in_bites(f"wallet-{wallet.currency.lower()}", MOVEMENT_COLUMNS, house.database, bite)


@router.get("/{wallet_id}/transactions")
async def list_movements(
    session: Read,
    owner: Owner,
    wallet_id: UUID,
    *,
    organisation_id: For = None,
    direction: Direction | None = None,
    kind: Annotated[list[Kind] | None, Query(description="One or more kinds.", max_length=20)] = None,
    since: Annotated[Instant | None, Query(alias="from", description="Happened at this instant or later.")] = None,
    until: Annotated[Instant | None, Query(alias="to", description="Happened before this instant.")] = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 50,
) -> Page[schemas.MovementOut]:
    """The movements of a wallet, newest first."""
    kind_of_owner, owner_id = await service.owner_of(session, owner.person_id, organisation_id)
    wallet = await service.wallet_by_id(session, owner.person_id, wallet_id, organisation_id)
    found = await service.movements(
        session,
        owner_id,
        wallet.currency,
        owner_kind=kind_of_owner,
        limit=limit + 1,
        before=_before(cursor),
        direction=direction,
        kinds=kind or (),
        since=since,
        until=until,
    )
    shown, next_cursor = cut(found, limit, lambda movement: (movement.id,))
    return Page(items=[_movement(movement) for movement in shown], next_cursor=next_cursor)


@router.get(
    "/{wallet_id}/statement.pdf",
    dependencies=[Depends(rate_limit("30/minute"))],
    response_class=Response,
    responses=PDF_ANSWER,
)
async def get_statement(
    house: TheHouse, owner: Owner, wallet_id: UUID, month: Month | None = None, organisation_id: For = None
) -> Response:
    """A month of a wallet as PDF, in the reader's language and zone; this month where none is named."""
    first = date.fromisoformat(f"{month}-01") if month else None
    paper = await flows.statement_pdf(
        house, owner.person_id, wallet_id, first, reader(), organisation_id=organisation_id
    )
    return pdf_download(f"statement-{month or 'now'}", paper)


def _before(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    (before,) = decode_cursor(cursor, [int])
    return max(0, min(int(before), MAX_MINOR))  # ours are in between, and the database counts no further


def _wallet(wallet: Wallet) -> schemas.WalletOut:
    return schemas.WalletOut(
        id=wallet.id,
        currency=wallet.currency,
        available=str(wallet.available),
        held=str(wallet.held),
        pending=str(wallet.pending),
    )


def _movement(movement: Movement) -> schemas.MovementOut:
    return schemas.MovementOut(
        id=str(movement.id),
        kind=movement.kind,
        title=gettext(movement.title),
        direction=movement.direction,
        amount=str(movement.amount),
        currency=movement.amount.unit,
        balance=str(movement.balance),
        effective_at=movement.effective_at,
        recorded_at=movement.recorded_at,
        reverses=str(movement.reverses) if movement.reverses else None,
    )

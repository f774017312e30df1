"""SQL of saved cards. A card's row is locked before an order's."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select, update

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.parts.payments.models import SavedCardRow


async def card_by_id(session: ReadSession, card_id: UUID) -> SavedCardRow | None:
    """The card, None when there is none."""
    return await session.get(SavedCardRow, card_id)


async def lock_card(session: Session, card_id: UUID) -> SavedCardRow | None:
    """The card as it is now, locked until the transaction ends; None when there is none."""
    statement = select(SavedCardRow).where(SavedCardRow.id == card_id).with_for_update(key_share=True)
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()


async def card_of_order(session: ReadSession, order_id: UUID) -> SavedCardRow | None:
    """The card that is to be kept when this order is paid; None when none is."""
    return (await session.execute(select(SavedCardRow).where(SavedCardRow.order_id == order_id))).scalar_one_or_none()


async def card_by_method(session: ReadSession, provider: str, method_ref: str) -> SavedCardRow | None:
    """The card that a gateway calls so; None when it is none of ours."""
    statement = select(SavedCardRow).where(SavedCardRow.provider == provider, SavedCardRow.method_ref == method_ref)
    return (await session.execute(statement.order_by(SavedCardRow.id.desc()).limit(1))).scalar_one_or_none()


async def active_cards(session: ReadSession, owner_kind: str, owner_id: UUID) -> Sequence[SavedCardRow]:
    """An owner's cards that may be charged, the newest first."""
    statement = (
        select(SavedCardRow)
        .where(SavedCardRow.owner_kind == owner_kind, SavedCardRow.owner_id == owner_id, SavedCardRow.state == "active")
        .order_by(SavedCardRow.saved_at.desc(), SavedCardRow.id.desc())
    )
    return (await session.execute(statement)).scalars().all()


async def unfinished_cards(session: ReadSession, owner_kind: str, owner_id: UUID) -> Sequence[SavedCardRow]:
    """An owner's cards that are not removed: active, or still at the gateway."""
    mine = (SavedCardRow.owner_kind == owner_kind, SavedCardRow.owner_id == owner_id, SavedCardRow.state != "removed")
    return (await session.execute(select(SavedCardRow).where(*mine))).scalars().all()


async def one_at_a_time(session: Session, owner_id: UUID) -> None:
    """Let one transaction at a time change which card of this owner is active."""
    await session.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"saved_cards:{owner_id}", 0))))


async def erase_cards(session: Session, owner_id: UUID) -> None:
    """Forget how a person's cards looked."""
    mine = (SavedCardRow.owner_kind == "person", SavedCardRow.owner_id == owner_id)
    gone = {"brand": None, "last4": None, "expires_year": None, "expires_month": None, "address": None}
    await session.execute(update(SavedCardRow).where(*mine, SavedCardRow.state == "removed").values(gone))

"""SQL of coupons."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import delete, exists, select, update

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.parts.billing.domain import Owner
from tillhouse.parts.billing.models import CouponRow, InvoiceRow, RedemptionRow


async def coupon(session: ReadSession, code: str) -> CouponRow | None:
    """The coupon of that code."""
    return await session.get(CouponRow, code)


async def lock_coupon(session: Session, code: str) -> CouponRow | None:
    """The coupon as it is now, locked until the transaction ends."""
    statement = select(CouponRow).where(CouponRow.code == code).with_for_update()
    return (await session.execute(statement.execution_options(populate_existing=True))).scalar_one_or_none()


async def coupons(session: ReadSession, *, limit: int, after: str | None = None) -> Sequence[CouponRow]:
    """Coupons by code."""
    statement = select(CouponRow)
    if after:
        statement = statement.where(CouponRow.code > after)
    return (await session.execute(statement.order_by(CouponRow.code).limit(limit))).scalars().all()


async def was_redeemed_by(session: ReadSession, code: str, owner: Owner) -> bool:
    """Whether the owner has used this coupon."""
    statement = select(
        exists().where(
            RedemptionRow.coupon == code,
            RedemptionRow.owner_kind == owner.kind,
            RedemptionRow.owner_id == owner.id,
        )
    )
    return bool((await session.execute(statement)).scalar_one())


async def was_redeemed_for(session: ReadSession, code: str, subscription_id: UUID) -> bool:
    """Whether this coupon was used for an earlier period of a subscription."""
    statement = select(
        exists().where(
            RedemptionRow.coupon == code,
            RedemptionRow.invoice_id == InvoiceRow.id,
            InvoiceRow.subscription_id == subscription_id,
        )
    )
    return bool((await session.execute(statement)).scalar_one())


async def take_back(session: Session, invoice_id: UUID) -> None:
    """Undo the redemption of an invoice that was never paid, if it has one."""
    gone = delete(RedemptionRow).where(RedemptionRow.invoice_id == invoice_id).returning(RedemptionRow.coupon)
    code = (await session.execute(gone)).scalar_one_or_none()
    if code:
        await session.execute(update(CouponRow).where(CouponRow.code == code).values(redeemed=CouponRow.redeemed - 1))

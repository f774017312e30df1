"""What goes over the wire, from what the house knows."""

from typing import Annotated
from uuid import UUID

from fastapi import Query

from tillhouse.kernel.money import Money
from tillhouse.kernel.web.i18n import gettext
from tillhouse.parts.billing import api, schemas

For = Annotated[UUID | None, Query(description="An organisation that the caller belongs to; without it, the caller.")]


def invoice_out(view: api.InvoiceView) -> schemas.InvoiceOut:
    """An invoice."""
    return schemas.InvoiceOut(
        id=view.id,
        subscription_id=view.subscription_id,
        offer=view.offer,
        months=view.months,
        status=view.state,
        currency=view.total.unit,
        price=str(view.price),
        discount=str(view.discount),
        credit=str(view.credit),
        total=str(view.total),
        tax=str(view.tax),
        tax_name=view.tax_name,
        given_back=str(view.given_back),
        period_start=view.period_start,
        period_end=view.period_end,
        written_at=view.written_at,
        paid_at=view.paid_at,
    )


def subscription_out(view: api.SubscriptionView, due: api.InvoiceView | None = None) -> schemas.SubscriptionOut:
    """A subscription, and the invoice that was written for it."""
    return schemas.SubscriptionOut(
        id=view.id,
        family=view.family,
        plan=view.plan,
        currency=view.currency,
        months=view.months,
        status=view.state,
        message=gettext(view.sentence),
        paid_until=view.paid_until,
        ends_at_period_end=view.ends_at_period_end,
        next_plan=view.next_plan,
        next_months=view.next_months,
        pays_from_wallet=view.pays_from_wallet,
        begun_at=view.begun_at,
        ended_at=view.ended_at,
        invoice=invoice_out(due) if due else None,
    )


def plan_out(plan: api.Plan) -> schemas.PlanOut:
    """A plan on offer."""
    return schemas.PlanOut(
        code=plan.code,
        version=plan.version,
        family=plan.family,
        title=gettext(plan.title),
        prices=[_price(price.amount, price.months) for price in plan.prices],
        points=str(plan.points) if plan.points else None,
        quotas=[
            schemas.QuotaOut(metric=metric, limit=quota.limit, window=quota.window)
            for metric, quota in plan.quotas.items()
        ],
        trial_days=plan.trial_days,
        tax=_tax(plan.tax),
        features=[gettext(feature) for feature in plan.features],
    )


def package_out(package: api.PointsPackage) -> schemas.PackageOut:
    """A package on offer."""
    return schemas.PackageOut(
        code=package.code,
        version=package.version,
        title=gettext(package.title),
        points=str(package.points),
        unit=package.points.unit,
        prices=[_price(price, 0) for price in package.prices],
        valid_days=package.valid_days,
        tax=_tax(package.tax),
    )


def coupon_out(coupon: api.Coupon) -> schemas.CouponOut:
    """A coupon."""
    share, amount = coupon.discount.basis_points, coupon.discount.amount
    return schemas.CouponOut(
        code=coupon.code,
        percent=f"{share // 100}.{share % 100:02d}" if share is not None else None,
        amount=str(amount) if amount else None,
        currency=amount.unit if amount else None,
        offers=list(coupon.offers),
        starts_at=coupon.starts_at,
        ends_at=coupon.ends_at,
        most=coupon.most,
        redeemed=coupon.redeemed,
        once_per_owner=coupon.once_per_owner,
        periods=coupon.periods,
    )


def charge_out(view: api.ChargeView) -> schemas.ChargeOut:
    """A charge."""
    return schemas.ChargeOut(
        id=view.id,
        action=view.action,
        status=view.state,
        reserved=str(view.reserved),
        charged=str(view.captured),
        given_back=str(view.given_back),
        at=view.reserved_at,
    )


def _price(amount: Money, months: int) -> schemas.PriceOut:
    return schemas.PriceOut(amount=str(amount), currency=amount.unit, months=months)


def _tax(tax: api.Tax | None) -> str | None:
    return f"{tax.name} {tax.basis_points // 100}.{tax.basis_points % 100:02d}%" if tax else None

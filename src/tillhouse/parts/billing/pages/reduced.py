"""What is on offer at the price after a coupon, before anybody chooses."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import BaseModel, Field

from tillhouse.kernel.db import ReadSession, house_of
from tillhouse.kernel.money import Money
from tillhouse.kernel.web.errors import sentence_of
from tillhouse.kernel.web.forms import Form
from tillhouse.parts.billing import api


class TypedCoupon(BaseModel):
    """A coupon that somebody has."""

    coupon: str | None = Field(default=None, max_length=40)


@dataclass(frozen=True, slots=True)
class Reduced:
    """Prices after a coupon by (offer, currency, months; 0 for points), and why it is not for other offers."""

    prices: Mapping[tuple[str, str, int], Money]
    refusals: Mapping[str, str]


async def reduced(session: ReadSession, owner: api.Owner, form: Form[TypedCoupon]) -> Reduced:
    """Try the coupon on everything. One that is good for nothing is refused at its field, and not only for being meant
    for something else where there is more to say.
    """
    house, code = house_of(session), form.data.coupon or ""
    offered = [(plan.code, price.amount, price.months) for plan in api.plans(house) for price in plan.prices]
    offered += [(package.code, price, 0) for package in api.packages(house) for price in package.prices]
    prices: dict[tuple[str, str, int], Money] = {}
    refusals: dict[str, api.CouponRefused] = {}
    for offer, price, months in offered:
        try:
            prices[offer, price.unit, months] = await api.price_after(session, owner, code, offer, price)
        except api.CouponRefused as refusal:
            refusals[offer] = refusal
    if refusals and not prices:
        every = [*refusals.values()]
        form.refuse(next((one for one in every if one.errors[0].code != "other_offer"), every[0]))
        return Reduced({}, {})
    return Reduced(prices, {offer: sentence_of(refusal) for offer, refusal in refusals.items()})

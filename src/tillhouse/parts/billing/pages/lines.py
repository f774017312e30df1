"""What pages say of plans, points and invoices: words for states, titles of offers, quotas."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tillhouse.kernel.db import ReadSession, house_of
from tillhouse.kernel.house import House
from tillhouse.kernel.text import N_
from tillhouse.parts.ai.api.chat import PurposeTitle
from tillhouse.parts.billing import api
from tillhouse.parts.billing.domain.periods import WindowKind

STATES: Mapping[str, str] = {
    "pending": N_("To be paid"),
    "trialing": N_("On trial"),
    "active": N_("Active"),
    "past_due": N_("Payment is late"),
    "grace": N_("About to end"),
    "cancelled": N_("Cancelled"),
    "expired": N_("Ended"),
    "open": N_("To be paid"),
    "paid": N_("Paid"),
    "void": N_("Nothing to pay"),
    "uncollectible": N_("Not paid"),
}
SOURCES: Mapping[str, str] = {
    "purchased": N_("Bought"),
    "earned": N_("Earned"),
    "promotional": N_("With your plan, or a gift"),
}
WINDOW_NAMES: Mapping[WindowKind, str] = {"day": N_("today"), "month": N_("this month")}


@dataclass(frozen=True, slots=True)
class QuotaLine:
    """What a plan allows of something, and what is used of it now. `title` and `window` are message ids."""

    title: str
    window: str
    use: api.QuotaUse


async def quotas(session: ReadSession, owner: api.Owner, plan: api.Plan, zone: str) -> Sequence[QuotaLine]:
    """The quotas of a plan, as they are used in the present day or month of `zone`."""
    return [
        QuotaLine(
            quota.title or metric,
            WINDOW_NAMES[quota.window],
            await api.quota_used(session, owner, metric, quota, zone=zone),
        )
        for metric, quota in plan.quotas.items()
    ]


def titles(house: House) -> Mapping[str, str]:
    """What offers are called, by their codes: message ids."""
    offers: Sequence[api.Plan | api.PointsPackage] = [*api.plans(house), *api.packages(house)]
    return {offer.code: offer.title for offer in offers}


def work_titles(house: House) -> Mapping[str, str]:
    """What work is called that points are charged for, by its action: message ids."""
    return {one.purpose: one.title for one in house.provided(PurposeTitle)}


def words(session: ReadSession) -> Mapping[str, object]:
    """What every list of them needs."""
    house = house_of(session)
    return {"titles": titles(house), "work_titles": work_titles(house), "states": STATES, "sources": SOURCES}

"""What this house sells: the plans and packages that its products provide."""

from collections.abc import Sequence
from dataclasses import dataclass

from tillhouse.kernel import clock
from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, FieldError, InvalidInput, NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.billing import store
from tillhouse.parts.billing.domain import Tax
from tillhouse.parts.billing.ports import Plan, PointsPackage, Price


class TermsChanged(Conflict):
    """A version was sold on other terms than the house now has for it: a mistake of whoever changed the terms."""

    code = "terms_changed"


@dataclass(frozen=True, slots=True)
class Terms:
    """What an invoice needs to know of what it is for."""

    code: str
    version: int
    price: Money
    months: int | None
    tax: Tax | None


def plans(house: House) -> Sequence[Plan]:
    """The plans on offer, each in its newest version, by family and rank."""
    newest: dict[str, Plan] = {}
    for found in house.provided(Plan):
        if found.code not in newest or newest[found.code].version < found.version:
            newest[found.code] = found
    return sorted(newest.values(), key=lambda one: (one.family, one.rank, one.code))


def packages(house: House) -> Sequence[PointsPackage]:
    """The packages of points on offer, each in its newest version, the smallest first."""
    newest: dict[str, PointsPackage] = {}
    for found in house.provided(PointsPackage):
        if found.code not in newest or newest[found.code].version < found.version:
            newest[found.code] = found
    return sorted(newest.values(), key=lambda one: (one.points.unit, one.points.minor, one.code))


def plan_offered(session: ReadSession, code: str) -> Plan:
    """The newest version of a plan. Raises `NotFound`."""
    for found in plans(house_of(session)):
        if found.code == code:
            return found
    raise NotFound(N_("There is no such plan."))


def plan_of(session: ReadSession, code: str, version: int) -> Plan:
    """One version of a plan, on offer or not. Raises `LookupError`: versions that were sold stay in the code."""
    for found in house_of(session).provided(Plan):
        if (found.code, found.version) == (code, version):
            return found
    raise LookupError(f"nothing in this process provides version {version} of the plan {code}")


def package_offered(session: ReadSession, code: str) -> PointsPackage:
    """The newest version of a package. Raises `NotFound`."""
    for found in packages(house_of(session)):
        if found.code == code:
            return found
    raise NotFound(N_("There is no such package."))


def package_of(session: ReadSession, code: str, version: int) -> PointsPackage:
    """One version of a package. Raises `LookupError`."""
    for found in house_of(session).provided(PointsPackage):
        if (found.code, found.version) == (code, version):
            return found
    raise LookupError(f"nothing in this process provides version {version} of the package {code}")


def price_of(plan: Plan, currency: str, months: int) -> Price:
    """The plan's price for that many months in that currency. Raises `InvalidInput`."""
    in_currency = [price for price in plan.prices if price.amount.unit == currency]
    for price in in_currency:
        if price.months == months:
            return price
    if in_currency:
        message = N_("This plan is not sold for that long.")
        raise InvalidInput(message, errors=[FieldError("/months", "not_offered", message)])
    raise _not_in(N_("This plan is not sold in that currency."))


def price_in(package: PointsPackage, currency: str) -> Money:
    """The package's price in that currency. Raises `InvalidInput`."""
    for price in package.prices:
        if price.unit == currency:
            return price
    raise _not_in(N_("This package is not sold in that currency."))


async def terms_of_plan(session: Session, plan: Plan, currency: str, months: int) -> Terms:
    """What a period of the plan is invoiced on, noted when it is sold for the first time.

    Raises `InvalidInput`; `TermsChanged` when this version was sold on other terms.
    """
    price = price_of(plan, currency, months)
    await _remember(
        session,
        plan.code,
        plan.version,
        {
            "family": plan.family,
            "prices": [f"{one.amount} {one.amount.unit} / {one.months}" for one in plan.prices],
            "points": f"{plan.points} {plan.points.unit}" if plan.points else None,
            "tax": _tax(plan.tax),
        },
    )
    return Terms(plan.code, plan.version, price.amount, months, plan.tax)


async def terms_of_package(session: Session, package: PointsPackage, currency: str) -> Terms:
    """What a package is invoiced on, noted when it is sold for the first time. Raises as `terms_of_plan`."""
    price = price_in(package, currency)
    await _remember(
        session,
        package.code,
        package.version,
        {
            "points": f"{package.points} {package.points.unit}",
            "prices": [f"{one} {one.unit}" for one in package.prices],
            "valid_days": package.valid_days,
            "tax": _tax(package.tax),
        },
    )
    return Terms(package.code, package.version, price, None, package.tax)


async def _remember(session: Session, code: str, version: int, terms: JsonObject) -> None:
    if await store.remember_terms(session, code, version, terms, clock.now()) != terms:
        raise TermsChanged(N_("This cannot be sold at the moment: we are looking into it."))


def _tax(tax: Tax | None) -> str | None:
    return f"{tax.name} {tax.basis_points}" if tax else None


def _not_in(message: str) -> InvalidInput:
    return InvalidInput(message, errors=[FieldError("/currency", "not_offered", message)])

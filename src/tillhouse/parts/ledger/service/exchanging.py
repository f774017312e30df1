"""From one unit into another, through the house's trading accounts: every unit sums to zero by itself.

    1 USD is 83.125 INR; a person changes 10.03 USD (833.74375 INR) and is given 833.74, or 833.75 rounded up:
    USD   Dr person/wallet 10.03     Cr house/exchange 10.03
    INR   Dr house/exchange 833.74   Dr house/rounding 0.01   Cr person/wallet 833.75

What the house holds of each unit is the balance of `house/exchange` in it; the difference between what was given and
the nearest whole amount at the rate is in `house/rounding`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from tillhouse.kernel.db import JsonValue, ReadSession, Session
from tillhouse.kernel.errors import FieldError
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain import AccountRef, BadPosting, Leg, Posting, Transaction, house_account
from tillhouse.parts.ledger.domain.exchange import EXCHANGE, ROUNDING, Rate, Rounding
from tillhouse.parts.ledger.service.charts import chart_of
from tillhouse.parts.ledger.service.posting import post
from tillhouse.parts.ledger.service.reading import balances_of_owner


async def exchange(
    session: Session,
    source: AccountRef,
    amount: Money,
    target: AccountRef,
    received: Money | None = None,
    *,
    key: str,
    kind: str,
    rate: Rate,
    rounding: Rounding = "half_even",
    more: Sequence[Leg] = (),
    effective_at: datetime | None = None,
    metadata: Mapping[str, JsonValue] | None = None,
) -> Transaction:
    """Take `amount` from `source` and give `target` what it is worth at `rate`, rounded by `rounding`.

    `received` says what is given instead; it may differ from the rate by less than one minor unit. `more` are further
    legs, balanced in themselves (a fee). `kind` allows `house/exchange` and `house/rounding`. The rate is kept in the
    metadata as it was quoted. Both accounts are on one side: what the house owes, or what it has.
    Raises what `post` raises.
    """
    if {amount.unit, target.unit} != {rate.base, rate.quote}:
        raise _bad("/rate", "wrong_rate", N_("The rate is not between these two units."))
    given = rate.convert(amount, rounding) if received is None else received
    if given not in (rate.convert(amount, "down"), rate.convert(amount, "up")):
        raise _bad("/received", "not_at_rate", N_("What is received is not what the rate makes."))
    chart = chart_of(session)
    side = chart.account_kind(source).sign
    if chart.account_kind(target).sign != side:
        raise _bad("/target", "other_side", N_("Exchange within what the house owes, or within what it has."))
    fair = rate.convert(amount, "half_even")
    legs = [
        (source, Money(-amount.minor * side, amount.unit)),
        (house_account(EXCHANGE, amount.unit), Money(amount.minor * side, amount.unit)),
        (target, Money(given.minor * side, target.unit)),
        (house_account(EXCHANGE, target.unit), Money(-fair.minor * side, target.unit)),
        (house_account(ROUNDING, target.unit), Money((fair - given).minor * side, target.unit)),
    ]
    return await post(
        session,
        Posting(
            key=key,
            kind=kind,
            legs=_merged([*legs, *more]),
            effective_at=effective_at,
            metadata={**(metadata or {}), **rate.metadata},
        ),
    )


async def exchange_positions(session: ReadSession) -> Mapping[str, Money]:
    """What exchanging has left the house with, by unit: what it took in is positive, what it gave out negative."""
    found = await balances_of_owner(session, "house", None)
    return {balance.account.unit: balance.posted for balance in found if balance.account.code == EXCHANGE}


def _merged(legs: Sequence[Leg]) -> list[Leg]:
    """Each account once; those to which nothing happens left out."""
    totals: dict[AccountRef, Money] = {}
    for account, amount in legs:
        totals[account] = totals[account] + amount if account in totals else amount
    return [(account, amount) for account, amount in totals.items() if amount]


def _bad(pointer: str, code: str, message: str) -> BadPosting:
    return BadPosting(message, errors=[FieldError(pointer, code, message)])

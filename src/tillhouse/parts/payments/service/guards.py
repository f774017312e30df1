"""What is looked at before a payout goes: the account, how much went out lately, and whether a person has to look.

Hard rules refuse: nothing is set aside, and the sentence says when or how it can go. Soft rules let the money be set
aside and name a reason for which a person looks first.
"""

from collections.abc import Sequence

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session, house_of
from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.domain import PayeeState, Reason
from tillhouse.parts.payments.domain.payees import Standing, reasons_of_payee
from tillhouse.parts.payments.domain.velocity import Excess, Limit, Used, excess
from tillhouse.parts.payments.models import PayeeRow, PayoutRow
from tillhouse.parts.payments.service.attention import count_refusal, look_into
from tillhouse.parts.payments.service.payees import name_match_of, start_check
from tillhouse.parts.payments.service.registry import guards_of, installed_payout_gateway, settings_of
from tillhouse.parts.payments.store import payees as store

_DAY = Limit("", "day", 0, 0).length
_OFTEN = {
    "person": N_(
        "You have withdrawn {count} times within a short time, the most that is allowed. Nothing was taken from your "
        "wallet: try again after {again}."
    ),
    "organisation": N_(
        "The organisation has withdrawn {count} times within a short time, the most that is allowed. Nothing was taken "
        "from its wallet: try again after {again}."
    ),
    "payee": N_(
        "There were {count} withdrawals to this account within a short time, the most that is allowed. Nothing was "
        "taken from the wallet: try again after {again}, or choose another account."
    ),
}
_MUCH = {
    "person": N_(
        "Within this time at most {most} may be withdrawn. Nothing was taken from your wallet: try a smaller amount, "
        "or try again after {again}."
    ),
    "organisation": N_(
        "Within this time at most {most} of the organisation's money may be withdrawn. Nothing was taken from its "
        "wallet: try a smaller amount, or try again after {again}."
    ),
    "payee": N_(
        "Within this time at most {most} may go to this account. Nothing was taken from the wallet: try a smaller "
        "amount, another account, or try again after {again}."
    ),
}


class OverVelocity(InvalidInput):
    """More, or more often, than may go out within a time."""

    code = "over_velocity"


class PayeeCooling(InvalidInput):
    """More than may go to an account that was just added."""

    code = "payee_cooling"


class PayeeRefused(InvalidInput):
    """The bank does not pay to this account."""

    code = "payee_refused"


async def guard(session: Session, payout: PayoutRow, payee: PayeeRow) -> list[Reason]:
    """Why a person has to look at a payout whose money was just set aside; nothing when it may go.

    Ask after the hold: its lock on the wallet makes an owner's withdrawals take turns, and so does the payee's lock.
    Those of different owners take turns here, per account and per house, until the transaction ends.
    Raises `PayeeRefused`, `PayeeCooling`, `OverVelocity`.
    """
    reasons: list[Reason] = []
    if payout.amount > settings_of(session).withdrawal_approval_above.within(payout.currency, 0):
        reasons.append("large_amount")
    reasons += await _payee(session, payout, payee)
    await _limits(session, payout)
    return [*reasons, *await _account(session, payout), *await _house(session, payout)]


async def _payee(session: Session, payout: PayoutRow, payee: PayeeRow) -> Sequence[Reason]:
    if payee.state == PayeeState.REFUSED:
        raise _refused(
            "payee_refused",
            PayeeRefused(
                N_(
                    "The bank does not pay to this account. Nothing was taken from the wallet: check the details, or "
                    "choose another account."
                ),
                errors=[FieldError("/destination", "payee_refused", N_("The bank does not pay to this account."))],
            ),
        )
    guards, house = guards_of(session), house_of(session)
    lately = await store.used_since(session, store.to_payee(payout), payout.currency, clock.now() - _DAY)
    above = lately.total > guards.amount(guards.verify_above, payout.currency)
    verifiable = installed_payout_gateway(house, payout.provider).checks is not None
    if above and verifiable and payee.state == PayeeState.NEW:
        await start_check(session, payee)
    standing = Standing(PayeeState(payee.state), name_match_of(payee), verifiable)
    found = reasons_of_payee(standing, above=above, partial_is_enough=guards.partial_names_pass)
    return [*found, *await _cooling(session, payout, payee)]


async def _cooling(session: Session, payout: PayoutRow, payee: PayeeRow) -> Sequence[Reason]:
    """While an account is new, small amounts go there. Slices count together, so that they do not get round it."""
    guards = guards_of(session)
    if clock.now() >= payee.usable_from:
        return []
    most = guards.amount(guards.cooling_above, payout.currency)
    since = await store.used_since(session, store.to_payee(payout), payout.currency, payee.added_at)
    if since.total <= most:
        return []
    if payout.origin == "payout":  # nobody of ours is at a form here: somebody else of ours looks
        return ["payee_cooling"]
    left = Money(max(0, most - since.total + payout.amount), payout.currency)
    message = N_("This account was just added: for now only a small amount may go there.")
    raise _refused(
        "payee_cooling",
        PayeeCooling(
            N_(
                "This account was just added. To protect you from somebody else adding one, at most {left} may go "
                "there until {when}, after that any amount. Nothing was taken from the wallet."
            ),
            errors=[FieldError("/amount", "payee_cooling", message)],
            left=left,
            when=payee.usable_from,
        ),
    )


async def _limits(session: Session, payout: PayoutRow) -> None:
    guards = guards_of(session)
    for whose, limits, which in (
        (payout.owner_kind, guards.person_limits, store.by_owner(payout)),
        ("payee", guards.payee_limits, store.to_payee(payout)),
    ):
        for limit in guards.limits(limits, payout.currency):
            used = await store.used_since(session, which, payout.currency, clock.now() - limit.length)
            if over := excess(limit, used):
                raise _over(whose, over)


def _over(whose: str, over: Excess) -> InvalidInput:
    limit, code = over.limit, f"{whose}_{over.limit.window}_{over.what}"
    sentence = (_OFTEN if over.what == "count" else _MUCH)[whose]
    most, again = Money(limit.total, limit.currency), clock.now() + over.again_in
    wrong = FieldError("/amount", code, N_("This is more than may go out within this time."))
    return _refused(code, OverVelocity(sentence, errors=[wrong], count=limit.count, most=most, again=again))


async def _account(session: Session, payout: PayoutRow) -> Sequence[Reason]:
    """An account that many people are paid out to may be a mule's."""
    guards = guards_of(session)
    assert payout.fingerprint is not None
    await store.take_turn(session, "payments.account", payout.fingerprint.hex())
    reasons: list[Reason] = []
    if await store.persons_paid_at(session, payout) > guards.persons_per_account:
        reasons.append("account_shared")
    for limit in guards.limits(guards.account_limits, payout.currency):
        since = clock.now() - limit.length
        if excess(limit, await store.used_since(session, store.to_account(payout), payout.currency, since)):
            return [*reasons, "account_busy"]
    return reasons


async def _house(session: Session, payout: PayoutRow) -> Sequence[Reason]:
    """The circuit breaker: whatever empties the house at once meets a person."""
    guards = guards_of(session)
    limits = guards.limits(guards.house_limits, payout.currency)
    if limits:
        await store.take_turn(session, "payments.house", payout.currency)
    for limit in limits:
        used: Used = await store.used_since(session, (), payout.currency, clock.now() - limit.length)
        if excess(limit, used):
            await look_into(session, "house", f"payouts:{payout.currency}", "payouts_over_house_limit")
            return ["house_busy"]
    return []


def _refused(reason: str, refusal: InvalidInput) -> InvalidInput:
    count_refusal(reason)
    return refusal

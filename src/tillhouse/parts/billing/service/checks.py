"""What is always true of billing, and what stands against erasing a person or closing an organisation."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.text import N_
from tillhouse.parts.billing import store
from tillhouse.parts.billing.domain import Owner, State, organisation, person
from tillhouse.parts.billing.domain.subscriptions import SERVED
from tillhouse.parts.billing.service import invoices, subscribing
from tillhouse.parts.billing.store import charging
from tillhouse.parts.ledger import api as ledger


async def unearned_is_owed(session: ReadSession) -> Sequence[str]:
    """What of paid invoices is not earned yet is what `deferred:*` says we owe."""
    expected: Counter[tuple[str, str]] = Counter()
    for currency, of_subscription, total in await store.unearned_totals(session):
        expected["subscriptions" if of_subscription else "points", currency] += total
    breaches = []
    for what in ("subscriptions", "points"):
        for currency in {unit for kind, unit in expected if kind == what}:
            account = ledger.house_account(f"deferred:{what}", currency)
            owed = (await ledger.balance(session, account)).posted.minor
            if owed != expected[what, currency]:
                breaches.append(f"{account.path}: {owed} is owed, {expected[what, currency]} is not earned yet")
    return breaches


async def cards_are_charged_once(session: ReadSession) -> Sequence[str]:
    """No invoice was charged to a card twice."""
    return [f"invoice {one}: a card was charged for it more than once" for one in await charging.charged_twice(session)]


async def reasons_to_keep(session: ReadSession, person_id: UUID) -> Sequence[str]:
    """Why a person cannot be erased yet: sentences for that person."""
    if await _has_plan_that_goes_on(session, person(person_id)):
        return [N_("You have a plan that goes on: cancel it first.")]
    return []


async def erase_person(session: Session, person_id: UUID, _addresses: Sequence[str]) -> None:
    """End what an erased person has: nothing of it holds personal data."""
    await _end_all(session, person(person_id))


async def reasons_to_keep_organisation(session: ReadSession, organisation_id: UUID) -> Sequence[str]:
    """Why an organisation cannot be closed yet: sentences for its owner. The ledger speaks for its points."""
    if await _has_plan_that_goes_on(session, organisation(organisation_id)):
        return [N_("The organisation has a plan that goes on: cancel it first.")]
    return []


async def close_organisation(session: Session, organisation_id: UUID) -> None:
    """End what an organisation that is closed has: its plans at once, and nothing is to be paid any more."""
    await _end_all(session, organisation(organisation_id))


async def _has_plan_that_goes_on(session: ReadSession, owner: Owner) -> bool:
    found = await store.live_subscriptions(session, owner)
    return any(State(one.state) in SERVED and not one.ends_at_period_end for one in found)


async def _end_all(session: Session, owner: Owner) -> None:
    await store.lock_owner(session, owner)
    for one in await store.live_subscriptions(session, owner):
        await subscribing.cancel(session, owner, one.id, at_once=True)
    for invoice in await store.lock_open_invoices(session, owner):
        await invoices.void(session, invoice)

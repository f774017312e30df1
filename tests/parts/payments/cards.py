"""People who have their cards kept."""

from uuid import UUID

from tests.parts.payments.till import Till
from tillhouse.parts.payments import api

PAYS, DECLINED_LATER = "4242424242424242", "4000000000000341"
ASKS_ALWAYS, ASKS_UNLESS_KEPT = "4000002760003184", "4000002500003155"


async def give_card(till: Till, person: UUID, card: str = PAYS) -> api.SavedCard:
    """A card given on Stripe's page and asked for when the browser comes back."""
    page = await api.open_card_page(till.house, ("person", person), return_path="/billing/card/{card}")
    await till.outside("POST", f"/_sandbox/stripe/checkout_sessions/{page.url.rsplit('/', 1)[1]}/pay", {"card": card})
    await api.check_card(till.house, page.card_id)
    await till.quiet()
    (card_now, *_) = await cards(till, person)
    return card_now


async def cards(till: Till, person: UUID) -> list[api.SavedCard]:
    async with till.house.database.reading() as session:
        return list(await api.cards_of(session, "person", person))

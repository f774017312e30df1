"""Which gateway and which way to pay suit a buyer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tillhouse.parts.payments.domain.orders import Method


@dataclass(frozen=True, slots=True)
class Offer:
    """One way to pay at a gateway. `least` and `most` are minor units; no `countries` means buyers of any."""

    method: Method
    currency: str
    least: int
    most: int | None = None
    countries: frozenset[str] = frozenset()

    def takes(self, minor: int) -> bool:
        """Whether an amount is within its limits."""
        return self.least <= minor and (self.most is None or minor <= self.most)


@dataclass(frozen=True, slots=True)
class Choice:
    """A gateway, and the offer of it that suits."""

    gateway: str
    offer: Offer


def choose(
    offers: Mapping[str, Sequence[Offer]], *, currency: str, country: str | None = None, method: Method | None = None
) -> list[Choice]:
    """Every gateway's offers that suit, best first: in the order of `offers`, then in the gateway's own.

    A buyer of no known country is offered what is for any; of what is for some countries alone, whatever takes the
    currency, after the rest.
    """
    suits = [
        Choice(gateway, offer)
        for gateway, made in offers.items()
        for offer in made
        if offer.currency == currency
        and method in (None, offer.method)
        and (country is None or not offer.countries or country in offer.countries)
    ]
    return suits if country else sorted(suits, key=lambda choice: bool(choice.offer.countries))

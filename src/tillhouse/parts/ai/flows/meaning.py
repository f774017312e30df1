"""Vectors for search, where the house has a model that makes them; metered to the owner of the documents."""

from collections.abc import Sequence
from uuid import UUID

from tillhouse.kernel.house import House
from tillhouse.parts.ai.domain.calls import INDEXING, SEARCH, Owner, Use
from tillhouse.parts.ai.flows.embedding import embed
from tillhouse.parts.ai.flows.switchboard import embedding_model
from tillhouse.parts.ai.ports.embedding import Side

_PURPOSES: dict[Side, str] = {"passage": INDEXING, "question": SEARCH}


def meaning_model(house: House) -> str | None:
    """The name of the model that embeds; None: search is by words."""
    found = embedding_model(house)
    return found[0] if found else None


async def vectors_of(
    house: House, owner_id: UUID, texts: Sequence[str], side: Side
) -> Sequence[Sequence[float]] | None:
    """One vector per text; None where the house has no model for it. Must not be called in a transaction.

    Raises `TransientError` where asking again may help, another `DomainError` where it will not.
    """
    found = await embed(house, Use(Owner("person", owner_id), _PURPOSES[side]), texts, side=side)
    return found.vectors if found else None

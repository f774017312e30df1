"""Vectors for search, where the house has a model that makes them."""

from collections.abc import Sequence
from uuid import UUID

from tillhouse.kernel.house import House
from tillhouse.parts.ai.ports.meaning import PassageEmbedder, Side


def embedding_model(house: House) -> str | None:
    """The name of the model that embeds; None: search is by words."""
    found = house.provided(PassageEmbedder)
    return found[0].model if found else None


async def vectors_of(
    house: House, owner_id: UUID, texts: Sequence[str], side: Side
) -> Sequence[Sequence[float]] | None:
    """One vector per text; None where the house has no model for it. Must not be called in a transaction."""
    found = house.provided(PassageEmbedder)
    return await found[0].embed(owner_id, texts, side) if found else None

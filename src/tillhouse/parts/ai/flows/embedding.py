"""Turning texts into vectors, in as many calls as the endpoint needs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tillhouse.kernel.house import House
from tillhouse.parts.ai.domain.calls import Amounts, Use
from tillhouse.parts.ai.domain.chat import estimate_tokens
from tillhouse.parts.ai.domain.deadlines import Deadlines
from tillhouse.parts.ai.flows.attempts import Question, whole
from tillhouse.parts.ai.flows.switchboard import embedding_model
from tillhouse.parts.ai.ports.embedding import Embedded, EmbeddingEndpoint, Side
from tillhouse.parts.ai.settings import AISettings


@dataclass(frozen=True, slots=True)
class Vectors:
    """One vector of length one per text, in their order. Vectors of two models do not compare."""

    model: str
    vectors: tuple[tuple[float, ...], ...]


async def embed(
    house: House,
    use: Use,
    texts: Sequence[str],
    *,
    side: Side = "passage",
    dimensions: int | None = None,
    deadlines: Deadlines | None = None,
) -> Vectors | None:
    """Vectors of `texts`; None where this house has no model for that: search by words, then.

    Empty texts are refused (`ValueError`). Must not be called in a transaction. Raises as `chat.stream` does.
    """
    found = embedding_model(house)
    if found is None:
        return None
    model, endpoint, own = found
    if any(not text.strip() for text in texts):
        raise ValueError("an empty text has no vector")
    limits = deadlines or house.settings_of(AISettings).deadlines

    def count(answer: Embedded) -> Amounts:
        # There is no output to count; what was read is what was done.
        return Amounts(input=answer.tokens, estimated=answer.estimated)

    vectors: list[tuple[float, ...]] = []
    for batch in batches(texts, endpoint.most_texts, endpoint.most_tokens):

        async def ask(
            model: str, endpoint: EmbeddingEndpoint, seconds: float, batch: Sequence[str] = batch
        ) -> Embedded:
            return await endpoint.embed(model, batch, side, dimensions or own, seconds)

        most = Amounts(input=sum(map(estimate_tokens, batch)))
        question = Question(house=house, use=use, kind="embedding", most=most)
        _, answer = await whole(question, [(model, endpoint)], limits, ask, count)
        vectors += answer.vectors
    return Vectors(model, tuple(vectors))


def batches(texts: Sequence[str], most_texts: int, most_tokens: int) -> Iterator[Sequence[str]]:
    """Cut `texts` into calls that hold no more than they may, by our own generous count. One too long goes alone."""
    batch: list[str] = []
    size = 0
    for text in texts:
        tokens = estimate_tokens(text)
        if batch and (len(batch) == most_texts or size + tokens > most_tokens):
            yield batch
            batch, size = [], 0
        batch.append(text)
        size += tokens
    if batch:
        yield batch

"""Searching an owner's documents: by words, by meaning where the house has a model for it, and both put together."""

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.errors import DomainError
from tillhouse.kernel.house import House
from tillhouse.kernel.logs import get_logger
from tillhouse.parts.ai.domain.fusion import fuse
from tillhouse.parts.ai.domain.passages import Found, Passage, Way
from tillhouse.parts.ai.domain.reading import Box
from tillhouse.parts.ai.domain.words import question_terms
from tillhouse.parts.ai.flows.meaning import meaning_model, vectors_of
from tillhouse.parts.ai.models import PassageRow
from tillhouse.parts.ai.ports.words import thai_of
from tillhouse.parts.ai.store import passages as index

_log = get_logger("tillhouse.ai.searching")

_LOOKED_AT = 50  # of each list, before they are put together
_LONGEST_QUESTION = 2_000


async def search(
    house: House,
    owner_id: UUID,
    collection: str,
    question: str,
    limit: int = 10,
    *,
    documents: Sequence[UUID] | None = None,
    way: Way = "fused",
) -> Found:
    """Passages of the owner's collection that a question is about, the best first; none where nothing fits.

    `documents` narrows it to some of them. `way` is what is wished; without a model that embeds, or while it does not
    answer, it is `lexical`. Must not be called in a transaction. The page for staff, chat and products all search here.
    """
    question = question[:_LONGEST_QUESTION]
    asked = None
    if way != "lexical" and question.strip():
        asked = await _embedded(house, owner_id, question)
    way = way if asked else "lexical"
    chosen = tuple(documents) if documents is not None else None
    scope = index.Scope(owner_id, collection, max(_LOOKED_AT, limit), chosen)
    async with house.database.reading() as session:
        words: Sequence[UUID] = []
        meanings: Sequence[UUID] = []
        if way != "vector":
            found = question_terms(question, thai_of(house))
            words = await index.by_words(session, scope, found)
        if asked:
            model, vector = asked
            meanings = await index.by_meaning(session, scope, model, vector)
        return Found(await _passages(session, owner_id, words, meanings, limit), way)


async def _embedded(house: House, owner_id: UUID, question: str) -> tuple[str, Sequence[float]] | None:
    """The question's vector; None when there is no model, or it does not answer: words still find."""
    model = meaning_model(house)
    if model is None:
        return None
    try:
        vectors = await vectors_of(house, owner_id, [question], "question")
    except DomainError as error:
        _log.warning("question not embedded", code=error.code)
        return None
    return (model, vectors[0]) if vectors else None


async def _passages(
    session: ReadSession, owner_id: UUID, words: Sequence[UUID], meanings: Sequence[UUID], limit: int
) -> tuple[Passage, ...]:
    ranked = fuse([ids for ids in (words, meanings) if ids])[:limit]
    rows = await index.found(session, owner_id, [passage_id for passage_id, _ in ranked])
    by_words = {passage_id: rank for rank, passage_id in enumerate(words, start=1)}
    by_meaning = {passage_id: rank for rank, passage_id in enumerate(meanings, start=1)}
    return tuple(
        replace(_told(*rows[one]), score=score, lexical=by_words.get(one), vector=by_meaning.get(one))
        for one, score in ranked
        if one in rows
    )


def _told(row: PassageRow, file_id: UUID, name: str) -> Passage:
    return Passage(
        id=row.id,
        document_id=row.document_id,
        file_id=file_id,
        document=name,
        page=row.page,
        start=row.start_at,
        end=row.end_at,
        headings=tuple(row.headings),
        context=row.context,
        text=row.text,
        boxes=tuple(Box(*box) for box in row.boxes),
    )

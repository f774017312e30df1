"""SQL of passages and vectors: writing the index, and searching it.

Each term in the index begins with its collection's number. A search therefore reads only entries of the owner's own
collection in the index itself; what others have costs it nothing, changes no weight, and cannot be reached.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, delete, func, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.parts.ai.models import CollectionRow, DocumentRow, PassageRow, VectorRow
from tillhouse.parts.ai.models.retrieval import INDEXED_DIMENSIONS

_AT_ONCE = 500
_MOST_POSITIONS = 200  # PostgreSQL keeps 255 of a term; what stands there more often says no more
_LAST_POSITION = 16_383

# Okapi BM25 with k1 = 1.2 and b = 0.75 over the passages of one collection. `ts_rank_cd` of a single term, weighted 1,
# is how often it stands there. The weight of a term comes from the passages that were just found to have it.
_LEXICAL = text("""
    WITH mine AS (
        SELECT id, number FROM ai.collections WHERE owner_id = :owner_id AND name = :collection
    ), size AS (
        SELECT count(*)::float8 AS n, greatest(avg(length), 1)::float8 AS mean
        FROM ai.passages WHERE collection_id = (SELECT id FROM mine)
    ), asked AS (
        SELECT ('''' || mine.number || ':' || replace(replace(given.term, '\\', '\\\\'), '''', '''''') || '''')::tsquery
            AS term
        FROM mine, unnest(CAST(:terms AS text[])) AS given (term)
    ), hits AS MATERIALIZED (
        SELECT passages.id, passages.length, asked.term,
            ts_rank_cd('{1,1,1,1}', passages.terms, asked.term)::float8 AS times
        FROM asked CROSS JOIN LATERAL (
            SELECT * FROM ai.passages WHERE passages.terms @@ asked.term OFFSET 0 -- by the index of terms, always
        ) AS passages
        WHERE passages.owner_id = :owner_id AND passages.collection_id = (SELECT id FROM mine)
            AND passages.document_id NOT IN (
                SELECT id FROM ai.documents WHERE owner_id = :owner_id AND state = 'deleting'
            )
            AND (CAST(:documents AS uuid[]) IS NULL OR passages.document_id = ANY (CAST(:documents AS uuid[])))
    ), weights AS MATERIALIZED (
        SELECT term, ln(1 + (max(size.n) - count(*) + 0.5) / (count(*) + 0.5)) AS weight
        FROM hits CROSS JOIN size GROUP BY term
    )
    SELECT hits.id,
        sum(weight * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * hits.length::float8 / size.mean))) AS score
    FROM hits JOIN weights USING (term) CROSS JOIN size
    GROUP BY hits.id ORDER BY score DESC, hits.id LIMIT :most
""")

# Up to so many vectors of one collection are all compared, which misses nothing. The index stops looking after some
# ten thousand vectors of others, and would leave a small owner of a large house with nothing.
_COMPARED = 20_000
_OWN = """
    FROM ai.vectors
    WHERE vectors.owner_id = :owner_id AND vectors.model = :model AND vectors.dimensions = {dimensions}
        AND vectors.collection_id = (
            SELECT id FROM ai.collections WHERE owner_id = :owner_id AND name = :collection
        )
"""
_WANTED = """
        AND NOT EXISTS (
            SELECT FROM ai.passages JOIN ai.documents ON documents.id = passages.document_id
            WHERE passages.id = vectors.passage_id AND (documents.state = 'deleting'
                OR NOT (CAST(:documents AS uuid[]) IS NULL OR documents.id = ANY (CAST(:documents AS uuid[]))))
        )
"""
_DISTANCE = "({vectors}.embedding::vector({dimensions})) <=> CAST(:question AS vector({dimensions}))"
# All that is put into these is each other, and the length of a vector.
_COUNT = f"SELECT count(*) FROM (SELECT 1 {_OWN} LIMIT {_COMPARED + 1}) AS own"  # noqa: S608  # constants
_NEAREST = (
    "SELECT vectors.passage_id" + _OWN + _WANTED + f"ORDER BY {_DISTANCE.replace('{vectors}', 'vectors')} LIMIT :most"
)
_NEAREST_OF_ALL = "".join(
    (
        "WITH own AS MATERIALIZED (SELECT vectors.passage_id, vectors.embedding", _OWN, _WANTED,
        ") SELECT own.passage_id FROM own ORDER BY ", _DISTANCE.replace("{vectors}", "own"),
        ", own.passage_id LIMIT :most",
    )
)  # fmt: skip


def term_vector(number: int, terms: Sequence[str]) -> str:
    """A `tsvector` of a passage's terms in their places, each beginning with its collection's number."""
    places: dict[str, list[int]] = {}
    for place, term in enumerate(terms, start=1):
        found = places.setdefault(term, [])
        if len(found) < _MOST_POSITIONS:
            found.append(min(place, _LAST_POSITION - _MOST_POSITIONS + len(found)))
    return " ".join(
        f"'{number}:{_escaped(term)}':{','.join(map(str, dict.fromkeys(found)))}" for term, found in places.items()
    )


async def indexed(session: ReadSession, document_id: UUID) -> Sequence[tuple[UUID, bytes]]:
    """Passages of a document with their fingerprints, in its order."""
    wanted = select(PassageRow.id, PassageRow.fingerprint).where(PassageRow.document_id == document_id)
    return [(row[0], row[1]) for row in await session.execute(wanted.order_by(PassageRow.place, PassageRow.id))]


async def add(session: Session, rows: Sequence[Mapping[str, object]]) -> None:
    """Write passages. Their `terms` are made by `term_vector`."""
    for start in range(0, len(rows), _AT_ONCE):
        await session.execute(
            insert(PassageRow).values(terms=text("CAST(:terms_ AS tsvector)")),
            [
                {**{k: v for k, v in row.items() if k != "terms"}, "terms_": row["terms"]}
                for row in rows[start : start + _AT_ONCE]
            ],
        )


async def move(session: Session, rows: Sequence[Mapping[str, object]]) -> None:
    """Write where passages stand that are as they were: `id_`, place, page, start_at, end_at, boxes."""
    if rows:
        moved = update(PassageRow.__table__).where(PassageRow.__table__.c.id == bindparam("id_"))  # type: ignore[arg-type]  # a table
        await session.execute(moved, list(rows))


async def remove(session: Session, ids: Sequence[UUID]) -> None:
    """Remove passages and their vectors."""
    for start in range(0, len(ids), _AT_ONCE):
        await session.execute(delete(PassageRow).where(PassageRow.id.in_(ids[start : start + _AT_ONCE])))


async def without_vector(session: ReadSession, document_id: UUID, model: str, limit: int) -> Sequence[tuple[UUID, str]]:
    """Passages of a document that this model has not seen, with what it is to see."""
    seen = select(VectorRow.passage_id).where(VectorRow.passage_id == PassageRow.id, VectorRow.model == model)
    searched = func.concat_ws(
        "\n",
        func.nullif(func.array_to_string(PassageRow.headings, "\n"), ""),
        func.nullif(PassageRow.context, ""),
        PassageRow.text,
    )
    wanted = (
        select(PassageRow.id, searched)
        .where(PassageRow.document_id == document_id, ~seen.exists())
        .order_by(PassageRow.place)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in await session.execute(wanted)]


async def put_vectors(session: Session, model: str, vectors: Mapping[UUID, Sequence[float]]) -> int:
    """Write vectors of passages that are still there. Returns how many were."""
    wanted = select(PassageRow.id, PassageRow.collection_id, PassageRow.owner_id).where(PassageRow.id.in_(vectors))
    rows = [
        {
            "passage_id": row[0],
            "collection_id": row[1],
            "owner_id": row[2],
            "model": model,
            "dimensions": len(vectors[row[0]]),
            "embedding": list(vectors[row[0]]),
        }
        for row in await session.execute(wanted.with_for_update(key_share=True))
    ]
    if rows:
        statement = upsert(VectorRow).values(rows)
        new = statement.excluded
        await session.execute(
            statement.on_conflict_do_update(
                index_elements=["passage_id"],
                set_={"model": new.model, "dimensions": new.dimensions, "embedding": new.embedding},
            )
        )
    return len(rows)


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a search looks: a collection of this owner's, or some documents of it. `most` is how many it gives."""

    owner_id: UUID
    collection: str
    most: int
    documents: tuple[UUID, ...] | None = None

    @property
    def parameters(self) -> dict[str, object]:
        documents = list(self.documents) if self.documents is not None else None
        return {"owner_id": self.owner_id, "collection": self.collection, "most": self.most, "documents": documents}


async def by_words(session: ReadSession, scope: Scope, terms: Sequence[str]) -> Sequence[UUID]:
    """Passages that have these terms, by BM25, the best first."""
    if not terms:
        return []
    # Of a small table the planner would read everything, and unpack all terms once for each of the question's.
    await session.execute(text("SET LOCAL enable_seqscan = off"))
    return [row[0] for row in await session.execute(_LEXICAL, {**scope.parameters, "terms": list(terms)})]


async def by_meaning(session: ReadSession, scope: Scope, model: str, question: Sequence[float]) -> Sequence[UUID]:
    """Passages nearest to a question, as one model sees them."""
    dimensions = len(question)
    asked = {**scope.parameters, "model": model, "question": f"[{','.join(repr(float(one)) for one in question)}]"}
    own = {name: asked[name] for name in ("owner_id", "model", "collection")}
    there = (await session.execute(text(_COUNT.format(dimensions=dimensions)), own)).scalar_one()
    if there > _COMPARED and dimensions in INDEXED_DIMENSIONS:
        # The index goes on looking until enough of the owner's own are found.
        await session.execute(text("SET LOCAL hnsw.iterative_scan = 'strict_order'"))
        await session.execute(text(f"SET LOCAL hnsw.ef_search = {max(100, min(1_000, 2 * scope.most))}"))
        rows = await session.execute(text(_NEAREST.format(dimensions=dimensions)), asked)
    else:
        rows = await session.execute(text(_NEAREST_OF_ALL.format(dimensions=dimensions)), asked)
    return [row[0] for row in rows]


async def found(
    session: ReadSession, owner_id: UUID, ids: Sequence[UUID]
) -> Mapping[UUID, tuple[PassageRow, UUID, str]]:
    """Passages of this owner by id, with their document's file and name."""
    wanted = (
        select(PassageRow, DocumentRow.file_id, DocumentRow.name)
        .join(DocumentRow, DocumentRow.id == PassageRow.document_id)
        .join(CollectionRow, CollectionRow.id == PassageRow.collection_id)
        .where(PassageRow.id.in_(ids), PassageRow.owner_id == owner_id)
        .where(CollectionRow.owner_id == owner_id, DocumentRow.state != "deleting")
    )
    return {row[0].id: (row[0], row[1], row[2]) for row in await session.execute(wanted)}


async def strangers(session: ReadSession) -> Sequence[str]:
    """Breaches of the sentence that a passage, its vector, document and collection have one owner."""
    wanted = text("""
        SELECT 'passage ' || p.id FROM ai.passages p
        JOIN ai.documents d ON d.id = p.document_id JOIN ai.collections c ON c.id = d.collection_id
        LEFT JOIN ai.vectors v ON v.passage_id = p.id
        WHERE p.owner_id <> d.owner_id OR p.owner_id <> c.owner_id OR p.collection_id <> d.collection_id
            OR v.owner_id <> p.owner_id OR v.collection_id <> p.collection_id
        LIMIT 20
    """)
    return [row[0] for row in await session.execute(wanted)]


def _escaped(term: str) -> str:
    return term.replace("\\", "\\\\").replace("'", "''")

"""How well search finds: nDCG@10 and recall@10 on any folder in BEIR's format, by words, by meaning, and both.

    python -m bench.retrieval FOLDER [--queries 300] [--json]

FOLDER has `corpus.jsonl` (`_id`, `title`, `text`), `queries.jsonl` (`_id`, `text`) and `qrels/test.tsv` (query-id,
corpus-id, score, with a line of names). Every document is indexed as an owner's would be, and every question goes
through the function that chat and products call. The model that embeds is the one that the settings name
(`OPENAI_API_KEY` …); without one, words alone are measured. nDCG has linear gain and all judged documents in its ideal,
as trec_eval and BEIR have; a document that has the question's own id is left out, as BEIR does.
"""

import argparse
import asyncio
import json
import math
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

from tillhouse.apps import migrate
from tillhouse.apps.compose import build_house
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.logs import configure_logs
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.ai.api.retrieval import Way, search
from tillhouse.parts.ai.domain.reading import Draft, page_of, to_wire
from tillhouse.parts.ai.flows.indexing import embed_passages, index_pages
from tillhouse.parts.ai.flows.meaning import meaning_model
from tillhouse.parts.ai.models import DocumentRow
from tillhouse.parts.ai.settings import AISettings
from tillhouse.parts.ai.store import documents as store

COLLECTION = "beir"
AT = 10
_PASSAGES = 100  # that are looked at to find ten different documents
_AT_ONCE = 200

Judgements = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True)
class Score:
    """What one way of searching came to, and how long a question took in milliseconds."""

    way: str
    ndcg_at_10: float
    recall_at_10: float
    median_ms: float
    p95_ms: float


def ndcg(ranked: Sequence[str], judged: Mapping[str, int], at: int = AT) -> float:
    """Discounted gain of the first `at`, of the best that could be; 0 where nothing was judged to fit."""
    gained = sum(max(0, judged.get(one, 0)) / math.log2(rank + 1) for rank, one in enumerate(ranked[:at], start=1))
    best = sorted((score for score in judged.values() if score > 0), reverse=True)[:at]
    ideal = sum(score / math.log2(rank + 1) for rank, score in enumerate(best, start=1))
    return gained / ideal if ideal else 0.0


def recall(ranked: Sequence[str], judged: Mapping[str, int], at: int = AT) -> float:
    """How many of those that fit are among the first `at`."""
    fitting = {one for one, score in judged.items() if score > 0}
    return len(fitting & set(ranked[:at])) / len(fitting) if fitting else 0.0


def lines(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8") as opened:
        yield from (json.loads(line) for line in opened if line.strip())


def judgements(path: Path) -> Judgements:
    found: dict[str, dict[str, int]] = {}
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        query, document, score = line.split("\t")[:3]
        found.setdefault(query, {})[document] = int(score)
    return {query: judged for query, judged in found.items() if any(score > 0 for score in judged.values())}


async def index(house: House, owner_id: UUID, corpus: Path) -> int:
    """Index every document of the corpus, its name being its id there. Returns how many there are."""
    rows: list[tuple[DocumentRow, str, str]] = []
    async with house.database.transaction() as session:
        held = await store.collection(session, new_id(), owner_id, COLLECTION, clock.now())
    count = 0
    for line in lines(corpus):
        rows.append((_document(owner_id, held.id, line["_id"]), line.get("title", ""), line["text"]))
        if len(rows) == _AT_ONCE:
            count += await _index(house, rows)
            rows = []
    count += await _index(house, rows)
    async with house.database.engine.begin() as connection:
        await connection.execute(text("ANALYZE ai.passages"))
    return count


async def _index(house: House, rows: Sequence[tuple[DocumentRow, str, str]]) -> int:
    async with house.database.transaction() as session:
        session.add_all([row for row, _, _ in rows])
        await session.flush()
        pages = [_page(row, title, body) for row, title, body in rows]
        if pages:
            await store.save_pages(session, pages)
    for row, _, _ in rows:
        await index_pages(house, row)
        await embed_passages(house, row)
    return len(rows)


def _document(owner_id: UUID, collection_id: UUID, name: str) -> DocumentRow:
    now = clock.now()
    return DocumentRow(
        id=new_id(), collection_id=collection_id, owner_id=owner_id, file_id=new_id(), name=name,
        media_type="text/plain", sha256=name.encode(), languages=[], state="indexing", revision=1, job_id=None,
        title="", pages_read=1, pages_total=1, passages_indexed=0, passages_total=0, hidden_pages=[], unsure_pages=[],
        failure=None, failure_page=None, failure_most=None, created_at=now, changed_at=now,
    )  # fmt: skip


def _page(row: DocumentRow, title: str, body: str) -> dict[str, object]:
    drafts = [Draft("heading", title, level=1), Draft("paragraph", body)]
    page = page_of(1, drafts)
    return {
        "document_id": row.id, "number": 1, "revision": 1, "fingerprint": page.fingerprint, "source": "text",
        "content": to_wire(page),
    }  # fmt: skip


async def ranking(house: House, owner_id: UUID, question: str, way: Way) -> list[str]:
    """Ids of documents, the one with the best passage first."""
    found = await search(house, owner_id, COLLECTION, question, _PASSAGES, way=way)
    return list(dict.fromkeys(passage.document for passage in found.passages))


async def measure(house: House, owner_id: UUID, queries: Mapping[str, str], judged: Judgements, way: Way) -> Score:
    """Ask every question and compare."""
    gains, recalls, times = [], [], []
    for query, wanted in judged.items():
        started = time.perf_counter()
        ranked = [one for one in await ranking(house, owner_id, queries[query], way) if one != query]
        times.append(1000 * (time.perf_counter() - started))
        gains.append(ndcg(ranked, wanted))
        recalls.append(recall(ranked, wanted))
    p95 = sorted(times)[min(len(times) - 1, int(0.95 * len(times)))]
    return Score(way, statistics.mean(gains), statistics.mean(recalls), statistics.median(times), p95)


async def run(house: House, folder: Path, most: int | None) -> dict[str, object]:
    """Index the folder and measure each way that this house has. Returns figures with their configuration."""
    owner_id = new_id()
    started = time.perf_counter()
    count = await index(house, owner_id, folder / "corpus.jsonl")
    indexed = time.perf_counter() - started
    queries = {line["_id"]: line["text"] for line in lines(folder / "queries.jsonl")}
    judged = dict(list(judgements(folder / "qrels" / "test.tsv").items())[:most])
    model = meaning_model(house)
    ways: tuple[Way, ...] = ("lexical", "vector", "fused") if model else ("lexical",)
    settings = house.settings_of(AISettings)
    async with house.database.reading() as session:
        version = (await session.execute(text("SHOW server_version"))).scalar_one()
        passages = (await session.execute(text("SELECT count(*) FROM ai.passages"))).scalar_one()
    return {
        "folder": folder.name,
        "documents": count,
        "passages": passages,
        "questions": len(judged),
        "configuration": {
            "ranking": "BM25 (k1 1.2, b 0.75) over stems; reciprocal ranks (60) of 50 each",
            "model": model or "none",
            "passage_characters": settings.passage_characters,
            "passage_overlap": settings.passage_overlap,
            "postgresql": version,
        },
        "documents_a_second": round(count / indexed, 1),
        "scores": [asdict(await measure(house, owner_id, queries, judged, way)) for way in ways],
    }


def report(found: dict[str, object]) -> None:
    for name in ("folder", "documents", "passages", "questions", "configuration", "documents_a_second"):
        print(f"{name.replace('_', ' '):20} {found[name]}")
    print(f"{'':20} {'nDCG@10':>9} {'recall@10':>10} {'median ms':>10} {'p95 ms':>8}")
    scores = found["scores"]
    assert isinstance(scores, list)
    for score in scores:
        print(
            f"{score['way']:20} {score['ndcg_at_10']:9.4f} {score['recall_at_10']:10.4f} "
            f"{score['median_ms']:10.1f} {score['p95_ms']:8.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--queries", type=int, default=None, help="Only the first so many questions.")
    parser.add_argument("--json", action="store_true", help="Print figures for programs.")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, EmbeddedPostgres(Path(place), durable=False) as postgres:
        migrate.upgrade(postgres.owner_url)
        settings = KernelSettings(database_url=postgres.app_url, data_folder=place, log_level="error")
        configure_logs(settings)
        found = asyncio.run(_in_house(settings, options.folder, options.queries))
    if options.json:
        print(json.dumps(found, indent=2))
    else:
        report(found)


async def _in_house(settings: KernelSettings, folder: Path, most: int | None) -> dict[str, object]:
    house = build_house(settings)
    try:
        return await run(house, folder, most)
    finally:
        await house.close()


if __name__ == "__main__":
    main()

"""From a stored file to an index: read page by page, cut into passages, find their terms, embed them.

Each step commits, so that a job that was ended anywhere goes on where it can: pages that were read by OCR are known by
their picture, passages that did not change keep their vectors, and a document whose pages are all read is not read
again.
"""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from uuid import UUID

from tillhouse.kernel import clock, live
from tillhouse.kernel.db import JsonObject, Session
from tillhouse.kernel.errors import DomainError, NotFound, TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.logs import get_logger
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import Cancelled, JobRun, emit
from tillhouse.parts.ai.domain.chunks import Chunk, Sizes, chunks
from tillhouse.parts.ai.domain.documents import DocumentState
from tillhouse.parts.ai.domain.reading import Page, Unreadable, from_wire, to_wire
from tillhouse.parts.ai.domain.words import terms
from tillhouse.parts.ai.events import DocumentFailed, DocumentReady, IndexDocument, RemoveDocument
from tillhouse.parts.ai.flows.meaning import meaning_model, vectors_of
from tillhouse.parts.ai.models import DocumentRow
from tillhouse.parts.ai.ports.reading import Known, Reader, Total, What
from tillhouse.parts.ai.ports.words import thai_of
from tillhouse.parts.ai.settings import AISettings
from tillhouse.parts.ai.store import documents as store
from tillhouse.parts.ai.store import passages as index
from tillhouse.parts.files import api as files

_log = get_logger("tillhouse.ai.indexing")

_PAGES_AT_ONCE = 20
_SECONDS_AT_MOST = 0.7  # between two signs of progress
_EMBEDDED_AT_ONCE = 64
_READING, _INDEXING = N_("Reading pages"), N_("Indexing passages")


@dataclass(slots=True)
class _Reading:
    """What was read and is not yet written. `before` are pages read by OCR earlier, by their picture."""

    document_id: UUID
    revision: int
    before: dict[str, JsonObject]
    total: int = 0
    read: int = 0
    title: str = ""
    hidden: list[int] = field(default_factory=list)
    unsure: list[int] = field(default_factory=list)
    letters: int = 0
    waiting: list[dict[str, object]] = field(default_factory=list)
    written_at: float = 0.0

    def take(self, what: What) -> None:
        if isinstance(what, Total):
            self.total = what.pages
            return
        page = self._known(what) if isinstance(what, Known) else what
        self.read = page.number
        self.title = self.title or page.title
        self.letters += len(page.text)
        self.hidden += [page.number] if page.hidden else []
        self.unsure += [page.number] if page.unsure else []
        self.waiting.append(
            {
                "document_id": self.document_id,
                "number": page.number,
                "revision": self.revision,
                "fingerprint": page.fingerprint,
                "source": page.source,
                "content": to_wire(page),
            }
        )

    def _known(self, known: Known) -> Page:
        return from_wire({**self.before[known.fingerprint], "number": known.number})


async def index_document(run: JobRun, task: IndexDocument) -> None:
    """Read and index one revision of a document. Safe to run twice. Raises `TransientError` to be tried again."""
    document = await _begin(run, task)
    if document is None:
        return
    try:
        if document.state != DocumentState.INDEXING:
            await _read(run, document)
        await index_pages(run.house, document)
        await embed_passages(run.house, document, run)
    except Unreadable as unreadable:
        async with run.transaction() as session:
            await _fail(session, task, unreadable)
        return
    async with run.transaction() as session:
        if row := await _still(session, task):
            await store.change(session, row.id, state="ready", changed_at=clock.now())
            _tell(session, row.id)
            await emit(session, DocumentReady(document_id=row.id, owner_id=row.owner_id))


async def give_up(session: Session, task: IndexDocument) -> None:
    """The job ran out of time or attempts: the document says so, and can be added again."""
    await _fail(session, task, Unreadable("too_slow"))


async def remove_document(run: JobRun, task: RemoveDocument) -> None:
    """Remove a document that its owner deleted, then look whether anything is left. Raises `RuntimeError` if so."""
    async with run.transaction() as session:
        row = await store.locked(session, task.document_id)
        if row is None or row.state != DocumentState.DELETING:
            return
        had = await store.passages_of(session, row.id)
        await store.remove(session, row.id)
        if left := await store.left_of(session, row.id, had):
            raise RuntimeError(f"{left} rows are left of a document that was removed")


async def _begin(run: JobRun, task: IndexDocument) -> DocumentRow | None:
    async with run.transaction() as session:
        row = await _still(session, task)
        if row is None or row.state in (DocumentState.READY, DocumentState.FAILED):
            return None
        if row.state == DocumentState.RECEIVED:
            await store.change(session, row.id, state="parsing", changed_at=clock.now())
            _tell(session, row.id)
        return row


async def _still(session: Session, task: IndexDocument) -> DocumentRow | None:
    """The document, locked, unless it is gone, going, or has a newer file."""
    row = await store.locked(session, task.document_id)
    current = row is not None and row.revision == task.revision and row.state != DocumentState.DELETING
    return row if current else None


async def _require_current(session: Session, document: DocumentRow) -> None:
    if await _still(session, IndexDocument(document_id=document.id, revision=document.revision)) is None:
        raise Cancelled


async def _read(run: JobRun, document: DocumentRow) -> None:
    content = await _content(run.house, document)
    async with run.transaction() as session:
        before = await store.pictures(session, document.id)
    reading = _Reading(document.id, document.revision, before)
    reader = run.house.the(Reader)
    whats: AsyncGenerator[What, None] = reader.read(
        content, document.media_type, document.name, document.languages, tuple(before)
    )
    clock_of = asyncio.get_running_loop().time
    async with aclosing(whats):
        async for what in whats:
            reading.take(what)
            if len(reading.waiting) >= _PAGES_AT_ONCE or clock_of() - reading.written_at > _SECONDS_AT_MOST:
                await _write(run, document, reading)
                reading.written_at = clock_of()
    await _write(run, document, reading)
    if not reading.letters:
        raise Unreadable("empty")
    async with run.transaction() as session:
        await _require_current(session, document)
        await store.drop_old_pages(session, document.id, document.revision)
        await store.change(
            session, document.id, state="indexing", title=reading.title, pages_total=reading.read,
            hidden_pages=reading.hidden, unsure_pages=reading.unsure, changed_at=clock.now(),
        )  # fmt: skip
        _tell(session, document.id)


async def _content(house: House, document: DocumentRow) -> bytes:
    try:
        _, content = await files.read_bytes(house, document.owner_id, document.file_id)
    except NotFound:
        raise Unreadable("gone") from None
    return content


async def _write(run: JobRun, document: DocumentRow, reading: _Reading) -> None:
    """Write what was read and tell how far it is; a cancelled job stops here."""
    async with run.transaction() as session:
        await _require_current(session, document)
        if reading.waiting:
            await store.save_pages(session, reading.waiting)
        total = max(reading.total, reading.read)
        await store.change(session, document.id, pages_read=reading.read, pages_total=total, changed_at=clock.now())
        _tell(session, document.id)
    reading.waiting.clear()
    await run.progress(reading.read, total, _READING)


async def index_pages(house: House, document: DocumentRow) -> None:
    """Make the index have the passages of a document's pages as they were read. Must not be called in a transaction.

    Raises `Cancelled` when the document is gone or has a newer file.
    """
    async with house.database.transaction() as session:
        number = await store.number_of(session, document.collection_id)
        pages = await store.pages(session, document.id)
        there = await index.indexed(session, document.id)
    settings = house.settings_of(AISettings)
    sizes = Sizes(float(settings.passage_characters), float(settings.passage_overlap))
    made = await asyncio.to_thread(lambda: chunks([from_wire(dict(page)) for page in pages], sizes))
    plan = _compare(made, there)
    rows = await asyncio.to_thread(_rows, house, document, number, plan.new)
    async with house.database.transaction() as session:
        await _require_current(session, document)
        await index.remove(session, plan.gone)
        await index.move(session, plan.kept)
        await index.add(session, rows)
        await store.change(
            session, document.id, passages_total=len(made), passages_indexed=0, indexed_file_id=document.file_id,
            changed_at=clock.now(),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done for the index to have these passages. `new` are with the places they have."""

    new: Sequence[tuple[int, Chunk]]
    kept: Sequence[dict[str, object]]
    gone: Sequence[UUID]


def _compare(made: Sequence[Chunk], there: Sequence[tuple[UUID, bytes]]) -> _Plan:
    """Passages that say what they said stay, with their vectors, wherever they stand now."""
    known: dict[bytes, list[UUID]] = {}
    for passage_id, fingerprint in there:
        known.setdefault(fingerprint, []).append(passage_id)
    new: list[tuple[int, Chunk]] = []
    kept: list[dict[str, object]] = []
    for place, chunk in enumerate(made):
        same = known.get(chunk.fingerprint)
        if same:
            kept.append({"id_": same.pop(0), **_place(place, chunk)})
        else:
            new.append((place, chunk))
    return _Plan(new, kept, [passage_id for ids in known.values() for passage_id in ids])


def _place(place: int, chunk: Chunk) -> dict[str, object]:
    boxes = [list(box) for box in chunk.boxes]
    return {"place": place, "page": chunk.page, "start_at": chunk.start, "end_at": chunk.end, "boxes": boxes}


def _rows(
    house: House, document: DocumentRow, number: int, new: Sequence[tuple[int, Chunk]]
) -> Sequence[dict[str, object]]:
    split_thai = thai_of(house)
    rows = []
    for place, chunk in new:
        found = terms(chunk.searched, split_thai)
        rows.append(
            {
                "id": new_id(),
                "document_id": document.id,
                "collection_id": document.collection_id,
                "owner_id": document.owner_id,
                "headings": list(chunk.headings),
                "context": chunk.context,
                "text": chunk.text,
                "fingerprint": chunk.fingerprint,
                "length": len(found),
                "terms": index.term_vector(number, found),
                **_place(place, chunk),
            }
        )
    return rows


async def embed_passages(house: House, document: DocumentRow, run: JobRun | None = None) -> None:
    """Vectors for passages that have none of the present model. Without a model, search is by words.

    A model that refuses (its key is wrong, say) must not keep a document from being found by its words: that is logged.
    Must not be called in a transaction. Raises `TransientError`, and `Cancelled` as `index_pages` does.
    """
    model = meaning_model(house)
    done = 0
    while model:
        async with house.database.transaction() as session:
            await _require_current(session, document)
            batch = await index.without_vector(session, document.id, model, _EMBEDDED_AT_ONCE)
        vectors = await _vectors(house, document, [text for _, text in batch]) if batch else None
        if vectors is None:
            return
        async with house.database.transaction() as session:
            await _require_current(session, document)
            by_id = {passage_id: vector for (passage_id, _), vector in zip(batch, vectors, strict=True)}
            await index.put_vectors(session, model, by_id)
            done += len(batch)
            await store.change(session, document.id, passages_indexed=done)
            _tell(session, document.id)
        if run:
            await run.progress(done, done + len(batch), _INDEXING)


async def _vectors(house: House, document: DocumentRow, texts: Sequence[str]) -> Sequence[Sequence[float]] | None:
    try:
        return await vectors_of(house, document.owner_id, texts, "passage")
    except TransientError:
        raise
    except DomainError as error:
        _log.warning("embedding refused", document=str(document.id), code=error.code)
        return None


async def _fail(session: Session, task: IndexDocument, unreadable: Unreadable) -> None:
    row = await _still(session, task)
    if row is None or row.state == DocumentState.READY:
        return
    most = int(str(unreadable.fields["most"]))
    await store.change(
        session, row.id, state="failed", failure=unreadable.reason, failure_page=unreadable.page, failure_most=most,
        changed_at=clock.now(),
    )  # fmt: skip
    _tell(session, row.id)
    failed = DocumentFailed(document_id=row.id, owner_id=row.owner_id, reason=unreadable.reason, page=unreadable.page)
    await emit(session, failed)


def _tell(session: Session, document_id: UUID) -> None:
    live.publish(session, f"ai.document:{document_id}", {"id": str(document_id)})

"""Documents: taken in once, read with visible progress, found by their owner alone, gone when they are deleted."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.parts.ai.shelf import Concepts, Shelf
from tests.registry import put_in_place
from tillhouse.kernel import clock
from tillhouse.kernel.errors import Conflict, NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.work import cancel, enqueue, job, run_due
from tillhouse.parts.ai.api import retrieval
from tillhouse.parts.ai.domain.reading import Draft, Unreadable, page_of
from tillhouse.parts.ai.ports.reading import Reader, Total, What
from tillhouse.parts.ai.service.documents import forget
from tillhouse.parts.ai.store import passages as index
from tillhouse.parts.ai.store.passages import strangers
from tillhouse.parts.files import api as files
from tillhouse.parts.files.events import Sweep

End = Callable[[House, Shelf, UUID], Awaitable[None]]

POLICY = """# Refunds

Refunds are paid within seven days of the request. The card is credited, or the wallet when there is no card.

# Deliveries

A parcel that was not delivered in ten days is sent again without a charge.
"""
CANARY = "The canary sings zwischenspiel at the quartz lighthouse."


async def count(house: House, table: str) -> int:
    async with house.database.reading() as session:
        return int((await session.execute(text(f"SELECT count(*) FROM ai.{table}"))).scalar_one())


async def test_a_document_is_found_with_its_page_offsets_and_headings(house: House) -> None:
    shelf = Shelf(house)
    document_id = await shelf.put(POLICY, "policy.md")
    seen = await shelf.see(document_id)
    assert (seen.state, seen.pages_read, seen.pages_total, seen.failure) == ("ready", 1, 1, "")
    best = (await shelf.find("When are refunds paid?"))[0]
    assert (best.document_id, best.document, best.page) == (document_id, "policy.md", 1)
    assert "seven days" in best.text
    async with house.database.reading() as session:
        page = await retrieval.page(session, shelf.owner_id, document_id, best.page)
    assert page.text[best.start : best.end] == best.text
    assert await shelf.find("zeppelin") == []
    assert await shelf.find("") == []

    again = await shelf.put(POLICY, "policy copy.md")
    assert again == document_id
    assert await shelf.see(document_id) == seen
    assert await count(house, "documents") == 1


async def test_what_one_owner_has_no_other_owner_finds_reads_changes_or_weighs(house: House) -> None:
    house.provide([Concepts([frozenset({"canary", "bird", "sings"})]).installed()])
    asha, ravi = Shelf(house), Shelf(house)
    secret = await asha.put(CANARY)
    await ravi.put("A bird of another kind. Nothing else is written here.")
    questions = ("canary zwischenspiel quartz lighthouse", "which bird sings", CANARY)
    before = {question: [passage.score for passage in await ravi.find(question)] for question in questions}
    for question in questions:
        for way in ("lexical", "vector", "fused"):
            found = await ravi.find(question, way)  # type: ignore[arg-type]  # a literal of the tuple above
            assert all(passage.document_id != secret and "quartz" not in passage.text for passage in found)
    assert [passage.document_id for passage in await asha.find("canary", "vector")] == [secret]
    stolen = await retrieval.search(house, ravi.owner_id, "papers", "canary", documents=[secret])
    assert stolen.passages == ()
    other_file = await asha.file("Another file of Asha's.")
    async with house.database.transaction() as session:
        with pytest.raises(NotFound):
            await retrieval.document(session, ravi.owner_id, secret)
        with pytest.raises(NotFound):
            await retrieval.page(session, ravi.owner_id, secret, 1)
        with pytest.raises(NotFound):
            await retrieval.delete_document(session, ravi.owner_id, secret)
        with pytest.raises(NotFound):
            await retrieval.replace_document(session, ravi.owner_id, secret, other_file)
        with pytest.raises(NotFound):
            await retrieval.add_document(session, ravi.owner_id, "papers", other_file)
        assert await strangers(session) == []
    assert (await asha.see(secret)).state == "ready"
    # The weights of one owner's words do not move when another owner adds documents full of them.
    await asha.put("bird bird bird. " * 40)
    assert {question: [one.score for one in await ravi.find(question)] for question in questions} == before


async def test_deleted_is_gone_everywhere_and_at_once_from_search(house: House) -> None:
    house.provide([Concepts([frozenset({"canary"})]).installed()])
    shelf = Shelf(house)
    document_id = await shelf.put(CANARY)
    kept = await shelf.put("The wolf howls at the moon.")
    async with house.database.transaction() as session:
        await retrieval.delete_document(session, shelf.owner_id, document_id)
    for way in ("lexical", "vector", "fused"):
        found = await shelf.find("canary", way)  # type: ignore[arg-type]  # a literal of the tuple above
        assert document_id not in {passage.document_id for passage in found}
    with pytest.raises(NotFound):
        await shelf.see(document_id)
    await run_due(house)
    for table in ("documents", "pages", "passages", "vectors"):
        assert await count(house, table) == 1, table
    async with house.database.reading() as session:
        everything = await session.execute(text("SELECT p.*, g.* FROM ai.passages p, ai.pages g"))
        assert "zwischenspiel" not in str(everything.all())
    assert [passage.document_id for passage in await shelf.find("wolf")] == [kept]

    async with house.database.transaction() as session:
        await forget(session, shelf.owner_id, [])
    for table in ("collections", "documents", "pages", "passages", "vectors"):
        assert await count(house, table) == 0, table


async def end_by_owner(house: House, shelf: Shelf, file_id: UUID) -> None:
    async with house.database.transaction() as session:
        await files.delete(session, shelf.owner_id, file_id)


async def end_by_erasure(house: House, shelf: Shelf, _file_id: UUID) -> None:
    async with house.database.transaction() as session:
        await files.delete_all_of(session, [shelf.owner_id])


async def end_by_time(house: House, _shelf: Shelf, file_id: UUID) -> None:
    async with house.database.transaction() as session:
        await session.execute(
            text("UPDATE files.files SET expires_at = :now WHERE id = :id"), {"now": clock.now(), "id": file_id}
        )
        await enqueue(session, Sweep())


@pytest.mark.parametrize("end", [end_by_owner, end_by_erasure, end_by_time])
async def test_with_its_file_a_document_is_gone_everywhere_however_the_file_ended(house: House, end: End) -> None:
    house.provide([Concepts([frozenset({"canary"})]).installed()])
    shelf, other = Shelf(house), Shelf(house)
    document_id = await shelf.put(CANARY)
    kept = await other.put("A canary of another owner.")
    await end(house, shelf, (await shelf.see(document_id)).file_id)
    await run_due(house)
    for way in ("lexical", "vector", "fused"):
        assert await shelf.find("canary", way) == []  # type: ignore[arg-type]  # a literal of the tuple above
    with pytest.raises(NotFound):
        await shelf.see(document_id)
    for table in ("documents", "pages", "passages", "vectors"):
        assert await count(house, table) == 1, table
    assert [passage.document_id for passage in await other.find("canary")] == [kept]


async def test_words_of_an_old_file_go_with_it_although_its_document_has_a_newer_one(house: House) -> None:
    shelf = Shelf(house)
    document_id = await shelf.put("The old paper speaks of zwischenspiel.")
    old = (await shelf.see(document_id)).file_id
    newer = await shelf.file("The new paper speaks of wolves.")
    async with house.database.transaction() as session:
        await retrieval.replace_document(session, shelf.owner_id, document_id, newer)
        await files.delete(session, shelf.owner_id, old)
    await run_due(house)
    assert await shelf.find("zwischenspiel") == []
    assert [passage.file_id for passage in await shelf.find("wolves")] == [newer]
    assert (await shelf.see(document_id)).state == "ready"

    broken = await shelf.file(b"PK\x03\x04 this is word/ no archive", "letter.docx")
    async with house.database.transaction() as session:
        await retrieval.replace_document(session, shelf.owner_id, document_id, broken)
    await run_due(house)
    assert [passage.document_id for passage in await shelf.find("wolves")] == [document_id]
    await end_by_owner(house, shelf, newer)
    await run_due(house)
    assert await shelf.find("wolves") == []
    assert (await shelf.see(document_id)).state == "failed"
    assert await count(house, "pages") == 0


async def test_of_a_new_file_only_what_changed_is_embedded_and_the_old_is_found_until_then(house: House) -> None:
    meanings = Concepts([])
    house.provide([meanings.installed()])
    shelf = Shelf(house)
    pages = [f"Page about {subject}. It goes on about {subject} for a while." for subject in ("ants", "bees", "cats")]
    document_id = await shelf.put("\f".join(pages))
    assert len(meanings.seen) == 3
    ids = {passage.page: passage.id for passage in await shelf.find("page")}
    meanings.seen.clear()
    pages[1] = "Page about wasps. It goes on about wasps for a while."
    newer = await shelf.file("\f".join(["A new first page.", *pages]))
    another = await shelf.file("Something else.")
    async with house.database.transaction() as session:
        replaced = await retrieval.replace_document(session, shelf.owner_id, document_id, newer)
        assert replaced.state == "received"
        with pytest.raises(Conflict):
            await retrieval.replace_document(session, shelf.owner_id, document_id, another)
    assert [passage.page for passage in await shelf.find("bees", "lexical")] == [2]
    await run_due(house)
    assert sorted(meanings.seen) == ["A new first page.", pages[1]]
    after = {passage.page: passage.id for passage in await shelf.find("page")}
    assert (after[2], after[4]) == (ids[1], ids[3])
    assert await shelf.find("bees", "lexical") == []
    assert [passage.page for passage in await shelf.find("wasps", "lexical")] == [3]


async def test_an_unreadable_document_says_why_and_can_be_tried_again(house: House) -> None:
    shelf = Shelf(house)
    document_id = await shelf.put(b"PK\x03\x04 this is word/ no archive", "letter.docx")
    seen = await shelf.see(document_id)
    assert (seen.state, seen.failure_reason) == ("failed", "not_a_document")
    assert "Save it again" in seen.failure
    assert await shelf.find("archive") == []
    assert await shelf.add(b"PK\x03\x04 this is word/ no archive", "letter.docx") == document_id
    assert (await shelf.see(document_id)).state == "received"
    await run_due(house)
    assert (await shelf.see(document_id)).state == "failed"


async def test_pages_that_were_hard_to_read_are_named_to_the_owner(house: House) -> None:
    reader = house.the(Reader)
    pages = {"sharp": 0.97, "blurred": 0.71, "": 0.0, "worse": 0.5}

    async def read(*_asked: object) -> AsyncGenerator[What, None]:
        yield Total(4)
        for number, (said, confidence) in enumerate(pages.items(), 1):
            draft = Draft("paragraph", said)
            yield page_of(number, [draft], source="ocr", confidence=confidence, fingerprint=f"f{number}")

    put_in_place(house, lambda thing: thing is reader, Reader(read))
    shelf = Shelf(house)
    seen = await shelf.see(await shelf.put("anything"))
    assert (seen.state, seen.unsure_pages, seen.pages) == ("ready", (2, 4), "2, 4")
    assert seen.warning.format(pages=seen.pages).startswith("Hard to read: page 2, 4 of this document.")
    assert (await shelf.find("blurred"))[0].page == 2

    pages.update({"blurred": 0.99, "worse": 0.99})
    newer = await shelf.file("anything else")
    async with house.database.transaction() as session:
        await retrieval.replace_document(session, shelf.owner_id, seen.id, newer)
    await run_due(house)
    seen = await shelf.see(seen.id)
    assert (seen.unsure_pages, seen.warning) == ((), "")


async def test_a_document_that_needs_an_engine_says_which_and_on_which_page(house: House) -> None:
    reader = house.the(Reader)

    async def read(*_asked: object) -> AsyncGenerator[What, None]:
        yield Total(2)
        yield page_of(1, [Draft("paragraph", "Words.")])
        raise Unreadable("needs_tesseract_th", 2)

    put_in_place(house, lambda thing: thing is reader, Reader(read))
    shelf = Shelf(house)
    seen = await shelf.see(await shelf.put("anything", languages=("th",)))
    assert (seen.state, seen.failure_page) == ("failed", 2)
    assert "Page 2" in seen.failure.format(page=seen.failure_page)
    assert "Tesseract installed with Thai" in seen.failure
    assert await shelf.find("words") == []


async def test_a_job_that_is_cancelled_or_late_ends_the_document_visibly(house: House) -> None:
    shelf = Shelf(house)
    document_id = await shelf.add(POLICY)
    job_id = (await shelf.see(document_id)).job_id
    assert job_id
    async with house.database.transaction() as session:
        await cancel(session, job_id)
    await run_due(house)
    assert (await shelf.see(document_id)).state == "failed"

    with clock.held() as now:
        late = await shelf.add(POLICY + "and more")
        now.advance(timedelta(hours=3))
        await run_due(house)
        seen = await shelf.see(late)
    assert (seen.state, seen.failure_reason) == ("failed", "too_slow")


async def test_a_document_that_is_deleted_while_it_is_read_leaves_nothing(house: House) -> None:
    shelf = Shelf(house)
    document_id = await shelf.add(POLICY)
    async with house.database.transaction() as session:
        await retrieval.delete_document(session, shelf.owner_id, document_id)
    await run_due(house)
    for table in ("documents", "pages", "passages"):
        assert await count(house, table) == 0, table


async def test_without_a_model_search_is_by_words_and_with_a_silent_one_it_still_answers(house: House) -> None:
    shelf = Shelf(house)
    await shelf.put("The automobile stands in the garage.")
    found = await retrieval.search(house, shelf.owner_id, "papers", "automobile", way="vector")
    assert (found.way, len(found.passages)) == ("lexical", 1)

    meanings = Concepts([frozenset({"car", "automobile"})])
    house.provide([meanings.installed()])
    other = await shelf.put("The automobile is sold on Monday.")
    found = await retrieval.search(house, shelf.owner_id, "papers", "car")
    assert (found.way, [passage.document_id for passage in found.passages]) == ("fused", [other])
    assert (found.passages[0].lexical, found.passages[0].vector) == (None, 1)
    meanings.fails = True
    found = await retrieval.search(house, shelf.owner_id, "papers", "automobile")
    assert (found.way, len(found.passages)) == ("lexical", 2)


async def test_a_large_collection_is_searched_by_the_index_of_vectors_and_still_its_own_alone(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index, "_COMPARED", 0)
    house.provide([Concepts([frozenset({"car", "automobile"})]).installed()])
    asha, ravi = Shelf(house), Shelf(house)
    await asha.put("\f".join(f"The automobile number {number}." for number in range(60)))
    own = await ravi.put("A car of Ravi's own.")
    assert [passage.document_id for passage in await ravi.find("automobile", "vector")] == [own]
    assert len(await asha.find("car", "vector", limit=50)) == 50


async def test_a_model_that_does_not_answer_delays_the_document_and_loses_no_page(house: House) -> None:
    meanings = Concepts([], fails=True)
    house.provide([meanings.installed()])
    shelf = Shelf(house)
    with clock.held() as now:
        document_id = await shelf.put(POLICY)
        seen = await shelf.see(document_id)
        assert (seen.state, seen.pages_read) == ("indexing", 1)
        assert len(await shelf.find("refunds", "lexical")) == 1
        meanings.fails = False
        now.advance(timedelta(minutes=1))
        await run_due(house)
        seen = await shelf.see(document_id)
        assert seen.state == "ready"
        assert seen.job_id
    async with house.database.reading() as session:
        assert (await job(session, seen.job_id)).attempt == 2
    assert len(meanings.seen) == 1

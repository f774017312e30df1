"""Uploads that resume: a line that goes dead, a process that dies, two that go on at once; and tus to the letter."""

import asyncio
import base64
import hashlib
import io
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import uvicorn
from fastapi import FastAPI
from tusclient.client import TusClient

from tests.parts.files import samples
from tests.parts.identity.town import Resident, Town
from tillhouse.apps.compose import build_house, create_app
from tillhouse.kernel import clock, live
from tillhouse.kernel.work import enqueue, run_due
from tillhouse.parts.channels.manifest import MODULE as CHANNELS
from tillhouse.parts.files import api
from tillhouse.parts.files.events import Sweep
from tillhouse.parts.files.manifest import MODULE as FILES
from tillhouse.parts.identity.manifest import MODULE as IDENTITY

TUS = {"Tus-Resumable": "1.0.0"}
BYTES = {**TUS, "Content-Type": "application/offset+octet-stream"}
CONTENT = b"%PDF-1.7 " + os.urandom(300_000)
PIECE = 64 * 1024

pytestmark = pytest.mark.usefixtures("small_pieces")


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILES_CHUNK_KILOBYTES", "64")
    monkeypatch.setenv("FILES_QUOTA_MEGABYTES", "1")


# The fixture above has to be there before the house is built.
@pytest.fixture
async def asha(small_pieces: None, town: Town) -> Resident:
    return await town.resident()


def browser(app: FastAPI, who: Resident) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {who.token}"}
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://testserver/api/v1/files", headers=headers
    )


async def begin(client: httpx.AsyncClient, length: int = len(CONTENT), name: str = "a.pdf") -> str:
    metadata = f"filename {base64.b64encode(name.encode()).decode()}"
    headers = {**TUS, "Upload-Length": str(length), "Upload-Metadata": metadata}
    answer = await client.post("/uploads", headers=headers)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"]).removeprefix("/api/v1/files")


async def patch(
    client: httpx.AsyncClient, url: str, offset: int, body: bytes | AsyncIterator[bytes], **more: str
) -> httpx.Response:
    return await client.patch(url, content=body, headers={**BYTES, "Upload-Offset": str(offset), **more})


async def offset_of(client: httpx.AsyncClient, url: str) -> int:
    answer = await client.head(url, headers=TUS)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    return int(answer.headers["upload-offset"])


async def content_of(client: httpx.AsyncClient, url: str) -> bytes:
    return (await client.get(f"{url.removeprefix('/uploads')}/content")).content


async def state_of(client: httpx.AsyncClient, url: str) -> tuple[str, str | None]:
    found = (await client.get(url.removeprefix("/uploads"))).json()
    return found["state"], found["reason"]


async def sweep(town: Town) -> None:
    async with town.house.database.transaction() as session:
        await enqueue(session, Sweep())
    await run_due(town.house)


def pieces_on_disk(town: Town) -> list[Path]:
    return [path for path in Path(town.house.settings.data_folder, "files/uploads").rglob("*") if path.is_file()]


@asynccontextmanager
async def on_a_port(app: FastAPI) -> AsyncIterator[str]:
    """The app behind a real server, on this loop."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off"))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup()
    running = asyncio.create_task(server.main_loop())
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await running
        await server.shutdown()


async def test_a_client_of_the_field_uploads_resumes_and_finishes_over_a_line_that_goes_dead(
    town: Town, asha: Resident
) -> None:
    phone = io.BytesIO(CONTENT)
    async with on_a_port(town.app) as address, browser(town.app, asha) as client:
        tus = TusClient(f"{address}/api/v1/files/uploads", headers={"Authorization": f"Bearer {asha.token}"})
        first = tus.uploader(
            file_stream=phone, chunk_size=PIECE + 1, metadata={"filename": "बड़ा.pdf"}, upload_checksum=True
        )
        await asyncio.to_thread(first.upload, 2 * (PIECE + 1))
        assert first.url
        url = str(first.url).removeprefix(f"{address}/api/v1/files")

        progress = await live.watch(town.house, f"files:{asha.id}")
        # The phone enters a lift: half of a request arrives, then nothing, then the line is cut.
        reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
        head = [f"PATCH /api/v1/files{url} HTTP/1.1", "Host: x", f"Authorization: Bearer {asha.token}"]
        head += [f"Upload-Offset: {first.offset}", f"Content-Length: {len(CONTENT) - first.offset}"]
        head += [f"{name}: {value}" for name, value in BYTES.items()]
        writer.write("\r\n".join((*head, "", "")).encode() + CONTENT[first.offset : first.offset + 100_000])
        await writer.drain()
        writer.close()
        assert await reader.read() == b""
        async with asyncio.timeout(20):
            async for told in progress:
                if isinstance(told.get("received"), int) and told["received"] > first.offset:
                    break
        await progress.aclose()
        kept = await offset_of(client, url)
        assert first.offset < kept <= first.offset + 100_000
        assert await state_of(client, url) == ("uploading", None)

        again = await asyncio.to_thread(
            tus.uploader, file_stream=phone, chunk_size=PIECE + 1, url=first.url, upload_checksum=True
        )
        assert again.offset == kept
        await asyncio.to_thread(again.upload)
        assert await state_of(client, url) == ("scanning", None)
        assert (await client.get(f"{url.removeprefix('/uploads')}/content")).status_code == 404
        await run_due(town.house)
        shown = (await client.get(url.removeprefix("/uploads"))).json()
        assert (shown["state"], shown["name"], shown["media_type"]) == ("ready", "बड़ा.pdf", "application/pdf")
        assert shown["sha256"] == hashlib.sha256(CONTENT).hexdigest()
        assert await content_of(client, url) == CONTENT
        assert pieces_on_disk(town) == []
        assert await offset_of(client, url) == len(CONTENT), "whoever missed the last answer need not begin anew"


async def test_another_process_goes_on_where_the_first_one_died(town: Town, asha: Resident) -> None:
    async def dying() -> AsyncIterator[bytes]:
        yield CONTENT[:100_000]
        raise ConnectionResetError  # what a killed process leaves: pieces in the store that nobody has counted

    async with browser(town.app, asha) as client:
        url = await begin(client)
        assert (await patch(client, url, 0, dying())).status_code == 500
    second = build_house(town.house.settings, catalogue=(IDENTITY, CHANNELS, FILES))
    try:
        async with browser(create_app(second), asha) as client:
            offset = await offset_of(client, url)
            assert offset == 100_000 // PIECE * PIECE or offset == 100_000
            assert (await patch(client, url, offset, CONTENT[offset:])).status_code == 204
            await run_due(second)
            assert await content_of(client, url) == CONTENT
    finally:
        await second.close()


async def test_of_two_that_go_on_at_the_same_place_one_wins_whole(town: Town, asha: Resident) -> None:
    one, other = b"%PDF-" + b"a" * 200_000, b"%PDF-" + b"b" * 200_000
    async with browser(town.app, asha) as client:
        for _ in range(3):
            url = await begin(client, len(one))
            answers = await asyncio.gather(*(patch(client, url, 0, body) for body in (one, other)))
            offset = await offset_of(client, url)
            assert sorted(answer.status_code for answer in answers) in ([204, 409], [409, 409])
            if offset < len(one):  # the later took the upload over and met the earlier's first piece
                rest = one if (await patch(client, url, offset, one[offset:])).status_code == 204 else b""
                assert rest
            await run_due(town.house)
            found = await content_of(client, url)
            assert len(found) == len(one)
            if any(answer.status_code == 204 for answer in answers):
                assert found in (one, other)


async def test_who_asks_how_far_it_is_ends_a_request_that_hangs(town: Town, asha: Resident) -> None:
    arrived, go = asyncio.Event(), asyncio.Event()

    async def hanging() -> AsyncIterator[bytes]:
        yield CONTENT[:PIECE]
        arrived.set()
        await go.wait()
        yield CONTENT[PIECE:]

    async with browser(town.app, asha) as client:
        url = await begin(client)
        hung = asyncio.create_task(patch(client, url, 0, hanging()))
        await arrived.wait()
        offset = await offset_of(client, url)
        assert (await patch(client, url, offset, CONTENT[offset:])).status_code == 204
        go.set()
        assert (await hung).json()["code"] == "offset_moved"
        await run_due(town.house)
        assert await content_of(client, url) == CONTENT


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5"])
async def test_bytes_that_do_not_fit_their_checksum_are_not_kept(town: Town, asha: Resident, algorithm: str) -> None:
    def said(content: bytes) -> str:
        return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, content).digest()).decode()}"

    async with browser(town.app, asha) as client:
        url = await begin(client)
        wrong = await patch(client, url, 0, CONTENT, **{"Upload-Checksum": said(b"else")})
        assert (wrong.status_code, wrong.json()["code"]) == (460, "checksum_mismatch")
        assert await offset_of(client, url) == 0
        assert pieces_on_disk(town) == []
        assert (await patch(client, url, 0, CONTENT, **{"Upload-Checksum": said(CONTENT)})).status_code == 204


async def test_an_upload_that_nobody_goes_on_with_ends_and_says_so(
    town: Town, asha: Resident, at: clock.TestClock
) -> None:
    async with browser(town.app, asha) as client:
        url = await begin(client)
        answer = await patch(client, url, 0, CONTENT[:1000])
        assert answer.headers["upload-expires"] == "Tue, 03 Mar 2026 09:30:00 GMT"
        at.advance(timedelta(minutes=10))
        assert (await patch(client, url, 1000, CONTENT[1000:2000])).status_code == 204  # and has time again
        at.advance(timedelta(hours=24, seconds=1))
    await sweep(town)
    assert pieces_on_disk(town) == []
    async with town.house.database.reading() as session:
        (kept,) = await api.list_of(session, UUID(asha.id), 9, None)
    assert (kept.state, kept.reason) == ("refused", "expired")


async def test_an_upload_can_be_ended_and_another_persons_cannot_be_touched(town: Town, asha: Resident) -> None:
    ravi = await town.resident("ravi@example.com")
    async with browser(town.app, asha) as client, browser(town.app, ravi) as other:
        url = await begin(client)
        await patch(client, url, 0, CONTENT[:1000])
        assert (await other.head(url, headers=TUS)).status_code == 404
        assert (await patch(other, url, 1000, CONTENT[1000:])).status_code == 404
        assert (await other.delete(url, headers=TUS)).status_code == 404
        assert await offset_of(client, url) == 1000
        assert (await client.delete(url, headers=TUS)).status_code == 204
        assert (await client.head(url, headers=TUS)).status_code == 404
        await sweep(town)
        assert pieces_on_disk(town) == []
        assert (await client.get("http://testserver/api/v1/files")).json()["items"] == []


async def test_room_is_taken_when_an_upload_begins_and_given_back_when_it_ends(town: Town, asha: Resident) -> None:
    async with browser(town.app, asha) as client:
        first = await begin(client, 600_000)
        refused = await client.post("/uploads", headers={**TUS, "Upload-Length": "600000"})
        assert (refused.status_code, refused.json()["code"]) == (413, "payload_too_large")
        begun = await asyncio.gather(
            *(client.post("/uploads", headers={**TUS, "Upload-Length": "150000"}) for _ in range(5))
        )
        assert sorted(answer.status_code for answer in begun) == [201, 201, 413, 413, 413]
        assert (await client.get("/usage")).json() == {"used": 900_000, "most": 1_000_000}
        await client.delete(first, headers=TUS)
        assert (await client.get("/usage")).json()["used"] == 300_000


async def test_the_first_bytes_may_come_with_the_beginning(town: Town, asha: Resident) -> None:
    async with browser(town.app, asha) as client:
        headers = {**BYTES, "Upload-Length": str(len(CONTENT))}
        answer = await client.post("/uploads", content=CONTENT, headers=headers)
        assert (answer.status_code, answer.headers["upload-offset"]) == (201, str(len(CONTENT)))
        url = answer.headers["location"].removeprefix("/api/v1/files")
        await run_due(town.house)
        assert await content_of(client, url) == CONTENT


async def test_a_picture_that_was_uploaded_is_written_anew(town: Town, asha: Resident) -> None:
    photo = samples.picture("JPEG", (400, 300), place=True)
    async with browser(town.app, asha) as client:
        url = await begin(client, len(photo), "holiday.jpg")
        await patch(client, url, 0, photo)
        await run_due(town.house)
        shown = (await client.get(url.removeprefix("/uploads"))).json()
        assert (shown["state"], shown["facts"]) == ("ready", {"width": 400, "height": 300})
        assert b"PhoneMaker" in photo
        assert b"PhoneMaker" not in await content_of(client, url)


async def test_two_things_at_once_are_refused_with_a_reason(town: Town, asha: Resident) -> None:
    both = b"%PDF-1.7 " + samples.archive()
    async with browser(town.app, asha) as client:
        url = await begin(client, len(both))
        await patch(client, url, 0, both)
        await run_due(town.house)
        assert await state_of(client, url) == ("refused", "two_faced")
        assert (await client.get(f"{url.removeprefix('/uploads')}/content")).status_code == 404
        assert pieces_on_disk(town) == []
        assert (await client.get("/usage")).json()["used"] == 0


async def test_no_piece_in_memory_is_larger_than_the_setting_says(town: Town, asha: Resident) -> None:
    async def trickle() -> AsyncIterator[bytes]:
        for start in range(0, len(CONTENT), 10_000):
            yield CONTENT[start : start + 10_000]

    async with browser(town.app, asha) as client:
        url = await begin(client)
        hung = len(CONTENT) - 1
        assert (await patch(client, url, 0, _but_the_last(trickle()))).status_code == 204
        assert await offset_of(client, url) == hung
        assert max(path.stat().st_size for path in pieces_on_disk(town)) < PIECE + 10_000
        assert (await patch(client, url, hung, CONTENT[hung:])).status_code == 204


async def _but_the_last(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    before = b""
    async for piece in pieces:
        if before:
            yield before
        before = piece
    yield before[:-1]


async def test_what_is_not_the_protocol_is_refused_and_changes_nothing(town: Town, asha: Resident) -> None:
    async with browser(town.app, asha) as client:
        able = await client.options("/uploads")
        assert able.headers["tus-extension"] == "creation,creation-with-upload,expiration,checksum,termination"
        assert (await client.post("/uploads", headers={"Upload-Length": "1"})).status_code == 412
        for length in ("", "-1", "x", "١", "9" * 30):
            answer = await client.post("/uploads", headers={**TUS, "Upload-Length": length.encode()})  # type: ignore[dict-item]
            assert answer.status_code == 422, length
        for length, status in (("0", 422), (str(10**12), 413)):
            assert (await client.post("/uploads", headers={**TUS, "Upload-Length": length})).status_code == status
        url = await begin(client)
        assert (await client.patch(url, content=b"x", headers={**TUS, "Upload-Offset": "0"})).status_code == 415
        assert (await client.patch(url, content=b"x", headers=BYTES)).status_code == 422
        assert (await patch(client, url, 5, b"x")).status_code == 409
        assert (await patch(client, url, 0, CONTENT + b"x")).status_code == 413
        assert (await patch(client, url, 0, b"x", **{"Upload-Checksum": "crc32 AAAA"})).status_code == 422
        assert await offset_of(client, url) <= len(CONTENT)
        kind = base64.b64encode(b"avatar").decode()
        answer = await client.post("/uploads", headers={**TUS, "Upload-Length": "9", "Upload-Metadata": f"kind {kind}"})
        assert answer.status_code == 403

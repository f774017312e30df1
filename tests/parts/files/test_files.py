"""Files: stored whole, typed by their bytes, seen by their owner alone, gone when deleted."""

import asyncio
import hashlib
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from tests.parts.files import samples
from tests.parts.identity.town import Resident, Town
from tests.registry import put_in_place
from tillhouse.kernel import clock
from tillhouse.kernel.errors import NotFound, PayloadTooLarge, TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.work import enqueue, run_due
from tillhouse.parts.files import api
from tillhouse.parts.files.domain import sniff, tidy_name
from tillhouse.parts.files.events import Sweep
from tillhouse.parts.files.flows import storing
from tillhouse.parts.files.models import FileRow
from tillhouse.parts.files.providers.objects import Objects
from tillhouse.parts.files.store import broken_blobs

PNG = samples.picture("PNG")
PDF = b"%PDF-1.7 one page"


async def send(town: Town, who: Resident, name: str, content: bytes, claimed: str = "text/html") -> httpx.Response:
    transport = httpx.ASGITransport(town.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        headers = {"Authorization": f"Bearer {who.token}"}
        return await client.post("/api/v1/files", files={"file": (name, content, claimed)}, headers=headers)


def bytes_on_disk(town: Town) -> list[Path]:
    return [path for path in Path(town.house.settings.data_folder, "files").rglob("*") if path.is_file()]


async def sweep(town: Town) -> None:
    async with town.house.database.transaction() as session:
        await enqueue(session, Sweep())
    await run_due(town.house)


async def test_a_file_comes_back_as_it_was_sent(town: Town) -> None:
    asha = await town.resident()
    answer = await send(town, asha, "../../receipt.pdf", PDF)
    assert answer.status_code == 201
    stored = answer.json()
    assert (stored["name"], stored["media_type"], stored["size"]) == ("receipt.pdf", "application/pdf", len(PDF))
    assert stored["sha256"] == hashlib.sha256(PDF).hexdigest()
    assert stored["state"] == "ready"
    got = await town.call("GET", f"/files/{stored['id']}/content", token=asha.token)
    assert got.content == PDF
    assert got.headers["content-type"] == "application/pdf"
    assert got.headers["content-disposition"].startswith("inline")


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"<script>alert(1)</script>", "text/html"),
        (b"<!-- x --><!DOCTYPE html><p>hi", "text/html"),
        (b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "image/svg+xml"),
    ],
)
async def test_what_a_browser_could_run_is_only_downloaded(town: Town, content: bytes, media_type: str) -> None:
    asha = await town.resident()
    stored = (await send(town, asha, "x.html", content)).json()
    got = await town.call("GET", f"/files/{stored['id']}/content", token=asha.token)
    assert got.headers["content-type"].startswith(media_type)
    assert got.headers["content-disposition"].startswith("attachment")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert got.headers["content-security-policy"].startswith("sandbox; default-src 'none'")


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/content"), ("DELETE", "")])
async def test_another_persons_file_is_not_found_even_by_staff(town: Town, method: str, path: str) -> None:
    asha = await town.resident()
    stored = (await send(town, asha, "a.pdf", PDF)).json()
    others = {
        "person": (await town.resident("ravi@example.com")).token,
        "admin": (await town.resident("root@example.com", role="admin")).token,
    }
    for who, token in others.items():
        assert (await town.call(method, f"/files/{stored['id']}{path}", token=token)).status_code == 404, who
    assert (await town.call(method, f"/files/{stored['id']}{path}")).status_code == 401
    assert (await town.call("GET", f"/files/{stored['id']}/content", token=asha.token)).content == PDF


async def test_the_list_shows_ones_own_files_newest_first_page_by_page(town: Town) -> None:
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    for name in ("1.png", "2.png", "3.png"):
        await send(town, asha, name, PNG)
    await send(town, ravi, "other.png", PNG)
    first = (await town.call("GET", "/files?limit=2", token=asha.token)).json()
    second = (await town.call("GET", f"/files?limit=2&cursor={first['next_cursor']}", token=asha.token)).json()
    assert [item["name"] for item in first["items"] + second["items"]] == ["3.png", "2.png", "1.png"]
    assert second["next_cursor"] is None


async def test_a_deleted_file_is_gone_at_once_and_its_bytes_with_the_next_sweep(town: Town) -> None:
    asha = await town.resident()
    stored = (await send(town, asha, "a.png", PNG)).json()
    kept = (await send(town, asha, "b.pdf", PDF)).json()
    assert (await town.call("DELETE", f"/files/{stored['id']}", token=asha.token)).status_code == 204
    assert (await town.call("GET", f"/files/{stored['id']}", token=asha.token)).status_code == 404
    assert len(bytes_on_disk(town)) == 2
    await sweep(town)
    assert [path.read_bytes() for path in bytes_on_disk(town)] == [PDF]
    assert (await town.call("GET", f"/files/{kept['id']}/content", token=asha.token)).content == PDF


class Broken(Objects):
    """A place that takes the bytes and then does not answer."""

    async def put(self, key: str, content: bytes) -> None:
        await super().put(key, content)
        raise TransientError("no answer")


class Dying(Objects):
    """A place in whose middle the process ends."""

    async def put(self, key: str, content: bytes) -> None:
        await super().put(key, content)
        raise asyncio.CancelledError


def broken(town: Town, kind: type[Objects]) -> None:
    whole = town.house.the(Objects)
    put_in_place(town.house, lambda thing: thing is whole, kind(whole.store))


async def kept(town: Town, who: Resident) -> tuple[list[tuple[str, str | None]], int]:
    """States and reasons of what somebody has, and the room that it takes; whenever their token ends."""
    async with town.house.database.reading() as session:
        found = await api.list_of(session, UUID(who.id), 10, None)
        return [(one.state, one.reason) for one in found], (await api.usage(session, UUID(who.id))).used


async def test_bytes_whose_storing_failed_take_no_room_and_are_swept_after_six_hours(
    town: Town, at: clock.TestClock
) -> None:
    asha = await town.resident()
    broken(town, Broken)
    assert (await send(town, asha, "a.png", PNG)).status_code == 503
    assert await kept(town, asha) == ([("refused", "broken")], 0)
    await sweep(town)
    assert len(bytes_on_disk(town)) == 1  # it might still be under way
    at.advance(timedelta(hours=6, seconds=1))
    await sweep(town)
    assert bytes_on_disk(town) == []


async def test_a_file_whose_process_died_is_refused_and_takes_no_room_after_six_hours(
    town: Town, at: clock.TestClock
) -> None:
    asha = await town.resident()
    broken(town, Dying)
    with pytest.raises(asyncio.CancelledError):
        await api.store_bytes(town.house, UUID(asha.id), "a.png", PNG)
    await sweep(town)
    states, used = await kept(town, asha)
    assert (states, used > 0) == ([("uploading", None)], True)  # it might still be under way
    at.advance(timedelta(hours=6, seconds=1))
    await sweep(town)
    assert await kept(town, asha) == ([("refused", "broken")], 0)
    assert bytes_on_disk(town) == []


@pytest.mark.parametrize("has_it_already", [False, True])
async def test_a_file_whose_owner_became_another_while_it_was_stored_is_the_others(
    town: Town, *, has_it_already: bool
) -> None:
    before, after = new_id(), new_id()
    if has_it_already:
        await api.store_bytes(town.house, after, "b.png", PNG)

    class Joining(Objects):
        async def put(self, key: str, content: bytes) -> None:
            await super().put(key, content)
            async with town.house.database.transaction() as session:
                await api.change_owner(session, before, after)

    broken(town, Joining)
    stored = await api.store_bytes(town.house, before, "a.png", PNG)
    assert stored.owner_id == after
    assert (await api.read_bytes(town.house, after, stored.id))[1]
    with pytest.raises(NotFound):
        await api.read_bytes(town.house, before, stored.id)
    await sweep(town)
    async with town.house.database.reading() as session:
        assert await broken_blobs(session) == []
    assert len(bytes_on_disk(town)) == 1
    assert (await api.read_bytes(town.house, after, stored.id))[1]


async def test_a_file_whose_owner_became_another_before_its_bytes_were_begun_is_the_others(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = new_id(), new_id()
    keep = storing.keep

    async def late(house: House, row: FileRow, checked: storing.Checked) -> api.StoredFile:
        async with house.database.transaction() as session:
            await api.change_owner(session, before, after)
        return await keep(house, row, checked)

    monkeypatch.setattr(storing, "keep", late)
    stored = await api.store_bytes(town.house, before, "a.png", PNG)
    async with town.house.database.reading() as session:
        assert await broken_blobs(session) == []
    assert (await api.read_bytes(town.house, after, stored.id))[1]


async def test_an_upload_that_goes_on_is_not_taken_for_one_whose_process_died(town: Town, at: clock.TestClock) -> None:
    asha = await town.resident()
    headers = {"Authorization": f"Bearer {asha.token}", "Tus-Resumable": "1.0.0", "Upload-Length": "5"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(town.app), base_url="http://testserver") as client:
        assert (await client.post("/api/v1/files/uploads", headers=headers)).status_code == 201
    at.advance(timedelta(hours=7))
    await sweep(town)
    assert (await kept(town, asha))[0] == [("uploading", None)]


async def test_an_empty_and_a_too_large_file_are_refused_and_nothing_is_kept(town: Town) -> None:
    asha = await town.resident()
    assert (await send(town, asha, "a.png", b"")).json()["errors"][0]["pointer"] == "/file"
    with pytest.raises(PayloadTooLarge):
        await api.store_bytes(town.house, UUID(asha.id), "a.png", b"\0" * 20_000_001)
    assert bytes_on_disk(town) == []


async def test_bytes_are_not_moved_inside_a_transaction(town: Town) -> None:
    asha = await town.resident()
    found = await api.store_bytes(town.house, UUID(asha.id), "a.png", PNG)
    async with town.house.database.transaction() as session:
        with pytest.raises(RuntimeError, match="transaction"):
            await town.house.the(Objects).get(str(found.id))
        assert (await api.find(session, UUID(asha.id), found.id)).name == "a.png"


async def test_the_files_of_an_erased_person_go_too(town: Town) -> None:
    asha = await town.resident()
    found = await api.store_bytes(town.house, UUID(asha.id), "passport asha.png", PNG)
    assert (await town.call("DELETE", "/users/me", token=asha.token)).status_code == 204
    with pytest.raises(NotFound):
        await api.read_bytes(town.house, UUID(asha.id), found.id)
    await sweep(town)
    assert bytes_on_disk(town) == []


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (b"%PDF-1.7 ...", "application/pdf"),
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio/wav"),
        (b"OggS\0", "audio/ogg"),
        (b"\0\0\0\x20ftypM4A ", "audio/mp4"),
        (b"\0\0\0\x20ftypisom", "video/mp4"),
        (b"PK\x03\x04....word/document.xml", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        (b"<svg/>", "image/svg+xml"),
        (b"a < b and <b>bold</b>", "text/plain"),
        (b"PK\x03\x04....notes.txt", "application/zip"),
        ("नमस्ते, दुनिया".encode(), "text/plain"),
        ("न".encode() * 1366, "text/plain"),
        (b"a,b\r\n1,2\r\n", "text/plain"),
        (b"\0\0\0\x20ftypheic", "image/heic"),
        (b"\0\0\0\x20ftypqt  ", "video/quicktime"),
        (b"\x1aE\xdf\xa3\x01\0\0\0\0\0\0\x1fB\x82\x84webm", "video/webm"),
        (b"not RIFFWAVE", "text/plain"),
        (b"\0ot RIFFWAVE", "application/octet-stream"),
        (b"\x00\x01\x02\x03", "application/octet-stream"),
        (b"MZ\x90\x00\x03", "application/x-msdownload"),
    ],
)
def test_a_file_is_what_its_bytes_say(content: bytes, media_type: str) -> None:
    assert sniff(content) == media_type


@pytest.mark.parametrize(
    ("name", "tidy"),
    [
        ("/etc/passwd", "passwd"),
        ("C:\\temp\\bill.pdf", "bill.pdf"),
        ("bill\u202efdp.exe", "billfdp.exe"),
        ("\x00\n", "file"),
        ("..", "file"),
        ("रसीद.pdf", "रसीद.pdf"),
        ("x" * 200 + ".pdf", "x" * 146 + ".pdf"),
    ],
)
def test_a_name_has_no_path_and_nothing_that_deceives(name: str, tidy: str) -> None:
    assert tidy_name(name) == tidy

"""Other places than a folder: one contract for S3 as moto plays it and for Azure as Azurite does."""

import os
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from obstore.store import AzureStore, GCSStore, LocalStore
from sqlalchemy import text

from tests.parts.files import played, samples
from tests.parts.files.played import Ailing, Played
from tests.parts.identity.town import Resident, Town
from tests.registry import put_in_place
from tillhouse.kernel import clock
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.work import enqueue, run_due
from tillhouse.parts.files import providers
from tillhouse.parts.files.events import Sweep
from tillhouse.parts.files.providers.objects import Objects

PDF = b"%PDF-1.7 " + bytes(range(256)) * 40
METHODS: tuple[Literal["GET", "PUT"], ...] = ("GET", "PUT")


@pytest.fixture(scope="module", params=["s3", "azure"])
def running(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    with played.s3() if request.param == "s3" else played.azure(tmp_path_factory.mktemp("azurite")) as store:
        yield store


@pytest.fixture
def store(running: Played, monkeypatch: pytest.MonkeyPatch) -> Played:
    """A bucket of this test's own, where the houses of this test keep their files."""
    for name, value in {**running.begin(), "FILES_QUOTA_MEGABYTES": "1"}.items():
        monkeypatch.setenv(name, value)
    return running


@pytest.fixture
def ailing(store: Played) -> Iterator[Ailing]:
    yield store.ailing
    store.ailing.recover()


@pytest.fixture
def objects(store: Played, tmp_path: Path) -> Objects:
    return Objects.at(os.environ["FILES_URL"], tmp_path)


@pytest.fixture
async def asha(store: Played, town: Town) -> Resident:
    return await town.resident()


def calling(town: Town, who: Resident) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(town.app),
        base_url="http://testserver/api/v1/files",
        headers={"Authorization": f"Bearer {who.token}"},
    )


async def send(begun: Mapping[str, Any], content: bytes) -> None:
    """What a browser does with the address that it was given."""
    async with httpx.AsyncClient(timeout=60) as stranger:
        answer = await stranger.put(begun["url"], content=content, headers=begun["headers"])
        answer.raise_for_status()


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_store_that_has_too_much_to_do_for_a_moment_is_asked_again(
    asha: Resident, town: Town, store: Played, ailing: Ailing, status: int
) -> None:
    picture = samples.picture()
    async with calling(town, asha) as client:
        ailing.next = [status, status]
        stored = await client.post("http://testserver/api/v1/files", files={"file": ("a.png", picture)})
        assert (stored.status_code, ailing.refused) == (201, 2), stored.text
        ailing.next = [status]
        read = await client.get(f"/{stored.json()['id']}/content")
        assert (read.status_code, ailing.refused, read.content[:4]) == (200, 3, b"\x89PNG")
    assert len(store.keys()) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_store_that_stays_away_is_said_and_nothing_is_half_kept(
    asha: Resident, town: Town, store: Played, ailing: Ailing, status: int
) -> None:
    async with calling(town, asha) as client:
        ailing.always = status
        answer = await client.post("http://testserver/api/v1/files", files={"file": ("a.png", samples.picture())})
        assert (answer.status_code, answer.json()["code"]) == (503, "temporarily_unavailable")
        assert "Nothing was changed: try again." in answer.json()["detail"]
        ailing.always = None
        listed = await client.get("http://testserver/api/v1/files")
        assert [(one["state"], one["reason"]) for one in listed.json()["items"]] == [("refused", "broken")]
        assert (await client.get("/usage")).json()["used"] == 0
        again = await client.post("http://testserver/api/v1/files", files={"file": ("a.png", samples.picture())})
        assert again.status_code == 201
    assert len(store.keys()) == 1


async def test_files_and_resumable_uploads_live_there(asha: Resident, town: Town, store: Played) -> None:
    async with calling(town, asha) as client:
        stored = (
            await client.post("http://testserver/api/v1/files", files={"file": ("a.png", samples.picture())})
        ).json()
        assert (await client.get(f"/{stored['id']}/content", headers={"Range": "bytes=1-3"})).content == b"PNG"
        headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(PDF))}
        location = (await client.post("/uploads", headers=headers)).headers["location"]
        url = location.removeprefix("/api/v1/files")
        sent = {**headers, "Content-Type": "application/offset+octet-stream"}
        for start, end in ((0, 5000), (5000, len(PDF))):
            answer = await client.patch(url, content=PDF[start:end], headers={**sent, "Upload-Offset": str(start)})
            assert answer.status_code == 204, answer.text
        await run_due(town.house)
        path = "/" + url.rpartition("/")[2]
        assert (await client.get(f"{path}/content")).content == PDF
        assert len(store.keys()) == 2, "the pieces of the upload are gone"
        for one in (path, f"/{stored['id']}"):
            assert (await client.delete(one)).status_code == 204
    async with town.house.database.transaction() as session:
        await enqueue(session, Sweep())
    await run_due(town.house)
    assert store.keys() == []


async def test_a_direct_upload_is_a_file_once_it_was_looked_at(asha: Resident, town: Town) -> None:
    ravi = await town.resident("ravi@example.com")
    async with calling(town, asha) as client, calling(town, ravi) as other:
        begun = (await client.post("/direct", json={"name": "a.pdf", "size": len(PDF)})).json()
        path = f"/{begun['file_id']}"
        assert (await client.post(f"{path}/complete")).status_code == 409, "nothing has arrived"
        await send(begun, PDF)
        assert (await other.post(f"{path}/complete")).status_code == 404
        assert (await client.get(f"{path}/content")).status_code == 404
        assert (await client.post(f"{path}/complete")).json()["state"] == "scanning"
        assert (await client.post(f"{path}/complete")).json()["state"] == "scanning"
        await run_due(town.house)
        shown = (await client.get(path)).json()
        assert (shown["state"], shown["media_type"], shown["size"]) == ("ready", "application/pdf", len(PDF))
        await send(begun, b"changed afterwards")
        assert (await client.get(f"{path}/content")).content == PDF


@pytest.mark.parametrize(
    ("content", "missing", "reason"), [(PDF + b"more", 4, "size"), (b"%PDF- " + samples.archive(), 0, "two_faced")]
)
async def test_a_direct_upload_that_is_not_what_was_announced_is_refused(
    asha: Resident, town: Town, content: bytes, missing: int, reason: str
) -> None:
    async with calling(town, asha) as client:
        begun = (await client.post("/direct", json={"name": "a.pdf", "size": len(content) - missing})).json()
        await send(begun, content)
        await client.post(f"/{begun['file_id']}/complete")
        await run_due(town.house)
        shown = (await client.get(f"/{begun['file_id']}")).json()
        assert (shown["state"], shown["reason"]) == ("refused", reason)
        assert (await client.get("/usage")).json()["used"] == 0
        refused = await client.post("/direct", json={"name": "a.pdf", "size": 1_000_001})
        assert refused.status_code == 413
    async with town.house.database.transaction() as session:
        await enqueue(session, Sweep())
    await run_due(town.house)
    async with calling(town, asha) as client:
        assert (await client.get(f"/{begun['file_id']}/content")).status_code == 404


async def fetch(method: Literal["GET", "PUT"], url: str, **sent: Any) -> httpx.Response:
    async with httpx.AsyncClient(timeout=60) as stranger:
        return await stranger.request(method, url, **sent)


async def test_what_was_written_is_read_whole_and_in_part_and_is_gone_when_it_was_removed(
    objects: Objects, store: Played
) -> None:
    async def much() -> AsyncIterator[bytes]:
        for number in range(20):
            yield bytes([number]) * 1_000_000

    await objects.reach()
    await objects.put_stream("a/b", much())
    await objects.put("a/c", PDF)
    await objects.put("d", PDF)
    assert (sorted(store.keys()), await objects.size("a/b")) == (["a/b", "a/c", "d"], 20_000_000)
    assert await objects.get("a/c") == PDF
    whole = b"".join([piece async for piece in await objects.stream("a/b")])
    assert whole == b"".join([piece async for piece in much()])
    for start, end in ((1, 4), (999_999, 8_500_000), (19_999_990, None), (0, 1)):
        part = b"".join([piece async for piece in await objects.stream("a/b", start, end)])
        assert part == whole[start:end]
    await objects.put("d", b"written anew")
    assert await objects.get("d") == b"written anew"
    await objects.delete("d")
    await objects.delete("d")
    await objects.delete_all("a")
    await objects.delete_all("a")
    assert store.keys() == []
    for read in (objects.get("d"), objects.size("a/b"), objects.stream("a/b", 5)):
        with pytest.raises(FileNotFoundError):
            await read


MUCH = b"".join(bytes([number]) * 400_000 for number in range(4))


@pytest.fixture
async def large(objects: Objects, ailing: Ailing, monkeypatch: pytest.MonkeyPatch) -> Ailing:
    """A store that has a file which no request brings whole, nor the one time that obstore asks again."""
    monkeypatch.setattr(providers.objects, "_PATIENCE", {"max_retries": 1, "retry_timeout": timedelta(seconds=20)})
    await objects.put("a", MUCH)
    ailing.sends = 400_000
    return ailing


async def test_a_file_is_read_to_its_end_however_often_the_line_breaks(large: Ailing, tmp_path: Path) -> None:
    objects = Objects.at(os.environ["FILES_URL"], tmp_path)
    assert await objects.get("a") == MUCH
    assert large.cuts >= 3
    part = b"".join([piece async for piece in await objects.stream("a", 250_000, 1_000_000)])
    assert part == MUCH[250_000:1_000_000]


@pytest.mark.parametrize("running", ["s3"], indirect=True)
async def test_a_file_is_read_to_its_end_however_long_that_takes(
    large: Ailing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_TIMEOUT", "1s")  # a request is over after it, as it otherwise is after 30 s
    large.stalls = True
    assert await Objects.at(os.environ["FILES_URL"], tmp_path).get("a") == MUCH


async def test_a_store_that_sends_nothing_more_is_said(large: Ailing, tmp_path: Path) -> None:
    read = b""
    with pytest.raises(TransientError):
        async for piece in await Objects.at(os.environ["FILES_URL"], tmp_path).stream("a"):
            read += piece
            large.sends = 0
    assert (bool(read), MUCH.startswith(read)) == (True, True)


async def test_a_file_that_is_another_one_meanwhile_is_not_mixed_with_it(large: Ailing, tmp_path: Path) -> None:
    objects, read = Objects.at(os.environ["FILES_URL"], tmp_path), b""
    with pytest.raises(TransientError):
        async for piece in await objects.stream("a"):
            read += piece
            if large.cuts >= 2:
                await objects.put("a", MUCH[::-1])
    assert (large.cuts >= 2, MUCH.startswith(read)) == (True, True)


async def test_what_is_broken_off_is_not_there(objects: Objects, store: Played) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        for _ in range(12):
            yield b"x" * 1_000_000
        raise ConnectionError

    with pytest.raises(TransientError):
        await objects.put_stream("a", breaking())
    assert store.keys() == []
    with pytest.raises(FileNotFoundError):
        await objects.size("a")


async def test_a_stranger_reads_and_writes_one_object_under_its_address(objects: Objects, store: Played) -> None:
    into = await objects.sign("PUT", "a/b", timedelta(minutes=1))
    answer = await fetch("PUT", into, content=PDF, headers=objects.headers_of_put())
    assert (answer.is_success, store.keys(), await objects.get("a/b")) == (True, ["a/b"], PDF)
    out = await objects.sign("GET", "a/b", timedelta(minutes=1))
    assert (await fetch("GET", out)).content == PDF
    part = await fetch("GET", out, headers={"Range": "bytes=1-3"})
    assert (part.status_code, part.content) == (206, b"PDF")


@pytest.mark.parametrize("running", ["azure"], indirect=True)  # moto does not look at signatures
async def test_an_address_is_for_one_object_one_right_and_a_time(objects: Objects) -> None:
    await objects.put("a", b"first")
    await objects.put("b", b"second")
    out, into = [await objects.sign(method, "a", timedelta(minutes=1)) for method in METHODS]
    over = [await objects.sign(method, "a", timedelta(0)) for method in METHODS]
    later = re.sub(r"(?<=[?&]se=)\d{4}", "2999", over[0])
    assert later != over[0]
    for url in (over[0], later, into, out.replace("/a?", "/b?"), out.partition("?")[0]):
        refused = await fetch("GET", url)
        assert (refused.status_code, b"first" in refused.content) == (403, False), url
    for url in (over[1], out, into.replace("/a?", "/b?"), into.partition("?")[0]):
        refused = await fetch("PUT", url, content=b"changed", headers=objects.headers_of_put())
        assert refused.status_code == 403, url
    assert (await objects.get("a"), await objects.get("b")) == (b"first", b"second")
    plain = await fetch("PUT", into, content=b"changed")
    assert plain.status_code == 400, "without the kind of blob, which we say with the address"


async def sweep(town: Town) -> None:
    async with town.house.database.transaction() as session:
        await enqueue(session, Sweep())
    await run_due(town.house)


async def rows_of_uploads(town: Town) -> int:
    async with town.house.database.reading() as session:
        return int((await session.execute(text("SELECT count(*) FROM files.uploads"))).scalar_one())


@pytest.mark.parametrize("ends", ["deleted", "refused"])
async def test_what_comes_under_an_address_whose_upload_is_over_is_found_and_removed(
    asha: Resident, town: Town, store: Played, at: clock.TestClock, ends: str
) -> None:
    async with calling(town, asha) as client:
        begun = (await client.post("/direct", json={"name": "a.pdf", "size": len(PDF)})).json()
        path = f"/{begun['file_id']}"
        if ends == "deleted":
            assert (await client.delete(path)).status_code == 204
        else:
            await send(begun, PDF + b"more")
            assert (await client.post(f"{path}/complete")).json()["state"] == "refused"
        await sweep(town)
        assert store.keys() == []
        await send(begun, PDF)  # the address works still
        await sweep(town)
        assert store.keys() == []
        assert (await client.get("/usage")).json()["used"] == 0
        at.advance(timedelta(minutes=59))
        await sweep(town)
        await send(begun, PDF)  # and somebody may just have begun
        at.advance(timedelta(hours=7))
        await sweep(town)
        assert store.keys() == []
        assert await rows_of_uploads(town) == 0


async def test_more_than_was_announced_is_removed_although_nobody_says_that_it_is_complete(
    asha: Resident, town: Town, store: Played
) -> None:
    async with calling(town, asha) as client:
        begun = (await client.post("/direct", json={"name": "a.pdf", "size": 1})).json()
        other = (await client.post("/direct", json={"name": "b.pdf", "size": len(PDF)})).json()
        await send(begun, PDF)
        await send(other, PDF)
        await sweep(town)
        states = [(await client.get(f"/{one['file_id']}")).json()["state"] for one in (begun, other)]
        assert states == ["refused", "uploading"]
        assert [one.split("/")[1] for one in sorted(store.keys())] == [other["file_id"]]


class Unread(Objects):
    """A place of which nothing may be read."""

    async def stream(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        raise AssertionError(f"{key} was read")


async def test_what_is_put_in_place_of_a_complete_upload_is_not_read_to_its_end(
    asha: Resident, town: Town, store: Played
) -> None:
    async with calling(town, asha) as client:
        begun = (await client.post("/direct", json={"name": "a.pdf", "size": len(PDF)})).json()
        await send(begun, PDF)
        assert (await client.post(f"/{begun['file_id']}/complete")).json()["state"] == "scanning"
        await send(begun, PDF + b"more")
        whole = town.house.the(Objects)
        put_in_place(town.house, lambda thing: thing is whole, Unread(whole.store))
        await run_due(town.house)
        shown = (await client.get(f"/{begun['file_id']}")).json()
        assert (shown["state"], shown["reason"]) == ("refused", "size")
        await sweep(town)
        assert store.keys() == []


async def test_a_folder_has_no_addresses_for_strangers(town: Town) -> None:
    asha = await town.resident()
    async with calling(town, asha) as client:
        refused = await client.post("/direct", json={"name": "a.pdf", "size": 10})
        assert (refused.status_code, refused.json()["code"]) == (409, "no_direct_uploads")
        assert (await client.get("http://testserver/api/v1/files")).json()["items"] == []


async def test_an_address_for_azure_names_one_blob_one_right_and_an_end() -> None:
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
    store = AzureStore("box", account_name="devstoreaccount1", account_key=key)
    objects = Objects(store)
    url = urlsplit(await objects.sign("PUT", "uploads/1/direct", timedelta(hours=1)))
    query = parse_qs(url.query)
    assert (url.scheme, url.path) == ("https", "/box/uploads/1/direct")
    assert (query["sr"], query["sp"]) == (["b"], ["w"])
    assert "se" in query
    assert "sig" in query
    assert objects.headers_of_put() == {"x-ms-blob-type": "BlockBlob"}


def test_what_signs_is_known_before_it_is_asked(tmp_path: Path) -> None:
    assert not Objects(LocalStore(tmp_path)).signs
    assert Objects(GCSStore("box", skip_signature=True)).signs


async def test_a_file_of_some_megabytes_goes_in_parts(tmp_path: Path) -> None:
    async def much() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 1_000_000

    objects = Objects(LocalStore(tmp_path))
    await objects.put_stream("a/b", much())
    assert await objects.size("a/b") == 20_000_000
    assert len([piece async for piece in await objects.stream("a/b")]) >= 10
    with pytest.raises(FileNotFoundError):
        await objects.size("a/c")
    await objects.delete("a/c")
    await objects.delete_all("a")
    with pytest.raises(FileNotFoundError):
        await objects.get("a/b")
    assert os.listdir(tmp_path / "a") == []  # noqa: PTH208

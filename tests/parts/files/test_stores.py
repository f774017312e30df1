"""Other places than a folder: S3 as moto plays it, and what an address for Azure and Google looks like."""

import os
import threading
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from obstore.store import AzureStore, GCSStore, LocalStore
from sqlalchemy import text
from werkzeug.serving import make_server

from tests.parts.files import samples
from tests.parts.identity.town import Resident, Town
from tests.registry import put_in_place
from tillhouse.kernel import clock
from tillhouse.kernel.work import enqueue, run_due
from tillhouse.parts.files.events import Sweep
from tillhouse.parts.files.providers.objects import Objects

PDF = b"%PDF-1.7 " + bytes(range(256)) * 40


class Ailing:
    """S3 as moto plays it, which answers the `next` calls about objects with these statuses, or `always` with one."""

    def __init__(self) -> None:
        self._well = DomainDispatcherApplication(create_backend_app)
        self.next: list[int] = []
        self.always: int | None = None
        self.refused = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        about_object = environ["PATH_INFO"].startswith("/house/")
        status = (self.next.pop(0) if self.next else self.always) if about_object else None
        if status is None:
            return self._well(environ, start_response)
        self.refused += 1
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response(f"{status} Later", [("Content-Length", "0")])
        return [b""]


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[str, Ailing]]:
    ailing = Ailing()
    server = make_server("127.0.0.1", 0, ailing, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.port}", ailing
    server.shutdown()
    thread.join()


@pytest.fixture
def s3(running: tuple[str, Ailing]) -> str:
    return running[0]


@pytest.fixture
def ailing(running: tuple[str, Ailing]) -> Iterator[Ailing]:
    found = running[1]
    found.refused = 0
    yield found
    found.next, found.always = [], None


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    for name, value in {
        "AWS_ENDPOINT_URL": s3, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1", "FILES_URL": "s3://house", "FILES_QUOTA_MEGABYTES": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    httpx.post(f"{s3}/moto-api/reset", timeout=60).raise_for_status()
    httpx.put(f"{s3}/house", timeout=60).raise_for_status()
    return s3


@pytest.fixture
async def asha(bucket: str, town: Town) -> Resident:
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


def keys(bucket: str) -> list[str]:
    listing = httpx.get(f"{bucket}/house?list-type=2", timeout=60).text
    return [one.partition("</Key>")[0] for one in listing.split("<Key>")[1:]]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_store_that_has_too_much_to_do_for_a_moment_is_asked_again(
    asha: Resident, town: Town, bucket: str, ailing: Ailing, status: int
) -> None:
    picture = samples.picture()
    async with calling(town, asha) as client:
        ailing.next = [status, status]
        stored = await client.post("http://testserver/api/v1/files", files={"file": ("a.png", picture)})
        assert (stored.status_code, ailing.refused) == (201, 2), stored.text
        ailing.next = [status]
        read = await client.get(f"/{stored.json()['id']}/content")
        assert (read.status_code, ailing.refused, read.content[:4]) == (200, 3, b"\x89PNG")
    assert len(keys(bucket)) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_store_that_stays_away_is_said_and_nothing_is_half_kept(
    asha: Resident, town: Town, bucket: str, ailing: Ailing, status: int
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
    assert len(keys(bucket)) == 1


async def test_files_and_resumable_uploads_live_in_s3(asha: Resident, town: Town, bucket: str) -> None:
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
        assert len(keys(bucket)) == 2, "the pieces of the upload are gone"
        for one in (path, f"/{stored['id']}"):
            assert (await client.delete(one)).status_code == 204
    async with town.house.database.transaction() as session:
        await enqueue(session, Sweep())
    await run_due(town.house)
    assert keys(bucket) == []


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


async def sweep(town: Town) -> None:
    async with town.house.database.transaction() as session:
        await enqueue(session, Sweep())
    await run_due(town.house)


async def rows_of_uploads(town: Town) -> int:
    async with town.house.database.reading() as session:
        return int((await session.execute(text("SELECT count(*) FROM files.uploads"))).scalar_one())


@pytest.mark.parametrize("ends", ["deleted", "refused"])
async def test_what_comes_under_an_address_whose_upload_is_over_is_found_and_removed(
    asha: Resident, town: Town, bucket: str, at: clock.TestClock, ends: str
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
        assert keys(bucket) == []
        await send(begun, PDF)  # the address works still
        await sweep(town)
        assert keys(bucket) == []
        assert (await client.get("/usage")).json()["used"] == 0
        at.advance(timedelta(minutes=59))
        await sweep(town)
        await send(begun, PDF)  # and somebody may just have begun
        at.advance(timedelta(hours=7))
        await sweep(town)
        assert keys(bucket) == []
        assert await rows_of_uploads(town) == 0


async def test_more_than_was_announced_is_removed_although_nobody_says_that_it_is_complete(
    asha: Resident, town: Town, bucket: str
) -> None:
    async with calling(town, asha) as client:
        begun = (await client.post("/direct", json={"name": "a.pdf", "size": 1})).json()
        other = (await client.post("/direct", json={"name": "b.pdf", "size": len(PDF)})).json()
        await send(begun, PDF)
        await send(other, PDF)
        await sweep(town)
        states = [(await client.get(f"/{one['file_id']}")).json()["state"] for one in (begun, other)]
        assert states == ["refused", "uploading"]
        assert [one.split("/")[1] for one in keys(bucket)] == [other["file_id"]]


class Unread(Objects):
    """A place of which nothing may be read."""

    async def stream(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        raise AssertionError(f"{key} was read")


async def test_what_is_put_in_place_of_a_complete_upload_is_not_read_to_its_end(
    asha: Resident, town: Town, bucket: str
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
        assert keys(bucket) == []


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

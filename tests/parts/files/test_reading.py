"""Reading: whole, in part, by a link; equal bytes kept once; kinds, lifetimes and the way out with everything."""

import io
import zipfile
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from tests.parts.files import samples
from tests.parts.identity.town import Resident, Town
from tillhouse.kernel import clock
from tillhouse.kernel.errors import PayloadTooLarge
from tillhouse.kernel.work import enqueue, run_due
from tillhouse.parts.files import api
from tillhouse.parts.files.domain import Part, RangeNotSatisfiable, has_second_face, part_of
from tillhouse.parts.files.events import Sweep
from tillhouse.parts.files.manifest import MODULE

PDF = b"%PDF-1.7 " + bytes(range(256)) * 8
SIZE = len(PDF)


async def ask(town: Town, who: Resident | None, path: str, method: str = "GET", **headers: str) -> httpx.Response:
    sent: Mapping[str, str] = {**headers, **({"Authorization": f"Bearer {who.token}"} if who else {})}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(town.app), base_url="http://testserver") as client:
        return await client.request(method, path, headers={"Accept-Encoding": "gzip, br", **sent})


async def stored(town: Town, who: Resident, content: bytes = PDF, name: str = "a.pdf") -> api.StoredFile:
    return await api.store_bytes(town.house, UUID(who.id), name, content)


def bytes_on_disk(town: Town) -> list[Path]:
    return [path for path in Path(town.house.settings.data_folder, "files").rglob("*") if path.is_file()]


async def sweep(town: Town) -> None:
    async with town.house.database.transaction() as session:
        await enqueue(session, Sweep())
    await run_due(town.house)


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("bytes=0-0", Part(0, 1)),
        ("bytes=10-19", Part(10, 20)),
        ("BYTES = 10-19", Part(10, 20)),
        ("bytes=90-", Part(90, 100)),
        ("bytes=-10", Part(90, 100)),
        ("bytes=-1000", Part(0, 100)),
        ("bytes=0-1000", Part(0, 100)),
        ("bytes=99-99", Part(99, 100)),
        ("bytes=20-10", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
        ("bytes=١-٢", None),
        ("lines=0-5", None),
    ],
)
def test_a_range_is_read_as_rfc_9110_says(header: str | None, part: Part | None) -> None:
    assert part_of(header, 100) == part


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=0-1,5-6", f"bytes={'9' * 30}-"])
def test_a_range_that_cannot_be_given_is_refused(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable):
        part_of(header, 100)


async def test_parts_of_a_file_are_given_and_a_changed_file_is_given_whole(town: Town) -> None:
    asha = await town.resident()
    found = await stored(town, asha)
    path = f"/api/v1/files/{found.id}/content"
    whole = await ask(town, asha, path)
    assert (whole.status_code, whole.content, whole.headers["accept-ranges"]) == (200, PDF, "bytes")
    etag, date = whole.headers["etag"], whole.headers["last-modified"]

    part = await ask(town, asha, path, Range="bytes=100-199")
    assert (part.status_code, part.content) == (206, PDF[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{SIZE}"
    assert part.headers["content-length"] == "100"
    assert (await ask(town, asha, path, Range="bytes=-5")).content == PDF[-5:]

    for condition, status in ((etag, 206), (date, 206), ('"other"', 200), ("Mon, 02 Mar 2020 09:30:00 GMT", 200)):
        answer = await ask(town, asha, path, Range="bytes=0-9", **{"If-Range": condition})
        assert (answer.status_code, len(answer.content)) == (status, 10 if status == 206 else SIZE), condition

    for range_ in ("bytes=0-1,5-6", f"bytes={SIZE}-"):
        refused = await ask(town, asha, path, Range=range_)
        assert (refused.status_code, refused.json()["code"]) == (416, "range_not_satisfiable")
        assert refused.headers["content-range"] == f"bytes */{SIZE}"

    for tag in (etag, f'"x", W/{etag}', "*"):
        same = await ask(town, asha, path, **{"If-None-Match": tag})
        assert (same.status_code, same.content) == (304, b""), tag


async def test_a_part_of_a_text_is_not_compressed(town: Town) -> None:
    asha = await town.resident()
    found = await stored(town, asha, b"hello " * 1000, "a.txt")
    part = await ask(town, asha, f"/api/v1/files/{found.id}/content", Range="bytes=0-4999")
    assert (part.status_code, len(part.content), "content-encoding" in part.headers) == (206, 5000, False)


async def test_a_link_reads_one_file_until_it_is_over_or_the_file_is_gone(town: Town, at: clock.TestClock) -> None:
    asha = await town.resident()
    found = await stored(town, asha)
    async with town.house.database.reading() as session:
        link = await api.link(session, UUID(asha.id), found.id, timedelta(minutes=10))
    assert (await ask(town, None, link.url)).content == PDF
    assert (await ask(town, None, link.url, Range="bytes=0-9")).status_code == 206
    for at_ in range(-60, 0, 7):
        forged = link.url[:at_] + ("A" if link.url[at_] != "A" else "B") + link.url[at_ + 1 :]
        assert (await ask(town, None, forged)).status_code == 404
    for token in ("x", "é", "A" * 96, "-" * 200):
        assert (await ask(town, None, f"/api/v1/files/shared/{token}")).status_code == 404
    at.advance(timedelta(minutes=10))
    assert (await ask(town, None, link.url)).status_code == 404
    async with town.house.database.transaction() as session:
        again = await api.link(session, UUID(asha.id), found.id, timedelta(minutes=10))
        await api.delete(session, UUID(asha.id), found.id)
    assert (await ask(town, None, again.url)).status_code == 404


async def test_what_an_owner_has_twice_is_kept_and_counted_once_and_stays_until_the_last_is_deleted(
    town: Town,
) -> None:
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    first, second = await stored(town, asha), await stored(town, asha, name="b.pdf")
    assert len(bytes_on_disk(town)) == 1
    theirs = await stored(town, ravi)
    assert len(bytes_on_disk(town)) == 2, "what another owner has is another thing"
    async with town.house.database.reading() as session:
        assert (await api.usage(session, UUID(asha.id))).used == SIZE
    async with town.house.database.transaction() as session:
        await api.delete(session, UUID(asha.id), first.id)
    await sweep(town)
    assert (await api.read_bytes(town.house, UUID(asha.id), second.id))[1] == PDF
    async with town.house.database.transaction() as session:
        await api.delete(session, UUID(asha.id), second.id)
    await sweep(town)
    assert len(bytes_on_disk(town)) == 1
    assert (await api.read_bytes(town.house, UUID(ravi.id), theirs.id))[1] == PDF
    third = await stored(town, asha)
    assert (await api.read_bytes(town.house, UUID(asha.id), third.id))[1] == PDF


async def test_a_kind_says_what_it_takes_and_for_how_long(town: Town, at: clock.TestClock) -> None:
    asha = await town.resident()
    owner = UUID(asha.id)
    town.house.provide(
        [
            api.FileKind(
                name="test.paper",
                accepts=frozenset({"image/png"}),
                most_bytes=10_000,
                lifetime=timedelta(days=2),
                exact=True,
                counts=False,
            )
        ]
    )
    photo = samples.picture("PNG", place=True)
    kept = await api.store_bytes(town.house, owner, "a.png", photo, kind="test.paper")
    assert (await api.read_bytes(town.house, owner, kept.id))[1] == photo
    async with town.house.database.reading() as session:
        assert (await api.usage(session, owner)).used == 0
    with pytest.raises(api.FileRefused) as refusal:
        await api.store_bytes(town.house, owner, "a.pdf", PDF, kind="test.paper")
    assert refusal.value.reason == "type"
    with pytest.raises(PayloadTooLarge):
        await api.store_bytes(town.house, owner, "a.png", photo + b"\0" * 10_000, kind="test.paper")
    at.advance(timedelta(days=1, hours=23))
    await sweep(town)
    assert (await api.read_bytes(town.house, owner, kept.id))[1] == photo
    at.advance(timedelta(hours=1))
    await sweep(town)
    assert bytes_on_disk(town) == []


async def test_everything_leaves_as_one_archive(town: Town) -> None:
    asha = await town.resident()
    await stored(town, asha)
    await stored(town, asha, PDF + b"2")
    await stored(town, asha, b"notes", "notes.txt")
    answer = await ask(town, asha, "/api/v1/files/export")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert sorted(archive.read(name) for name in archive.namelist()) == sorted([PDF, PDF + b"2", b"notes"])
        assert "a.pdf" in archive.namelist()
        assert len(set(archive.namelist())) == 3


@pytest.mark.parametrize(
    ("content", "media_type", "two"),
    [
        (b"%PDF-1.7 x" + samples.archive(), "application/pdf", True),
        (b"\0\0\0\x20ftypisom" + b"\0" * 90 + samples.archive(), "video/mp4", True),
        (b"ID3\0\0\0\0\0\0" + b"%PDF-1.4", "audio/mpeg", True),
        (b"OggS\0<script>alert(1)</script>", "audio/ogg", True),
        (b"fLaC<?php echo 1;", "audio/flac", True),
        (samples.archive(), "application/zip", False),
        (samples.archive() + b"x", "video/mp4", False),
        (b"%PDF-1.7 PK\x05\x06 in a text", "application/pdf", False),
        (b"how to begin a PDF: %PDF-1.7", "text/plain", False),
        (PDF, "application/pdf", False),
    ],
)
def test_a_file_that_is_two_is_seen(content: bytes, media_type: str, two: bool) -> None:
    assert has_second_face(content[:8192], content[-65_557:], media_type) is two


async def test_ready_files_have_their_bytes(town: Town) -> None:
    asha = await town.resident()
    await stored(town, asha)
    (invariant,) = MODULE.invariants()
    async with town.house.database.reading() as session:
        assert await invariant.violations(session) == []

"""The pages: one's files, an upload by our own script's protocol under a cookie, and one's picture."""

import io
import re
from uuid import UUID

import httpx
import pytest
from PIL import Image

from tests.parts.files import samples
from tests.parts.identity.town import Resident, Town
from tillhouse.kernel.work import run_due
from tillhouse.parts.files import api
from tillhouse.parts.files.domain import REASONS
from tillhouse.parts.files.providers.objects import Objects

PDF = b"%PDF-1.7 one page"
HTML = {"Accept": "text/html"}


async def browser(town: Town, who: Resident) -> httpx.AsyncClient:
    cookies = {"till_session": await town.browser(who.identifier.value)}
    transport = httpx.ASGITransport(town.app)
    return httpx.AsyncClient(transport=transport, base_url="http://testserver", cookies=cookies, headers=HTML)


def token_of(page: str) -> str:
    found = re.search(r'name="csrf_token" value="([^"]+)"', page)
    assert found
    return found[1]


async def test_the_page_shows_what_is_there_how_it_stands_and_how_much_room_is_left(town: Town) -> None:
    asha = await town.resident()
    async with await browser(town, asha) as window:
        empty = (await window.get("/files")).text
        assert "No files yet" in empty
        await api.store_bytes(town.house, UUID(asha.id), "<b>bill.pdf", PDF)
        begun = {"Tus-Resumable": "1.0.0", "Upload-Length": "1000", "X-CSRF-Token": token_of(empty)}
        await window.post("/files/uploads", headers=begun)
        page = (await window.get("/files")).text
        for text in (
            "&lt;b&gt;bill.pdf",
            "Ready",
            "Uploading, 0%",
            "17\N{NO-BREAK SPACE}B",
            "1\N{NO-BREAK SPACE}kB of 5.0\N{NO-BREAK SPACE}GB",
        ):
            assert text in page, text
        fragment = (await window.get("/files", headers={"HX-Request": "true"})).text
        assert "<html" not in fragment
        assert 'id="files"' in fragment


async def test_our_script_uploads_with_the_cookie_and_the_token_and_nobody_else_can(town: Town) -> None:
    asha = await town.resident()
    async with await browser(town, asha) as window:
        token = {"X-CSRF-Token": token_of((await window.get("/files")).text)}
        large = PDF + bytes(1_500_000)  # more than other addresses take
        tus = {"Tus-Resumable": "1.0.0", "Upload-Length": str(len(large))}
        assert (await window.post("/files/uploads", headers=tus)).status_code == 403
        evil = {**tus, **token, "Origin": "https://evil.example"}
        assert (await window.post("/files/uploads", headers=evil)).status_code == 403
        url = (await window.post("/files/uploads", headers={**tus, **token})).headers["location"]
        assert url.startswith("/files/uploads/")
        sent = {**tus, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        assert (await window.patch(url, content=PDF, headers=sent)).status_code == 403
        assert (await window.patch(url, content=large, headers={**sent, **token})).status_code == 204
        await run_due(town.house)
        path = url.replace("/uploads", "")
        assert (await window.get(f"{path}/content")).content == large
        assert (await window.get("/files/export")).content[:2] == b"PK"
        done = await window.post(f"{path}/delete", data={"csrf_token": token["X-CSRF-Token"]})
        assert done.status_code == 303
        assert (await window.get(f"{path}/content")).status_code == 404


async def test_without_scripts_a_file_is_sent_as_a_form_and_a_refusal_is_told(town: Town) -> None:
    asha = await town.resident()
    async with await browser(town, asha) as window:
        data = {"csrf_token": token_of((await window.get("/files")).text)}
        answer = await window.post("/files", data=data, files={"file": ("a.pdf", PDF)})
        assert answer.headers["location"] == "/files"
        assert "a.pdf" in (await window.get("/files")).text
        await window.post("/files", data=data, files={"file": ("b.pdf", PDF + samples.archive())})
        page = (await window.get("/files")).text
        assert REASONS["two_faced"] in page
        assert "b.pdf" not in page


async def test_a_picture_is_shown_in_every_page_in_the_size_that_is_asked_for(town: Town) -> None:
    asha, ravi = await town.resident(), await town.resident("ravi@example.com")
    async with await browser(town, asha) as window, await browser(town, ravi) as other:
        account = (await window.get("/account")).text
        assert "/files/avatar?v=" not in account
        data = {"csrf_token": token_of(account)}
        photo = samples.picture("HEIF", (300, 200), place=True)
        assert (await window.post("/files/avatar", data=data, files={"file": ("me.heic", photo)})).status_code == 303
        first = re.search(r"/files/avatar\?v=[0-9a-f-]+", (await window.get("/account")).text)
        assert first
        shown = await window.get(first[0])
        assert (shown.headers["content-type"], "immutable" in shown.headers["cache-control"]) == ("image/webp", True)
        for side, wanted in ((1, 64), (64, 64), (65, 192), (512, 512), (5000, 512)):
            answer = await town.call("GET", f"/users/me/avatar?side={side}", token=asha.token)
            assert Image.open(io.BytesIO(answer.content)).size == (wanted, wanted)
        assert (await other.get(first[0])).status_code == 404, "the address shows everyone their own"

        second = samples.picture("PNG", (100, 100), colour="green")
        await window.post("/files/avatar", data=data, files={"file": ("me.png", second)})
        page = (await window.get("/account")).text
        assert first[0] not in page
        assert (await town.call("GET", "/files", token=asha.token)).json()["items"] == []

        refused = await window.post(
            "/files/avatar", data=data, files={"file": ("x.png", b"\x89PNG\r\n\x1a\n" + b"0" * 9)}
        )
        assert refused.status_code == 303
        assert REASONS["unreadable"] in (await window.get("/account")).text
        await window.post("/files/avatar/remove", data=data)
        assert "/files/avatar?v=" not in (await window.get("/account")).text


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"", 422), (PDF, 422), (b"\xff\xd8\xff" + b"\0" * 5_000_000, 413), (b"\0" * 7_000_000, 413)],
)
async def test_what_is_no_picture_changes_nothing(town: Town, content: bytes, status: int) -> None:
    asha = await town.resident()
    transport = httpx.ASGITransport(town.app)
    headers = {"Authorization": f"Bearer {asha.token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers) as client:
        answer = await client.put("/api/v1/users/me/avatar", files={"file": ("a.png", content)})
        assert answer.status_code == status
        assert (await client.get("/api/v1/users/me/avatar")).status_code == 404
    place = town.house.the(Objects).local_path("")
    assert place
    assert [path for path in place.rglob("*") if path.is_file()] == []


async def test_an_erased_person_has_no_picture(town: Town) -> None:
    asha = await town.resident()
    async with await browser(town, asha) as window:
        data = {"csrf_token": token_of((await window.get("/account")).text)}
        await window.post("/files/avatar", data=data, files={"file": ("me.png", samples.picture())})
    assert (await town.call("DELETE", "/users/me", token=asha.token)).status_code == 204
    async with town.house.database.reading() as session:
        assert await api.list_of(session, UUID(asha.id), 10, None) == []

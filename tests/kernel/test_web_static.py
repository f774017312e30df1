import re
from collections.abc import AsyncIterator
from pathlib import Path

import brotli  # type: ignore[import-untyped]  # ships no types
import httpx
import pytest
from starlette.applications import Starlette

from tillhouse.kernel.web import render
from tillhouse.kernel.web.static import Static


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "static/shop/img").mkdir(parents=True)
    (tmp_path / "static/shop/app.css").write_text("body{background:url(img/dot.svg)}" * 100)
    (tmp_path / "static/shop/img/dot.svg").write_text("<svg/>")
    (tmp_path / "static/shop/.hidden").write_text("secret")
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "static/shop/link.txt").symlink_to(tmp_path / "secret.txt")
    return tmp_path / "static"


@pytest.fixture
def static(folder: Path) -> Static:
    return Static({"shop": folder})


@pytest.fixture
async def client(static: Static) -> AsyncIterator[httpx.AsyncClient]:
    app = Starlette()
    app.mount("/static", static)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://house") as client:
        yield client


async def test_a_fingerprinted_file_may_be_kept_for_ever(static: Static, client: httpx.AsyncClient) -> None:
    url = static.url("shop/app.css")
    assert re.fullmatch(r"/static/shop/app\.[0-9a-f]{12}\.css", url)
    response = await client.get(url)
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert response.headers["content-type"] == "text/css; charset=utf-8"


async def test_the_name_changes_with_the_content(static: Static, folder: Path) -> None:
    (folder / "shop/app.css").write_text("body{}")
    assert Static({"shop": folder}).url("shop/app.css") != static.url("shop/app.css")


async def test_a_relative_url_in_a_stylesheet_is_served_and_checked_each_time(client: httpx.AsyncClient) -> None:
    response = await client.get("/static/shop/img/dot.svg")
    assert response.headers["cache-control"] == "no-cache"
    assert response.headers["content-type"] == "image/svg+xml"
    again = await client.get("/static/shop/img/dot.svg", headers={"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_text_is_sent_compressed_to_those_who_take_it(folder: Path, static: Static) -> None:
    sent: dict[str, bytes] = {}
    for offered in ("br", "identity"):
        transport = httpx.ASGITransport(static)
        async with httpx.AsyncClient(transport=transport, base_url="http://house") as client:
            request = client.build_request("GET", "/shop/app.css", headers={"Accept-Encoding": offered})
            response = await client.send(request, stream=True)
            sent[offered] = b"".join([part async for part in response.aiter_raw()])
    assert brotli.decompress(sent["br"]) == sent["identity"] == (folder / "shop/app.css").read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        "/static/shop/../secret.txt",
        "/static/shop/%2e%2e/secret.txt",
        "/static/shop/..%2fsecret.txt",
        "/static//etc/passwd",
        "/static/shop/.hidden",
        "/static/shop/link.txt",
        "/static/shop/",
        "/static/shop/app.000000000000.css",
        "/static/other/app.css",
    ],
)
async def test_nothing_but_the_files_found_at_the_start_can_be_reached(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert response.status_code == 404
    assert "secret" not in response.text


async def test_only_reading_is_allowed(client: httpx.AsyncClient) -> None:
    assert (await client.post("/static/shop/app.css")).status_code == 405


def test_a_missing_file_is_found_when_the_page_is_written(static: Static) -> None:
    with pytest.raises(LookupError, match="no static file"):
        static.url("shop/nope.css")


def test_a_normal_page_loads_less_than_60_kB_and_nothing_from_elsewhere() -> None:
    sizes = {
        name: len(brotli.compress((render.STATIC / "kernel" / name).read_bytes())) for name in ("app.css", "app.js")
    }
    assert sum(sizes.values()) < 60_000
    styles = (render.STATIC / "kernel/app.css").read_text()
    assert not re.search(r"url\(\s*[\"']?(https?:)?//", styles)
    assert "@import" not in styles

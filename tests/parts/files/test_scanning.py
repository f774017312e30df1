"""The virus scanner: a real clamd that knows one signature, over its socket."""

import asyncio
import hashlib
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, Popen
from uuid import UUID

import httpx
import pytest

from tests.parts.identity.town import Town
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.work import run_due
from tillhouse.parts.files import api
from tillhouse.parts.files.domain import FileRefused
from tillhouse.parts.files.providers.clamav import ClamAv
from tillhouse.parts.files.providers.objects import Objects

# Not a virus: the one-signature database below says that these bytes are.
BAD = b"%PDF-1.7 this stands for something evil"
CLAMD = shutil.which("clamd") or shutil.which("clamd", path="/usr/sbin")

pytestmark = pytest.mark.skipif(
    CLAMD is None and not os.environ.get("CI"), reason="clamd is not installed: apt-get install clamav-daemon"
)


@pytest.fixture(scope="module")
def clamd() -> Iterator[str]:
    """The path of clamd's socket; short, since the kernel allows 107 characters."""
    assert CLAMD
    with tempfile.TemporaryDirectory(prefix="clam") as name:
        folder = Path(name)
        (folder / "db").mkdir()
        digest = hashlib.md5(BAD, usedforsecurity=False).hexdigest()
        (folder / "db" / "one.hdb").write_text(f"{digest}:{len(BAD)}:Test.Evil\n")
        config = folder / "clamd.conf"
        config.write_text(
            f"LocalSocket {folder}/c.sock\nDatabaseDirectory {folder}/db\nForeground yes\nStreamMaxLength 1M\n"
            f"TemporaryDirectory {folder}\nPidFile {folder}/pid\n"
        )
        process = Popen([CLAMD, "-c", str(config)], stdout=DEVNULL, stderr=DEVNULL)
        try:
            asyncio.run(_answers(ClamAv(f"{folder}/c.sock"), process))
            yield f"{folder}/c.sock"
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(20)


async def _answers(scanner: ClamAv, process: "Popen[bytes]") -> None:
    async with asyncio.timeout(60):
        while True:
            assert process.poll() is None, "clamd has ended"
            try:
                return await scanner.reach()
            except OSError:
                await asyncio.sleep(0.05)


@pytest.fixture
async def guarded(clamd: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILES_CLAMD", clamd)


async def pieces(content: bytes, size: int = 7) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def test_clamd_finds_what_it_knows_and_lets_the_rest_pass(clamd: str) -> None:
    scanner = ClamAv(clamd)
    assert await scanner.scan(pieces(BAD)) == "Test.Evil.UNOFFICIAL"
    assert await scanner.scan(pieces(BAD + b".")) is None
    assert await scanner.scan(pieces(b"")) is None


async def test_more_than_clamd_takes_is_no_pass(clamd: str) -> None:
    with pytest.raises(FileRefused) as refusal:
        await ClamAv(clamd).scan(pieces(os.urandom(2_000_000), 100_000))
    assert refusal.value.reason == "not_scanned"


async def test_a_scanner_that_is_away_is_no_pass() -> None:
    for address in ("/nowhere/clamd.ctl", "127.0.0.1:1"):
        with pytest.raises(TransientError):
            await ClamAv(address).scan(pieces(b"x"))


@pytest.mark.parametrize("says", [b"", b"stream: O", b"stream: INSTREAM: something broke ERROR\0"])
async def test_a_scanner_that_breaks_off_in_the_middle_is_no_pass(says: bytes) -> None:
    async def breaks_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(20)
        writer.write(says)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(breaks_off, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(TransientError):
        await ClamAv(f"127.0.0.1:{port}").scan(pieces(b"x" * 100_000, 1_000))
    server.close()
    await server.wait_closed()


@pytest.mark.usefixtures("guarded")
async def test_what_the_scanner_finds_is_never_kept_nor_readable(guarded: None, town: Town) -> None:
    asha = await town.resident()
    with pytest.raises(api.FileRefused) as refusal:
        await api.store_bytes(town.house, UUID(asha.id), "a.pdf", BAD)
    assert refusal.value.reason == "malware"
    good = await api.store_bytes(town.house, UUID(asha.id), "a.pdf", BAD + b".")
    assert good.state == "ready"

    headers = {"Authorization": f"Bearer {asha.token}", "Tus-Resumable": "1.0.0", "Upload-Length": str(len(BAD))}
    transport = httpx.ASGITransport(town.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver", headers=headers) as client:
        sent = {"Content-Type": "application/offset+octet-stream"}
        url = (await client.post("/api/v1/files/uploads", content=BAD, headers=sent)).headers["location"]
        path = url.replace("/uploads", "")
        assert (await client.get(path)).json()["state"] == "scanning"
        assert (await client.get(f"{path}/content")).status_code == 404
        await run_due(town.house)
        shown = (await client.get(path)).json()
        assert (shown["state"], shown["reason"]) == ("refused", "malware")
        assert (await client.get(f"{path}/content")).status_code == 404
    place = town.house.the(Objects).local_path("")
    assert place
    assert [found.read_bytes() for found in place.rglob("*") if found.is_file()] == [BAD + b"."]

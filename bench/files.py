"""Files: uploads that resume, downloads, what a worker does with them, pictures and recordings; speed and memory.

    python -m bench.files [--megabytes 500] [--not-durable]

Starts an embedded PostgreSQL in a temporary folder, a web process, and does the worker's part in this one. The store is
a folder, so that the disk is the limit: the same bytes written by `cp` stand beside it.
"""

import argparse
import asyncio
import io
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from array import array
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from fractions import Fraction
from pathlib import Path

import av
import httpx
import pillow_heif
import psutil
from PIL import Image

from tillhouse.apps import migrate
from tillhouse.apps.compose import build_house
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.kernel.house import House
from tillhouse.kernel.logs import configure_logs
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import run_due
from tillhouse.parts.files.providers.media import PyAv
from tillhouse.parts.files.providers.pictures import Pillow
from tillhouse.parts.identity.domain import parse_identifier
from tillhouse.parts.identity.service import people, sessions

TUS = {"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream"}
MEGABYTE = 1_000_000
PIECE = os.urandom(MEGABYTE)


class Peak:
    """The most memory that a process held while it was watched."""

    def __init__(self, process: psutil.Process) -> None:
        self._process, self._done = process, threading.Event()
        self.before = process.memory_info().rss
        self.most = self.before
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        while not self._done.wait(0.05):
            self.most = max(self.most, self._process.memory_info().rss)

    def __str__(self) -> str:
        self._done.set()
        self._watcher.join()
        return f"memory {self.before / 2**20:.0f} → {self.most / 2**20:.0f} MB"


@contextmanager
def web_process() -> Iterator[tuple[int, psutil.Process]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    command = [sys.executable, "-m", "tillhouse.apps.cli", "serve", "files", "identity", "--port", str(port)]
    begun = time.perf_counter()
    process = subprocess.Popen(command)
    try:
        while not _answers(port):
            time.sleep(0.1)
        print(f"{'cold start of the web process':56} {time.perf_counter() - begun:8.1f} s")
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(20)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health/live").status_code == 200
    except httpx.TransportError:
        return False


async def token_of(house: House) -> str:
    async with house.database.transaction() as session:
        person = await people.create(session, "Bench", [parse_identifier("bench@example.com")])
        begun = await sessions.begin(session, person, "api", "bench")
    assert begun.tokens
    return begun.tokens.access_token


async def much(megabytes: int) -> AsyncIterator[bytes]:
    for number in range(megabytes):
        yield number.to_bytes(8) + PIECE[8:]


async def upload(client: httpx.AsyncClient, megabytes: int, at_once: int) -> str:
    length = megabytes * MEGABYTE
    answer = await client.post("/files/uploads", headers={"Tus-Resumable": "1.0.0", "Upload-Length": str(length)})
    url: str = answer.headers["location"].removeprefix("/api/v1")
    for start in range(0, megabytes, at_once):
        headers = {**TUS, "Upload-Offset": str(start * MEGABYTE)}
        answer = await client.patch(url, content=much(min(at_once, megabytes - start)), headers=headers)
        assert answer.status_code == 204, answer.text
    return url.replace("/uploads", "")


async def measure(house: House, port: int, process: psutil.Process, megabytes: int, folder: Path) -> None:
    headers = {"Authorization": f"Bearer {await token_of(house)}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", headers=headers, timeout=600) as client:
        await upload(client, 1, 1)
        await run_due(house)
        paths = []
        for title, at_once in (("in one request", megabytes), ("in pieces of 16 MB", 16)):
            peak, started = Peak(process), time.perf_counter()
            paths.append(await upload(client, megabytes, at_once))
            report(f"upload of {megabytes} MB {title}", megabytes, started, peak)
        peak, started = Peak(psutil.Process()), time.perf_counter()
        await run_due(house)
        report("taken in by a worker (read twice, hashed, written)", 2 * megabytes, started, peak)
        peak, started = Peak(process), time.perf_counter()
        async with client.stream("GET", f"{paths[0]}/content") as answer:
            got = sum([len(piece) async for piece in answer.aiter_raw()])
        assert got == megabytes * MEGABYTE
        report(f"download of {megabytes} MB", megabytes, started, peak)
        await latencies("a range of 64 kB", 200, lambda: a_range(client, paths[0]))
        await latencies("a file of 1 MB in one request", 25, lambda: a_file(client))
    limit = folder / "cp"
    found = next(path for path in (folder / "data").rglob("*") if path.is_file() and path.stat().st_size > MEGABYTE)
    started = time.perf_counter()
    shutil.copyfile(found, limit)
    with limit.open("rb") as copied:
        os.fsync(copied.fileno())
    rate = found.stat().st_size / MEGABYTE / (time.perf_counter() - started)
    print(f"{'beside it: the disk, copying one such file':56} {rate:8.0f} MB/s")


async def a_range(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(f"{path}/content", headers={"Range": "bytes=7000000-7065535"})
    assert answer.status_code == 206


async def a_file(client: httpx.AsyncClient) -> None:
    content = b"%PDF-1.7" + os.urandom(8) + PIECE[16:]
    answer = await client.post("/files", files={"file": ("a.pdf", content)})
    assert answer.status_code == 201, answer.text


async def latencies(title: str, times: int, work: Callable[[], Awaitable[object]]) -> None:
    found = []
    for _ in range(times):
        started = time.perf_counter()
        await work()
        found.append(time.perf_counter() - started)
    cuts = statistics.quantiles(found, n=20)
    print(f"{title:56} p50 {cuts[9] * 1000:6.0f} ms, p95 {cuts[18] * 1000:6.0f} ms")


def report(title: str, megabytes: int, started: float, peak: Peak) -> None:
    seconds = time.perf_counter() - started
    print(f"{title:56} {megabytes / seconds:8.0f} MB/s, {peak}")


async def pictures() -> None:
    image = Image.effect_noise((4000, 3000), 40).convert("RGB")
    jpeg, heic = io.BytesIO(), io.BytesIO()
    image.save(jpeg, "JPEG", quality=85)
    pillow_heif.from_pillow(image).save(heic, quality=60)
    writer, most = Pillow(), 50_000_000
    peak = Peak(psutil.Process())
    for name, content in (("JPEG", jpeg.getvalue()), ("HEIC", heic.getvalue())):
        await latencies(
            f"{name} of 12 megapixels written anew", 5, lambda c=content: asyncio.to_thread(writer.rewrite, c, most)
        )
        await latencies(
            f"{name} of 12 megapixels as a face in three sizes",
            5,
            lambda c=content: asyncio.to_thread(writer.squares, c, most, (512, 192, 64)),
        )
    print(f"{'pictures, this process':56} {peak}")


async def recordings(folder: Path) -> None:
    path, seconds, chance = folder / "film.mp4", 20, random.Random(1)
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=30)
        video.width, video.height, video.pix_fmt = 1280, 720, "yuv420p"
        video.options = {"preset": "ultrafast"}
        audio = out.add_stream("aac", rate=48_000, layout="mono")
        noise = [Image.effect_noise((1280, 720), 30 + 5 * number).convert("RGB") for number in range(6)]
        for number in range(30 * seconds):
            out.mux(video.encode(av.VideoFrame.from_image(noise[number // 10 % 6])))
        out.mux(video.encode(None))
        for number in range(seconds * 48_000 // 1024):
            frame = av.AudioFrame(format="fltp", layout="mono", samples=1024)
            frame.sample_rate, frame.pts, frame.time_base = 48_000, number * 1024, Fraction(1, 48_000)
            frame.planes[0].update(array("f", [chance.uniform(-0.2, 0.2) for _ in range(1024)]).tobytes())
            out.mux(audio.encode(frame))
        out.mux(audio.encode(None))
    tool = PyAv(timedelta(minutes=10))
    await latencies("probe of a film", 5, lambda: tool.probe(path, "video/mp4"))
    for rendition in ("thumbnail", "audio", "stream"):
        started = time.perf_counter()
        await tool.make(rendition, path, "video/mp4", folder / rendition)
        took = time.perf_counter() - started
        print(
            f"{f'{rendition} of {seconds} s of 720p':56} {took:8.1f} s, {seconds / took:.1f} times as fast as it plays"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=500)
    parser.add_argument("--not-durable", action="store_true")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as name,
        EmbeddedPostgres(Path(name) / "pg", durable=not given.not_durable) as server,
    ):
        folder = Path(name)
        migrate.upgrade(server.owner_url)
        os.environ |= {"DATABASE_URL": server.app_url, "LOG_LEVEL": "warning", "DATA_FOLDER": str(folder / "data")}
        asyncio.run(run(given.megabytes, folder))


async def run(megabytes: int, folder: Path) -> None:
    settings = KernelSettings.load()
    configure_logs(settings)
    house = build_house(settings, process="bench")
    with web_process() as (port, process):
        await measure(house, port, process, megabytes, folder)
    await house.close()
    await pictures()
    await recordings(folder)


if __name__ == "__main__":
    main()

"""What the embedded defaults of ai do on this machine: cold start, throughput, latency, memory.

    python -m bench.ai [--seconds 3] [--json] [--only quotes,speech,gate,reading,ocr,faces,thai,lexical,metered]

Each is measured in a process of its own, so that memory and cold start are its alone; cold is the first time, loading
of libraries and models included. Documents are read in this process as the house's own does in a child. `metered` is a
whole call with its two transactions, `lexical` a search by words among 500 passages of one owner, both on an embedded
PostgreSQL (fsync on) in a temporary folder.
"""

import argparse
import asyncio
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from PIL import Image, ImageDraw, ImageFont

if TYPE_CHECKING:
    from tillhouse.kernel.house import House

_TESTS = Path(__file__).parents[1] / "tests" / "parts" / "ai"
SOUND, PORTRAIT = _TESTS / "sounds" / "valves.ogg", _TESTS / "faces" / "hopper.jpg"
THAI = "ค่าบริการของแผนนี้เก็บในวันแรกของเดือนและคืนเงินภายในห้าวันทำการ" * 4
PASSAGE = (
    "Article {n}. The service fee of plan {n} is {n} dollars a month. It is charged on the first day. "
    "Whoever cancels plan {n} within fourteen days gets the fee back within five working days. "
    "Questions of plan {n} are answered by telephone on workdays between nine and five."
)
QUESTION = "How long does it take to get the fee of plan 7 back?"


@dataclass(frozen=True)
class Measured:
    """Times in milliseconds, memory in megabytes; `unit` is what `per_second` counts.

    `cpu_ms` is what one run takes of a processor, whoever else wants it meanwhile.
    """

    what: str
    cold_ms: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    per_second: float
    unit: str
    memory_mb: float


async def measure(what: str, unit: str, size: float, seconds: float, once: Callable[[], Awaitable[object]]) -> Measured:
    """Run `once` cold, then for so many seconds. `size` is how many of `unit` one run does."""
    process = psutil.Process()
    before = process.memory_info().rss
    started = time.perf_counter()
    await once()
    cold = time.perf_counter() - started
    times: list[float] = []
    cpu = time.process_time()
    ends = time.perf_counter() + seconds
    while time.perf_counter() < ends or len(times) < 3:
        began = time.perf_counter()
        await once()
        times.append(time.perf_counter() - began)
    cpu = (time.process_time() - cpu) / len(times)
    memory = (process.memory_info().rss - before) / 1e6
    p99 = statistics.quantiles(times, n=100)[98] if len(times) > 1 else times[0]
    each = statistics.fmean(times)
    p50 = statistics.median(times)
    return Measured(what, cold * 1e3, p50 * 1e3, p99 * 1e3, cpu * 1e3, size / each, unit, memory)


async def quotes(seconds: float) -> Measured:
    from tillhouse.parts.ai.domain.chat import ChatRequest, Untrusted, UserMessage
    from tillhouse.parts.ai.providers.extractive.chat import ExtractiveChat

    material = tuple(Untrusted(PASSAGE.format(n=number)) for number in range(1, 21))
    request = ChatRequest(messages=(UserMessage(QUESTION, material),))
    endpoint = ExtractiveChat()

    async def once() -> object:
        return [event async for event in endpoint.stream("quotes", request, 10)]

    return await measure("quotes from 20 passages", "answers", 1, seconds, once)


async def speech(seconds: float) -> Measured:
    from tillhouse.parts.ai.domain.speech import SpeechHints
    from tillhouse.parts.ai.providers.libav.reader import LibavReader
    from tillhouse.parts.ai.providers.sphinx.gate import SphinxGate
    from tillhouse.parts.ai.providers.sphinx.listener import SphinxListener

    sound = LibavReader().read(SOUND.read_bytes(), 60_000)
    sound = replace(sound, spoken=SphinxGate().spoken(sound.pcm))
    listener = SphinxListener()
    hints = SpeechHints(phrases=("boiler valve", "boiler valves", "labour", "copper pipe", "thermostat"))

    async def once() -> object:
        return await listener.transcribe("grammar", sound, hints, 60)

    what = f"grammar on {sound.milliseconds / 1000:.1f} s of speech"
    return await measure(what, "s of sound", sound.milliseconds / 1000, seconds, once)


async def gate(seconds: float) -> Measured:
    from tillhouse.parts.ai.domain.loudness import both, loud_spans
    from tillhouse.parts.ai.providers.libav.reader import LibavReader
    from tillhouse.parts.ai.providers.sphinx.gate import SphinxGate

    content, reader, detector = SOUND.read_bytes(), LibavReader(), SphinxGate()

    async def once() -> object:
        sound = reader.read(content, 60_000)
        return both(detector.spoken(sound.pcm), loud_spans(sound.pcm))

    return await measure("decoding and the voice gate", "s of sound", 4.98, seconds, once)


async def reading(seconds: float) -> Measured:
    import typst

    pages = "#pagebreak()".join(PASSAGE.format(n=number) * 6 for number in range(1, 11))
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "bench.typ"
        source.write_text(pages)
        content = typst.compile(source)
    return await measure("text of a PDF of 10 pages", "pages", 10, seconds, _reading("pdf", content, "application/pdf"))


async def ocr(seconds: float) -> Measured:
    sheet = Image.new("L", (1240, 900), 255)
    font, draw = ImageFont.load_default(size=32), ImageDraw.Draw(sheet)
    for number in range(12):
        draw.text((60, 60 + 65 * number), f"{number + 1}  Diesel 31.27 l at 89.62 a litre: 2802.42", fill=0, font=font)
    out = io.BytesIO()
    sheet.save(out, "PNG")
    return await measure(
        "OCR of a page of 12 lines", "pages", 1, seconds, _reading("image", out.getvalue(), "image/png")
    )


def _reading(form: str, content: bytes, media_type: str) -> Callable[[], Awaitable[object]]:
    from tillhouse.parts.ai.providers.reading.wire import Request

    request = Request(media_type, f"bench.{form}")

    async def once() -> object:
        _, pages = import_module(f"tillhouse.parts.ai.providers.reading.formats.{form}").read(content, request)
        return list(pages)

    return once


async def faces(seconds: float) -> Measured:
    from tillhouse.parts.ai.providers.photos.settings import PhotoSettings
    from tillhouse.parts.ai.providers.photos.weights import weights_of

    content, weights = PORTRAIT.read_bytes(), weights_of(PhotoSettings())

    async def once() -> object:
        from tillhouse.parts.ai.providers.photos.faces import find_faces

        return find_faces(content, *weights)

    return await measure("faces of a photo", "photos", 1, seconds, once)


async def thai(seconds: float) -> Measured:
    from tillhouse.parts.ai.providers.pythainlp import split

    async def once() -> object:
        return split(THAI)

    return await measure(f"words of {len(THAI)} letters of Thai", "letters", len(THAI), seconds, once)


async def lexical(seconds: float) -> Measured:
    from bench.retrieval import index, ranking
    from tillhouse.kernel.ids import new_id

    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus.jsonl"
        lines = ({"_id": str(n), "title": f"Plan {n}", "text": PASSAGE.format(n=n)} for n in range(500))
        corpus.write_text("\n".join(map(json.dumps, lines)))
        async with _house() as house:
            owner_id = new_id()
            await index(house, owner_id, corpus)

            async def once() -> object:
                return await ranking(house, owner_id, QUESTION, "lexical")

            return await measure("search by words, 500 passages", "searches", 1, seconds, once)


@asynccontextmanager
async def _house() -> AsyncIterator["House"]:
    from tillhouse.apps import migrate
    from tillhouse.apps.compose import build_house
    from tillhouse.apps.embedded import EmbeddedPostgres
    from tillhouse.kernel.logs import configure_logs
    from tillhouse.kernel.settings import KernelSettings

    with tempfile.TemporaryDirectory() as folder, EmbeddedPostgres(Path(folder)) as postgres:
        migrate.upgrade(postgres.owner_url)
        settings = KernelSettings(environment="test", database_url=postgres.app_url, log_level="warning")
        configure_logs(settings)
        house = build_house(settings, serve=["ai"])
        yield house
        await house.close()


async def metered(seconds: float) -> Measured:
    from tillhouse.parts.ai.api.chat import HOUSE, ChatRequest, Untrusted, Use, UserMessage, complete

    material = tuple(Untrusted(PASSAGE.format(n=number)) for number in range(1, 21))
    request = ChatRequest(messages=(UserMessage(QUESTION, material),))
    async with _house() as house:

        async def once() -> object:
            return await complete(house, Use(HOUSE, "bench.answer"), request, models=["extractive/quotes"])

        return await measure("a metered call, one at a time", "calls", 1, seconds, once)


MEASURES = {
    "quotes": quotes,
    "speech": speech,
    "gate": gate,
    "reading": reading,
    "ocr": ocr,
    "faces": faces,
    "thai": thai,
    "lexical": lexical,
    "metered": metered,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="till bench ai", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each is measured")
    parser.add_argument("--only", default=",".join(MEASURES), help=f"some of: {','.join(MEASURES)}")
    parser.add_argument("--json", action="store_true", help="figures for programs")
    parser.add_argument("--one", choices=MEASURES, help=argparse.SUPPRESS)  # in a process of its own
    options = parser.parse_args()
    if options.one:
        print(json.dumps(asdict(asyncio.run(MEASURES[options.one](options.seconds)))))
        return
    found = [_in_its_own_process(name, options.seconds) for name in options.only.split(",")]
    if options.json:
        print(json.dumps([asdict(one) for one in found]))
        return
    heads = "".join(f"{head:>10}" for head in ("cold ms", "p50 ms", "p99 ms", "CPU ms"))
    print(f"{'':<34}{heads}{'per second':>12}  {'':<12}{'memory MB':>10}")
    for one in found:
        print(
            f"{one.what:<34}{one.cold_ms:>10.1f}{one.p50_ms:>10.2f}{one.p99_ms:>10.2f}{one.cpu_ms:>10.2f}"
            f"{one.per_second:>12.1f}  {one.unit:<12}{one.memory_mb:>10.1f}"
        )


def _in_its_own_process(name: str, seconds: float) -> Measured:
    if name not in MEASURES:
        sys.exit(f"there is no {name}; there are {', '.join(MEASURES)}")
    asked = [sys.executable, "-m", "bench.ai", "--one", name, "--seconds", str(seconds)]
    answer = subprocess.run(asked, check=True, capture_output=True, text=True)
    return Measured(**json.loads(answer.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()

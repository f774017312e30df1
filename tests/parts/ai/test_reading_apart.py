"""What reads documents stands apart: no process of the house loads it, and what it meets does not reach the house."""

import json
import subprocess
import sys

import pytest

from tillhouse.parts.ai.domain.reading import Unreadable
from tillhouse.parts.ai.ports.reading import Total
from tillhouse.parts.ai.providers.reading import process
from tillhouse.parts.ai.providers.reading.process import ReadingProcess
from tillhouse.parts.ai.providers.reading.settings import ReadingSettings

HEAVY = (
    "onnxruntime",
    "rapidocr",
    "cv2",
    "pypdfium2",
    "docx",
    "openpyxl",
    "pptx",
    "lxml",
    "pythainlp",
    "numpy",
    "selectolax",
)
LOOK = """
import json, pkgutil, sys
import tillhouse.parts.ai as ai
from tillhouse.apps import web, worker
from tillhouse.parts.ai import manifest
MODULE = manifest.MODULE
MODULE.api(), MODULE.pages(), MODULE.models(), MODULE.jobs(), MODULE.invariants()
from tillhouse.parts.ai.api import chat, retrieval
from tillhouse.parts.ai.providers import installed
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def test_neither_web_nor_worker_loads_what_reads() -> None:
    done = subprocess.run([sys.executable, "-c", LOOK], capture_output=True, text=True, check=True, timeout=100)
    loaded = set(json.loads(done.stdout))
    assert "tillhouse" in loaded
    assert loaded & set(HEAVY) == set()


async def read(content: bytes, media_type: str, **settings: object) -> list[object]:
    reader = ReadingProcess(ReadingSettings.model_validate(settings))
    return [what async for what in reader.read(content, media_type, "x", (), ())]


async def test_one_that_hangs_is_ended_and_the_page_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = """
import sys, time
sys.stdin.buffer.readline()
print('{"total": 3}', flush=True)
page = '"number": 1, "text": "a", "source": "text", "title": "", "hidden": [], "confidence": 1, "fingerprint": "f"'
print('{"page": {' + page + ', "blocks": []}}', flush=True)
time.sleep(100)
"""
    await instead(monkeypatch, pages)
    with pytest.raises(Unreadable) as error:
        await read(b"x", "text/plain", page_seconds=1)
    assert (error.value.reason, error.value.page) == ("page_too_slow", 2)


async def test_one_that_dies_fails_its_document_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        await instead(patched, "import os; print('{\"total\": 1}', flush=True); os.abort()")
        with pytest.raises(Unreadable) as error:
            await read(b"x", "text/plain")
    assert (error.value.reason, error.value.page) == ("damaged", 1)
    assert (await read(b"Words.", "text/plain"))[0] == Total(1)


async def instead(patched: pytest.MonkeyPatch, source: str) -> None:
    """Have the child run other code: what a fault in a library would look like from here."""
    start = process.asyncio.create_subprocess_exec

    async def other(*_arguments: str, **how: object) -> object:
        return await start(sys.executable, "-c", source, **how)  # type: ignore[arg-type]  # as it was given

    patched.setattr(process.asyncio, "create_subprocess_exec", other)


async def test_it_is_given_no_setting_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "the house's own")
    await instead(
        monkeypatch,
        "import os, json; print(json.dumps({'failed': {'reason': 'gone', 'page': len(os.environ), 'most': "
        "int('SECRET_KEY' in os.environ)}}))",
    )
    with pytest.raises(Unreadable) as error:
        await read(b"x", "text/plain")
    assert error.value.fields["most"] == 0
    assert error.value.page <= 5


async def test_what_takes_more_memory_than_it_may_ends_alone() -> None:
    with pytest.raises(Unreadable) as error:
        await read(b"word " * 40_000_000, "text/plain", memory_megabytes=400)
    assert error.value.reason in ("not_a_document", "damaged", "too_large")

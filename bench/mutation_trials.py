"""Runs tests against changed code, for `till bench mutation`: one session of pytest, one PostgreSQL, many children.

First every test runs once, and is noted with the statements that it reaches. Then, for each change, a forked child puts
it into itself and runs tests that reach the changed statement until one of them fails. A child has the imported house
and the server from its parent, so that a try costs as much as its tests do.
"""

import builtins
import gc
import hashlib
import json
import os
import resource
import select
import signal
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path

import hypothesis
import psycopg
import pytest
from _pytest.runner import runtestprotocol

from bench.mutation_changes import Change, Source
from tillhouse.apps.embedded import EmbeddedPostgres

_MEMORY = 6 * 2**30  # of a child: a change may make a loop that never ends
_PATIENCE = 40.0  # seconds beyond five times what a test took unchanged, before it counts as hanging


@dataclass(frozen=True, slots=True)
class Reach:
    """What a test reached when nothing was changed. One that failed then can say nothing about a change."""

    seconds: float
    statements: frozenset[int]
    passed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of a change: `killed`, `hung`, `survived`, or `unreached` by any test. `tried` of the `reaching`
    tests were run. It holds while `source` and, of one that was not killed, `tests` are what they were.
    """

    name: str
    line: int
    outcome: str
    by: str
    tried: int
    reaching: int
    source: str
    tests: str

    @property
    def noticed(self) -> bool:
        return self.outcome in {"killed", "hung"}


class Trials:
    """A plugin of pytest that runs `judge` in place of the tests that were collected."""

    def __init__(
        self, sources: Sequence[Source], kept: Path, judge: Callable[["Trials"], None], *, most: int, database: bool
    ) -> None:
        self._sources = sources
        self._kept = kept
        self._most = most
        self._database = database
        self._judge = judge
        self._items: dict[str, pytest.Item] = {}
        self._reaches: dict[str, Reach] = {}
        self._numbers: dict[tuple[str, str, int], int] = {}
        self._killers: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        self._server: EmbeddedPostgres | None = None

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[object]) -> Iterator[None]:
        found: object = yield
        if isinstance(found, EmbeddedPostgres):
            self._server = found
        return found  # type: ignore[return-value]  # pluggy reads it

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = session.items if self._database else [one for one in session.items if not _needs_the_house(one)]
        self._items = {item.nodeid: item for item in items}
        if self._database:
            self._passes(next(one for one in items if "server" in _fixtures(one)))  # children share its server
        self._reaches = self._find_reaches(items)
        gc.freeze()  # a child's collector leaves the pages alone that it shares with this process
        self._judge(self)
        return True

    def unfit(self) -> list[str]:
        """Tests that fail with nothing changed."""
        return [name for name, reach in self._reaches.items() if not reach.passed]

    def try_out(self, change: Change, earlier: Verdict | None) -> Verdict:
        """Whether a test notices the change: `earlier` while it holds."""
        number = self._numbers[change.module, change.function, change.statement]
        reaching = [name for name, one in self._reaches.items() if number in one.statements and one.passed]
        source, tests = _digest([change.text.encode()]), self._state_of_tests(reaching)
        tried_enough = earlier and earlier.tests == tests and earlier.tried >= min(self._most, len(reaching))
        if earlier and earlier.source == source and (earlier.noticed or tried_enough):
            return earlier
        killers = self._killers[change.module, change.function]
        own = [name for name in reaching if _is_about(name, change.module)]
        in_turn = _alternately(self._by_turns(own), self._by_turns(reaching))
        chosen = sorted(in_turn, key=lambda name: -killers[name])[: self._most]
        outcome, by, tried = self._run(change, chosen) if chosen else ("unreached", "", 0)
        killers[by] += 1
        return Verdict(
            name=change.name,
            line=change.line,
            outcome=outcome,
            by=by,
            tried=tried,
            reaching=len(reaching),
            source=source,
            tests=tests,
        )

    def _find_reaches(self, items: Sequence[pytest.Item]) -> dict[str, Reach]:
        total = 0
        for source in self._sources:
            name = source.module.__name__.removeprefix("tillhouse.parts.")
            for function, number in source.watch(total):
                self._numbers[name, function, number] = total
                total += 1
        files: dict[Path, list[pytest.Item]] = defaultdict(list)
        for item in items:
            files[item.path].append(item)
        found: dict[str, Reach] = {}
        for path, there in files.items():
            found |= self._reaches_of(path, there)
        for source in self._sources:
            source.restore()
        return found

    def _reaches_of(self, path: Path, items: Sequence[pytest.Item]) -> dict[str, Reach]:
        """As they were found before, while neither the file, its helpers nor the code changed."""
        kept = self._kept / f"{self._state_of(path, items)}.json"
        if kept.exists():
            said = json.loads(kept.read_text())
            return {
                name: Reach(one["seconds"], frozenset(one["statements"]), one["passed"]) for name, one in said.items()
            }
        found = {item.nodeid: self._watch(item) for item in items}
        shown = {name: asdict(one) | {"statements": sorted(one.statements)} for name, one in found.items()}
        kept.write_text(json.dumps(shown))
        return found

    def _state_of(self, path: Path, items: Sequence[pytest.Item]) -> str:
        code = (source.text.encode() for source in self._sources)
        return _digest([*(item.nodeid.encode() for item in items), *_written(path), *code])

    def _state_of_tests(self, names: Sequence[str]) -> str:
        files = sorted({self._items[name].path for name in names})
        return _digest([*(name.encode() for name in sorted(names)), *(text for one in files for text in _written(one))])

    def _watch(self, item: pytest.Item) -> Reach:
        hits: set[int] = set()
        builtins.__reached__ = hits.add  # type: ignore[attr-defined]  # what the probes call
        started = time.monotonic()
        passed = self._passes(item)
        print("." if passed else f"\n{item.nodeid} fails unchanged\n", end="", flush=True)
        return Reach(time.monotonic() - started, frozenset(hits), passed)

    def _passes(self, item: pytest.Item) -> bool:
        """Run one test. The next is named as another than it is, so that its own fixtures end and the server stays."""
        item.session._setupstate.teardown_exact(item)  # noqa: SLF001  # pytest's own loop does so between items
        other = next(one for one in self._items.values() if one is not item)
        return not any(report.failed for report in runtestprotocol(item, log=False, nextitem=other))

    def _by_turns(self, names: Sequence[str]) -> list[str]:
        """The quickest test of each file, then the second of each …: those of one file see much the same."""
        files: dict[str, list[str]] = defaultdict(list)
        for name in sorted(names, key=lambda name: self._reaches[name].seconds):
            files[name.partition("::")[0]].append(name)
        return [name for turn in zip_longest(*files.values()) for name in turn if name is not None]

    def _run(self, change: Change, names: Sequence[str]) -> tuple[str, str, int]:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            self._be_the_child(change, names, writing)
        os.close(writing)
        with suppress(PermissionError, ProcessLookupError):
            os.setpgid(pid, pid)  # whoever of the two comes first
        try:
            return self._await_child(reading, names)
        finally:
            os.close(reading)
            os.killpg(pid, signal.SIGKILL)  # and whatever a test of it has started
            os.waitpid(pid, 0)
            self._drop_databases_of(pid)

    def _be_the_child(self, change: Change, names: Sequence[str], answers: int) -> None:
        """Answer each test with a byte: `+` when it passed, `-` when not."""
        os.setpgid(0, 0)
        try:
            resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
            silence = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(silence, stream)
            next(one for one in self._sources if one.text is change.text).put(change)
            for name in names:
                passed = self._passes(self._items[name])
                os.write(answers, b"+" if passed else b"-")
                if not passed:
                    break
        finally:
            os._exit(0)

    def _await_child(self, answers: int, names: Sequence[str]) -> tuple[str, str, int]:
        for tried, name in enumerate(names, 1):
            ready, _, _ = select.select([answers], [], [], _PATIENCE + 5 * self._reaches[name].seconds)
            if not ready:
                return "hung", name, tried
            if os.read(answers, 1) != b"+":  # nothing: the child has died of it
                return "killed", name, tried
        return "survived", "", len(names)

    def _drop_databases_of(self, pid: int) -> None:
        if self._server is None:
            return
        with psycopg.connect(self._server.superuser_dsn, dbname="postgres", autocommit=True) as connection:
            left = connection.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"test\\_{pid}\\_%"])
            for (name,) in left.fetchall():
                connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def _is_about(test: str, module: str) -> bool:
    """Whether a test's file is called after the changed module: it is asked first."""
    return module.rpartition(".")[2].rstrip("s") in test.partition("::")[0].rpartition("/")[2]


def _alternately(first: Sequence[str], second: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(name for pair in zip_longest(first, second) for name in pair if name is not None))


def _written(path: Path) -> list[bytes]:
    """What a file of tests says, and the helpers beside it."""
    helpers = (one for one in path.parent.glob("*.py") if not one.name.startswith("test_"))
    return [one.read_bytes() for one in [path, *sorted(helpers)]]


def _digest(parts: Iterable[bytes]) -> str:
    state = hashlib.sha256()
    for part in parts:
        state.update(hashlib.sha256(part).digest())
    return state.hexdigest()[:24]


def _fixtures(item: pytest.Item) -> Sequence[str]:
    names: Sequence[str] = getattr(item, "fixturenames", ())
    return names


def _needs_the_house(item: pytest.Item) -> bool:
    """Whether a fixture is missing where no `conftest.py` was read."""
    known: Mapping[str, object] = getattr(item, "_fixtureinfo").name2fixturedefs  # noqa: B009  # pytest's own
    return bool(set(_fixtures(item)) - set(known) - {"request"})


def run(paths: Sequence[str], trials: Trials, *, database: bool) -> int:
    """Collect the tests of `paths` and judge. Returns pytest's exit code.

    Examples are the same each time, however slow the machine is, so that a change has the same end.
    """
    hypothesis.settings.register_profile("mutation", deadline=None, derandomize=True, database=None)
    hypothesis.settings.load_profile("mutation")
    quick = [
        "-q",
        "--no-header",
        "--no-summary",
        "--assert=plain",
        "--tb=no",
    ]  # why a test fails is not asked, and telling it costs more than the test
    options = [*quick, "-p", "no:cacheprovider", "--capture=no"]
    if not database:
        options.append("--noconftest")
    return int(pytest.main([*options, *paths], plugins=[trials]))


def read(path: Path) -> Mapping[str, Verdict]:
    """The verdicts that were kept, the last of each change."""
    if not path.exists():
        return {}
    return {one.name: one for one in (Verdict(**json.loads(line)) for line in path.read_text().splitlines())}


def keep(path: Path, verdict: Verdict) -> None:
    with path.open("a") as file:
        file.write(json.dumps(asdict(verdict)) + "\n")

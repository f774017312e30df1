"""Whatever comes to the ledger's door: it is written, or refused in words, and no error of ours."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from tests.parts.ledger.books import Books
from tests.parts.ledger.test_endpoints import API, Machine, machine, sale
from tillhouse.apps.compose import build_house, create_app
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.settings import KernelSettings

_EFFORT = effort(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck), database=None)
TOO_LARGE = "a number that becomes 1e400"  # no float of Python's is written so, and everybody's JSON may hold it

# What has broken somebody's door before: out of range, of another type, not to be stored, or too much.
NASTY: tuple[Any, ...] = (
    None, True, 0, -1, 2**31, 2**63, -(2**63) - 1, 10**4000, 0.1, 1e308, float("nan"), float("-inf"), TOO_LARGE,
    "", " ", "0", "1e5", "-1", "9223372036854775807", "92233720368547758.08", ".", "1.2.3", "a\u0000b", "\ud800",
    "é" * 3000, "x" * 9000, "2026-01-01", "9999-12-31T23:59:59Z", "2199-12-31T23:59:59.999999+14:00",
    "0001-01-01T00:00:00+14:00", "00000000-0000-0000-0000-000000000000", [], {}, [[]], {"": {}}, "INR", "XXX",
    "NaN", "１２３",
)  # fmt: skip
FIELDS = (
    ("kind",), ("legs",), ("effective_at",), ("metadata",), ("metadata", "x"), ("more",),
    *(("legs", n, name) for n in (0, 1)
      for name in ("owner_kind", "owner_id", "code", "currency", "side", "amount", "more")),
)  # fmt: skip
anything = st.sampled_from(NASTY) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
changes = st.lists(st.tuples(st.sampled_from(FIELDS), anything), max_size=3)


def changed(body: dict[str, Any], wanted: list[tuple[tuple[Any, ...], Any]]) -> dict[str, Any]:
    """A good request with other values in it, where there is a place for them."""
    body = {"metadata": {}, **json.loads(json.dumps(body))}
    for path, value in wanted:
        place: Any = body
        for step in path[:-1]:
            if not isinstance(place, (dict, list)) or (isinstance(place, list) and len(place) <= step):
                break
            place = place[step] if isinstance(place, list) else place.get(step)
        if isinstance(place, dict):
            place[path[-1]] = value
    return body


class Door:
    """The ledger's API, and one machine that may use it."""

    def __init__(self, robot: Machine) -> None:
        self.robot = robot

    async def knock(self, path: str, body: object) -> httpx.Response:
        raw = json.dumps(body).replace(f'"{TOO_LARGE}"', "1e400").encode()
        headers = {
            "Authorization": f"Bearer {self.robot.key}",
            "Idempotency-Key": str(new_id()),
            "Content-Type": "application/json",
        }
        answer = await self.robot.client.post(path, content=raw, headers=headers)
        assert answer.status_code < 500, (answer.status_code, answer.text, raw[:2_000])
        assert answer.status_code < 400 or answer.json()["code"], answer.text
        return answer


@asynccontextmanager
async def opened(settings: KernelSettings) -> AsyncIterator[Door]:
    house = build_house(settings)
    try:
        # An error of ours comes as the answer that a client would see.
        transport = httpx.ASGITransport(create_app(house), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield Door(await machine(house, client))
        assert await Books(house).violations() == []
    finally:
        await house.close()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as made:
        yield made


@pytest.fixture
def door(settings: KernelSettings, runner: asyncio.Runner) -> Iterator[Door]:
    context = opened(settings)
    yield runner.run(context.__aenter__())
    runner.run(context.__aexit__(None, None, None))


def test_a_transaction_with_anything_in_any_field_is_written_or_refused_in_words(
    door: Door, runner: asyncio.Runner
) -> None:
    @given(changes)
    @example([(("metadata", "x"), TOO_LARGE)])
    @example([(("metadata", "x"), float("nan"))])
    @example([(("metadata", "x"), "\ud800")])
    @example([(("metadata", "x"), "a\u0000b")])
    @_EFFORT
    def check(wanted: list[tuple[tuple[Any, ...], Any]]) -> None:
        runner.run(door.knock(API, changed(sale(), wanted)))

    check()


def test_a_bulk_with_anything_in_one_of_its_transactions_is_answered_for_each(
    door: Door, runner: asyncio.Runner
) -> None:
    @given(changes, st.booleans())
    @example([(("metadata", "x"), TOO_LARGE)], False)
    @_EFFORT
    def check(wanted: list[tuple[tuple[Any, ...], Any]], atomic: bool) -> None:
        transactions = [sale(), changed(sale(), wanted), sale()]
        answer = runner.run(door.knock(f"{API}/bulk", {"atomic": atomic, "transactions": transactions}))
        if answer.status_code == 200:
            assert len(answer.json()["items"]) == 3
            assert answer.json()["written"] >= (0 if atomic else 2)

    check()


@pytest.mark.parametrize("path", ["", "/bulk", "/{id}/reverse"])
def test_any_json_at_any_door_is_answered(door: Door, runner: asyncio.Runner, path: str) -> None:
    written = runner.run(door.knock(API, sale())).json()["id"]

    @given(anything | st.fixed_dictionaries({}, optional={"effective_at": anything, "metadata": anything}))
    @effort(_EFFORT, max_examples=60)
    def check(body: object) -> None:
        runner.run(door.knock(API + path.format(id=written), body))

    check()


def test_json_nested_deeper_than_anyone_reads_is_no_error_of_ours(door: Door, runner: asyncio.Runner) -> None:
    for depth in (150, 300, 900, 1_900):
        deep = "[" * depth + "]" * depth
        raw = json.dumps({**sale(), "metadata": {"x": "deep"}}).replace('"deep"', deep)
        answer = runner.run(_raw(door, raw.encode()))
        assert answer.status_code in (201, 400, 422), (depth, answer.text)


async def _raw(door: Door, body: bytes) -> httpx.Response:
    headers = {"Authorization": f"Bearer {door.robot.key}", "Idempotency-Key": str(new_id())}
    return await door.robot.client.post(API, content=body, headers={**headers, "Content-Type": "application/json"})

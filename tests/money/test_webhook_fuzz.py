"""Whatever comes to a provider's door, signed or not: no error of ours, and no money that nobody paid.

Events are recorded from payments, refunds, disputes and payouts that happened and are settled. Then every door gets
bytes, headers, and the recorded events with other values in them, rightly signed.
"""

import asyncio
import copy
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st
from sqlalchemy import text

from tests.money.flows import DISPUTES, FLOWS, REFUNDS, WITHDRAWALS, Town, open_town
from tillhouse.kernel import clock
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.settings import KernelSettings
from tillhouse.kernel.work import run_due
from tillhouse.parts.payments.ports import BadSignature
from tillhouse.parts.payments.service.registry import gateway, payout_gateway
from tillhouse.sandbox.omise.signing import webhook_signature as omise_signature
from tillhouse.sandbox.razorpay.signing import webhook_signature as razorpay_signature
from tillhouse.sandbox.sepay.signing import webhook_signature as sepay_signature
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.stripe.signing import signature_header
from tillhouse.sandbox.twilio.signing import request_signature
from tillhouse.sandbox.webhooks import Delivery

DOORS = ("razorpay", "razorpayx", "stripe", "omise", "sepay", "sepay_pg")
_OUTSIDE = SandboxSettings(web="http://testserver")
_EFFORT = effort(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck), database=None)

# Values that have broken somebody's door before: out of range, of another type, not to be stored, or too much.
NASTY: tuple[Any, ...] = (
    None, True, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**30, 0.1, 1e308, "", " ", "0", "a\u0000b", "\ud800",
    "é" * 3000,
    "x" * 9000, "../../refunds", "2026-01-01", "00000000-0000-7000-8000-000000000000", [], {}, [[]], {"id": {}},
    "inr", "XXX", "NaN", "１２３",
)  # fmt: skip


def signed(door: str, body: bytes, **more: str) -> dict[str, str]:
    """The headers with which the provider would send this body now."""
    at = int(clock.now().timestamp())
    if door == "razorpay":
        signature = razorpay_signature(_OUTSIDE.razorpay_webhook_secret, body)
    elif door == "razorpayx":
        signature = razorpay_signature(_OUTSIDE.razorpayx_webhook_secret, body)
    elif door == "stripe":
        return {"Stripe-Signature": signature_header([_OUTSIDE.stripe_webhook_secret], at, body)}
    elif door == "omise":
        signature = omise_signature(_OUTSIDE.omise_webhook_secret, at, body)
        return {"Omise-Signature": signature, "Omise-Signature-Timestamp": str(at)}
    elif door == "sepay":
        signature = sepay_signature(_OUTSIDE.sepay_webhook_secret, at, body)
        return {"X-SePay-Signature": signature, "X-SePay-Timestamp": str(at)}
    else:
        return {"X-Secret-Key": _OUTSIDE.sepay_pg_secret_key}
    return {"X-Razorpay-Signature": signature, "x-razorpay-event-id": str(new_id()), **more}


@dataclass
class Siege:
    """A house with money in it, and everyone who knocks."""

    town: Town
    recorded: list[tuple[str, Any]]
    sent: int = 0

    async def knock(self, door: str, body: bytes, headers: Mapping[str, str | bytes]) -> int:
        """One request; a burst from one address would meet the rate limit."""
        self.sent += 1
        raw = [
            (name.encode(), value if isinstance(value, bytes) else value.encode()) for name, value in headers.items()
        ]
        transport = httpx.ASGITransport(self.town.till.app, client=(f"10.9.{self.sent // 1000}.1", 443))
        address = f"http://testserver/api/v1/payments/webhook/{door.removesuffix('_pg')}"
        request = httpx.Request("POST", address, content=body, headers=raw)
        response = await transport.handle_async_request(request)
        await response.aread()
        assert response.status_code < 500, (door, response.status_code, body[:500])
        return response.status_code

    async def knock_signed(self, door: str, document: object) -> int:
        body = json.dumps(document).encode()
        return await self.knock(door, body, signed(door, body))

    async def money(self) -> list[tuple[Any, ...]]:
        """Every balance there is, and what stands in the tables of payments."""
        query = """SELECT 'balance', a.code, a.unit, sum(a.balance)::text FROM ledger.accounts AS a GROUP BY 1, 2, 3
                   UNION ALL SELECT 'orders', state, currency, count(*)::text FROM payments.orders GROUP BY 1, 2, 3
                   UNION ALL SELECT 'payouts', state, currency, count(*)::text FROM payments.payouts GROUP BY 1, 2, 3
                   ORDER BY 1, 2, 3"""
        async with self.town.till.house.database.reading() as session:
            return [tuple(row) for row in (await session.execute(text(query))).all()]


@pytest.fixture
async def siege(settings: KernelSettings) -> AsyncIterator[Siege]:
    """On leaving, what was taken in is handled, and no money has moved."""
    async with open_town(settings) as town:
        siege = Siege(town, [])
        cases = [flow.make(town) for flow in kinds()]
        for case in cases:
            await case.begin()
            await case.run()
        await town.till.restart()
        for case in cases:
            await case.ended()
        told = town.till.sandbox.world.store.find(Delivery, limit=10_000)
        fresh: dict[tuple[str, str], Delivery] = {(one.provider, one.event): one for one in told}
        siege.recorded = [(door, json.loads(one.body)) for (door, _), one in sorted(fresh.items()) if door in DOORS]
        assert {door for door, _ in siege.recorded} == set(DOORS)
        before = await siege.money()
        yield siege
        await run_due(town.till.house)
        assert await siege.money() == before


@pytest.fixture
async def doors_alone(settings: KernelSettings) -> AsyncIterator[Siege]:
    """A house in which nobody has paid anything: nobody has anything afterwards."""
    async with open_town(settings) as town:
        yield Siege(town, [])
        await run_due(town.till.house)
        async with town.till.house.database.reading() as session:
            assert (await session.execute(text("SELECT count(*) FROM ledger.entries"))).scalar_one() == 0


def kinds() -> Iterator[Any]:
    """One flow of each kind at each provider is enough to have every event."""
    named = {str(flow): flow for flow in FLOWS}
    yield from (*REFUNDS, *(flow for flow in DISPUTES if "lost" in str(flow)))
    yield from (named["deposit: sepay-checkout"], named["deposit: sepay-bank_transfer"])
    yield from (named["deposit: razorpay-upi_qr"], named["deposit: razorpay-payment_link"])
    yield from (flow for flow in WITHDRAWALS if "," not in str(flow))


def hammer(loop: asyncio.AbstractEventLoop, *drawn: st.SearchStrategy[Any], knock: Any) -> Callable[[], None]:
    """Run `knock` with what Hypothesis draws, from a thread: the house lives in the loop that waits for it."""

    @_EFFORT
    @given(st.tuples(*drawn))
    def once(values: tuple[Any, ...]) -> None:
        asyncio.run_coroutine_threadsafe(knock(*values), loop).result()

    return once


names = st.sampled_from(
    ["X-Razorpay-Signature", "x-razorpay-event-id", "Stripe-Signature", "Omise-Signature", "Omise-Signature-Timestamp",
     "X-SePay-Signature", "X-SePay-Timestamp", "X-Secret-Key", "Authorization", "Content-Type", "X-Request-Id"]
)  # fmt: skip
stamps = st.sampled_from(
    ["t=1,v1=", "t=,v1=é", "sha256=", "Apikey ", str(int(time.time())), "-1", "9" * 400, "²", "Bearer x"]
)
values = stamps.map(str.encode) | st.binary(max_size=40).map(lambda raw: raw.replace(b"\n", b"").replace(b"\r", b""))
doors = st.sampled_from((*DOORS, "nobody", "", "razorpay/../stripe"))
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(NASTY)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)


async def test_bytes_and_headers_of_any_kind_are_answered_and_change_nothing(doors_alone: Siege) -> None:
    async def knock(door: str, body: bytes, headers: dict[str, bytes]) -> None:
        assert await doors_alone.knock(door, body, headers) >= 300

    loop = asyncio.get_running_loop()
    await asyncio.to_thread(hammer(loop, doors, st.binary(max_size=300), st.dictionaries(names, values), knock=knock))


async def test_documents_of_any_shape_rightly_signed_change_nothing(doors_alone: Siege) -> None:
    async def knock(door: str, document: object, event_id: bytes) -> None:
        body = json.dumps(document).encode()
        await doors_alone.knock(door, body, {**signed(door, body), "x-razorpay-event-id": event_id})

    loop = asyncio.get_running_loop()
    await asyncio.to_thread(hammer(loop, st.sampled_from(DOORS), documents, values, knock=knock))


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_recorded_events_with_other_values_in_them_change_nothing(siege: Siege) -> None:
    """Any field may hold anything; then up to three places of a real event do, and it comes twice."""

    every_field_may_hold_anything(siege)

    async def knock(event: tuple[str, Any], changes: list[tuple[int, Any]]) -> None:
        door, document = event[0], copy.deepcopy(event[1])
        places = list(paths_of(document))
        for number, value in changes:
            put(document, places[number % len(places)], value)
        for _ in range(2):
            await siege.knock_signed(door, document)

    loop = asyncio.get_running_loop()
    changes = st.lists(st.tuples(st.integers(0, 400), st.sampled_from(NASTY) | documents), min_size=1, max_size=3)
    await asyncio.to_thread(hammer(loop, st.sampled_from(siege.recorded), changes, knock=knock))


async def test_bodies_made_to_break_a_reader_are_refused(doors_alone: Siege) -> None:
    deep, number = b"[" * 200_000, b'{"id": ' + b"9" * 100_000 + b"}"
    nested = b'{"a":' * 5_000 + b"1" + b"}" * 5_000
    strange = (b"\xff\xfe", b"\xef\xbb\xbf{}", b"{}" * 3, b'{"id":1e999}', b'"' + b"\\u0000" * 9 + b'"')
    most = 1_048_576
    for door in DOORS:
        for body in (deep, number, nested, *strange):
            assert await doors_alone.knock(door, body, signed(door, body)) in (400, 403, 422), (door, body[:40])
            assert await doors_alone.knock(door, body, {}) in (400, 403, 422), (door, body[:40])
        assert await doors_alone.knock(door, b" " * (most + 1), {}) == 413
        assert await doors_alone.knock(door, b" " * (most + 1), {"content-length": "5"}) == 413


async def test_twilios_door_takes_nothing_that_breaks_it(doors_alone: Siege) -> None:
    """Its callbacks are forms, signed over their address."""
    path = f"/api/v1/channels/webhook/twilio?message={new_id()}"

    async def knock(form: list[tuple[str, str]], kind: str) -> None:
        doors_alone.sent += 1
        pairs = httpx.QueryParams([(name.encode("utf-8", "replace").decode(), value) for name, value in form])
        signature = request_signature(_OUTSIDE.twilio_auth_token, f"http://testserver{path}", form)
        headers = {"Content-Type": kind, "X-Twilio-Signature": signature}
        transport = httpx.ASGITransport(doors_alone.town.till.app, client=(f"10.8.{doors_alone.sent // 500}.1", 443))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            answer = await client.post(path, content=str(pairs).encode(), headers=headers)
        assert answer.status_code < 500, (form, kind)

    letters = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
    known = st.sampled_from(["MessageStatus", "MessageSid", "ErrorCode", "x"])
    said = st.sampled_from(["delivered", "failed", "a\0b", "9" * 5000]) | letters
    form, parts = "application/x-www-form-urlencoded", "multipart/form-data"
    kinds_of_body = st.sampled_from([form, parts, f"{parts}; boundary=x", "text/plain"])
    loop = asyncio.get_running_loop()
    await asyncio.to_thread(hammer(loop, st.lists(st.tuples(known, said), max_size=5), kinds_of_body, knock=knock))


def every_field_may_hold_anything(siege: Siege) -> None:
    """Each field there is, each value that has broken a door: read as an event that can be stored, or refused."""
    house, seen, read = siege.town.till.house, set(), 0
    for door, document in siege.recorded:
        name = door.removesuffix("_pg")
        known = payout_gateway(house, name) if door == "razorpayx" else gateway(house, name)
        for place in paths_of(document):
            if (door, place) in seen:
                continue
            seen.add((door, place))
            for value in NASTY:
                changed = copy.deepcopy(document)
                put(changed, place, value)
                body = json.dumps(changed).encode()
                try:
                    event = known.read_event(body, httpx.Headers(signed(door, body)))
                except BadSignature:
                    continue
                read += 1
                if event.plausible:
                    texts = [one for one in vars_of(event).values() if isinstance(one, str)]
                    assert all("\0" not in one and len(one.encode()) <= 1024 for one in texts), (place, value)
                    assert event.amount is None or abs(event.amount.minor) < 2**63
    assert read > 1000


# --- places in a document -------------------------------------------------------------------------------------------

Path = tuple[str | int, ...]


def paths_of(document: object, so_far: Path = ()) -> Iterator[Path]:
    """Every place in a document that could hold something else, itself left out."""
    if so_far:
        yield so_far
    if isinstance(document, dict):
        for name, inner in document.items():
            yield from paths_of(inner, (*so_far, name))
    elif isinstance(document, list):
        for number, inner in enumerate(document[:2]):
            yield from paths_of(inner, (*so_far, number))


def put(document: Any, place: Path, value: object) -> None:
    """Put a value there, if the place is still one (another change may have come first)."""
    for step in place[:-1]:
        try:
            document = document[step]
        except (KeyError, IndexError, TypeError):
            return
    if isinstance(document, dict) or (isinstance(document, list) and isinstance(place[-1], int)):
        try:
            document[place[-1]] = value
        except IndexError:
            return


def vars_of(event: object) -> dict[str, object]:
    return {name: getattr(event, name) for name in getattr(event, "__slots__", ())}

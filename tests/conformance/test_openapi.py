"""The API keeps its word: what its OpenAPI document promises, and what each route declares of who may call it.

Cases come from Schemathesis: the boundaries of every schema, deliberate mistakes, and some that Hypothesis makes up.
They are made before the first is sent and without a random seed, so that the same ones come every time.
"""

import functools
import itertools
import json
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
import requests
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.conformance.street import (
    EARNING,
    EXPENSE,
    NOBODY,
    OPEN_PURSE,
    PAYOUT,
    Archive,
    Caller,
    Patient,
    Street,
    changed,
)
from tests.parts.billing.counter import SMALL
from tillhouse.apps.compose import build_house
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.catalogue import CATALOGUE
from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.invariants import check_all
from tillhouse.kernel.manifest import Module
from tillhouse.kernel.paging import encode_cursor
from tillhouse.kernel.routes import Endpoint, endpoints
from tillhouse.kernel.settings import KernelSettings
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.transport import SandboxTransport

# Bytes under another name: uploads that resume (tus 1.0).
schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")

NOON = datetime(2026, 11, 18, 6, 30, tzinfo=UTC)
MADE_UP = 4  # cases of each operation and mode, beside the boundaries
CHECKS = [status_code_conformance, content_type_conformance, response_schema_conformance]
PERMISSIONS = {permission.name: permission for module in CATALOGUE for permission in module.permissions}
# A machine has nothing of its own to look up, so that the first permission is worth nothing to it without the second.
NEEDS_TOO = {"payments.status": "payments.status_of_all"}

CODE: dict[str, object] = {"identifier": "new@example.com", "code": "000000"}
PASSWORD = "seven green parrots"
_LEG = {
    "owner_kind": "ledger",
    "owner_id": "00000000-0000-7000-8000-000000000001",
    "currency": "INR",
    "amount": "150.00",
}
TRANSACTION: dict[str, object] = {
    "kind": "ledger.entry",
    "legs": [
        {**_LEG, "code": "asset:bank", "side": "debit"},
        {**_LEG, "code": "customer:balance", "side": "credit"},
    ],
    "effective_at": None,
    "metadata": {"order": "A-1"},
}
ELSEWHERE = "00000000-0000-7000-8000-000000000000"
# A right request of every operation that reads a JSON body, but for codes and passwords, which are well-formed guesses.
GOOD: dict[tuple[str, str], dict[str, object]] = {
    ("POST", "/auth/register"): {
        "email": "new@example.com", "phone": None, "password": PASSWORD, "full_name": "New", "locale": "hi",
        "zone": "Asia/Kolkata",
    },
    ("POST", "/auth/verify-otp"): {**CODE, "challenge_id": None},
    ("POST", "/auth/resend-otp"): {"identifier": "new@example.com"},
    ("POST", "/auth/login"): {"identifier": "new@example.com", "password": PASSWORD},
    ("POST", "/auth/refresh-token"): {"refresh_token": "x" * 43},
    ("POST", "/auth/logout"): {"refresh_token": "x" * 43},
    ("POST", "/auth/forgot-password"): {"identifier": "new@example.com"},
    ("POST", "/auth/reset-password"): {**CODE, "password": PASSWORD, "challenge_id": None},
    ("POST", "/auth/step-up/verify"): {"code": "000000"},
    ("PUT", "/users/me"): {"full_name": "Changed", "locale": "hi", "zone": "UTC"},
    ("PATCH", "/users/me/password"): {"current_password": None, "new_password": PASSWORD},
    ("POST", "/users/me/identifiers"): {"email": "second@example.com", "phone": None},
    ("POST", "/users/me/identifiers/confirm"): CODE,
    ("POST", "/users/me/totp/confirm"): {"code": "000000"},
    ("PUT", "/users/{person_id}/role"): {"role": "admin"},
    ("POST", "/api-keys"): {"name": "robot", "scopes": ["payments.status"], "expires_at": "2027-01-01T00:00:00Z"},
    ("POST", "/subscriptions"): {
        "plan": "nothing.small", "currency": "INR", "months": 1, "coupon": None, "pays_from_wallet": True,
    },
    ("POST", "/subscriptions/activate"): {"invoice_id": "01a2172d-0000-7000-8000-000000000000"},
    ("POST", "/subscriptions/invoices/{invoice_id}/pay"): {
        "from_wallet": True, "method": "checkout", "country": "IN", "bank": None, "token": None, "keep_card": False,
    },
    ("POST", "/subscriptions/card"): {"currency": "INR"},
    ("POST", "/subscriptions/card/token"): {"currency": "THB", "token": "tokn_test_x"},
    ("POST", "/subscriptions/{subscription_id}/change"): {"plan": "nothing.large", "months": 1},
    ("POST", "/subscriptions/{subscription_id}/cancel"): {"at_once": False},
    ("POST", "/subscriptions/coupons"): {
        "code": "SPRING", "percent": "10", "amount": None, "currency": None, "offers": ["nothing.small"],
        "starts_at": None, "ends_at": "2027-01-01T00:00:00Z", "most": 10, "once_per_owner": True, "periods": 1,
    },
    ("POST", "/points/purchases"): {"package": "nothing.pack", "currency": "INR", "coupon": None},
    ("POST", "/points/grants"): {
        "person_id": "01a2172d-0000-7000-8000-000000000000", "organisation_id": None, "points": "5",
        "source": "promotional", "days": 30, "reason": "a gift",
    },
    ("PUT", "/points/caps"): {"person_id": None, "organisation_id": None, "points": "100", "window": "day"},
    ("POST", "/organisations"): {"name": "Rao & Sons", "country": "IN", "slug": "rao-and-sons"},
    ("PATCH", "/organisations/{organisation_id}"): {"name": "Rao & Daughters"},
    ("POST", "/organisations/{organisation_id}/transfer"): {"person_id": ELSEWHERE},
    ("PATCH", "/organisations/{organisation_id}/members/{person_id}"): {"role": "accountant"},
    ("POST", "/organisations/{organisation_id}/invitations"): {"email": "new@example.com", "role": "member"},
    ("POST", "/invitations/{invitation_id}/accept"): {"code": "x" * 26},
    ("POST", "/invitations/{invitation_id}/decline"): {"code": None},
    ("POST", "/kyc/{level}/submit"): {
        "details": {
            "name": "Asha Rao", "birth_date": "1990-04-01", "country": "IN", "id_kind": "pan",
            "id_number": "ABCPR1234D",
        },
    },
    ("POST", "/payments/create-order"): {"amount": "150", "currency": "INR", "purpose": "wallet_deposit"},
    ("POST", "/payments/create-qr"): {"amount": "150", "currency": "INR", "purpose": "wallet_deposit"},
    ("POST", "/payments/checkout"): {
        "amount": "150", "currency": "INR", "purpose": "wallet_deposit", "reference": None, "country": "IN",
        "method": "checkout", "bank": None, "token": None, "email": "new@example.com", "return_path": "/drivopay/",
    },
    ("POST", "/payments/refunds"): {
        "payment_id": "{payment_id}", "order_id": None, "amount": "1", "reason": "asked for", "advance": False,
        "email": None,
    },
    ("POST", "/payments/verify"): {
        "razorpay_order_id": "order_x", "razorpay_payment_id": "pay_x", "razorpay_signature": "x",
    },
    ("POST", "/payments/payout"): {**PAYOUT, "person_id": "{person_id}"},
    ("POST", "/payments/payees"): {"destination": PAYOUT["destination"]},
    ("POST", "/payments/payouts/{id}/approve"): {"reason": "checked", "note": ""},
    ("POST", "/payments/payouts/{id}/reject"): {"reason": "not_explained", "note": ""},
    ("POST", "/wallet/withdrawal"): PAYOUT,
    ("POST", "/payments/reconciliations"): {"provider": "razorpay", "day": "2026-03-02"},
    ("POST", "/payments/exceptions/{exception_id}/propose"): {
        "explanation": "The bank confirmed it.",
        "legs": [
            {"account": "suspense:bank", "amount": "1.00", "currency": "INR", "item": None},
            {"account": "write-off", "amount": "-1.00", "currency": "INR", "item": None},
        ],
    },
    ("POST", "/payments/exceptions/{exception_id}/propose-end"): {
        "explanation": "The bank confirmed it.",
        "outcome": "happened",
        "provider_id": "pout_1Aa00000000001",
    },
    ("POST", "/payments/exceptions/{exception_id}/approve"): {"resolution_id": ELSEWHERE},
    ("POST", "/payments/exceptions/{exception_id}/reject"): {"resolution_id": ELSEWHERE},
    ("POST", "/wallets/deposit"): {"amount": "150", "currency": "INR"},
    ("POST", "/wallets/withdraw"): PAYOUT,
    ("POST", "/ledger/transactions"): TRANSACTION,
    ("POST", "/ledger/transactions/bulk"): {"atomic": False, "transactions": [TRANSACTION]},
    ("POST", "/ledger/transactions/{id}/reverse"): {"effective_at": None, "metadata": {}},
    ("POST", "/webhook-endpoints"): {
        "url": "https://hooks.example.com/in", "event_types": ["payment.captured"], "description": "Books",
    },
    ("PATCH", "/webhook-endpoints/{endpoint_id}"): {
        "url": "https://hooks.example.com/in", "event_types": ["*"], "description": "Books", "status": "paused",
    },
    ("POST", "/webhook-endpoints/{endpoint_id}/rotate-secret"): {"overlap_hours": 24},
    ("POST", "/channels/push-tokens"): {"token": "phone-of-a-caller-1"},
    ("POST", "/channels/web-push-subscriptions"): {
        "endpoint": "https://push.example.com/one",
        "keys": {"p256dh": "BNcRdreALRFXTkOOUHK1EtK2wtaz5Ry4YfYCA_0QTpQ", "auth": "tBHItJI5svbpez7KI4CCXg"},
    },
    ("PUT", "/channels/consents"): {"channel": "email", "purpose": "marketing", "allowed": True},
    ("POST", "/files/direct"): {"name": "a.pdf", "size": 1000, "kind": "file"},
    ("POST", "/files/{file_id}/renditions"): {"rendition": "thumbnail"},
    ("POST", "/files/{file_id}/playback"): {"minutes": 60, "rendition": None},
    ("POST", "/ai/photos/check"): {"photos": [ELSEWHERE]},
    ("POST", "/ai/images/price"): {"kind": "prompt", "pack": "", "subject": "", "pictures": 2},
    ("POST", "/ai/images/tunes"): {
        "subject": "woman", "photos": [ELSEWHERE], "characteristics": {"hair_color": "black"}, "anyway": True,
    },
    ("POST", "/ai/images/packs"): {
        "pack": "260", "subject": "woman", "photos": [ELSEWHERE], "characteristics": {}, "anyway": False,
    },
    ("POST", "/ai/images/prompts"): {"tune_id": "{image_job_id}", "text": "ohwx woman at sea", "pictures": 2},
    ("POST", "/earnings"): EARNING,
    ("PUT", "/earnings/{earning_id}"): EARNING,
    ("POST", "/expenses"): EXPENSE,
    ("PUT", "/expenses/{expense_id}"): EXPENSE,
}  # fmt: skip
SPOILT: tuple[object, ...] = (
    None, True, -1, 10**30, 1e400, "", " ", "\0", "a\0b", "\ud800", "x" * 20_000, "9" * 400, "1e999", "NaN", "-0.00",
    "0.000000001", "١٢", "2026-02-30", "2026-01-01T00:00:00", "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00", [], {}, ["\0"],
)  # fmt: skip
CURSORS: tuple[tuple[str | int, ...], ...] = (
    (), ("x",), ("\0",), (1,), (-1,), (2**62,), ("x", "y"), ("2026-01-01", "x"), ("0001-01-01", str(uuid4())), ("x", 1),
)  # fmt: skip

UNREADABLE = b"{"
BODIES = (b"", b"{}", UNREADABLE)

each_module = pytest.mark.parametrize("module", [one for one in CATALOGUE if one.api], ids=lambda module: module.name)


@pytest.fixture
async def house(settings: KernelSettings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    """The whole house at noon, its limits patient; afterwards every invariant holds."""
    monkeypatch.setenv("IDENTITY_ARGON2_MEMORY_KIB", "64")  # guesses are cheap in tests, and nowhere else
    for whose in ("PERSON", "PAYEE"):  # every route with an id in its path has a payout of its own
        monkeypatch.setenv(f"PAYOUTS_{whose}_LIMITS", "INR=day:1000:100000000")
    with clock.held(NOON):
        built = build_house(settings, mounts={"http://sandbox": SandboxTransport(sandbox)})
        built.provide([Patient()])
        yield built
        async with built.database.reading() as session:
            findings = await check_all(session, built.modules)
        await built.close()
    assert [found for found in findings if found.violations] == []


@pytest.fixture
def street(house: House, app: FastAPI, client: httpx.AsyncClient) -> Street:
    house.provide([SMALL, OPEN_PURSE])  # a plan and pictures to order: no product of this house sells them yet
    return Street(house, app, client)


@pytest.fixture
async def archive(server: EmbeddedPostgres, database_url: str) -> AsyncIterator[Archive]:
    connection = await asyncpg.connect(server.superuser_dsn, database=database_url.rsplit("/", 1)[1])
    try:
        yield await Archive.opened(connection)
    finally:
        await connection.close()


# What the document promises


@each_module
@pytest.mark.parametrize("who", ["nobody", "person", "admin"])
async def test_no_call_breaks_the_house_and_every_answer_is_one_that_is_documented(
    street: Street, who: str, module: Module
) -> None:
    document = document_of(street.app)
    caller = await moneyed(street, who)
    untouched: dict[str, list[str]] = {}
    wrong: list[str] = []
    for method, route in routes_of(module):
        me = await street.signed_in(caller)
        if caller.id and "{" in route.path and not untouched:
            untouched = await street.belongings(me)
        mine = untouched if "{" in route.path else {}
        cases = cases_of(document, method, f"/api/v1{route.path}")
        if method != "GET":
            untouched = {}
        for number, case in enumerate(cases if who in reaching(route) else cases[::4]):
            answer = await send(street.client, case, me, mine if number % 2 else {})
            if answer.is_success and method != "GET":
                me = await street.signed_in(caller)  # it may have ended the session
            wrong += [f"{case.as_curl_command()}: {broken}" for broken in broken_promises(case, answer)]
    assert wrong == []


@each_module
async def test_one_wrong_value_in_a_right_request_breaks_nothing(street: Street, module: Module) -> None:
    caller = await moneyed(street, "admin")
    mine = await street.belongings(await street.signed_in(caller))
    wrong: list[str] = []
    for method, route in routes_of(module):
        path = f"/api/v1{filled(route.path, mine)}"
        me = await street.signed_in(caller)
        for body in spoilt(GOOD.get((method, route.path), {}), mine):
            headers = {**me.headers, "Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
            answer = await street.client.request(method, path, content=json.dumps(body), headers=headers)
            if answer.is_success:
                me = await street.signed_in(caller)
            wrong += [f"{method} {path} {str(body)[:300]}: {broken}" for broken in bad_manners(answer)]
    assert wrong == []


async def test_a_cursor_that_looks_like_ours_and_is_not_breaks_nothing(street: Street) -> None:
    caller = await moneyed(street, "admin")
    mine = await street.belongings(caller)
    wrong: list[str] = []
    for path in [f"/api/v1{filled(route.path, mine)}" for method, route in every_route() if method == "GET"]:
        for keys in CURSORS:
            params = {"cursor": encode_cursor(*keys)}
            answer = await street.client.get(path, params=params, headers=caller.headers)
            wrong += [f"{path} {keys}: {broken}" for broken in bad_manners(answer)]
    assert wrong == []


async def test_every_operation_that_reads_json_has_a_right_request(app: FastAPI) -> None:
    reading = {
        (method.upper(), path.removeprefix("/api/v1"))
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    }
    assert set(GOOD) == reading


# What every route declares


async def test_whoever_may_not_call_is_refused_and_nothing_changes(street: Street, archive: Archive) -> None:
    people = [NOBODY, *await residents(street)]
    wrong: list[str] = []
    for method, route in guarded():
        permission = PERMISSIONS[route.permission or ""]
        others = PERMISSIONS.keys() - {permission.name}
        machines = [await street.machine("no scopes"), await street.machine("other scopes", *others)]
        denied = [caller for caller in (*people, *machines) if not caller.may(permission)]
        before = await archive.digest()
        for caller, body in itertools.product(denied, BODIES):
            answer = await knock(street, method, filled(route.path), caller, body)
            # A body that cannot be read is refused before anyone asks who sent it.
            refusals = {403 if caller.id else 401} | ({422} if body is UNREADABLE else set())
            after = await archive.digest()
            if answer.status_code not in refusals or after != before:
                what = f"{answer.status_code}, changed {changed(before, after)}"
                wrong.append(f"{method} {route.path} {body!r} by {caller.name}: {what}")
                before = after
    assert wrong == []


async def test_whoever_may_call_gets_past_the_door(street: Street) -> None:
    people = await residents(street)
    wrong: list[str] = []
    for method, route in guarded():
        permission = PERMISSIONS[route.permission or ""]
        fitting = {permission.name, NEEDS_TOO.get(permission.name, permission.name)}
        for caller in [*people, await street.machine("fitting scope", *fitting)]:
            if not caller.may(permission):
                continue
            answer = await knock(street, method, filled(route.path), await street.signed_in(caller), b"{}")
            forbidden = answer.status_code == 403 and answer.json()["code"] == "forbidden"
            if forbidden or answer.status_code == 401 or answer.status_code >= 500:
                wrong.append(f"{method} {route.path} by {caller.name}: {answer.status_code} {answer.text}")
    assert wrong == []


async def test_what_belongs_to_someone_else_is_not_found_and_stays_as_it_was(street: Street, archive: Archive) -> None:
    theirs = await street.belongings(await moneyed(street, "person"))
    other = await moneyed(street, "other")
    wrong: list[str] = []
    for method, route in guarded():
        if "{" not in route.path or not other.may(PERMISSIONS[route.permission or ""]):
            continue
        body = json.dumps(GOOD.get((method, route.path), {})).encode()
        name = re.findall(r"{(\w+)}", route.path)[0]
        if name == "level":  # not a thing of anybody's: each caller has their own at every level
            continue
        for one in theirs[name]:
            before = await archive.digest()
            answer = await knock(street, method, filled(route.path, {name: [one]}), other, body)
            after = await archive.digest()
            # A refusal may be remembered for the caller's own key.
            touched = set(changed(before, after)) - {"kernel.idempotency_keys"}
            if answer.status_code != 404 or touched:
                wrong.append(f"{method} {route.path}: {answer.status_code}, changed {sorted(touched)}")
    assert wrong == []


async def test_an_open_route_does_nothing_for_an_empty_request(street: Street, archive: Archive) -> None:
    wrong: list[str] = []
    for method, route in every_route():
        if route.permission or route.path == "/auth/logout":  # who has no session is signed out already
            continue
        for body in BODIES:
            before = await archive.digest()
            path = filled(route.path, {"provider": ["razorpay"]})
            answer = await knock(street, method, path, NOBODY, body)
            after = await archive.digest()
            refused = answer.status_code // 100 == 4 or (method == "GET" and answer.status_code == 200)  # prices
            if not refused or after != before:
                wrong.append(f"{method} {path} {body!r}: {answer.status_code}, changed {changed(before, after)}")
    assert wrong == []


# Routes and callers


def reaching(route: Endpoint) -> set[str]:
    """Who is sent with every case: the one for whom the route is made. The others are sent with every fourth."""
    if route.permission is None:
        return {"nobody"}
    return {"person" if "user" in PERMISSIONS[route.permission].roles else "admin"}


def routes_of(module: Module) -> list[tuple[str, Endpoint]]:
    """Each method of each route, in a steady order."""
    assert module.api
    found = [(method, one) for one in endpoints(module.api().routes) for method in one.methods]
    return sorted(found, key=lambda route: (route[1].path, route[0]))


def every_route() -> list[tuple[str, Endpoint]]:
    return [route for module in CATALOGUE if module.api for route in routes_of(module)]


def guarded() -> list[tuple[str, Endpoint]]:
    return [(method, route) for method, route in every_route() if route.permission]


async def residents(street: Street) -> list[Caller]:
    """A person, another, staff without a second factor and an admin who has shown one."""
    return [await moneyed(street, name) for name in ("person", "other", "staff", "admin")]


async def moneyed(street: Street, name: str) -> Caller:
    """Nobody, or someone with money; an admin has shown a second factor."""
    if name == "nobody":
        return NOBODY
    found = await street.someone(name, 2 if name == "admin" else 1)
    await street.give(found, "5000")
    return found


def filled(path: str, ids: Mapping[str, Sequence[str]] | None = None) -> str:
    """A path with these ids in it, or those of nothing."""
    return re.sub(r"{(\w+)}", lambda name: (ids or {}).get(name[1], [ELSEWHERE])[0], path)


async def knock(street: Street, method: str, path: str, caller: Caller, body: bytes) -> httpx.Response:
    headers = {**caller.headers, "Content-Type": "application/json", "Idempotency-Key": str(uuid4())}
    return await street.client.request(method, f"/api/v1{path}", content=body, headers=headers)


# Requests


_documents: list[str] = []


def document_of(app: FastAPI) -> str:
    """The OpenAPI document: made once for what the catalogue serves, which is the same in every test."""
    if not _documents:
        _documents.append(json.dumps(app.openapi()))
    return _documents[0]


@functools.cache
def cases_of(document: str, method: str, path: str) -> Sequence[Case[Any]]:
    """What Schemathesis would try: the schema's boundaries, mistakes, and a few made up."""
    schema = schemathesis.openapi.from_dict(json.loads(document))
    operation, modes = schema[path][method], list(GenerationMode)
    boundaries = schema.iter_coverage_cases(
        operation, generation_modes=modes, generation_config=schema.config.generation
    )
    found = list(boundaries)
    for mode in modes:

        @settings(
            max_examples=MADE_UP,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(mode))
        def collect(case: Case[Any]) -> None:
            found.append(case)

        with suppress(Unsatisfiable):  # an operation that takes nothing cannot be asked wrongly
            collect()
    return found


def spoilt(good: Mapping[str, object], mine: Mapping[str, Sequence[str]]) -> Iterator[dict[str, object]]:
    """A right body, and the same with each value in turn replaced by each that is wrong."""
    theirs = {f"{{{name}}}": ids[0] for name, ids in mine.items()}
    right = {name: theirs.get(value, value) if isinstance(value, str) else value for name, value in good.items()}
    if right:
        yield right
    for (name, value), bad in itertools.product(right.items(), SPOILT):
        yield {**right, name: bad}
        if isinstance(value, dict):
            yield from ({**right, name: {**value, inner: bad}} for inner in value)


async def send(
    client: httpx.AsyncClient, case: Case[Any], caller: Caller, mine: Mapping[str, Sequence[str]]
) -> httpx.Response:
    """Send a case; where `mine` is given, to what is the caller's own."""
    sent = case.as_transport_kwargs(base_url="http://testserver")
    if mine:
        sent["url"] = f"http://testserver{filled(case.path, mine)}"
    prepared = requests.Request(**sent).prepare()
    headers = [(_bytes(name), _bytes(value)) for name, value in [*prepared.headers.items(), *caller.headers.items()]]
    body = prepared.body
    assert prepared.method
    assert prepared.url
    assert body is None or isinstance(body, str | bytes)
    return await client.request(prepared.method, prepared.url, content=body, headers=headers)


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()


# Answers


def broken_promises(case: Case[Any], answer: httpx.Response) -> Iterator[str]:
    """What the document does not say of an answer, and what no answer may be."""
    yield from bad_manners(answer)
    if answer.request.method == "HEAD":
        return  # it has no body that a schema could describe
    try:
        case.validate_response(answer, checks=CHECKS)
    except FailureGroup as failures:
        yield from (f"{answer.status_code} {failure}" for failure in failures.exceptions)


def bad_manners(answer: httpx.Response) -> Iterator[str]:
    if answer.status_code >= 500:
        yield f"{answer.status_code} {answer.text}"
    elif answer.status_code >= 400:
        kind = answer.headers["content-type"]
        said = answer.status_code if answer.request.method == "HEAD" else answer.json()["status"]
        if kind != "application/problem+json" or said != answer.status_code:
            yield f"{answer.status_code} without problem details: {answer.text}"

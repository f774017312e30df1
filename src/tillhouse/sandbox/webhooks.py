"""Webhooks on their way out: a queue that outlives a crash, a retry policy per provider, faults on top."""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from ssl import SSLContext
from typing import ClassVar, Literal
from urllib.parse import urlsplit

import httpx
from pydantic import BaseModel, JsonValue

from tillhouse.sandbox import ids
from tillhouse.sandbox.clock import Clock
from tillhouse.sandbox.faults import WEBHOOK_FAULTS, Fault, Faults
from tillhouse.sandbox.inbox import Inbox
from tillhouse.sandbox.store import Record, Scheduled, Store

Signer = Callable[["Delivery"], Mapping[str, str]]
Judge = Callable[[httpx.Response], bool]

# What `amount_off` and `tamper` change: amounts as whole numbers, and SePay's as decimal text.
_AMOUNTS = {"amount", "amount_paid", "amount_received", "amount_captured", "amount_total", "transferAmount"}
_DECIMAL_AMOUNTS = {"order_amount", "transaction_amount"}

Status = Literal["pending", "delivered", "dropped", "failed", "not_sent"]


def answered_2xx(response: httpx.Response) -> bool:
    """What most providers mean by "delivered"."""
    return response.is_success


@dataclass(frozen=True)
class Policy:
    """How a provider delivers: its patience, when it tries again, and whether giving up disables the webhook.

    It waits `waits` between its tries or, where there are none, `first_retry` and then twice as long each time.
    """

    timeout: float
    retries_on_refusal: bool
    disables: bool
    sign: Signer
    first_retry: float = 60.0
    give_up_after: float = 24 * 3600.0
    waits: tuple[float, ...] | None = None
    signs_each_try: bool = False  # where the signature holds the time of sending
    event_id_in_body: bool = False  # as `id`; elsewhere it is a header that `sign` adds
    is_taken: Judge = answered_2xx

    def next_retry(self, tries: int, age: float) -> float | None:
        """Provider seconds until the next try after `tries` failed ones, `age` into it; None to give up."""
        if self.waits is not None and tries > len(self.waits):
            return None
        wait = self.first_retry * 2 ** (tries - 1) if self.waits is None else self.waits[tries - 1]
        return wait if age + wait <= self.give_up_after else None


class Attempt(BaseModel):
    """One try at delivering."""

    at_ms: int
    status: int | None
    note: str


class Delivery(Scheduled):
    """One webhook to one URL. `body` is what was signed, `headers` what goes with it."""

    kind: ClassVar[str] = "delivery"

    provider: str
    event: str
    event_id: str
    url: str
    content_type: str
    body: str
    headers: dict[str, str] = {}
    status: Status = "pending"
    queued_ms: int
    tries: int = 0
    attempts: list[Attempt] = []
    waiting_for_another: bool = False

    def note(self, at_ms: int, text: str, status: int | None = None) -> None:
        self.attempts = [*self.attempts, Attempt(at_ms=at_ms, status=status, note=text)]


@cache  # slow to read, and the same for every sandbox of a process
def _trusted() -> SSLContext:
    return httpx.create_ssl_context(trust_env=False)


class Disabled(Record):
    """The mark of a provider whose webhook was switched off after it failed for too long."""

    kind: ClassVar[str] = "webhook_disabled"


class Webhooks:
    """The outgoing queue. Nothing is sent until `deliver_due` (or the server's background task) runs."""

    def __init__(
        self, store: Store, clock: Clock, faults: Faults, inbox: Inbox, *, merchant_email: str, wake: asyncio.Event
    ) -> None:
        self._store = store
        self._clock = clock
        self._faults = faults
        self._inbox = inbox
        self._merchant_email = merchant_email
        self._policies: dict[str, Policy] = {}
        self._in_flight: set[str] = set()
        self._client = httpx.AsyncClient(trust_env=False, verify=_trusted())
        self._wake = wake

    def register(self, provider: str, policy: Policy) -> None:
        """Say how `provider` signs and retries."""
        self._policies[provider] = policy

    def send_through(self, transport: httpx.AsyncBaseTransport) -> None:
        """Deliver through `transport` (an `httpx.ASGITransport` of the app under test) instead of sockets."""
        self._client = httpx.AsyncClient(transport=transport)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def enqueue(
        self,
        *,
        provider: str,
        event: str,
        url: str,
        body: str,
        content_type: str = "application/json",
        event_id: str | None = None,
    ) -> Delivery:
        """Queue one webhook, signed now with the secret of now. Call inside the transaction that causes it."""
        disabled = self._store.get(Disabled, provider) is not None
        delivery = Delivery(
            id=f"dlv_{ids.token(14)}",
            created_at=self._clock.now_s(),
            due_at=None if disabled else self._clock.now_ms(),
            queued_ms=self._clock.now_ms(),
            provider=provider,
            event=event,
            event_id=event_id or ids.token(14),
            url=url,
            content_type=content_type,
            body=body,
            status="not_sent" if disabled else "pending",
        )
        delivery.headers = dict(self._policies[provider].sign(delivery))
        self._store.put(delivery)
        self._wake.set()
        return delivery

    def redeliver(self, delivery_id: str, *, as_new_event: bool = False) -> Delivery | None:
        """Send again what was sent, with the same event id (or, to test de-duplication, under another)."""
        old = self._store.get(Delivery, delivery_id)
        if old is None:
            return None
        if as_new_event:
            return self._send_as_new(old)
        old.status, old.due_at, old.waiting_for_another = "pending", self._clock.now_ms(), False
        old.queued_ms, old.tries = self._clock.now_ms(), 0
        self._store.put(old)
        self._wake.set()
        return old

    def _send_as_new(self, old: Delivery) -> Delivery:
        event_id, body = ids.token(14), old.body
        if self._policies[old.provider].event_id_in_body:
            event_id = f"{old.event_id.rpartition('_')[0]}_{ids.token(24)}"
            body = body.replace(json.dumps(old.event_id), json.dumps(event_id))
        return self.enqueue(
            provider=old.provider,
            event=old.event,
            url=old.url,
            body=body,
            content_type=old.content_type,
            event_id=event_id,
        )

    def enable(self, provider: str) -> None:
        """Switch a disabled webhook on again, as one does in a provider's dashboard."""
        self._store.delete(Disabled, provider)

    def disabled(self) -> list[str]:
        """Providers whose webhook is switched off."""
        return [mark.id for mark in self._store.find(Disabled)]

    async def deliver_due(self, at_once: int = 1) -> int:
        """Try everything due, in order, at most `at_once` together. Returns how many tries were made."""
        due = [d for d in self._store.due(Delivery, self._clock.now_ms()) if d.id not in self._in_flight]
        for start in range(0, len(due), at_once):
            await asyncio.gather(*(self.attempt(delivery.id) for delivery in due[start : start + at_once]))
        return len(due)

    async def attempt(self, delivery_id: str, *, with_faults: bool = True) -> Delivery | None:
        """Try one delivery now, whatever its due time; None when there is no such delivery."""
        delivery = self._store.get(Delivery, delivery_id)
        if delivery is None or delivery.id in self._in_flight:
            return delivery
        self._in_flight.add(delivery.id)
        try:
            fault = self._strike(delivery) if with_faults else None
            if fault and fault.fault in {"drop", "delay", "reorder"}:
                self._hold_back(delivery, fault)
            else:
                await self._send(delivery, fault)
                self._release_waiting(delivery)
        finally:
            self._in_flight.discard(delivery.id)
        return delivery

    def _strike(self, delivery: Delivery) -> Fault | None:
        if delivery.waiting_for_another:
            return None
        path = urlsplit(delivery.url).path
        return self._faults.strike(WEBHOOK_FAULTS, delivery.provider, [delivery.event, path])

    def _hold_back(self, delivery: Delivery, fault: Fault) -> None:
        now = self._clock.now_ms()
        if fault.fault == "drop":
            delivery.status, delivery.due_at = "dropped", None
        else:
            delivery.due_at = now + round((fault.seconds or 30.0) * 1000)
            delivery.waiting_for_another = fault.fault == "reorder"
        delivery.note(now, f"fault: {fault.fault}")
        self._store.put(delivery)

    def _release_waiting(self, sent: Delivery) -> None:
        """A reordered webhook goes out right after the next one of its provider."""
        for other in self._store.find(Delivery, {"provider": sent.provider, "waiting_for_another": True}):
            if other.id != sent.id:
                other.due_at = self._clock.now_ms()
                self._store.put(other)

    async def _send(self, delivery: Delivery, fault: Fault | None) -> None:
        policy = self._policies[delivery.provider]
        if policy.signs_each_try:
            delivery.headers = dict(policy.sign(delivery))
        body, headers = self._spoilt(delivery, fault)
        copies = 2 if fault and fault.fault == "duplicate" else 1
        if fault:
            delivery.note(self._clock.now_ms(), f"fault: {fault.fault}")
        delivery.tries += 1
        answer: httpx.Response | None = None
        for _ in range(copies):
            answer = await self._post(delivery, body, headers, policy.timeout)
            now = self._clock.now_ms()
            if answer is None:
                delivery.note(now, "no answer")
            else:
                delivery.note(now, "sent", answer.status_code)
        self._record(delivery, answer)

    async def _post(
        self, delivery: Delivery, body: str, headers: Mapping[str, str], timeout: float
    ) -> httpx.Response | None:
        try:
            return await self._client.post(
                delivery.url,
                content=body.encode(),
                headers={"Content-Type": delivery.content_type, **headers},
                timeout=timeout,
            )
        except (httpx.HTTPError, httpx.InvalidURL):
            return None

    def _record(self, delivery: Delivery, answer: httpx.Response | None) -> None:
        policy, now = self._policies[delivery.provider], self._clock.now_ms()
        delivery.waiting_for_another = False
        taken = answer is not None and policy.is_taken(answer)
        if taken or (answer is not None and not policy.retries_on_refusal):
            delivery.status, delivery.due_at = ("delivered" if taken else "failed"), None
            self._store.put(delivery)
            return
        age = (now - delivery.queued_ms) / 1000 * self._clock.scale
        wait = policy.next_retry(delivery.tries, age)
        if wait is None:
            self._give_up(delivery, policy)
        else:
            delivery.due_at = self._clock.after(wait)
            self._store.put(delivery)

    def _give_up(self, delivery: Delivery, policy: Policy) -> None:
        with self._store.transaction():
            delivery.status, delivery.due_at = "failed", None
            self._store.put(delivery)
            if not policy.disables or self._store.get(Disabled, delivery.provider):
                return
            self._store.put(Disabled(id=delivery.provider, created_at=self._clock.now_s()))
            self._inbox.receive(
                to=self._merchant_email,
                sender=f"no-reply@{delivery.provider}.sandbox",
                channel="email",
                subject="Your webhook was disabled",
                body=f"{delivery.url} did not answer 2xx for 24 hours ({delivery.event}). No more events are sent"
                " to it until you enable it again.",
            )

    def _spoilt(self, delivery: Delivery, fault: Fault | None) -> tuple[str, Mapping[str, str]]:
        """The body and headers to send, with the fault's harm done to them."""
        if fault and fault.fault == "tamper":
            return _with_other_amount(delivery.body) or delivery.body + " ", delivery.headers
        if fault and fault.fault == "amount_off":
            changed = delivery.model_copy(update={"body": _with_other_amount(delivery.body) or delivery.body})
            return changed.body, self._policies[delivery.provider].sign(changed)
        return delivery.body, delivery.headers


def _with_other_amount(body: str) -> str | None:
    """The JSON body with every amount one major unit higher; None when it is not JSON."""
    try:
        document: JsonValue = json.loads(body)
    except ValueError:
        return None
    return json.dumps(_raised(document), separators=(",", ":"))


def _raised(value: JsonValue, field: str = "") -> JsonValue:
    if isinstance(value, dict):
        return {name: _raised(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_raised(inner) for inner in value]
    if isinstance(value, int) and field in _AMOUNTS and not isinstance(value, bool):
        return value + 100
    if isinstance(value, str) and field in _DECIMAL_AMOUNTS:
        return str(Decimal(value) + 100)
    return value

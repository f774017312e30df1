"""The load of the chaos bench: people who pay in and out, with an account or without, staff who give back and
reconcile, payers whose banks take money back, machines that post.

Everyone does what a careful client does: a request without a definite answer is sent again with the same key until
there is one. What was answered is remembered, to be held against the books afterwards.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import httpx

from tillhouse.kernel.ids import new_id

T = TypeVar("T")

_TRY_FOR = 300.0  # seconds until a client gives up on an answer
_UPI = ("success@razorpay",) * 6 + ("failure@razorpay", "reversed@razorpay")
_THAI = ("1234567890",) * 4 + ("1234560001", "1234560002")  # paid, refused, sent back
_RAZORPAY, _OMISE = ("rzp_test_tillhouse", "rzp_test_secret_tillhouse"), ("skey_test_tillhouse", "")
_STRIPE = ("sk_test_tillhouse", "")
_CARDS = ("razorpay", "stripe", "omise")  # whose payers can go to their bank

# What the house may say no to, and how: there is too little, or nothing (yet, any more) to give back. Else it is wrong.
REFUSALS = frozenset({
    "forged webhook 403 bad_signature",
    "withdraw rupees 409 insufficient_funds",
    "withdraw baht 409 insufficient_funds",
    "withdraw to a connected account 409 insufficient_funds",
    "refund 404 not_found",
    "refund 409 cannot_refund",
    "refund 409 insufficient_funds",
})  # fmt: skip


def each_in_turn(things: Sequence[T], chance: random.Random) -> Iterator[T]:
    """Each once in any order, before one comes again."""
    while True:
        yield from chance.sample(things, len(things))


@dataclass(frozen=True)
class Person:
    """Somebody with a session."""

    id: UUID
    token: str


@dataclass
class Load:
    """What the clients share, and what they were told."""

    web: str
    sandbox: str
    people: list[Person]
    machine: str
    ledger_owner: UUID
    connected: list[str]  # accounts at Stripe: of the last one Stripe knows too little to send it anything
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    unanswered: list[str] = field(default_factory=list)
    crashes: Counter[str] = field(default_factory=Counter)
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)  # what was promised, by order id
    payouts: set[str] = field(default_factory=set)
    refunds: set[str] = field(default_factory=set)
    paid: list[tuple[str, str]] = field(default_factory=list)  # provider and payment, of which nothing else was done
    posted: dict[str, int] = field(default_factory=dict)  # minor units, by our key


class Client:
    """One of several who do one thing after another."""

    def __init__(self, load: Load, chance: random.Random, http: httpx.AsyncClient) -> None:
        self._load, self._chance, self._http = load, chance, http
        self._ways = each_in_turn(_WAYS, chance)
        self._cards = each_in_turn(_CARDS, chance)

    async def run(self, until: Callable[[], bool]) -> None:
        """Do things until it is time to stop."""
        acts: list[tuple[int, Callable[[], Awaitable[None]]]] = [
            (28, self.deposit), (18, self.checkout), (12, self.withdraw), (6, self.withdraw_baht),
            (4, self.withdraw_by_connect), (8, self.refund), (16, self.post), (5, self.forge), (4, self.dispute),
            (4, self.refund_at_dashboard), (1, self.reconcile),
        ]  # fmt: skip
        weights, doing = [weight for weight, _ in acts], [act for _, act in acts]
        while not until():
            await self._chance.choices(doing, weights)[0]()
            await asyncio.sleep(self._chance.uniform(0.0, 0.15))

    # --- what they do -----------------------------------------------------------------------------------------------

    async def deposit(self) -> None:
        """Razorpay's checkout; the browser verifies once, twice or never, before or after the events."""
        person = self._chance.choice(self._load.people)
        body = {"amount": self._rupees(50, 900), "currency": "INR"}
        order = await self._ask("deposit", person.token, "/wallets/deposit", body)
        if order is None or order["status"] != "pending" or self._chance.random() < 0.08:
            return
        proof = await self._outside(f"razorpay/orders/{order['provider_order_id']}/pay", {})
        if proof is None:
            return
        self._load.paid.append(("razorpay", proof["razorpay_payment_id"]))
        for _ in range(self._chance.choice((0, 1, 1, 2))):
            await self._ask("verify", person.token, "/payments/verify", proof, keyed=False)

    async def checkout(self) -> None:
        """Any gateway: Stripe, Omise, SePay by transfer and by its form, Razorpay's codes and links; now and then by
        somebody without an account.
        """
        way = next(self._ways)
        token = self._somebody(way["currency"]).token if self._chance.random() < 0.8 else None
        amount = str(self._chance.randint(200, 900)) + ("000" if way["currency"] == "VND" else ".00")
        body = {"amount": amount, "purpose": "wallet_deposit", **way}
        if token is None:
            body["email"] = f"payer{self._chance.randint(1, 99)}@example.com"
        name = f"checkout {way['currency']} {way['method']}"
        order = await self._ask(name, token, "/payments/checkout", body)
        if order is None or order["status"] != "pending" or not order["provider_order_id"]:
            return
        self._load.done["checkout without an account"] += token is None
        if order["checkout"] and order["checkout"]["kind"] == "form":
            await self._open_form(order["checkout"])
        path, more = _how_to_pay(order)
        paid = await self._outside(path, more)
        if paid and order["provider"] == "omise":
            self._load.paid.append(("omise", order["provider_order_id"]))
        elif paid and order["provider"] == "stripe" and (charge := paid.get("payment_intent", paid)["latest_charge"]):
            self._load.paid.append(("stripe", charge))

    async def _open_form(self, form: dict[str, Any]) -> None:
        """The browser takes a signed form to the gateway; one that was killed meanwhile is tried again."""
        fields = {field["name"]: field["value"] for field in form["fields"]}
        for _ in range(40):
            try:
                await self._http.post(form["url"], data=fields)
            except httpx.HTTPError:
                await asyncio.sleep(0.5)
            else:
                return

    async def withdraw(self) -> None:
        """Some more than there is: that is refused."""
        to = {"type": "vpa", "vpa": self._chance.choice(_UPI)}
        await self._withdraw("withdraw rupees", {"amount": self._rupees(5, 300), "currency": "INR", "destination": to})

    async def withdraw_baht(self) -> None:
        """By Omise, which has to verify the account first: its people do so when they are asked."""
        account = {"name": "Somchai Jaidee", "bank": "kbank", "account_number": self._chance.choice(_THAI)}
        to = {"type": "thai_bank_account", **account}
        await self._withdraw("withdraw baht", {"amount": self._rupees(50, 200), "currency": "THB", "destination": to})
        await verify_recipients(self._load.sandbox, self._http)

    async def withdraw_by_connect(self) -> None:
        """By Stripe, to an account that is connected with ours; it refuses some."""
        to = {"type": "stripe_account", "account_id": self._chance.choice(self._load.connected)}
        body = {"amount": self._rupees(20, 100), "currency": "THB", "destination": to}
        await self._withdraw("withdraw to a connected account", body)

    async def _withdraw(self, name: str, body: dict[str, Any]) -> None:
        made = await self._ask(name, self._somebody(body["currency"]).token, "/wallets/withdraw", body)
        if made:
            self._load.payouts.add(made["id"])

    async def refund(self) -> None:
        """A part of any paid order; sometimes more than is left."""
        paid = [one for one in list(self._load.orders.values())[-200:] if one["provider"] != "sepay"]
        if not paid:
            return
        order = self._chance.choice(paid)
        body = {"order_id": order["id"], "amount": "20.00", "reason": "chaos"}
        made = await self._ask("refund", self._load.machine, "/payments/refunds", body)
        if made:
            self._load.refunds.add(made["id"])

    async def dispute(self) -> None:
        """A payer goes to their bank, which decides a moment later."""
        found = self._take_paid()
        if found is None:
            return
        provider, payment = found
        place = f"{provider}/{'payments' if provider == 'razorpay' else 'charges'}/{payment}/dispute"
        opened = await self._outside(place, {}, done=f"dispute at {provider}")
        if opened:
            await asyncio.sleep(self._chance.uniform(0.5, 4))
            ruling = {"outcome": self._chance.choice(("won", "lost"))}
            await self._outside(
                f"{provider}/disputes/{opened['id']}/close", ruling, done=f"dispute {ruling['outcome']}"
            )

    async def refund_at_dashboard(self) -> None:
        """Somebody gives back at the gateway's own dashboard, and tells nobody."""
        found = self._take_paid()
        if found is None:
            return
        provider, payment = found
        doors: dict[str, tuple[str, tuple[str, str], dict[str, Any]]] = {
            "razorpay": (f"razorpay/v1/payments/{payment}/refund", _RAZORPAY, {"json": {"amount": 1_500}}),
            "stripe": ("stripe/v1/refunds", _STRIPE, {"data": {"charge": payment, "amount": "1500"}}),
            "omise": (f"charges/{payment}/refunds", _OMISE, {"json": {"amount": 1_500}}),
        }
        there, auth, body = doors[provider]
        try:
            answer = await self._http.post(f"{self._load.sandbox}/{there}", auth=auth, **body)
        except httpx.HTTPError:
            return
        self._load.done[f"refund at the dashboard of {provider}"] += answer.is_success

    def _take_paid(self) -> tuple[str, str] | None:
        """A payment to which nothing else is done, at one gateway after the other."""
        wanted = next(self._cards)
        paid = [one for one in self._load.paid if one[0] == wanted] or self._load.paid
        if not paid:
            return None
        found = self._chance.choice(paid)
        self._load.paid.remove(found)
        return found

    async def reconcile(self) -> None:
        """Somebody holds today's report of a provider against the books."""
        await self._outside("razorpay/settlements/run", {}, done="settled outside")
        body = {
            "provider": self._chance.choice(("razorpay", "stripe", "omise")), "day": str(datetime.now(UTC).date())
        }  # fmt: skip
        await self._ask("reconcile", self._load.machine, "/payments/reconciliations", body, keyed=False)

    async def post(self) -> None:
        """A posting of its own in the ledger."""
        key, minor = str(new_id()), self._chance.randint(1, 10_000)
        owner, amount = str(self._load.ledger_owner), f"{minor / 100:.2f}"
        leg = {"owner_id": owner, "currency": "INR", "amount": amount}
        legs = [
            {**leg, "code": "asset:bank", "side": "debit"},
            {**leg, "code": "customer:balance", "side": "credit"},
        ]
        if await self._ask("post", self._load.machine, "/ledger/transactions", {"legs": legs}, key=key):
            self._load.posted[key] = minor

    async def forge(self) -> None:
        """A webhook that nobody signed."""
        provider = self._chance.choice(("razorpay", "razorpayx", "stripe", "omise", "sepay"))
        body = self._chance.randbytes(self._chance.randint(0, 400))
        try:
            answer = await self._http.post(f"{self._load.web}/api/v1/payments/webhook/{provider}", content=body)
        except httpx.HTTPError:
            return
        self._count("forged webhook", answer)

    # --- how they ask -----------------------------------------------------------------------------------------------

    def _somebody(self, currency: str) -> Person:
        """Baht are the business of a few, so that they have some to withdraw."""
        return self._chance.choice(self._load.people[:6] if currency == "THB" else self._load.people)

    def _rupees(self, least: int, most: int) -> str:
        return f"{self._chance.randint(least, most)}.{self._chance.randint(0, 99):02}"

    async def _ask(
        self, name: str, token: str | None, path: str, body: object, *, key: str | None = None, keyed: bool = True
    ) -> dict[str, Any] | None:
        """Ask until there is a definite answer; None when it was a refusal, or when none came in time."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if keyed:
            headers["Idempotency-Key"] = key or str(new_id())
        end = asyncio.get_running_loop().time() + _TRY_FOR
        while asyncio.get_running_loop().time() < end:
            answer = await self._try(path, body, headers)
            if answer is not None and self._is_definite(answer):
                return self._told(name, answer)
            await asyncio.sleep(self._chance.uniform(0.3, 1.2))
        self._load.unanswered.append(f"{name} {headers.get('Idempotency-Key', '')}")
        return None

    async def _try(self, path: str, body: object, headers: dict[str, str]) -> httpx.Response | None:
        try:
            return await self._http.post(f"{self._load.web}/api/v1{path}", json=body, headers=headers)
        except httpx.HTTPError:
            return None

    def _is_definite(self, answer: httpx.Response) -> bool:
        """503 says that it was not done, 429 that there were too many, one 409 that it is under way: to be tried again.

        A 500 is a fault of ours, to be counted: the house has an answer for everything that breaks around it.
        """
        if answer.status_code == 500:
            self._load.crashes[answer.text[:200]] += 1
        in_flight = answer.status_code == 409 and answer.json()["code"] == "idempotency_in_flight"
        return answer.status_code < 500 and answer.status_code != 429 and not in_flight

    def _told(self, name: str, answer: httpx.Response) -> dict[str, Any] | None:
        self._count(name, answer)
        if not answer.is_success:
            return None
        found: dict[str, Any] = answer.json()
        if name.startswith(("deposit", "checkout")):
            self._load.orders[found["id"]] = found
        return found

    def _count(self, name: str, answer: httpx.Response) -> None:
        if answer.status_code >= 500:
            return
        if answer.is_success:
            self._load.done[name] += 1
        else:
            self._load.refused[f"{name} {answer.status_code} {_code_of(answer)}"] += 1

    async def _outside(self, path: str, body: object, *, done: str = "paid outside") -> dict[str, Any] | None:
        """What a person does at the provider's page. A sandbox that was killed meanwhile is asked again."""
        for _ in range(40):
            try:
                answer = await self._http.post(f"{self._load.sandbox}/_sandbox/{path}", json=body)
            except httpx.HTTPError:
                await asyncio.sleep(0.5)
                continue
            self._load.done[done] += answer.is_success
            found: dict[str, Any] | None = answer.json() if answer.is_success else None
            return found
        return None


_WAYS: list[dict[str, str]] = [
    {"currency": "INR", "method": "upi_qr", "country": "IN"},
    {"currency": "INR", "method": "payment_link", "country": "IN"},
    {"currency": "THB", "method": "checkout"},
    {"currency": "THB", "method": "promptpay", "country": "TH"},
    {"currency": "THB", "method": "mobile_banking", "country": "TH", "bank": "scb"},
    {"currency": "VND", "method": "bank_transfer", "country": "VN"},
    {"currency": "VND", "method": "checkout", "country": "VN"},
]
# Each has to have happened once at least, or the run has shown nothing of it.
ACTS = (
    "deposit", "verify", "paid outside", "checkout without an account", "withdraw rupees", "withdraw baht",
    "withdraw to a connected account", "refund", "reconcile", "post",
    *(f"dispute at {gateway}" for gateway in _CARDS),
    *(f"refund at the dashboard of {gateway}" for gateway in _CARDS),
    *(f"checkout {way['currency']} {way['method']}" for way in _WAYS),
)  # fmt: skip


async def connect(sandbox: str, http: httpx.AsyncClient) -> list[str]:
    """Accounts that are connected with ours at Stripe, and money to send them; the last one has not said who it is."""
    (await http.post(f"{sandbox}/_sandbox/stripe/topups", json={"amount": 10**9, "currency": "thb"})).raise_for_status()
    found: list[str] = []
    for _ in range(5):
        form = {"type": "express", "country": "TH", "capabilities[transfers][requested]": "true"}
        made = await http.post(f"{sandbox}/stripe/v1/accounts", data=form, auth=_STRIPE)
        found.append(made.raise_for_status().json()["id"])
    for account in found[:-1]:
        (await http.post(f"{sandbox}/_sandbox/stripe/accounts/{account}/onboard", json={})).raise_for_status()
    return found


async def verify_recipients(sandbox: str, http: httpx.AsyncClient) -> None:
    """Omise's people verify the accounts that wait for it, as far as they can be asked."""
    try:
        listed = await http.get(f"{sandbox}/_sandbox/omise/transfers", headers={"Accept": "application/json"})
        for one in listed.json()["recipients"]:
            if not one["verified"]:
                await http.post(f"{sandbox}/_sandbox/omise/recipients/{one['id']}/verify", json={})
    except (httpx.HTTPError, ValueError):
        return


def _code_of(answer: httpx.Response) -> str:
    """Why it was refused, in the house's word for it."""
    try:
        return str(answer.json()["code"])
    except (ValueError, KeyError, TypeError):
        return "without a code"


def _how_to_pay(order: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    there, provider, method = order["provider_order_id"], order["provider"], order["method"]
    if provider == "sepay" and method == "checkout":
        return f"sepay/orders/{there}/pay", {"method": "CARD"}
    if provider == "sepay":
        return "sepay/transfers", {"amount": int(order["amount"]), "content": f"ck {there}"}
    if provider == "omise":
        return f"omise/charges/{there}/pay", {}
    if provider == "stripe":
        kind = "checkout_sessions" if method == "checkout" else "payment_intents"
        return f"stripe/{kind}/{there}/pay", {}
    return f"razorpay/{'qr_codes' if method == 'upi_qr' else 'payment_links'}/{there}/pay", {}

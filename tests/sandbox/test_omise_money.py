"""Whatever is done in whatever order: no satang appears or is lost, and nobody is given more than was taken."""

import asyncio
from typing import Any, NamedTuple

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from tillhouse.sandbox.app import Sandbox, create_sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.transport import SandboxTransport

SANDBOX = "/_sandbox/omise"


class Deed(NamedTuple):
    """One thing to do: to what (a list of Omise's), by which call, with which body (`None` is the amount)."""

    to: str
    method: str
    path: str
    body: dict[str, Any] = {}


DEEDS = {
    "charge": Deed("", "POST", "/charges", {"amount": None, "currency": "thb", "source": {"type": "promptpay"}}),
    "succeed": Deed("/charges", "POST", SANDBOX + "/charges/{}/pay", {"outcome": "success"}),
    "fail": Deed("/charges", "POST", SANDBOX + "/charges/{}/pay", {"outcome": "failure"}),
    "expire": Deed("/charges", "POST", "/charges/{}/expire"),
    "refund": Deed("/charges", "POST", "/charges/{}/refunds", {"amount": None}),
    "dispute": Deed("/charges", "POST", SANDBOX + "/charges/{}/dispute"),
    "win": Deed("/disputes", "POST", SANDBOX + "/disputes/{}/close", {"outcome": "won"}),
    "lose": Deed("/disputes", "PATCH", "/disputes/{}/accept"),
    "transfer": Deed("/recipients", "POST", "/transfers", {"amount": None}),
    "change": Deed("/transfers", "PATCH", "/transfers/{}", {"amount": None}),
    "take back": Deed("/transfers", "DELETE", "/transfers/{}"),
    "send": Deed("/transfers", "POST", "/transfers/{}/mark_as_sent"),
    "pay": Deed("/transfers", "POST", "/transfers/{}/mark_as_paid"),
    "bounce": Deed("/transfers", "POST", SANDBOX + "/transfers/{}/advance", {"outcome": "failed"}),
}
Step = tuple[str, int, int]
STEPS = st.lists(st.tuples(st.sampled_from(sorted(DEEDS)), st.integers(0, 2), st.integers(2_000, 200_000)), max_size=14)
# So that every deed meets something to be done to.
BEGINNING: list[Step] = [
    ("charge", 0, 150_000),
    ("succeed", 0, 0),
    ("charge", 0, 60_000),
    ("transfer", 0, 90_000),
]


async def items(omise: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = (await omise.get(path, params={"limit": 100})).json()["data"]
    return data


async def do(omise: httpx.AsyncClient, step: Step) -> None:
    """Do it, whether it is allowed or not."""
    name, place, amount = step
    deed = DEEDS[name]
    found = await items(omise, deed.to) if deed.to else []
    subject = found[place % len(found)]["id"] if found else "none"
    body = {field: amount if value is None else value for field, value in deed.body.items()}
    answer = await omise.request(deed.method, deed.path.format(subject), json=body)
    assert answer.status_code in {200, 400, 404, 409}, answer.text


async def balances_after(sandbox: Sandbox, steps: list[Step]) -> None:
    config = sandbox.world.settings
    auth = (config.omise_secret_key, "")
    async with httpx.AsyncClient(transport=SandboxTransport(sandbox), base_url="http://sandbox", auth=auth) as omise:
        account = {"brand": "bbl", "number": "1234567890", "name": "S"}
        body = {"name": "S", "type": "individual", "bank_account": account}
        recipient = (await omise.post("/recipients", json=body)).json()["id"]
        await omise.post(f"{SANDBOX}/recipients/{recipient}/verify")
        for step in BEGINNING + steps:
            await do(omise, step)

        moves = [
            move["amount"] if move["direction"] == "credit" else -move["amount"]
            for move in await items(omise, "/transactions")
        ]
        total = (await omise.get("/balance")).json()["total"]
        assert total == config.omise_opening_balance + sum(moves)

        charges, refunds = await items(omise, "/charges"), await items(omise, "/refunds")
        disputes, transfers = await items(omise, "/disputes"), await items(omise, "/transfers")
        taken = sum(charge["net"] for charge in charges if charge["paid"])
        given_back = sum(refund["amount"] for refund in refunds)
        withheld = sum(dispute["amount"] for dispute in disputes if dispute["status"] != "won")
        gone = sum(item["amount"] for item in transfers if not (item["deleted"] or item["failure_code"]))
        assert total == config.omise_opening_balance + taken - given_back - withheld - gone
        for charge in charges:
            back = sum(refund["amount"] for refund in refunds if refund["charge"] == charge["id"])
            lost = sum(
                item["amount"] for item in disputes if item["charge"] == charge["id"] and item["status"] != "won"
            )
            assert charge["refunded_amount"] == back
            assert back + lost <= charge["captured_amount"]


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_the_balance_is_what_was_taken_less_what_was_given(steps: list[Step]) -> None:
    async def run() -> None:
        sandbox = create_sandbox(SandboxSettings(), now_ms=ManualClock())
        try:
            await balances_after(sandbox, steps)
        finally:
            await sandbox.aclose()

    asyncio.run(run())

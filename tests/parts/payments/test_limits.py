"""What may be paid in and out at once and in a day, what asks who one is, and what waits: each by its currency."""

from collections.abc import AsyncIterator

import pytest

from tests.parts.payments.test_endpoints import someone
from tests.parts.payments.till import Till, open_till
from tillhouse.kernel.money import MAX_MINOR, Money
from tillhouse.kernel.settings import KernelSettings, SettingsError
from tillhouse.parts.payments import api
from tillhouse.parts.payments.settings import PaymentsSettings

THAI = {"type": "thai_bank_account", "name": "Somchai Jaidee", "bank": "kbank", "account_number": "1234567890"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ('{"INR": "500.50", "VND": "100000"}', {"INR": 50_050, "VND": 100_000, "THB": 2_000, "USD": 100}),
        ('{"USD": "2"}', {"USD": 200, "INR": 100, "VND": 10_000, "THB": 2_000}),
        ("50000", {"INR": 50_000, "THB": 2_000, "USD": 100, "VND": 10_000}),
        ("0", {"INR": 0}),
    ],
)
def test_amounts_are_said_by_currency_and_a_number_alone_is_paise(
    said: str, expected: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYMENTS_WITHDRAWAL_MIN", said)
    found = PaymentsSettings.load().withdrawal_min
    assert {unit: found.within(unit, -1) for unit in expected} == expected
    assert found.within("EUR", 7) == 7


@pytest.mark.parametrize(
    "said",
    [
        "",
        "-1",
        "1.5",
        "many",
        "[]",
        "{",
        '{"VND": "0.5"}',
        '{"EUR": "1"}',
        '{"INR": "-1"}',
        '{"INR": "1.001"}',
        '{"INR": 1e3}',
    ],
)
def test_amounts_that_cannot_be_read_stop_the_house_by_their_name(said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENTS_DEPOSIT_MAX", said)
    with pytest.raises(SettingsError, match="PAYMENTS_DEPOSIT_MAX"):
        PaymentsSettings.load()


def test_the_standard_is_shown_as_it_would_be_written() -> None:
    facts = {fact.name: fact.default for fact in PaymentsSettings.facts()}
    assert facts["PAYMENTS_DEPOSIT_MIN"] == '{"INR": "1.00", "THB": "20.00", "USD": "0.50", "VND": "2000"}'


def test_the_former_limits_of_payments_still_win(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAYMENTS_DEPOSIT_LIMITS", "THB=5000-600000")
    found = PaymentsSettings.load()
    assert found.deposit_range("THB") == (5_000, 600_000)
    assert found.deposit_range("VND") == (2_000, 500_000_000)
    assert found.deposit_range("EUR") == (1, MAX_MINOR)


@pytest.fixture
async def till(settings: KernelSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Till]:
    monkeypatch.setenv("IDENTITY_ARGON2_MEMORY_KIB", "64")
    async with open_till(settings) as opened:
        never = tuple(f"{unit}={10**15}" for unit in ("INR", "THB", "USD", "VND"))
        opened.change_guards(verify_above=never)
        yield opened


async def test_each_currency_has_its_own(till: Till) -> None:
    dong = api.limits(till.house, "VND")
    assert (str(dong.deposit_least), str(dong.withdrawal_daily), str(dong.step_up_above)) == (
        "2000", "100000000", "5000000",
    )  # fmt: skip
    assert dong.withdrawal_most == Money(50_000_000, "VND")
    till.change_settings(
        deposit_max={"VND": "100000", "THB": "100"},
        withdrawal_min={"THB": "30"}, withdrawal_max={"THB": "600"}, withdrawal_daily={"THB": "1000"},
        withdrawal_step_up_above={"THB": "500"}, withdrawal_approval_above={"THB": "200"},
    )  # fmt: skip
    asha = await someone(till)
    assert asha.id

    async def paid_in(amount: str, currency: str) -> str:
        wish = {"amount": amount, "currency": currency, "purpose": "wallet_deposit"}
        wish |= {"method": "promptpay"} if currency == "THB" else {}
        answer = await asha.post("/payments/checkout", wish)
        return str(answer.json().get("code", "made"))

    assert [await paid_in("100000", "VND"), await paid_in("100001", "VND")] == ["made", "over_limit"]
    assert [await paid_in("100.00", "THB"), await paid_in("100.01", "THB")] == ["made", "over_limit"]
    assert await paid_in("100.01", "INR") == "made", "rupees keep theirs"

    await till.give(asha.id, Money.parse("5000.00", "THB"))

    async def paid_out(amount: str) -> str:
        answer = await asha.post("/wallets/withdraw", {"amount": amount, "currency": "THB", "destination": THAI})
        return str(answer.json().get("code") or answer.json()["status"])

    assert await paid_out("29.99") == "over_limit"
    assert await paid_out("600.01") == "over_limit"
    assert await paid_out("200.00") == "reserved"
    assert await paid_out("200.01") == "awaiting_approval"
    assert await paid_out("100.00") == "step_up_required", "slices count together"
    till.change_settings(withdrawal_step_up_above={"THB": "100000"})
    assert await paid_out("599.99") == "awaiting_approval"
    assert await paid_out("30.00") == "over_limit", "1,000 baht a day"

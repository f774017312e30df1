"""What every provider of payouts promises, asked of every one the house has, against the outside world in process."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from tests.parts.payments.test_every_provider import Street, street
from tests.parts.payments.till import START
from tillhouse.kernel.money import Money
from tillhouse.kernel.outbound import OutcomeUnknown
from tillhouse.parts.payments.domain import (
    BankAccount,
    Destination,
    PayoutFacts,
    PayoutState,
    StripeAccount,
    ThaiBankAccount,
    Vpa,
    payout_step,
)
from tillhouse.parts.payments.ports import (
    AccountChecks,
    BadSignature,
    InstalledPayoutGateway,
    Payee,
    ProviderEvent,
    Refused,
)
from tillhouse.sandbox.omise.payout_schemas import Recipient
from tillhouse.sandbox.omise.payout_schemas import Transfer as OmiseTransfer
from tillhouse.sandbox.razorpay.validations import FundAccountValidation
from tillhouse.sandbox.razorpay.x_schemas import Payout as RazorpayXPayout
from tillhouse.sandbox.store import Record
from tillhouse.sandbox.stripe.connect_schemas import Transfer as StripeTransfer

__all__ = ["street"]  # a fixture, for this module too

To = Callable[[Street], Awaitable[Destination]]
WHO = Payee("Asha Rao", "0197a2f0b7c87a53b5a1c2d3e4f50617")


def always(destination: Destination) -> To:
    async def to(_street: Street) -> Destination:
        return destination

    return to


def thai(ending: str) -> To:
    """An account that Omise has verified for them: that takes two days."""

    async def to(street: Street) -> Destination:
        account = ThaiBankAccount("Asha Rao", "kbank", f"123456{ending}")
        checks = street.payouts["omise"].checks
        assert checks
        made = await checks.check_account(key=uuid4(), to=account, payee=WHO)
        await street.does(f"omise/recipients/{made.check_id}/verify")
        return account

    return to


async def at_stripe(street: Street) -> Destination:
    """A connected account that has told Stripe who it is, and a balance to pay from."""
    await street.does("stripe/topups", amount=20_000)
    body = "type=express&country=US&capabilities[transfers][requested]=true"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    auth = (street.sandbox.world.settings.stripe_secret_key, "")
    made = await street.person.post("/stripe/v1/accounts", content=body, headers=headers, auth=auth)
    account = str(made.json()["id"])
    await street.does(f"stripe/accounts/{account}/onboard")
    return StripeAccount(account)


@dataclass(frozen=True)
class Road:
    """How money goes out at one provider: where to, what it refuses at once, and what its bank refuses later."""

    provider: str
    amount: Money
    to: To
    path: str
    record: type[Record]
    refused: tuple[To, Money]
    failing: To | None = None
    takes: timedelta = timedelta(minutes=40)

    def __str__(self) -> str:
        return self.provider


RUPEES, DOLLARS, BAHT = Money(100_01, "INR"), Money(50_01, "USD"), Money(500_01, "THB")
ROADS = (
    Road(
        "razorpayx", RUPEES, always(Vpa("success@razorpay")), "POST /v1/payouts", RazorpayXPayout,
        refused=(always(BankAccount("Asha Rao", "HDFC0001234", "4" * 36)), RUPEES),
        failing=always(Vpa("failure@razorpay")),
    ),
    Road(
        "stripe", DOLLARS, at_stripe, "POST /v1/transfers", StripeTransfer,
        refused=(at_stripe, Money(900_000_00, "USD")),
    ),
    Road(
        "omise", BAHT, thai("7890"), "POST /transfers", OmiseTransfer,
        refused=(thai("7890"), Money(9_000_000_00, "THB")), failing=thai("0001"),
    ),
)  # fmt: skip
every = pytest.mark.parametrize("road", ROADS, ids=str)


@dataclass
class Errand:
    """One payout of one road, from the first call on."""

    road: Road
    street: Street
    to: Destination
    key: UUID = field(default_factory=uuid4)

    @property
    def installed(self) -> InstalledPayoutGateway:
        return self.street.payouts[self.road.provider]

    async def send(self) -> PayoutFacts:
        asked = self.installed.gateway.create_payout
        return await asked(key=self.key, amount=self.road.amount, to=self.to, payee=WHO)

    async def find(self) -> PayoutFacts | None:
        return await self.installed.gateway.find_payout(self.key, since=START)

    def made(self) -> int:
        """How many payouts there are outside."""
        return self.street.sandbox.world.store.count(self.road.record, None)

    def told(self) -> list[ProviderEvent]:
        """What is told of payouts while one comes to its end."""
        told = told_within(self.street, self.installed, self.road.takes)
        return [event for event in told if event.payout_id or event.payout_reference]


def told_within(street: Street, installed: InstalledPayoutGateway, time: timedelta) -> list[ProviderEvent]:
    """Every webhook, read when it comes: a signature is only good for minutes."""
    told: list[ProviderEvent] = []
    until = street.at.at + time
    while True:
        for sent in street.sandbox.pending()[len(told) :]:
            told.append(installed.gateway.read_event(sent.body.encode(), httpx.Headers(sent.headers)))
        if street.at.at >= until:
            return told
        street.pass_time(timedelta(minutes=2))


@pytest.fixture
async def errand(street: Street, road: Road) -> Errand:
    return Errand(road, street, await road.to(street))


def test_every_provider_of_payouts_is_asked(street: Street) -> None:
    assert set(street.payouts) == {road.provider for road in ROADS}
    with_checks = {name for name, found in street.payouts.items() if found.checks}
    assert with_checks == {case.provider for case in ACCOUNTS}


class TestEveryPayoutGateway:
    """A payout once per key, what became of it, what is refused, and what is told of it."""

    @every
    async def test_a_road_is_one_that_the_provider_says_it_has(self, errand: Errand) -> None:
        gateway = errand.installed.gateway
        assert errand.to.kind in gateway.destinations
        assert errand.road.amount.unit in gateway.currencies
        assert gateway.key_valid_hours >= 24

    @every
    async def test_one_key_pays_once_however_often_it_is_sent(self, errand: Errand) -> None:
        sent = [await errand.send() for _ in range(3)]
        assert errand.made() == 1
        assert len({facts.payout_id for facts in sent}) == 1
        errand.key = uuid4()
        assert (await errand.send()).payout_id != sent[0].payout_id
        assert errand.made() == 2

    @every
    async def test_what_was_sent_is_exact_and_carries_our_key(self, errand: Errand) -> None:
        facts = await errand.send()
        assert (facts.provider, facts.reference, facts.amount) == (
            errand.road.provider, str(errand.key), errand.road.amount,
        )  # fmt: skip
        assert await errand.find() == facts
        assert await errand.installed.gateway.fetch_payout(facts.payout_id) == facts

    @every
    async def test_after_a_lost_answer_it_is_found_by_our_key_and_not_made_again(self, errand: Errand) -> None:
        await errand.street.does("faults", provider=errand.road.provider, path=errand.road.path, fault="timeout_after")
        with pytest.raises(OutcomeUnknown):
            await errand.send()
        found = await errand.find()
        assert found
        assert (found.reference, found.amount) == (str(errand.key), errand.road.amount)
        assert (await errand.send()).payout_id == found.payout_id
        assert errand.made() == 1

    @every
    async def test_what_never_arrived_is_not_found(self, errand: Errand) -> None:
        await errand.street.does("faults", provider=errand.road.provider, path=errand.road.path, fault="timeout_before")
        with pytest.raises(OutcomeUnknown):
            await errand.send()
        assert await errand.find() is None
        assert errand.made() == 0

    @every
    async def test_it_goes_forward_to_processed_and_stays_exact(self, errand: Errand) -> None:
        facts = await errand.send()
        until = errand.street.at.at + errand.road.takes
        while errand.street.at.at < until:
            errand.street.pass_time(timedelta(minutes=2))
            now = await errand.installed.gateway.fetch_payout(facts.payout_id)
            assert now.state == facts.state or payout_step(facts.state, now.state)
            assert (now.payout_id, now.reference, now.amount) == (facts.payout_id, facts.reference, facts.amount)
            assert (now.tax or 0) <= (now.fee or 0) < now.amount.minor
            facts = now
        assert facts.state == PayoutState.PROCESSED
        assert await errand.find() == facts

    @every
    async def test_a_refusal_is_final_and_has_words(self, street: Street, road: Road) -> None:
        to, amount = road.refused
        errand = Errand(road, street, await to(street))
        with pytest.raises(Refused) as refused:
            await errand.installed.gateway.create_payout(key=errand.key, amount=amount, to=errand.to, payee=WHO)
        assert refused.value.reason
        assert refused.value.description
        assert (errand.made(), await errand.find()) == (0, None)

    @pytest.mark.parametrize("road", [road for road in ROADS if road.failing], ids=str)
    async def test_a_payout_that_fails_later_says_why(self, street: Street, road: Road) -> None:
        assert road.failing
        errand = Errand(road, street, await road.failing(street))
        sent = await errand.send()
        street.pass_time(road.takes)
        facts = await errand.installed.gateway.fetch_payout(sent.payout_id)
        assert (facts.state, facts.amount) == (PayoutState.FAILED, road.amount)
        assert facts.reason
        assert facts.message

    @every
    async def test_what_is_told_of_it_names_it_and_its_amount(self, errand: Errand) -> None:
        facts = await errand.send()
        told = errand.told()
        assert told
        assert len({event.event_id for event in told}) == len(told)
        for event in told:
            assert event.payout_id in (None, facts.payout_id), event.name
            assert event.payout_reference in (None, str(errand.key)), event.name
            assert event.amount in (None, errand.road.amount), event.name

    @every
    async def test_what_is_told_with_one_byte_changed_is_refused(self, errand: Errand) -> None:
        await errand.send()
        errand.street.pass_time(errand.road.takes)
        for sent in errand.street.sandbox.pending():
            body = bytearray(sent.body.encode())
            body[len(body) // 2] ^= 1
            with pytest.raises(BadSignature):
                errand.installed.gateway.read_event(bytes(body), httpx.Headers(sent.headers))


@dataclass(frozen=True)
class Account:
    """An account that its bank knows under their name, and one that it does not know."""

    provider: str
    known: Destination
    unknown: Destination
    record: type[Record]
    takes: timedelta

    def __str__(self) -> str:
        return self.provider


ACCOUNTS = (
    Account(
        "razorpayx", BankAccount("Asha Rao", "HDFC0001234", "50100012345678"),
        BankAccount("Asha Rao", "HDFC0001234", "50100012000001"), FundAccountValidation, timedelta(minutes=10),
    ),
    Account(
        "omise", ThaiBankAccount("Asha Rao", "kbank", "1234567890"), ThaiBankAccount("Asha Rao", "kbank", "1234569001"),
        Recipient, timedelta(days=2, minutes=1),
    ),
)  # fmt: skip
each_account = pytest.mark.parametrize("case", ACCOUNTS, ids=str)


def checks_of(street: Street, case: Account) -> AccountChecks:
    checks = street.payouts[case.provider].checks
    assert checks
    return checks


class TestEveryAccountCheck:
    """The question whose an account is, asked once, and the bank's answer."""

    @each_account
    async def test_one_key_asks_once_and_the_bank_says_whose_it_is(
        self, street: Street, case: Account
    ) -> None:  # fmt: skip
        checks, key = checks_of(street, case), uuid4()
        asked = [await checks.check_account(key=key, to=case.known, payee=WHO) for _ in range(3)]
        assert len({facts.check_id for facts in asked}) == 1
        assert street.sandbox.world.store.count(case.record, None) == 1
        street.pass_time(case.takes)
        facts = await checks.fetch_check(asked[0].check_id)
        assert (facts.check_id, facts.state, facts.registered_name) == (asked[0].check_id, "valid", "Asha Rao")

    @each_account
    async def test_an_account_that_is_not_there_is_invalid_and_says_why(
        self, street: Street, case: Account
    ) -> None:  # fmt: skip
        checks = checks_of(street, case)
        asked = await checks.check_account(key=uuid4(), to=case.unknown, payee=WHO)
        street.pass_time(case.takes)
        facts = await checks.fetch_check(asked.check_id)
        assert (facts.state, bool(facts.reason)) == ("invalid", True)

    @each_account
    async def test_what_is_told_of_it_names_the_question(self, street: Street, case: Account) -> None:
        checks = checks_of(street, case)
        asked = await checks.check_account(key=uuid4(), to=case.known, payee=WHO)
        told = told_within(street, street.payouts[case.provider], case.takes)
        assert {event.check_id for event in told if event.check_id} == {asked.check_id}

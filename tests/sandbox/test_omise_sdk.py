"""The official `omise` SDK against a real server, with nothing changed but its addresses."""

from collections.abc import Iterator
from types import ModuleType

import httpx
import omise as sdk  # type: ignore[import-untyped]  # has no stubs
import pytest
from omise import errors  # type: ignore[import-untyped]  # has no stubs

from tests.sandbox.conftest import Receiver
from tests.sandbox.serving import serving
from tillhouse.sandbox.app import create_sandbox
from tillhouse.sandbox.settings import SandboxSettings

CARD = {
    "name": "Somchai Prasert",
    "number": "4242424242424242",
    "expiration_month": 12,
    "expiration_year": 2099,
    "security_code": "123",
    "city": "Bangkok",
    "postal_code": "10320",
}
BANK = {"brand": "bbl", "number": "1234567890", "name": "SOMCHAI PRASERT"}


@pytest.fixture
def omise(receiver: Receiver) -> Iterator[ModuleType]:
    with serving(receiver) as web:
        settings = SandboxSettings(web=web)
        with serving(create_sandbox(settings)) as url:
            sdk.api_main = sdk.api_vault = url
            sdk.api_secret, sdk.api_public = settings.omise_secret_key, settings.omise_public_key
            yield sdk


def token(omise: ModuleType, number: str = "4242424242424242") -> str:
    made: str = omise.Token.create(**{**CARD, "number": number}).id
    return made


def promptpay(omise: ModuleType, amount: int = 156_000, **extra: object) -> sdk.Charge:
    source = omise.Source.create(type="promptpay", amount=amount, currency="thb")
    assert (source.flow, source.scannable_code, source.charge_status) == ("offline", None, "unknown")
    return omise.Charge.create(amount=amount, currency="thb", source=source.id, **extra)


def test_a_promptpay_charge_shows_its_code_and_is_paid(omise: ModuleType, receiver: Receiver) -> None:
    charge = promptpay(omise, description="Order-384", metadata={"order": "384"})
    assert (charge.status, charge.paid, charge.metadata.order) == ("pending", False, "384")
    picture = httpx.get(charge.source.scannable_code.image.download_uri)
    assert picture.headers["content-type"] == "image/svg+xml"
    assert b"<svg" in picture.content

    httpx.post(f"{omise.api_main}/_sandbox/omise/charges/{charge.id}/pay", json={"outcome": "success"})
    charge.reload()
    assert (charge.status, charge.paid, charge.currency) == ("successful", True, "THB")
    assert (charge.fee, charge.fee_vat, charge.net) == (2574, 180, 153_246)
    assert omise.Transaction.retrieve(charge.transaction).amount == 153_246
    assert [event.key for event in charge.list_events()] == ["charge.create", "charge.complete"]
    assert all(receiver.arrived.acquire(timeout=20) for _ in range(2))


@pytest.mark.parametrize(
    ("number", "code"),
    [
        ("4111111111140011", "insufficient_fund"),
        ("4111111111130012", "stolen_or_lost_card"),
        ("4111111111120013", "failed_processing"),
        ("4111111111110014", "payment_rejected"),
    ],
)
def test_a_test_card_decides(omise: ModuleType, number: str, code: str) -> None:
    charge = omise.Charge.create(amount=100_000, currency="thb", card=token(omise, number))
    assert (charge.status, charge.paid, charge.failure_code) == ("failed", False, code)


def test_a_card_is_charged_captured_later_or_let_go(omise: ModuleType) -> None:
    paid = omise.Charge.create(amount=100_000, currency="thb", card=token(omise))
    assert (paid.status, paid.captured_amount, paid.card.last_digits) == ("successful", 100_000, "4242")

    held = omise.Charge.create(amount=100_000, currency="thb", card=token(omise), capture=False)
    assert (held.status, held.authorized, held.capturable, held.paid) == ("pending", True, True, False)
    held.capture(capture_amount=60_000)
    assert (held.status, held.captured_amount, held.fee) == ("successful", 60_000, 990)

    freed = omise.Charge.create(amount=100_000, currency="thb", card=token(omise), capture=False)
    freed.reverse()
    assert (freed.status, freed.reversed, freed.paid) == ("reversed", True, False)


def test_refunds_add_up_to_what_was_captured_and_no_more(omise: ModuleType) -> None:
    charge = omise.Charge.create(amount=100_000, currency="thb", card=token(omise))
    refund = charge.refund(amount=40_000, metadata={"why": "late"})
    assert (refund.amount, refund.voided, refund.status) == (40_000, True, "closed")
    with pytest.raises(errors.FailedRefundError, match="exceeds"):
        charge.refund(amount=60_001)
    charge.refund(amount=60_000)
    assert (charge.refunded_amount, charge.refundable, charge.voided) == (100_000, False, True)
    assert [item.amount for item in charge.list_refunds()] == [40_000, 60_000]
    assert len(omise.Refund.list()) == 2


def test_a_recipient_is_verified_and_paid(omise: ModuleType) -> None:
    recipient = omise.Recipient.create(name="Somchai", type="individual", bank_account=BANK)
    assert (recipient.verified, recipient.active, recipient.bank_account.last_digits) == (False, False, "7890")
    transfer = omise.Transfer.create(amount=100_000, recipient=recipient.id)
    assert (transfer.sendable, transfer.sent, transfer.net) == (False, False, 97_000)

    httpx.post(f"{omise.api_main}/_sandbox/omise/recipients/{recipient.id}/verify")
    recipient.reload()
    assert (recipient.verified, recipient.active) == (True, True)
    httpx.post(f"{omise.api_main}/_sandbox/deliver")
    transfer.update(amount=200_000)
    httpx.post(f"{omise.api_main}/_sandbox/omise/transfers/{transfer.id}/advance", json={"outcome": "sent"})
    httpx.post(f"{omise.api_main}/_sandbox/omise/transfers/{transfer.id}/advance", json={"outcome": "paid"})
    transfer.reload()
    assert (transfer.amount, transfer.sent, transfer.paid, transfer.failure_code) == (200_000, True, True, None)
    recipient.destroy()
    assert recipient.destroyed


def test_a_transfer_that_was_not_sent_can_be_taken_back(omise: ModuleType) -> None:
    before = omise.Balance.retrieve().transferable
    recipient = omise.Recipient.create(name="Somchai", type="individual", bank_account=BANK)
    transfer = omise.Transfer.create(amount=100_000, recipient=recipient.id)
    assert omise.Balance.retrieve().transferable == before - 100_000
    transfer.destroy()
    assert transfer.destroyed
    assert omise.Balance.retrieve().transferable == before


def test_a_customer_keeps_a_card(omise: ModuleType) -> None:
    customer = omise.Customer.create(email="somchai@example.com", card=token(omise))
    charge = omise.Charge.create(amount=50_000, currency="thb", customer=customer.id)
    assert (charge.status, charge.customer) == ("successful", customer.id)
    assert [card.last_digits for card in customer.list_cards()] == ["4242"]
    assert omise.Charge.create(amount=50_000, currency="thb", customer=customer.id).paid


def test_a_dispute_is_answered_and_accepted(omise: ModuleType) -> None:
    charge = omise.Charge.create(amount=50_000, currency="thb", card=token(omise))
    httpx.post(f"{omise.api_main}/_sandbox/omise/charges/{charge.id}/dispute")
    [dispute] = list(omise.Dispute.list_open_disputes())
    assert (dispute.charge, dispute.amount, dispute.status) == (charge.id, 50_000, "open")
    dispute.update(message="It was delivered")
    assert dispute.status == "pending"
    dispute.accept()
    assert dispute.status == "lost"
    assert len(omise.Dispute.list_closed_disputes()) == 1


def test_lists_go_by_pages_in_either_order(omise: ModuleType) -> None:
    ids = [promptpay(omise, 10_000 + place).id for place in range(5)]
    charges = omise.Charge.list()
    assert len(charges) == 5
    assert [charge.id for charge in charges.offset(limit=2, offset=1)] == ids[1:3]
    assert [charge.id for charge in charges.offset(limit=2, order="reverse_chronological")] == ids[:2:-1]
    assert sorted(charge.id for charge in charges) == sorted(ids)
    assert len(omise.Charge.list(fromDate="2999-01-01T00:00:00Z")) == 0


def test_the_account_says_what_it_can_do(omise: ModuleType) -> None:
    names = {method["name"] for method in omise.Capability.retrieve().payment_methods}
    assert {"card", "promptpay", "mobile_banking_scb", "internet_banking_bbl"} <= names
    assert omise.Balance.retrieve().currency == "THB"


def test_errors_are_the_sdks_own(omise: ModuleType) -> None:
    used = token(omise)
    omise.Charge.create(amount=50_000, currency="thb", card=used)
    with pytest.raises(errors.UsedTokenError):
        omise.Charge.create(amount=50_000, currency="thb", card=used)
    with pytest.raises(errors.NotFoundError, match="charge chrg_test_none was not found"):
        omise.Charge.retrieve("chrg_test_none")
    with pytest.raises(errors.MissingCardError):
        omise.Charge.create(amount=50_000, currency="thb")
    with pytest.raises(errors.InvalidChargeError):
        promptpay(omise, 1)
    with pytest.raises(errors.InvalidCardError):
        token(omise, "4242424242424241")
    with pytest.raises(errors.InvalidRecipientError):
        omise.Recipient.create(name="S", type="individual", bank_account={**BANK, "brand": "nobank"})
    with pytest.raises(errors.FailedCaptureError):
        promptpay(omise).capture()
    with pytest.raises(errors.BaseError, match="amount is missing"):
        omise.Charge.create(currency="thb", card=token(omise))
    omise.api_secret = "skey_test_other"
    with pytest.raises(errors.AuthenticationFailureError):
        omise.Balance.retrieve()

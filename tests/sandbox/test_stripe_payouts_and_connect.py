"""The balance, payouts, connected accounts and transfers through Stripe's official SDK: money that goes out."""

from typing import Any

import httpx
import pytest
import stripe

from tests.sandbox.stripe_shop import Shop


def available(shop: Shop, **options: Any) -> int:
    balance = shop.client.v1.balance.retrieve(options={**options} if options else None)  # type: ignore[arg-type]  # a TypedDict
    return sum(part.amount for part in balance.available)


def transfer(shop: Shop, destination: str, amount: int = 5_000, **more: Any) -> Any:
    params: Any = {"amount": amount, "currency": "usd", "destination": destination, **more}
    return shop.client.v1.transfers.create(params)


@pytest.fixture
def seller(shop: Shop) -> Any:
    """A connected account that may be paid, and a platform with $200 to pay with."""
    shop.act("topups", amount=20_000)
    return shop.account(email="seller@example.com")


def test_an_automatic_payout_takes_everything_and_can_be_reconciled(shop: Shop) -> None:
    intent = shop.paid(10_000)
    shop.paid(5_000)
    shop.client.v1.refunds.create({"payment_intent": intent.id, "amount": 1_000})
    made = shop.act("payouts/run")["items"]
    assert [payout["amount"] for payout in made] == [10_000 - 320 + 5_000 - 175 - 1_000]
    payout = shop.client.v1.payouts.retrieve(made[0]["id"])
    assert (payout.status, payout.automatic, payout.reconciliation_status) == ("pending", True, "completed")
    parts = shop.client.v1.balance_transactions.list({"payout": payout.id, "limit": 100}).data
    assert sorted(part.reporting_category for part in parts) == ["charge", "charge", "payout", "refund"]
    assert sum(part.net for part in parts) == 0
    assert shop.client.v1.balance.retrieve().pending[0].amount == 0
    shop.after(60)
    assert shop.client.v1.payouts.retrieve(payout.id).status == "in_transit"
    shop.after(180)
    assert shop.client.v1.payouts.retrieve(payout.id).status == "paid"
    names = [name for name in shop.types() if name.startswith("payout")]
    assert (names[0], names[-2]) == ("payout.created", "payout.paid")
    assert "payout.reconciliation_completed" in names
    assert shop.act("payouts/run")["items"] == []


def test_payouts_are_listed_by_when_they_arrive(shop: Shop) -> None:
    shop.paid(10_000)
    (made,) = shop.act("payouts/run")["items"]
    payouts, at = shop.client.v1.payouts, made["arrival_date"]
    within = payouts.list({"arrival_date": {"gte": at, "lt": at + 1}}).data
    assert [payout.id for payout in within] == [made["id"]]
    assert payouts.list({"arrival_date": at}).data == within
    assert payouts.list({"arrival_date": {"gt": at}}).data == []


def test_what_is_still_on_its_way_can_wait_for_another_day(shop: Shop) -> None:
    shop.paid(10_000)
    shop.paid(3_000, card="pm_card_bypassPending")
    assert [p["amount"] for p in shop.act("payouts/run", available_only=True)["items"]] == [3_000 - 117]
    assert shop.client.v1.balance.retrieve().pending[0].amount == 9_680


def test_a_connected_account_is_onboarded_on_a_page_by_a_link_of_one_use(shop: Shop) -> None:
    accounts = shop.client.v1.accounts
    account = accounts.create({"type": "express", "country": "TH", "email": "kru@example.com"})
    assert (account.payouts_enabled, account.details_submitted, account.default_currency) == (False, False, "thb")
    assert account.requirements is not None
    assert account.requirements.currently_due
    link = shop.client.v1.account_links.create(
        {
            "account": account.id,
            "type": "account_onboarding",
            "refresh_url": "http://127.0.0.1:9/again",
            "return_url": "http://127.0.0.1:9/done",
        }
    )
    assert "Tell Stripe who you are" in httpx.get(link.url).text
    assert httpx.post(link.url, data={"outcome": "complete"}).headers["location"] == "http://127.0.0.1:9/done"
    account = accounts.retrieve(account.id)
    assert (account.payouts_enabled, account.details_submitted) == (True, True)
    assert account.capabilities is not None
    assert account.capabilities.transfers == "active"
    assert httpx.get(link.url).headers["location"] == "http://127.0.0.1:9/again"


def test_a_transfer_moves_available_money_and_is_reversed_at_most_once_over(shop: Shop, seller: Any) -> None:
    moved = transfer(shop, seller.id, transfer_group="order-1")
    assert (available(shop), available(shop, stripe_account=seller.id)) == (15_000, 5_000)
    assert shop.client.v1.transfers.list({"transfer_group": "order-1"}).data[0].id == moved.id
    part = shop.client.v1.transfers.reversals.create(moved.id, {"amount": 2_000})
    assert (part.amount, part.transfer) == (2_000, moved.id)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unreversed"):
        shop.client.v1.transfers.reversals.create(moved.id, {"amount": 3_001})
    shop.client.v1.transfers.reversals.create(moved.id)
    after = shop.client.v1.transfers.retrieve(moved.id)
    assert (after.amount_reversed, after.reversed, len(after.reversals.data)) == (5_000, True, 2)
    assert (available(shop), available(shop, stripe_account=seller.id)) == (20_000, 0)
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.transfers.reversals.create(moved.id)


def test_a_transfer_needs_available_money_and_an_account_that_may_be_paid(shop: Shop, seller: Any) -> None:
    with pytest.raises(stripe.InvalidRequestError) as poor:
        transfer(shop, seller.id, 20_001)
    assert poor.value.code == "balance_insufficient"
    with pytest.raises(stripe.InvalidRequestError) as nobody:
        transfer(shop, "acct_none")
    assert (nobody.value.code, nobody.value.param) == ("resource_missing", "destination")
    newcomer = shop.client.v1.accounts.create({"type": "express", "country": "US"})
    with pytest.raises(stripe.InvalidRequestError) as early:
        transfer(shop, newcomer.id)
    assert early.value.code == "insufficient_capabilities_for_transfer"
    assert (available(shop), shop.client.v1.transfers.list().data) == (20_000, [])


def test_a_transfer_may_draw_on_a_charge_that_is_still_on_its_way(shop: Shop, seller: Any) -> None:
    charge = shop.paid(8_000).latest_charge
    assert transfer(shop, seller.id, 6_000, source_transaction=charge).source_transaction == charge
    with pytest.raises(stripe.InvalidRequestError, match="must not exceed"):
        transfer(shop, seller.id, 2_001, source_transaction=charge)


def test_a_connected_accounts_payout_reaches_its_bank_and_may_come_back(shop: Shop) -> None:
    shop.act("topups", amount=20_000)
    bank = {"object": "bank_account", "country": "US", "currency": "usd", "account_number": "000999999991"}
    seller = shop.account(external_account=bank)
    transfer(shop, seller.id)
    payouts = shop.client.v1.payouts
    of_seller: Any = {"stripe_account": seller.id}
    payout = payouts.create({"amount": 5_000, "currency": "usd"}, of_seller)
    assert (payout.status, available(shop, stripe_account=seller.id)) == ("pending", 0)
    states = []
    for seconds in (60, 180, 600):
        shop.after(seconds)
        states.append(payouts.retrieve(payout.id, options=of_seller).status)
    assert states == ["in_transit", "paid", "failed"]
    failed = payouts.retrieve(payout.id, options=of_seller)
    assert (failed.failure_code, failed.failure_balance_transaction is not None) == ("no_account", True)
    assert available(shop, stripe_account=seller.id) == 5_000
    with pytest.raises(stripe.InvalidRequestError, match="No such payout"):
        payouts.retrieve(payout.id)


@pytest.mark.parametrize("number", ["000111111116", "000111111113"])
def test_a_bank_account_of_stripes_own_test_values_fails(shop: Shop, number: str) -> None:
    shop.act("topups", amount=20_000)
    bank = {"object": "bank_account", "country": "US", "currency": "usd", "account_number": number}
    seller = shop.account(external_account=bank)
    transfer(shop, seller.id)
    payout = shop.client.v1.payouts.create({"amount": 1_000, "currency": "usd"}, {"stripe_account": seller.id})
    shop.after(60)
    shop.after(180)
    failed = shop.client.v1.payouts.retrieve(payout.id, options={"stripe_account": seller.id})
    assert failed.status == "failed"
    assert available(shop, stripe_account=seller.id) == 5_000


def test_a_payout_by_hand_can_be_canceled_until_it_leaves(shop: Shop) -> None:
    shop.act("topups", amount=20_000)
    payouts = shop.client.v1.payouts
    with pytest.raises(stripe.InvalidRequestError) as poor:
        payouts.create({"amount": 20_001, "currency": "usd"})
    assert poor.value.code == "balance_insufficient"
    payout = payouts.create({"amount": 20_000, "currency": "usd"})
    assert payouts.cancel(payout.id).status == "canceled"
    assert available(shop) == 20_000
    gone = payouts.create({"amount": 20_000, "currency": "usd"})
    shop.act(f"payouts/{gone.id}/pay")
    with pytest.raises(stripe.InvalidRequestError, match="only be canceled while pending"):
        payouts.cancel(gone.id)
    shop.act(f"payouts/{gone.id}/fail")
    assert available(shop) == 20_000


def test_an_account_that_is_none_may_not_be_acted_for(shop: Shop) -> None:
    with pytest.raises(stripe.PermissionError) as refused:
        available(shop, stripe_account="acct_none")
    assert refused.value.error is not None
    assert refused.value.error.code == "account_invalid"

"""Refunds and disputes through Stripe's official SDK: money that goes back."""

import httpx
import pytest
import stripe

from tests.sandbox.stripe_shop import Shop


def net(shop: Shop) -> int:
    return sum(moved.net for moved in shop.client.v1.balance_transactions.list({"limit": 100}).data)


def test_refunds_are_partial_and_many_but_never_above_what_was_captured(shop: Shop) -> None:
    refunds = shop.client.v1.refunds
    intent = shop.paid(10_000)
    first = refunds.create({"payment_intent": intent.id, "amount": 4_000, "metadata": {"why": "late"}})
    assert (first.status, first.charge, first.amount) == ("succeeded", intent.latest_charge, 4_000)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount") as above:
        refunds.create({"charge": intent.latest_charge, "amount": 6_001})
    assert above.value.param == "amount"
    assert refunds.create({"charge": intent.latest_charge}).amount == 6_000
    with pytest.raises(stripe.InvalidRequestError) as again:
        refunds.create({"charge": intent.latest_charge, "amount": 1})
    assert again.value.code == "charge_already_refunded"
    charge = shop.client.v1.charges.retrieve(intent.latest_charge, {"expand": ["refunds"]})
    assert (charge.amount_refunded, charge.refunded) == (10_000, True)
    assert charge.refunds is not None
    assert sum(refund.amount for refund in charge.refunds.data) == 10_000
    assert len(refunds.list({"payment_intent": intent.id}).data) == 2
    assert net(shop) == -320


def test_what_was_not_captured_cannot_be_refunded(shop: Shop) -> None:
    held = shop.paid(capture_method="manual")
    with pytest.raises(stripe.InvalidRequestError):
        shop.client.v1.refunds.create({"payment_intent": held.id})
    with pytest.raises(stripe.InvalidRequestError) as none:
        shop.client.v1.refunds.create({"charge": "ch_none"})
    assert (none.value.code, none.value.param) == ("resource_missing", "charge")
    assert shop.client.v1.refunds.list().data == []


def test_a_refund_may_take_a_while(shop: Shop) -> None:
    intent = shop.paid(card="pm_card_pendingRefund")
    refund = shop.client.v1.refunds.create({"payment_intent": intent.id})
    assert refund.status == "pending"
    shop.after(120)
    assert shop.client.v1.refunds.retrieve(refund.id).status == "succeeded"
    assert [name for name in shop.types() if "refund" in name] == [
        *("refund.created", "charge.refunded", "refund.updated", "charge.refund.updated")
    ]


def test_a_refund_may_fail_after_it_succeeded_and_the_money_comes_back(shop: Shop) -> None:
    intent = shop.paid(10_000, card="pm_card_refundFail")
    refund = shop.client.v1.refunds.create({"payment_intent": intent.id})
    assert refund.status == "succeeded"
    assert net(shop) == -320
    shop.after(120)
    failed = shop.client.v1.refunds.retrieve(refund.id, {"expand": ["failure_balance_transaction"]})
    assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
    assert net(shop) == 9_680
    charge = shop.client.v1.charges.retrieve(intent.latest_charge)
    assert (charge.amount_refunded, charge.refunded) == (0, False)
    assert "refund.failed" in shop.types()


def test_a_promptpay_refund_asks_the_payer_for_a_bank_account_and_can_be_canceled_meanwhile(shop: Shop) -> None:
    intent = shop.client.v1.payment_intents.create(
        {
            "amount": 20_000,
            "currency": "thb",
            "allowed_payment_method_types": ["promptpay"],
            "payment_method_data": {"type": "promptpay"},
            "confirm": True,
        }
    )
    shop.act(f"payment_intents/{intent.id}/pay")
    refunds = shop.client.v1.refunds
    with pytest.raises(stripe.InvalidRequestError, match="instructions_email"):
        refunds.create({"payment_intent": intent.id})
    asked = refunds.create({"payment_intent": intent.id, "instructions_email": "somchai@example.com"})
    assert asked.status == "requires_action"
    mails = httpx.get(f"{shop.url}/_sandbox/inbox", params={"to": "somchai@example.com"}).json()
    assert [mail["subject"] for mail in mails] == ["Your refund of ฿200.00"]
    assert refunds.cancel(asked.id).status == "canceled"
    again = refunds.create({"payment_intent": intent.id, "instructions_email": "somchai@example.com"})
    shop.after(120)
    assert refunds.retrieve(again.id).status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError, match="cannot be canceled"):
        refunds.cancel(again.id)


@pytest.mark.parametrize(("outcome", "left"), [("won", 9_680 - 1_500), ("lost", -320 - 1_500)])
def test_a_dispute_takes_the_money_and_a_fee_and_gives_back_the_money_when_won(
    shop: Shop, outcome: str, left: int
) -> None:
    intent = shop.paid(10_000)
    opened = shop.act(f"charges/{intent.latest_charge}/dispute", reason="product_not_received")
    dispute = shop.client.v1.disputes.retrieve(opened["id"])
    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", "product_not_received", 10_000)
    withdrawn = dispute.balance_transactions[0]
    assert (withdrawn.amount, withdrawn.fee, withdrawn.net) == (-10_000, 1_500, -11_500)
    assert withdrawn.reporting_category == "dispute"
    assert shop.client.v1.charges.retrieve(intent.latest_charge).disputed
    with pytest.raises(stripe.InvalidRequestError) as refused:
        shop.client.v1.refunds.create({"payment_intent": intent.id})
    assert refused.value.code == "charge_disputed"

    shop.act(f"disputes/{dispute.id}/close", outcome=outcome)
    assert shop.client.v1.disputes.retrieve(dispute.id).status == outcome
    assert net(shop) == left
    expected = ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    expected += ["charge.dispute.funds_reinstated"] if outcome == "won" else []
    assert [name for name in shop.types() if "dispute" in name] == [*expected, "charge.dispute.closed"]
    late = httpx.post(f"{shop.url}/_sandbox/stripe/disputes/{dispute.id}/close", json={"outcome": "won"})
    assert late.status_code == 409
    assert net(shop) == left


@pytest.mark.parametrize(("evidence", "status"), [("winning_evidence", "won"), ("losing_evidence", "lost")])
def test_the_bank_reads_the_evidence(shop: Shop, evidence: str, status: str) -> None:
    intent = shop.paid(card="pm_card_createDispute")
    shop.after(60)
    disputes = shop.client.v1.disputes
    dispute = disputes.list({"payment_intent": intent.id}).data[0]
    draft = disputes.update(dispute.id, {"evidence": {"product_description": "A course"}, "submit": False})
    assert (draft.status, draft.evidence_details.has_evidence) == ("needs_response", True)
    sent = disputes.update(dispute.id, {"evidence": {"uncategorized_text": evidence}})
    assert (sent.status, sent.evidence.product_description) == ("under_review", "A course")
    assert sent.evidence_details.submission_count == 1
    shop.after(600)
    assert disputes.retrieve(dispute.id).status == status


def test_a_dispute_that_nobody_answers_or_that_is_accepted_is_lost(shop: Shop) -> None:
    one, other = shop.paid(), shop.paid()
    ignored = shop.act(f"charges/{one.latest_charge}/dispute")
    accepted = shop.act(f"charges/{other.latest_charge}/dispute", amount=2_500)
    assert shop.client.v1.disputes.close(accepted["id"]).status == "lost"
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        shop.client.v1.disputes.close(accepted["id"])
    shop.after(7 * 86_400)
    lost = shop.client.v1.disputes.retrieve(ignored["id"])
    assert (lost.status, lost.evidence_details.past_due) == ("lost", True)
    again = httpx.post(f"{shop.url}/_sandbox/stripe/charges/{one.latest_charge}/dispute")
    assert again.status_code == 400

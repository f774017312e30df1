"""What the console calls states, reasons and kinds: message ids by code."""

from collections.abc import Mapping

from tillhouse.kernel.text import N_
from tillhouse.kernel.web.forms import Option
from tillhouse.kernel.web.i18n import gettext

ORDER_STATES = {
    "created": N_("Being prepared"),
    "pending": N_("To be paid"),
    "authorized": N_("Authorised"),
    "captured": N_("Paid"),
    "partially_refunded": N_("Given back in part"),
    "refunded": N_("Given back"),
    "failed": N_("Failed"),
    "expired": N_("Expired"),
    "disputed": N_("Disputed"),
}
PAYOUT_STATES = {
    "awaiting_approval": N_("Waits for approval"),
    "reserved": N_("Set aside"),
    "sending": N_("Being sent"),
    "unknown": N_("Outcome unknown"),
    "processing": N_("At the bank"),
    "processed": N_("Paid out"),
    "reversed": N_("Sent back by the bank"),
    "failed": N_("Failed"),
    "rejected": N_("Refused"),
    "cancelled": N_("Cancelled"),
}
REFUND_STATES = {
    "created": N_("Being prepared"),
    "sending": N_("Being sent"),
    "unknown": N_("Outcome unknown"),
    "pending": N_("At the bank"),
    "processed": N_("Given back"),
    "failed": N_("Failed"),
}
DISPUTE_STATES = {
    "open": N_("To be answered"),
    "under_review": N_("At the payer's bank"),
    "won": N_("Won"),
    "lost": N_("Lost"),
}
EVENT_STATES = {
    "received": N_("Verified, waits"),
    "processed": N_("Settled"),
    "ignored": N_("About nothing of ours"),
    "parked": N_("Put aside"),
    "dead": N_("Given up"),
}
TRANSFER_STATES = {
    "placed": N_("Placed"),
    "waiting": N_("A part is missing"),
    "unplaced": N_("Matches nothing"),
    "outgoing": N_("Went out"),
    "parked": N_("On another account"),
    "sent_back": N_("Sent back"),
}
EXCEPTION_STATES = {
    "open": N_("Open"),
    "proposed": N_("Waits for a second person"),
    "resolved": N_("Ended"),
}
LINE_CLASSES = {
    "matched": N_("Agrees"),
    "late": N_("Agrees, late"),
    "missing": N_("Not reported"),
    "extra": N_("Not in our books"),
    "amount": N_("Another amount"),
    "currency": N_("Another currency"),
    "fee": N_("Another fee"),
    "duplicate": N_("Reported twice"),
}
# What differs on a day: a line of a report, or what the bank has of a settlement.
DIFFERENCES = {**LINE_CLASSES, "not_in_bank": N_("Not in the bank"), "bank_amount": N_("Another amount in the bank")}
# Who takes or sends the money, as they call themselves in every language.
GATEWAYS = {
    "razorpay": "Razorpay",
    "razorpayx": "RazorpayX",
    "stripe": "Stripe",
    "omise": "Omise",
    "sepay": "SePay",
}
METHODS = {
    "checkout": N_("Whatever the gateway offers"),
    "upi": N_("UPI"),
    "card": N_("Card"),
    "upi_qr": N_("UPI QR code"),
    "payment_link": N_("Payment link"),
    "promptpay": N_("PromptPay"),
    "bank_transfer": N_("Bank transfer"),
    "internet_banking": N_("Internet banking"),
    "mobile_banking": N_("Mobile banking"),
    "netbanking": N_("Netbanking"),
    "wallet": N_("Wallet"),
}
# Why a payout waits for a person.
REASONS = {
    "large_amount": N_("Large amount"),
    "payee_unverified": N_("The bank has not confirmed the account"),
    "payee_cooling": N_("The account was added lately"),
    "name_mismatch": N_("The account is in another name"),
    "name_partial": N_("The name agrees in part"),
    "account_shared": N_("Many people are paid out to this account"),
    "account_busy": N_("Much goes to this account today"),
    "house_busy": N_("Much leaves the house this hour"),
    "requester_left": N_("Whoever asked for it may not pay out for the organisation any more"),
}
APPROVED = {
    "checked": N_("Checked: nothing speaks against it"),
    "known_payee": N_("The account is known"),
    "spoke_to_person": N_("Spoke to the person"),
    "documents_seen": N_("Saw documents"),
    "amount_explained": N_("The amount was explained"),
    "payee_verified": N_("The bank confirmed the account"),
}
REJECTED = {
    "not_explained": N_("Could not be explained"),
    "suspected_fraud": N_("Looks like fraud"),
    "not_their_account": N_("Not their account"),
    "person_asked": N_("The person asked for it"),
    "wrong_details": N_("The details are wrong"),
    "payee_refused": N_("The bank refused the account"),
}
DECISIONS = {"approved": N_("Approved"), "rejected": N_("Refused"), "released": N_("Released by itself")}
PARKED = {
    "unknown_order": N_("It names no order of ours"),
    "unknown_payout": N_("It names no payout of ours"),
    "unknown_payment": N_("It names no payment of ours"),
    "foreign_amount": N_("Another amount than we asked for"),
    "foreign_currency": N_("Another currency than we asked for"),
    "replayed_under_another_id": N_("The same message came before under another id"),
    "id_used_for_another_body": N_("Another message came before under this id"),
    "not_known_to_provider": N_("The provider does not know what it names"),
    "payment_of_another_order": N_("A payment that belongs to another order"),
    "payment_not_captured": N_("About a payment that was not captured"),
    "dispute_amount_changed": N_("A dispute changed its amount"),
    "given_back_more_than_paid": N_("More was given back than was paid"),
    "refunded_twice": N_("Refunded twice"),
    "foreign_reference": N_("It names another payout than ours"),
    "paid_out_twice": N_("Paid out twice"),
    "unknown_code": N_("No code of ours in the text"),
    "several_orders": N_("Names several orders, with another sum"),
    "sent_back": N_("Sent back to its sender"),
}
EXCEPTIONS = {
    "missing": N_("Captured, and in no report"),
    "extra": N_("Settled, and not in our books"),
    "amount": N_("Reported with another amount"),
    "currency": N_("Reported in another currency"),
    "fee": N_("Reported with another fee"),
    "duplicate": N_("Reported twice"),
    "line_changed": N_("A booked line says something else now"),
    "bank_unknown": N_("In the bank, and expected by nobody"),
    "bank_amount": N_("In the bank with another amount"),
    "bank_currency": N_("In the bank in another currency"),
    "bank_duplicate": N_("Twice in the bank"),
    "balance_gap": N_("A bank statement does not begin where the last one ended"),
    "statement_changed": N_("A file contradicts a day that was closed"),
    "too_old_in_clearing": N_("Open for too long in clearing"),
    "authorized_too_long": N_("Authorised for too long"),
    "unfinished_too_long": N_("Without an end for too long"),
    "unapproved_too_long": N_("Waits for approval for too long"),
    "unhandled_too_long": N_("Not handled for too long"),
    "check_unanswered": N_("The bank does not answer about an account"),
    "disputed": N_("The payer's bank wants the money back"),
    "refunded_at_gateway": N_("Refunded at the gateway's own dashboard"),
    "refunds_missing": N_("The gateway lists fewer refunds than it made"),
    "provider_disagrees": N_("The provider says otherwise"),
    "unknown_to_provider": N_("The provider does not know of it"),
    "fee_difference": N_("The provider's fee is another one: the payee gets another amount than promised"),
    "partly_reversed": N_("Taken back in part at the provider"),
    "wallet_refused": N_("The wallet could not take the money"),
    "partly_paid": N_("Paid in part, then expired"),
    "paid_twice": N_("Paid twice"),
    "wrong_account": N_("On an account that takes no payments"),
    "transfer_changed": N_("A transfer says something else now"),
    "purpose_refused": N_("Paid, and the product could not deliver"),
    "purpose_keeps_crashing": N_("Paid, and the product gave up"),
    "failed_after_capture": N_("Called failed after it was captured"),
    "read_elsewhere": N_("A bank account is read from files and by a provider: each line would be booked twice"),
    "our_key_refused": N_("The provider does not accept our key: look at its dashboard and our settings"),
    "payouts_over_house_limit": N_("Much leaves the house this hour"),
    **PARKED,
}
OUTCOMES = {"never_happened": N_("It never happened"), "happened": N_("It did happen")}
KINDS = {
    "payment": N_("Payment"),
    "order": N_("Order"),
    "payout": N_("Payout"),
    "refund": N_("Refund"),
    "dispute": N_("Dispute"),
    "transfer": N_("Bank transfer"),
    "event": N_("Event"),
    "payee": N_("Account of a payee"),
    "card": N_("Saved card"),
    "recon": N_("Line of a report"),
    "bank": N_("Line of the bank"),
    "ageing": N_("Open item"),
    "statement": N_("Bank statement"),
    "house": N_("The house"),
    "reconciliation": N_("Reconciliation"),
    "purpose": N_("Product"),
    "adjustment": N_("Adjustment"),
    "returned": N_("What came back of a payout"),
    "account_check": N_("Check of an account"),
    "provider": N_("Provider"),
}

# Tones of badges, where the kit's own do not say it.
TONES = {
    "awaiting_approval": "warning",
    "reserved": "info",
    "sending": "info",
    "partially_refunded": "neutral",
    "refunded": "neutral",
    "expired": "neutral",
    "under_review": "info",
    "won": "success",
    "lost": "danger",
    "parked": "warning",
    "dead": "danger",
    "ignored": "neutral",
    "unplaced": "warning",
    "waiting": "warning",
    "placed": "success",
    "proposed": "warning",
    "resolved": "success",
    "matched": "success",
    "late": "success",
    "missing": "warning",
    "extra": "warning",
    "amount": "danger",
    "currency": "danger",
    "fee": "warning",
    "duplicate": "danger",
}


def said(titles: Mapping[str, str], code: str | None) -> str:
    """What a code is called in the reader's language; a code without a name is shown as it is."""
    title = titles.get(code or "")
    return gettext(title) if title else (code or "").replace("_", " ")


def options(titles: Mapping[str, str], *leading: tuple[str, str]) -> list[Option]:
    """The codes as options of a select, after some special ones."""
    return [Option(code, gettext(title)) for code, title in (*leading, *titles.items())]


WORDS: Mapping[str, object] = {
    "said": said,
    "order_states": ORDER_STATES,
    "payout_states": PAYOUT_STATES,
    "refund_states": REFUND_STATES,
    "dispute_states": DISPUTE_STATES,
    "event_states": EVENT_STATES,
    "transfer_states": TRANSFER_STATES,
    "exception_states": EXCEPTION_STATES,
    "line_classes": LINE_CLASSES,
    "differences": DIFFERENCES,
    "gateways": GATEWAYS,
    "methods": METHODS,
    "reasons": REASONS,
    "approved": APPROVED,
    "rejected": REJECTED,
    "decisions": DECISIONS,
    "parked": PARKED,
    "exception_titles": EXCEPTIONS,
    "kinds": KINDS,
    "outcomes": OUTCOMES,
    "tones": TONES,
    "options": options,
}

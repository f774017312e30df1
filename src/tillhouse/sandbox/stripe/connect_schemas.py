"""Connected accounts, transfers, payouts and the balance, and the parameters they take."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field, JsonValue

from tillhouse.sandbox.stripe.schemas import (
    Currency,
    Entity,
    ListQuery,
    Metadata,
    MetadataBody,
    Minor,
    Params,
    Part,
    Range,
    Wire,
)

AccountType = Literal["custom", "express", "standard"]
Positive = Annotated[int, Field(ge=1)]


class BankAccountBody(Part):
    """`external_account`: where an account's payouts go."""

    object: Literal["bank_account"] = "bank_account"
    country: str
    currency: Currency
    account_number: str
    account_holder_name: str | None = None
    account_holder_type: Literal["individual", "company"] | None = None
    routing_number: str | None = None


class Account(Entity):
    """A connected account: someone the platform pays."""

    kind: ClassVar[str] = "stripe_account"
    noun: ClassVar[str] = "account"
    private: ClassVar[frozenset[str]] = frozenset({"account_number", "bank"})

    object: Literal["account"] = "account"
    business_profile: dict[str, JsonValue] = {}
    business_type: str | None = None
    capabilities: dict[str, Literal["active", "inactive", "pending"]] = {}
    charges_enabled: bool = False
    controller: dict[str, JsonValue] = {}
    country: str
    default_currency: str
    details_submitted: bool = False
    email: str | None = None
    payouts_enabled: bool = False
    requirements: dict[str, JsonValue] = {}
    settings: dict[str, JsonValue] = {}
    tos_acceptance: dict[str, JsonValue] = {}
    type: Literal["custom", "express", "standard", "none"]

    account_number: str = "000123456789"
    bank: str = ""

    def wire(self) -> Wire:
        document = super().wire()
        url = f"/v1/accounts/{self.id}/external_accounts"
        banks: list[JsonValue] = [self.bank_account()] if self.bank else []
        document["external_accounts"] = {"object": "list", "data": banks, "has_more": False, "url": url}
        return document

    def bank_account(self) -> Wire:
        """The account's bank account, without its number."""
        return {
            "id": self.bank,
            "object": "bank_account",
            "account": self.id,
            "bank_name": "STRIPE TEST BANK",
            "country": self.country,
            "currency": self.default_currency,
            "default_for_currency": True,
            "last4": self.account_number[-4:],
            "status": "new",
        }


class AccountBody(Params):
    """Body of `POST /accounts`."""

    type: AccountType | None = None
    country: Annotated[str, Field(min_length=2, max_length=2)] = "US"
    email: str | None = None
    business_type: Literal["company", "government_entity", "individual", "non_profit"] | None = None
    business_profile: dict[str, JsonValue] = {}
    capabilities: dict[str, dict[str, bool]] = {}
    controller: dict[str, JsonValue] | None = None
    company: dict[str, JsonValue] | None = None
    individual: dict[str, JsonValue] | None = None
    tos_acceptance: dict[str, JsonValue] = {}
    settings: dict[str, JsonValue] = {}
    default_currency: Currency | None = None
    external_account: BankAccountBody | None = None
    metadata: Metadata = {}


class AccountUpdate(AccountBody):
    """Body of `POST /accounts/{id}`; type and country stay."""


class AccountLinkBody(Params):
    """Body of `POST /account_links`."""

    account: str
    type: Literal["account_onboarding", "account_update"]
    refresh_url: str
    return_url: str
    collect: str | None = None
    collection_options: dict[str, JsonValue] | None = None


class AccountLink(Entity):
    """A way into the onboarding page, for a few minutes and one visit."""

    kind: ClassVar[str] = "stripe_account_link"
    noun: ClassVar[str] = "account_link"

    object: Literal["account_link"] = "account_link"
    expires_at: int
    url: str
    refresh_url: str
    return_url: str

    def wire(self) -> Wire:
        document: Wire = self.model_dump(mode="json", include={"object", "expires_at", "url"})
        document["created"] = self.created_at
        return document


# --- transfers ------------------------------------------------------------------------------------------------------


class TransferBody(Params):
    """Body of `POST /transfers`."""

    amount: Positive
    currency: Currency
    destination: str
    description: str | None = None
    source_transaction: str | None = None
    transfer_group: str | None = None
    metadata: Metadata = {}


class TransferUpdate(MetadataBody):
    """Body of `POST /transfers/{id}`."""

    description: str | None = None


class Transfer(Entity):
    """Money moved from the platform to a connected account."""

    kind: ClassVar[str] = "stripe_transfer"
    noun: ClassVar[str] = "transfer"

    object: Literal["transfer"] = "transfer"
    amount: int
    amount_reversed: int = 0
    balance_transaction: str | None = None
    currency: str
    description: str | None = None
    destination: str
    destination_payment: str | None = None
    livemode: Literal[False] = False
    reversed: bool = False
    source_transaction: str | None = None
    source_type: Literal["card"] = "card"
    transfer_group: str | None = None


class TransferQuery(ListQuery):
    """Filters of the list of transfers."""

    destination: str | None = None
    transfer_group: str | None = None


class ReversalBody(Params):
    """Body of `POST /transfers/{id}/reversals`."""

    amount: Positive | None = None
    description: str | None = None
    metadata: Metadata = {}
    refund_application_fee: bool = False


class Reversal(Entity):
    """Money of a transfer taken back."""

    kind: ClassVar[str] = "stripe_transfer_reversal"
    noun: ClassVar[str] = "transfer_reversal"

    object: Literal["transfer_reversal"] = "transfer_reversal"
    amount: int
    balance_transaction: str | None = None
    currency: str
    destination_payment_refund: str | None = None
    source_refund: None = None
    transfer: str


# --- payouts --------------------------------------------------------------------------------------------------------

PayoutStatus = Literal["pending", "in_transit", "paid", "failed", "canceled"]


class PayoutBody(Params):
    """Body of `POST /payouts`."""

    amount: Positive
    currency: Currency
    description: str | None = None
    destination: str | None = None
    method: Literal["standard", "instant"] = "standard"
    source_type: Literal["card", "bank_account", "fpx"] = "card"
    statement_descriptor: Annotated[str, Field(max_length=22)] | None = None
    metadata: Metadata = {}


class Payout(Entity):
    """Money on its way from a Stripe balance to a bank."""

    kind: ClassVar[str] = "stripe_payout"
    noun: ClassVar[str] = "payout"
    private: ClassVar[frozenset[str]] = frozenset({"fate"})

    object: Literal["payout"] = "payout"
    amount: int
    application_fee: None = None
    application_fee_amount: None = None
    arrival_date: int
    automatic: bool
    balance_transaction: str | None = None
    currency: str
    description: str | None = None
    destination: str
    failure_balance_transaction: str | None = None
    failure_code: str | None = None
    failure_message: str | None = None
    livemode: Literal[False] = False
    method: Literal["standard", "instant"]
    original_payout: None = None
    reconciliation_status: Literal["completed", "in_progress", "not_applicable"]
    reversed_by: None = None
    source_type: str = "card"
    statement_descriptor: str | None = None
    status: PayoutStatus = "pending"
    trace_id: dict[str, str | None] | None = None
    type: Literal["bank_account"] = "bank_account"

    fate: str = "paid"


class PayoutQuery(ListQuery):
    """Filters of the list of payouts."""

    status: PayoutStatus | None = None
    destination: str | None = None
    arrival_date: int | Range | None = None


# --- balance --------------------------------------------------------------------------------------------------------


class FeeDetail(BaseModel):
    """One part of a fee."""

    amount: int
    application: None = None
    currency: str
    description: str
    type: Literal["stripe_fee"] = "stripe_fee"


class BalanceTransaction(Entity):
    """One movement of an account's balance. `payout` is the automatic payout that took it along."""

    kind: ClassVar[str] = "stripe_balance_transaction"
    noun: ClassVar[str] = "balance transaction"
    private: ClassVar[frozenset[str]] = frozenset({"payout", "metadata"})

    object: Literal["balance_transaction"] = "balance_transaction"
    amount: int
    available_on: int
    balance_type: Literal["payments"] = "payments"
    currency: str
    description: str | None = None
    exchange_rate: None = None
    fee: int = 0
    fee_details: list[FeeDetail] = []
    net: int
    reporting_category: str
    source: str | None = None
    status: Literal["available", "pending"] = "pending"
    type: str

    payout: str | None = None


class BalanceQuery(ListQuery):
    """Filters of the list of balance transactions."""

    currency: Currency | None = None
    payout: str | None = None
    source: str | None = None
    type: str | None = None


class TopupBody(Params):
    """Body of the sandbox's own top-up: money put on a balance, available at once."""

    amount: Minor
    currency: Currency = "usd"
    account: str | None = None

"""Disputes, and the parameters they take."""

from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, Field, JsonValue

from tillhouse.sandbox.stripe.schemas import Entity, ListQuery, MetadataBody, Part

DisputeReason = Literal[
    "bank_cannot_process",
    "credit_not_processed",
    "duplicate",
    "fraudulent",
    "general",
    "product_not_received",
    "product_unacceptable",
    "subscription_canceled",
    "unrecognized",
]
DisputeStatus = Literal["needs_response", "under_review", "won", "lost"]
EvidenceText = Annotated[str, Field(max_length=20_000)] | None


class Evidence(Part):
    """What the shop says for itself. Files are given by id."""

    access_activity_log: EvidenceText = None
    billing_address: EvidenceText = None
    cancellation_policy: EvidenceText = None
    cancellation_policy_disclosure: EvidenceText = None
    cancellation_rebuttal: EvidenceText = None
    customer_communication: EvidenceText = None
    customer_email_address: EvidenceText = None
    customer_name: EvidenceText = None
    customer_purchase_ip: EvidenceText = None
    customer_signature: EvidenceText = None
    duplicate_charge_documentation: EvidenceText = None
    duplicate_charge_explanation: EvidenceText = None
    duplicate_charge_id: EvidenceText = None
    product_description: EvidenceText = None
    receipt: EvidenceText = None
    refund_policy: EvidenceText = None
    refund_policy_disclosure: EvidenceText = None
    refund_refusal_explanation: EvidenceText = None
    service_date: EvidenceText = None
    service_documentation: EvidenceText = None
    shipping_address: EvidenceText = None
    shipping_carrier: EvidenceText = None
    shipping_date: EvidenceText = None
    shipping_documentation: EvidenceText = None
    shipping_tracking_number: EvidenceText = None
    uncategorized_file: EvidenceText = None
    uncategorized_text: EvidenceText = None


class DisputeUpdate(MetadataBody):
    """Body of `POST /disputes/{id}`. Evidence is sent to the bank unless `submit` is false."""

    evidence: Evidence | None = None
    submit: bool = True


class EvidenceDetails(BaseModel):
    """How far the shop's answer is."""

    due_by: int
    enhanced_eligibility: dict[str, JsonValue] = {}
    has_evidence: bool = False
    past_due: bool = False
    submission_count: int = 0


class Dispute(Entity):
    """A payer who asked their bank for the money back."""

    kind: ClassVar[str] = "stripe_dispute"
    noun: ClassVar[str] = "dispute"

    object: Literal["dispute"] = "dispute"
    amount: int
    balance_transactions: list[dict[str, JsonValue]] = []
    charge: str
    currency: str
    enhanced_eligibility_types: list[str] = []
    evidence: Evidence = Evidence()
    evidence_details: EvidenceDetails
    is_charge_refundable: bool = False
    livemode: Literal[False] = False
    payment_intent: str | None = None
    payment_method_details: dict[str, JsonValue] | None = None
    reason: DisputeReason
    status: DisputeStatus = "needs_response"


class DisputeQuery(ListQuery):
    """Filters of the list of disputes."""

    charge: str | None = None
    payment_intent: str | None = None

"""`/razorpay/v1/payouts` of RazorpayX, and what becomes of a payout."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Query

from tillhouse.sandbox import ids
from tillhouse.sandbox.razorpay import events
from tillhouse.sandbox.razorpay.access import body_hash, key_is_well_formed, remember_key, require_key, used_before
from tillhouse.sandbox.razorpay.beneficiaries import contact_for, find_fund_account, fund_account_for
from tillhouse.sandbox.razorpay.errors import no_such_id, payout_error
from tillhouse.sandbox.razorpay.schemas import Wire, collection
from tillhouse.sandbox.razorpay.transactions import (
    Balance,
    BankTransfer,
    ExternalSource,
    PayoutSource,
    balance_of,
    book,
)
from tillhouse.sandbox.razorpay.x_schemas import (
    FundAccount,
    Payout,
    PayoutBody,
    PayoutQuery,
    PayoutStatus,
    StatusDetails,
)
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/razorpay/v1/payouts", dependencies=[Depends(require_key)])

Fate = Literal["processed", "failed", "reversed", "returned", "stuck", "queued"]

PROCESSING_SECONDS = 180.0
LATE_RETURN_SECONDS = 600.0
FEES, TAX = 590, 90

# The sandbox's own test values: what a destination brings about.
FATE_OF_VPA: dict[str, Fate] = {
    "success@razorpay": "processed",
    "failure@razorpay": "failed",
    "reversed@razorpay": "reversed",
    "returned@razorpay": "returned",
    "stuck@razorpay": "stuck",
    "queued@razorpay": "queued",
}
FATE_OF_ACCOUNT_ENDING: dict[str, Fate] = {
    "000001": "failed",
    "000002": "reversed",
    "000003": "stuck",
    "000004": "queued",
    "000005": "returned",
}

_KEY_HEADER = "X-Payout-Idempotency"
_KEY_PATTERN = r"[A-Za-z0-9_ -]{4,36}"
_MODES = {"vpa": {"UPI"}, "bank_account": {"NEFT", "RTGS", "IMPS"}}
_NEXT: dict[PayoutStatus, set[PayoutStatus]] = {
    "queued": {"processing", "cancelled"},
    "processing": {"processed", "reversed", "failed"},
    "processed": {"reversed"},
}
_DETAILS: dict[PayoutStatus, StatusDetails] = {
    "processing": StatusDetails(
        description="Payout is being processed by the partner bank.",
        source="beneficiary_bank",
        reason="beneficiary_bank_confirmation_pending",
    ),
    "processed": StatusDetails(
        description="Payout is processed and the money has been credited to the beneficiary.",
        source="beneficiary_bank",
        reason="payout_processed",
    ),
    "reversed": StatusDetails(
        description="The beneficiary's bank returned the money.",
        source="beneficiary_bank",
        reason="beneficiary_bank_rejected",
    ),
    "failed": StatusDetails(
        description="The beneficiary's account is invalid.", source="beneficiary_bank", reason="bank_account_invalid"
    ),
    "cancelled": StatusDetails(description="The payout was cancelled.", source="business", reason=None),
}
_LOW_BALANCE = StatusDetails(
    description="Payout is queued as there is too little money on the account.", source="business", reason="low_balance"
)
_BANK_OFFLINE = StatusDetails(
    description="Payout is queued as the beneficiary's bank is not reachable.",
    source="beneficiary_bank",
    reason="beneficiary_bank_offline",
)


@router.post("")
async def create_payout(
    world: Here, body: PayoutBody, key: Annotated[str | None, Header(alias=_KEY_HEADER)] = None
) -> Wire:
    """Make a payout once per idempotency key; a repeated key answers its present state."""
    key = _checked_key(key)
    digest = body_hash("payout", body)
    earlier = used_before(world, "payout", key)
    if earlier is not None:
        if earlier.body_hash != digest:
            raise payout_error("Different request body sent for the same Idempotency Header", _KEY_HEADER)
        return find_payout(world, earlier.made).wire()
    if body.account_number != world.settings.razorpayx_account_number:
        raise payout_error("The account_number does not belong to you.", "account_number")
    with world.store.transaction():
        payout = _create(world, body)
        remember_key(world, "payout", key, digest, payout.id)
    return payout.wire()


@router.get("")
async def list_payouts(world: Here, query: Annotated[PayoutQuery, Query()]) -> Wire:
    """Payouts of one account, newest first."""
    wanted = query.model_dump(include={"fund_account_id", "mode", "reference_id", "status"})
    wanted["debit_account_number"] = query.account_number
    payouts = world.store.find(Payout, wanted, since=query.since, until=query.until, limit=10_000)
    if query.contact_id is not None:
        payouts = [p for p in payouts if _fund_account(world, p).contact_id == query.contact_id]
    return collection([payout.wire() for payout in payouts[query.skip : query.skip + query.count]])


@router.get("/{payout_id}")
async def get_payout(world: Here, payout_id: str) -> Wire:
    """One payout."""
    return find_payout(world, payout_id).wire()


@router.post("/{payout_id}/cancel")
async def cancel_payout(world: Here, payout_id: str) -> Wire:
    """Cancel a queued payout."""
    payout = find_payout(world, payout_id)
    if not move(world, payout, "cancelled"):
        raise payout_error("Only payouts in the queued state can be cancelled.")
    return payout.wire()


def find_payout(world: World, payout_id: str) -> Payout:
    """The payout.

    Raises:
        RazorpayError: there is none.
    """
    payout = world.store.get(Payout, payout_id)
    if payout is None:
        raise no_such_id()
    return payout


def move(world: World, payout: Payout, status: PayoutStatus) -> bool:
    """Take the payout to `status` with its money and its webhook; False, and nothing, when it cannot go there."""
    if status not in _NEXT.get(payout.status, set()):
        return False
    with world.store.transaction():
        payout.status, payout.status_details = status, _DETAILS[status]
        comes_back = status in {"failed", "reversed"} and payout.debited
        if status == "processing":
            payout.fees, payout.tax, payout.debited = FEES, TAX, True
            payout.bank_reference = ids.bank_reference()
        elif status == "processed":
            payout.utr = payout.bank_reference or ids.bank_reference()
        elif status in {"failed", "reversed"}:
            payout.failure_reason = payout.status_details.description
            payout.debited = False
        world.store.put(payout)
        event = {"processing": "initiated"}.get(status, status)
        if status != "cancelled":
            events.emit_payout(world, f"payout.{event}", payout)
        if status == "processing":
            book(world, -payout.amount - FEES, _source(payout, "payout"), fees=FEES)
        elif comes_back:
            book(world, payout.amount + payout.fees, _source(payout, "reversal"), fees=payout.fees)
    return True


def advance(world: World, payout_id: str) -> None:
    """Bring the payout the next step towards what its destination brings about."""
    payout = find_payout(world, payout_id)
    fate = fate_of(_fund_account(world, payout))
    if payout.status == "processing" and fate != "stuck":
        ends: dict[str, PayoutStatus] = {"failed": "failed", "returned": "reversed"}
        move(world, payout, ends.get(fate, "processed"))
        if fate == "reversed":
            world.agenda.plan("payout.advance", payout.id, LATE_RETURN_SECONDS)
    elif payout.status == "processed" and fate == "reversed":
        move(world, payout, "reversed")


def begin(world: World, payout: Payout) -> bool:
    """Take a queued payout into processing, and from there on by itself; False when it was not queued."""
    if not move(world, payout, "processing"):
        return False
    world.agenda.plan("payout.advance", payout.id, PROCESSING_SECONDS)
    return True


def set_balance(world: World, amount: int) -> Balance:
    """Bring the balance to `amount` (paise) by a transfer and start queued payouts it now covers, oldest first."""
    with world.store.transaction():
        _transfer(world, amount - balance_of(world).amount)
        for payout in world.store.find(Payout, {"status": "queued"}, oldest_first=True):
            if payout.status_details.reason == "low_balance" and _covers(world, payout.amount):
                begin(world, payout)
    return balance_of(world)


def fate_of(account: FundAccount) -> Fate:
    """What a payout to this destination comes to."""
    if account.vpa:
        return FATE_OF_VPA.get(account.vpa.address.lower(), "processed")
    number = account.bank_account.account_number if account.bank_account else ""
    return FATE_OF_ACCOUNT_ENDING.get(number[-6:], "processed")


def _checked_key(key: str | None) -> str:
    if key is None:
        raise payout_error(
            "Idempotency key is missing. Include idempotency header and key in the request.", _KEY_HEADER
        )
    if not key_is_well_formed(key, _KEY_PATTERN):
        raise payout_error(
            "The idempotency key must have 4 to 36 letters, digits, hyphens, underscores or spaces.", _KEY_HEADER
        )
    return key


def _create(world: World, body: PayoutBody) -> Payout:
    account = _destination(world, body)
    if body.mode not in _MODES[account.account_type]:
        raise payout_error(f"{body.mode} is not a valid mode for a {account.account_type} fund account.", "mode")
    covered = _covers(world, body.amount)
    if not covered and not body.queue_if_low_balance:
        raise payout_error(
            "Your account does not have enough balance to carry out the payout operation.", reason="insufficient_funds"
        )
    offline = fate_of(account) == "queued"
    payout = Payout(
        id=ids.razorpay_id("pout"),
        created_at=world.clock.now_s(),
        fund_account_id=account.id,
        status="queued",
        status_details=_BANK_OFFLINE if covered else _LOW_BALANCE,
        debit_account_number=body.account_number,
        **body.model_dump(include={"amount", "mode", "purpose", "reference_id", "narration"}),
        notes=body.notes,
    )
    world.store.put(payout)
    if offline or not covered:
        events.emit_payout(world, "payout.queued", payout)
    else:
        begin(world, payout)
    return payout


def _destination(world: World, body: PayoutBody) -> FundAccount:
    if (body.fund_account is None) == (body.fund_account_id is None):
        raise payout_error("The fund_account_id field is required.", "fund_account_id")
    if body.fund_account is not None:
        return fund_account_for(world, contact_for(world, body.fund_account.contact), body.fund_account)
    account = find_fund_account(world, body.fund_account_id or "")
    if not account.active:
        raise payout_error("The fund account is not active.", "fund_account_id")
    return account


def _fund_account(world: World, payout: Payout) -> FundAccount:
    return find_fund_account(world, payout.fund_account_id)


def _covers(world: World, amount: int) -> bool:
    return balance_of(world).amount >= amount + FEES


def _source(payout: Payout, entity: Literal["payout", "reversal"]) -> PayoutSource:
    return PayoutSource(
        entity=entity,
        utr=payout.bank_reference,
        **payout.model_dump(
            include={"id", "fund_account_id", "amount", "notes", "fees", "tax", "status", "mode", "created_at"}
        ),
    )


def _transfer(world: World, change: int) -> None:
    """The owner's own money, from or to another bank account."""
    reference = ids.bank_reference()
    if change > 0:
        made = BankTransfer(
            id=ids.razorpay_id("bt"), payer_name="TILLHOUSE", bank_reference=reference, amount=change, mode="IMPS"
        )
        book(world, change, made)
    elif change < 0:
        book(world, change, ExternalSource(id=ids.razorpay_id("ext"), amount=-change, utr=reference))

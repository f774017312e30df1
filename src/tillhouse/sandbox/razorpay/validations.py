"""`/razorpay/v1/fund_accounts/validations`: the penny drop, which asks a bank whose an account is."""

from typing import Annotated, ClassVar, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, JsonValue

from tillhouse.sandbox import ids
from tillhouse.sandbox.razorpay import events
from tillhouse.sandbox.razorpay.access import require_key
from tillhouse.sandbox.razorpay.beneficiaries import find_fund_account
from tillhouse.sandbox.razorpay.errors import no_such_id, payout_error
from tillhouse.sandbox.razorpay.schemas import Body, Entity, ListQuery, Notes, Paise, Wire, collection
from tillhouse.sandbox.razorpay.transactions import ValidationSource, balance_of, book
from tillhouse.sandbox.razorpay.x_schemas import FundAccount
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/razorpay/v1/fund_accounts/validations", dependencies=[Depends(require_key)])

Finding = Literal["active", "other_name", "invalid", "failed", "silent"]

ANSWER_SECONDS = 60.0
OTHER_NAME = "Someone Else"

# The sandbox's own test values: what the bank says of a destination. All others are active, under the name given.
FINDING_OF_VPA: dict[str, Finding] = {
    "failure@razorpay": "invalid",
    "othername@razorpay": "other_name",
    "offline@razorpay": "failed",
    "silent@razorpay": "silent",
}
FINDING_OF_ACCOUNT_ENDING: dict[str, Finding] = {
    "000001": "invalid",
    "000007": "other_name",
    "000008": "failed",
    "000009": "silent",
}


class FundAccountRef(BaseModel):
    """A fund account by its id; whatever else is sent with it is not looked at."""

    id: str


class ValidationBody(Body):
    """Body of `POST /fund_accounts/validations`. `amount` (paise) is what is dropped on a bank account."""

    account_number: str
    fund_account: FundAccountRef
    amount: Paise | None = None
    currency: Literal["INR"] = "INR"
    notes: Notes = {}


class Results(BaseModel):
    """What the bank said; nothing while it has not, or could not."""

    account_status: Literal["active", "invalid"] | None = None
    registered_name: str | None = None


class FundAccountValidation(Entity):
    """A validation. On the wire it carries the whole fund account."""

    kind: ClassVar[str] = "fund_account.validation"
    private: ClassVar[frozenset[str]] = frozenset({"account"})

    entity: Literal["fund_account.validation"] = "fund_account.validation"
    status: Literal["created", "completed", "failed"] = "created"
    amount: int | None
    currency: Literal["INR"] = "INR"
    notes: Notes = {}
    results: Results = Results()
    utr: str | None = None
    account: FundAccount

    def wire(self) -> Wire:
        fund_account: JsonValue = self.account.wire()
        return {**super().wire(), "fund_account": fund_account}


class ValidationQuery(ListQuery):
    """Filters of the list of validations; the account number is required."""

    account_number: str


@router.post("")
async def create_validation(world: Here, body: ValidationBody) -> Wire:
    """Begin to validate: the bank answers after a while."""
    _require_own(world, body.account_number)
    account = find_fund_account(world, body.fund_account.id)
    amount = _penny(world, account, body.amount)
    validation = FundAccountValidation(
        id=ids.razorpay_id("fav"),
        created_at=world.clock.now_s(),
        amount=amount,
        notes=body.notes,
        utr=ids.bank_reference() if amount else None,
        account=account,
    )
    with world.store.transaction():
        world.store.put(validation)
        if amount:
            book(world, -amount, _source(validation))
        world.agenda.plan("validation.answer", validation.id, ANSWER_SECONDS)
    return validation.wire()


@router.get("")
async def list_validations(world: Here, query: Annotated[ValidationQuery, Query()]) -> Wire:
    """Validations, newest first."""
    _require_own(world, query.account_number)
    found = world.store.find(
        FundAccountValidation, since=query.since, until=query.until, limit=query.count, skip=query.skip
    )
    return collection([validation.wire() for validation in found])


@router.get("/{validation_id}")
async def get_validation(world: Here, validation_id: str) -> Wire:
    """One validation."""
    return find_validation(world, validation_id).wire()


def find_validation(world: World, validation_id: str) -> FundAccountValidation:
    """The validation.

    Raises:
        RazorpayError: there is none.
    """
    validation = world.store.get(FundAccountValidation, validation_id)
    if validation is None:
        raise no_such_id()
    return validation


def answer_in_time(world: World, validation_id: str) -> None:
    """The bank has had its time: it answers what its test value says, or stays silent."""
    validation = world.store.get(FundAccountValidation, validation_id)
    if validation is None:
        return
    finding = finding_of(validation.account)
    if finding != "silent":
        conclude(world, validation, finding)


def conclude(world: World, validation: FundAccountValidation, finding: Finding) -> bool:
    """The bank's answer, with its event; False, and nothing, when it has answered before.

    The penny stays with a living account and comes back from any other.
    """
    if validation.status != "created" or finding == "silent":
        return False
    names: dict[Finding, str | None] = {"active": _name_of(validation.account), "other_name": OTHER_NAME}
    if finding != "failed":
        validation.results = Results(
            account_status="invalid" if finding == "invalid" else "active", registered_name=names.get(finding)
        )
    validation.status = "failed" if finding == "failed" else "completed"
    with world.store.transaction():
        world.store.put(validation)
        if validation.amount and finding in {"failed", "invalid"}:
            book(world, validation.amount, _source(validation))
        events.emit_payout(world, f"fund_account.validation.{validation.status}", validation)
    return True


def finding_of(account: FundAccount) -> Finding:
    """What the bank will say of this destination."""
    if account.vpa:
        return FINDING_OF_VPA.get(account.vpa.address.lower(), "active")
    number = account.bank_account.account_number if account.bank_account else ""
    return FINDING_OF_ACCOUNT_ENDING.get(number[-6:], "active")


def _name_of(account: FundAccount) -> str:
    if account.bank_account:
        return account.bank_account.name
    return account.vpa.username.replace(".", " ").title() if account.vpa else ""


def _penny(world: World, account: FundAccount, asked: int | None) -> int | None:
    """What is dropped: ₹1 on a bank account unless told otherwise, nothing on a UPI ID."""
    if not account.active:
        raise payout_error("The fund account is inactive.", "fund_account.id")
    if account.account_type == "vpa":
        return None
    amount = asked or 100
    if balance_of(world).amount < amount:
        raise payout_error(
            "Your account does not have enough balance to carry out the validation.", reason="insufficient_funds"
        )
    return amount


def _source(validation: FundAccountValidation) -> ValidationSource:
    return ValidationSource(
        id=validation.id,
        fund_account_id=validation.account.id,
        amount=validation.amount or 0,
        utr=validation.utr,
    )


def _require_own(world: World, account_number: str) -> None:
    if account_number != world.settings.razorpayx_account_number:
        raise payout_error("The account_number does not belong to you.", "account_number")

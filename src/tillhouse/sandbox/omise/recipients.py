"""`/recipients`: who can be paid, once Omise has verified their bank account."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from tillhouse.sandbox.omise import events
from tillhouse.sandbox.omise.access import Listing, OmiseRoute, listed, read, require_secret_key
from tillhouse.sandbox.omise.errors import OmiseError, not_found
from tillhouse.sandbox.omise.payout_schemas import (
    BankAccount,
    BankAccountBody,
    Recipient,
    RecipientBody,
    RecipientPatch,
)
from tillhouse.sandbox.omise.schemas import DAY, Wire, new_id
from tillhouse.sandbox.omise.sources import BANKS
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/recipients", route_class=OmiseRoute)
_Keyed = Annotated[None, Depends(require_secret_key)]

VERIFIED_AFTER_SECONDS = 2.0 * DAY
# The sandbox's own test values: an account number with this ending is never verified.
REFUSAL_OF_ACCOUNT_ENDING = {"9001": "account_not_found", "9002": "name_mismatch"}


@router.post("")
async def create_recipient(request: Request, world: Here, _: _Keyed) -> Wire:
    """Name someone to be paid: unverified and inactive at first; Omise takes about two days to verify."""
    body = await read(request, RecipientBody)
    recipient = Recipient(
        id=new_id("recp"),
        created_at=world.clock.now_s(),
        bank_account=_bank_account(body.bank_account),
        **body.model_dump(exclude={"bank_account"}),
    )
    with world.store.transaction():
        _changed(world, recipient, "recipient.create")
        world.agenda.plan("omise.recipient.verify", recipient.id, VERIFIED_AFTER_SECONDS)
    return recipient.wire()


@router.get("")
async def list_recipients(world: Here, query: Listing, _: _Keyed) -> Wire:
    """All recipients."""
    return listed(world, Recipient, query, "/recipients")


@router.get("/{recipient_id}")
async def get_recipient(world: Here, recipient_id: str, _: _Keyed) -> Wire:
    """One recipient."""
    return find_recipient(world, recipient_id).wire()


@router.patch("/{recipient_id}")
async def patch_recipient(request: Request, world: Here, recipient_id: str, _: _Keyed) -> Wire:
    """Change a recipient; with another bank account they have to be verified again."""
    body = await read(request, RecipientPatch)
    changes = body.model_dump(exclude_none=True, exclude={"bank_account"})
    recipient = find_recipient(world, recipient_id).model_copy(update=changes)
    with world.store.transaction():
        if body.bank_account is not None:
            recipient.bank_account = _bank_account(body.bank_account)
            recipient.verified, recipient.active, recipient.failure_code = False, False, None
            recipient.verified_at = recipient.activated_at = None
            world.agenda.plan("omise.recipient.verify", recipient.id, VERIFIED_AFTER_SECONDS)
        return _changed(world, recipient, "recipient.update")


@router.delete("/{recipient_id}")
async def delete_recipient(world: Here, recipient_id: str, _: _Keyed) -> Wire:
    """Forget a recipient."""
    recipient = find_recipient(world, recipient_id)
    recipient.deleted, recipient.active = True, False
    with world.store.transaction():
        return _changed(world, recipient, "recipient.destroy")


def find_recipient(world: World, recipient_id: str) -> Recipient:
    """The recipient.

    Raises:
        OmiseError: there is none.
    """
    recipient = world.store.get(Recipient, recipient_id)
    if recipient is None or recipient.deleted:
        raise not_found("recipient", recipient_id)
    return recipient


def verify(world: World, recipient: Recipient) -> bool:
    """Omise looks at the bank account: verified and active, or refused by its test ending; False when it had."""
    if recipient.verified or recipient.deleted:
        return False
    now = world.clock.now_s()
    recipient.failure_code = REFUSAL_OF_ACCOUNT_ENDING.get(recipient.bank_account.number[-4:])
    with world.store.transaction():
        if recipient.failure_code:
            _changed(world, recipient, "recipient.update")
        else:
            recipient.verified, recipient.verified_at = True, now
            _changed(world, recipient, "recipient.verify")
            recipient.active, recipient.activated_at = True, now
            _changed(world, recipient, "recipient.activate")
            world.agenda.plan("omise.recipient.verified", recipient.id, 0)
    return True


def verify_by_itself(world: World, recipient_id: str) -> None:
    """The agenda's action when Omise has had its days."""
    recipient = world.store.get(Recipient, recipient_id)
    if recipient is not None:
        verify(world, recipient)


def _bank_account(body: BankAccountBody) -> BankAccount:
    brand = body.brand or body.bank_code
    if brand not in BANKS:
        raise OmiseError("invalid_recipient", "bank account's brand or bank code is not supported")
    number = body.number.replace("-", "")
    return BankAccount(
        brand=brand,
        bank_code=brand,
        branch_code=body.branch_code,
        last_digits=number[-4:],
        name=body.name,
        type=body.type,
        number=number,
    )


def _changed(world: World, recipient: Recipient, event: str) -> Wire:
    world.store.put(recipient)
    document = recipient.wire()
    events.emit(world, event, document)
    return document

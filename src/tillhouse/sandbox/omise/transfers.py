"""`/transfers`: money to a recipient's bank. Created, then sent, then paid; or failed, and back on the account."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request

from tillhouse.sandbox.omise import events
from tillhouse.sandbox.omise.access import Listing, OmiseRoute, listed, read, require_secret_key
from tillhouse.sandbox.omise.balance import account_of, book
from tillhouse.sandbox.omise.errors import OmiseError, bad_request, not_found
from tillhouse.sandbox.omise.payout_schemas import Recipient, Transfer, TransferBody, TransferPatch
from tillhouse.sandbox.omise.recipients import find_recipient
from tillhouse.sandbox.omise.schemas import Wire, new_id
from tillhouse.sandbox.world import Here, World

router = APIRouter(prefix="/transfers", route_class=OmiseRoute)
_Keyed = Annotated[None, Depends(require_secret_key)]

Step = Literal["sent", "paid", "failed"]

# https://docs.opn.ooo/how-much-does-omise-cost: 30 baht for a transfer below two million, of which 1.96 are VAT, taken
# from the amount: `net` arrives.
FEE, FEE_VAT = 2_804, 196
SENT_AFTER_SECONDS, PAID_AFTER_SECONDS = 180.0, 600.0

# The sandbox's own test values: what becomes of a transfer to an account number with this ending.
FATE_OF_ACCOUNT_ENDING = {
    "0001": "fails before it is sent",
    "0002": "is sent, then fails",
    "0003": "is sent, and no more is heard of it",
}
_FAILURES = {
    "failed_to_send": "transfer could not be sent to the bank",
    "rejected_by_bank": "the recipient's bank rejected the transfer",
    "inactive_recipient": "recipient is not active",
}


@router.post("")
async def create_transfer(request: Request, world: Here, _: _Keyed) -> Wire:
    """Pay a recipient. The same `idemp_key` with the same wish answers the first transfer."""
    body = await read(request, TransferBody)
    earlier = _made_with(world, body)
    if earlier is not None:
        return earlier.wire()
    recipient = _recipient_of(world, body)
    _check_amount(world, body.amount, account_of(world).amount)
    with world.store.transaction():
        transfer = _create(world, body, recipient)
    return transfer.wire()


@router.get("")
async def list_transfers(world: Here, query: Listing, _: _Keyed) -> Wire:
    """All transfers."""
    return listed(world, Transfer, query, "/transfers")


@router.get("/{transfer_id}")
async def get_transfer(world: Here, transfer_id: str, _: _Keyed) -> Wire:
    """One transfer."""
    return find_transfer(world, transfer_id).wire()


@router.patch("/{transfer_id}")
async def patch_transfer(request: Request, world: Here, transfer_id: str, _: _Keyed) -> Wire:
    """Change the amount of a transfer that was not sent yet."""
    body = await read(request, TransferPatch)
    transfer = _unsent(world, transfer_id)
    with world.store.transaction():
        if body.amount is not None:
            _check_amount(world, body.amount, account_of(world).amount + transfer.amount)
            _give_back(world, transfer, "transfer.updated.credit")
            transfer.amount, transfer.net = body.amount, body.amount - transfer.total_fee
            transfer.transactions.append(book(world, "debit", body.amount, "transfer.updated.debit", transfer.id).id)
        if body.metadata is not None:
            transfer.metadata = body.metadata
        return _changed(world, transfer, "transfer.update")


@router.delete("/{transfer_id}")
async def delete_transfer(world: Here, transfer_id: str, _: _Keyed) -> Wire:
    """Take a transfer back that was not sent yet."""
    transfer = _unsent(world, transfer_id)
    transfer.deleted = True
    with world.store.transaction():
        _give_back(world, transfer, "transfer.destroyed.credit")
        return _changed(world, transfer, "transfer.destroy")


@router.post("/{transfer_id}/mark_as_sent")
async def mark_as_sent(world: Here, transfer_id: str, _: _Keyed) -> Wire:
    """A helper of test mode."""
    return _marked(world, transfer_id, "sent")


@router.post("/{transfer_id}/mark_as_paid")
async def mark_as_paid(world: Here, transfer_id: str, _: _Keyed) -> Wire:
    """A helper of test mode."""
    return _marked(world, transfer_id, "paid")


def find_transfer(world: World, transfer_id: str) -> Transfer:
    """The transfer.

    Raises:
        OmiseError: there is none.
    """
    transfer = world.store.get(Transfer, transfer_id)
    if transfer is None:
        raise not_found("transfer", transfer_id)
    return transfer


def move(world: World, transfer: Transfer, step: Step, failure: str = "failed_to_send") -> bool:
    """Take a transfer to the next step with its money and its webhook; False when it cannot go there."""
    now = world.clock.now_s()
    over = transfer.failure_code or transfer.deleted or transfer.paid
    possible = {"sent": transfer.sendable, "paid": transfer.sent, "failed": True}
    if over or not possible[step]:
        return False
    with world.store.transaction():
        if step == "sent":
            transfer.sent, transfer.sent_at, transfer.sendable = True, now, False
            world.agenda.plan("omise.transfer.advance", transfer.id, PAID_AFTER_SECONDS)
        elif step == "paid":
            transfer.paid, transfer.paid_at = True, now
        else:
            transfer.failure_code = "rejected_by_bank" if transfer.sent else failure
            transfer.failure_message, transfer.sendable = _FAILURES[transfer.failure_code], False
            _give_back(world, transfer, "transfer.failed.credit")
        _changed(world, transfer, {"sent": "transfer.send", "paid": "transfer.pay", "failed": "transfer.fail"}[step])
    return True


def advance(world: World, transfer_id: str) -> None:
    """Bring a transfer the next step towards what its account number brings about."""
    transfer = world.store.get(Transfer, transfer_id)
    if transfer is None or not (transfer.sendable or transfer.sent):
        return
    ending = transfer.bank_account.number[-4:]
    if not transfer.sent:
        move(world, transfer, "failed" if ending == "0001" else "sent")
    elif ending != "0003":
        move(world, transfer, "failed" if ending == "0002" else "paid")


def send_waiting(world: World, recipient_id: str) -> None:
    """A recipient was verified: what waited for that becomes sendable."""
    for transfer in world.store.find(Transfer, {"recipient": recipient_id}, oldest_first=True):
        if not (transfer.sent or transfer.sendable or transfer.deleted or transfer.failure_code):
            transfer.sendable = True
            _changed(world, transfer, "transfer.update")
            world.agenda.plan("omise.transfer.advance", transfer.id, SENT_AFTER_SECONDS)


def _made_with(world: World, body: TransferBody) -> Transfer | None:
    """The transfer made with this key. That another wish under it is refused is the sandbox's choice."""
    if body.idemp_key is None:
        return None
    found = world.store.find(Transfer, {"idemp_key": body.idemp_key}, limit=1)
    if not found:
        return None
    first = found[0]
    if first.amount != body.amount or body.recipient not in {None, first.recipient}:
        raise bad_request("idemp_key was used for another transfer")
    return first


def _recipient_of(world: World, body: TransferBody) -> Recipient:
    if body.recipient is not None:
        return find_recipient(world, body.recipient)
    defaults = world.store.find(Recipient, {"deleted": False}, limit=1, oldest_first=True)
    if not defaults:
        raise OmiseError("invalid_recipient", "there is no default recipient")
    return defaults[0]


def _check_amount(world: World, amount: int, available: int) -> None:
    if amount <= FEE + FEE_VAT:
        raise bad_request(f"amount must be greater than the fee of {FEE + FEE_VAT}")
    if amount > available:
        raise bad_request("amount exceeds the transferable balance")


def _create(world: World, body: TransferBody, recipient: Recipient) -> Transfer:
    transfer = Transfer(
        id=new_id("trsf"),
        created_at=world.clock.now_s(),
        recipient=recipient.id,
        bank_account=recipient.bank_account,
        fee=FEE,
        fee_vat=FEE_VAT,
        total_fee=FEE + FEE_VAT,
        net=body.amount - FEE - FEE_VAT,
        sendable=recipient.verified and recipient.active,
        **body.model_dump(include={"amount", "fail_fast", "split_transfer", "metadata", "idemp_key"}),
    )
    transfer.transactions = [book(world, "debit", body.amount, "transfer.created.debit", transfer.id).id]
    _changed(world, transfer, "transfer.create")
    if transfer.sendable:
        world.agenda.plan("omise.transfer.advance", transfer.id, SENT_AFTER_SECONDS)
    elif transfer.fail_fast:
        move(world, transfer, "failed", "inactive_recipient")
    return transfer


def _unsent(world: World, transfer_id: str) -> Transfer:
    transfer = find_transfer(world, transfer_id)
    if transfer.sent or transfer.failure_code or transfer.deleted:
        raise bad_request("transfer was sent already or is over")
    return transfer


def _marked(world: World, transfer_id: str, step: Step) -> Wire:
    transfer = find_transfer(world, transfer_id)
    if not move(world, transfer, step):
        raise bad_request(f"transfer cannot be marked as {step}")
    return transfer.wire()


def _give_back(world: World, transfer: Transfer, key: str) -> None:
    transfer.transactions.append(book(world, "credit", transfer.amount, key, transfer.id).id)


def _changed(world: World, transfer: Transfer, event: str) -> Wire:
    world.store.put(transfer)
    document = transfer.wire()
    events.emit(world, event, document)
    return document

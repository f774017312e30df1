"""The bank behind SePay: people transfer money in and out with whatever content they type, and SePay sees it."""

import unicodedata
from dataclasses import dataclass
from uuid import uuid4

from tillhouse.sandbox import emvco, ids
from tillhouse.sandbox.sepay import events
from tillhouse.sandbox.sepay.schemas import BankTransaction, Order, PayMethod, TransferType
from tillhouse.sandbox.world import World

OPENING_BALANCE = 50_000_000
_FIRST_NUMBER = 90_001


@dataclass(frozen=True)
class Bank:
    """A bank as VietQR knows it."""

    name: str
    code: str
    bin: str


BANKS = (
    Bank("Vietcombank", "VCB", "970436"),
    Bank("VietinBank", "ICB", "970415"),
    Bank("BIDV", "BIDV", "970418"),
    Bank("Agribank", "VBA", "970405"),
    Bank("MBBank", "MB", "970422"),
    Bank("Techcombank", "TCB", "970407"),
    Bank("ACB", "ACB", "970416"),
    Bank("VPBank", "VPB", "970432"),
    Bank("TPBank", "TPB", "970423"),
    Bank("Sacombank", "STB", "970403"),
)


@dataclass(frozen=True)
class Payment:
    """What can be read out of a code: prefills the transfer form."""

    account_number: str
    amount: int | None
    content: str


def bank_named(name: str) -> Bank | None:
    """A bank by its short name, code or BIN."""
    wanted = name.strip().lower()
    return next((bank for bank in BANKS if wanted in {bank.name.lower(), bank.code.lower(), bank.bin}), None)


def plain(text: str) -> str:
    """Text as it survives a bank: without diacritics, and nothing but plain ASCII."""
    folded = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return folded.encode("ascii", "ignore").decode()


def code_text(bank: Bank, account: str, amount: int | None, content: str) -> str:
    """The VietQR text that a banking app scans."""
    return emvco.vietqr(bank.bin, account, amount, plain(content))


def read_code(text: str) -> Payment:
    """What a scanned VietQR text asks for.

    Raises:
        ValueError: the text is no VietQR code, or its checksum is wrong.
    """
    if not emvco.is_sealed(text):
        raise ValueError("the checksum is wrong")
    try:
        fields = emvco.parse(text)
        account = emvco.parse(emvco.parse(fields["38"])["01"])["01"]
    except KeyError as missing:
        raise ValueError(f"field {missing} is missing") from None
    purpose = emvco.parse(fields.get("62", "")).get("08", "")
    return Payment(account, int(fields["54"]) if "54" in fields else None, purpose)


def transfer(
    world: World, amount: int, content: str, transfer_type: TransferType = "in", account_number: str | None = None
) -> BankTransaction:
    """Move money into or out of the watched account (or one of its virtual accounts), as a person at a bank does.

    The webhook is queued, and an order of the gateway that the content names is paid by it. Another account's number
    is told as it is, so that an app can be seen to refuse money that is not its own.
    """
    settings = world.settings
    virtual = account_number if account_number in settings.sepay_virtual_accounts else None
    with world.store.transaction():
        latest = world.store.find(BankTransaction, limit=1)
        before = latest[0].accumulated if latest else OPENING_BALANCE
        number = latest[0].number + 1 if latest else _FIRST_NUMBER
        transaction = BankTransaction(
            id=str(number),
            created_at=world.clock.now_s(),
            number=number,
            uuid=str(uuid4()),
            bank=settings.sepay_bank,
            account_number=settings.sepay_account_number
            if virtual
            else account_number or settings.sepay_account_number,
            virtual_account=virtual,
            transfer_type=transfer_type,
            amount=amount,
            accumulated=before + (amount if transfer_type == "in" else -amount),
            content=content,
            code=code_in(world, content),
            reference=f"FT{ids.bank_reference(14)}",
        )
        world.store.put(transaction)
        events.emit_transaction(world, transaction)
        if transfer_type == "in":
            _pay_named_order(world, transaction)
    return transaction


def code_in(world: World, content: str) -> str | None:
    """The payment code in a transfer's content by the configured pattern: the first one, as SePay names one only."""
    match = world.settings.sepay_code_pattern.search(plain(content).upper())
    return match[0] if match else None


def pay_order(world: World, order: Order, method: PayMethod, transaction_id: str) -> bool:
    """The order is paid: its IPN follows; False when it was not waiting.

    The gateway collects on an account of its own: only who transfers to the watched account has a bank webhook too.
    """
    if order.status != "PENDING":
        return False
    order.status, order.paid_by = "CAPTURED", method
    order.transaction_uuid, order.transaction_id = str(uuid4()), transaction_id
    order.paid_at = order.updated_at = world.clock.now_s()
    with world.store.transaction():
        world.store.put(order)
        events.emit_ipn(world, order, "ORDER_PAID")
    return True


def _pay_named_order(world: World, transaction: BankTransaction) -> None:
    """A gateway order is paid by a transfer that names it and is exactly of its amount."""
    text = plain(transaction.content).upper()
    for order in world.store.find(Order, {"status": "PENDING"}):
        if order.order_id in text and order.amount == transaction.amount and order.only_method != "CARD":
            pay_order(world, order, "BANK_TRANSFER", transaction.reference)

"""What payment QR codes say: UPI links, PromptPay and VietQR (EMVCo merchant-presented), with their limits.

Sources: NPCI's linking specification 1.6 (UPI), EMVCo's rules for merchants with the checksum CRC-16/CCITT-FALSE,
the Bank of Thailand's PromptPay and NAPAS's VietQR. The order of fields is the one of their published examples.

Every function raises `InvalidInput` whose pointer names the field and whose sentence says what it takes.
"""

import re
from urllib.parse import quote

from tillhouse.kernel.errors import FieldError, InvalidInput
from tillhouse.kernel.money import Money
from tillhouse.kernel.text import N_

_STATIC, _ONCE = "11", "12"
_PROMPTPAY_TRANSFER, _PROMPTPAY_BILL = "A000000677010111", "A000000677010112"
_NAPAS, _TO_ACCOUNT, _TO_CARD = "A000000727", "QRIBFTTA", "QRIBFTTC"
_BAHT, _DONG = "764", "704"
_LONGEST_AMOUNT = 13  # characters of EMVCo's field 54

_VPA = re.compile(r"[A-Za-z0-9._-]{2,255}@[A-Za-z][A-Za-z0-9.-]{1,63}")
_UPI_REFERENCE = re.compile(r"[A-Za-z0-9._/-]{1,35}")
_CATEGORY = re.compile(r"[0-9]{4}")
_MOBILE = re.compile(r"0[0-9]{9}")
_BILL_REFERENCE = re.compile(r"[A-Z0-9]{1,20}")
_BIN = re.compile(r"[0-9]{6}")
_ACCOUNT = re.compile(r"[A-Za-z0-9]{1,19}")
_CARD = re.compile(r"[0-9]{12,19}")
_PURPOSE = re.compile(r"[A-Za-z0-9 .,:/()+-]{1,25}")


def upi_link(
    payee: str,
    name: str,
    *,
    amount: Money | None = None,
    note: str = "",
    reference: str = "",
    category: str = "",
    least: Money | None = None,
) -> str:
    """A `upi://pay` link, which is also what a UPI QR code says.

    Args:
        payee: the UPI address, for example `asha@okbank`.
        name: whom the payer sees, up to 99 characters.
        amount: rupees and paise; without it the payer types it.
        note: what it is for, up to 50 characters.
        reference: ours, up to 35 letters, digits and `._/-`: by it the payment is found again.
        category: the merchant category code of four digits; `0000` is a person.
        least: the least the payer may type.
    """
    _match(_VPA, payee, "/payee", N_("Write the UPI address as name@bank."))
    _sentence(name, "/name", 99, N_("Write a name of up to 99 characters, on one line."))
    fields = [("pa", quote(payee, safe="@")), ("pn", _quoted(name))]
    if amount is not None:
        fields.append(("am", _decimal(amount, "INR", "/amount")))
    fields.append(("cu", "INR"))
    if least is not None:
        fields.append(("mam", _decimal(least, "INR", "/least")))
    if note:
        _sentence(note, "/note", 50, N_("Write a note of up to 50 characters, on one line."))
        fields.append(("tn", _quoted(note)))
    if reference:
        message = N_("A reference has up to 35 letters, digits, dots, dashes and slashes.")
        _match(_UPI_REFERENCE, reference, "/reference", message)
        fields.append(("tr", _quoted(reference)))
    if category:
        _match(_CATEGORY, category, "/category", N_("A merchant category has four digits."))
        fields.append(("mc", category))
    return "upi://pay?" + "&".join(f"{name}={value}" for name, value in fields)


def promptpay(*, mobile: str = "", national_id: str = "", ewallet: str = "", amount: Money | None = None) -> str:
    """PromptPay to a person or shop (tag 29): exactly one of the three says whom.

    Args:
        mobile: a Thai mobile number, `0812223333` or `+66812223333`; spaces and dashes may stand in it.
        national_id: the national or tax number of 13 digits.
        ewallet: the e-wallet number of 15 digits.
        amount: baht and satang; without it the code may be paid again and again.
    """
    if sum(map(bool, (mobile, national_id, ewallet))) != 1:
        raise _refused("/mobile", "one_of_three", N_("Give one of mobile number, national id and e-wallet number."))
    if mobile:
        target = _field("01", _thai_mobile(mobile))
    elif national_id:
        target = _field("02", _digits(national_id, 13, "/national_id", N_("A Thai national or tax id has 13 digits.")))
    else:
        target = _field("03", _digits(ewallet, 15, "/ewallet", N_("An e-wallet number has 15 digits.")))
    return _in_baht("29", _field("00", _PROMPTPAY_TRANSFER) + target, amount)


def promptpay_bill(biller: str, reference: str, reference2: str = "", *, amount: Money | None = None) -> str:
    """PromptPay bill payment (tag 30).

    Args:
        biller: the biller's tax id of 13 digits and its suffix of two.
        reference: up to 20 capital letters and digits.
        reference2: likewise, or nothing.
        amount: baht and satang; without it the payer types it.
    """
    message = N_("A reference has up to 20 capital letters and digits.")
    text = _field("00", _PROMPTPAY_BILL)
    text += _field("01", _digits(biller, 15, "/biller", N_("A biller id is a tax id of 13 digits and two more.")))
    text += _field("02", _match(_BILL_REFERENCE, reference, "/reference", message))
    if reference2:
        text += _field("03", _match(_BILL_REFERENCE, reference2, "/reference2", message))
    return _in_baht("30", text, amount)


def vietqr(bank: str, account: str, *, amount: Money | None = None, purpose: str = "", to_card: bool = False) -> str:
    """VietQR: a transfer within Vietnam.

    Args:
        bank: the bank's BIN of six digits.
        account: up to 19 letters and digits; with `to_card` the card's number.
        amount: whole dong; without it the code may be paid again and again.
        purpose: what the bank shows both sides: up to 25 plain letters, digits and marks, without diacritics.
        to_card: the money goes to a card instead of an account.
    """
    _match(_BIN, bank, "/bank", N_("A bank's BIN has six digits."))
    if to_card:
        _match(_CARD, account, "/account", N_("A card number has 12 to 19 digits."))
    else:
        _match(_ACCOUNT, account, "/account", N_("An account number has up to 19 letters and digits."))
    beneficiary = _field("00", bank) + _field("01", account)
    service = _TO_CARD if to_card else _TO_ACCOUNT
    text = _field("00", "01") + _field("01", _ONCE if amount else _STATIC)
    text += _field("38", _field("00", _NAPAS) + _field("01", beneficiary) + _field("02", service))
    text += _field("53", _DONG)
    if amount is not None:
        text += _field("54", _decimal(amount, "VND", "/amount"))
    text += _field("58", "VN")
    if purpose:
        message = N_("Write the purpose in up to 25 plain letters, digits and marks, without accents.")
        text += _field("62", _field("08", _match(_PURPOSE, purpose, "/purpose", message)))
    return _sealed(text)


def crc16(text: str) -> str:
    """CRC-16/CCITT-FALSE as four upper-case hex digits; a code's sum covers the `6304` that announces it."""
    crc = 0xFFFF
    for byte in text.encode("ascii"):
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021) & 0xFFFF if crc & 0x8000 else (crc << 1) & 0xFFFF
    return f"{crc:04X}"


def _in_baht(tag: str, merchant: str, amount: Money | None) -> str:
    text = _field("00", "01") + _field("01", _ONCE if amount else _STATIC) + _field(tag, merchant)
    text += _field("53", _BAHT) + _field("58", "TH")
    if amount is not None:
        text += _field("54", _decimal(amount, "THB", "/amount"))
    return _sealed(text)


def _field(tag: str, value: str) -> str:
    return f"{tag}{len(value):02d}{value}"


def _sealed(text: str) -> str:
    text += "6304"
    return text + crc16(text)


def _thai_mobile(mobile: str) -> str:
    """`0066` and the number without its first zero: 13 digits."""
    digits = re.sub(r"[ ()-]", "", mobile)
    for country in ("+66", "0066"):
        digits = "0" + digits.removeprefix(country) if digits.startswith(country) else digits
    if not _MOBILE.fullmatch(digits):
        raise _refused("/mobile", "not_a_mobile", N_("Write the Thai mobile number as 0812223333 or +66812223333."))
    return "0066" + digits[1:]


def _digits(value: str, count: int, pointer: str, message: str) -> str:
    digits = re.sub(r"[ -]", "", value)
    if not (len(digits) == count and digits.isascii() and digits.isdigit()):
        raise _refused(pointer, "wrong_digits", message)
    return digits


def _decimal(amount: Money, unit: str, pointer: str) -> str:
    if amount.unit != unit:
        raise _refused(pointer, "wrong_currency", N_("This kind of code is for another currency."))
    text = str(amount)
    if amount.minor <= 0 or len(text) > _LONGEST_AMOUNT:
        raise _refused(pointer, "out_of_range", N_("The amount is above zero and has up to 13 digits."))
    return text


def _match(pattern: re.Pattern[str], value: str, pointer: str, message: str) -> str:
    if not pattern.fullmatch(value):
        raise _refused(pointer, "wrong_form", message)
    return value


def _sentence(value: str, pointer: str, longest: int, message: str) -> None:
    if not (value.strip() and len(value) <= longest and value.isprintable()):
        raise _refused(pointer, "wrong_form", message)


def _quoted(value: str) -> str:
    """`%20` for a space: payment apps do not read `+` as one."""
    return quote(value, safe="")


def _refused(pointer: str, code: str, message: str) -> InvalidInput:
    return InvalidInput(message, errors=[FieldError(pointer, code, message)])

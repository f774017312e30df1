"""QR codes by EMVCo's rules for merchants, as PromptPay and VietQR are: tag-length-value text ending in a checksum."""

Fields = dict[str, str]

_STATIC, _DYNAMIC = "11", "12"
_PROMPTPAY_BILL = "A000000677010112"
_NAPAS = "A000000727"
_TO_ACCOUNT = "QRIBFTTA"
_LONGEST_PURPOSE = 99


def promptpay_bill(biller_id: str, reference: str, satang: int) -> str:
    """PromptPay bill payment of `satang`: biller (15 digits), reference (at most 20 capitals and digits)."""
    biller = _join({"00": _PROMPTPAY_BILL, "01": biller_id, "02": reference})
    amount = f"{satang // 100}.{satang % 100:02d}"
    return _sealed({"00": "01", "01": _DYNAMIC, "30": biller, "53": "764", "54": amount, "58": "TH"})


def vietqr(bank_bin: str, account: str, dong: int | None = None, purpose: str = "") -> str:
    """VietQR to an account: static without an amount. `purpose` is plain ASCII, as banks want it."""
    beneficiary = _join({"00": bank_bin, "01": account})
    target = _join({"00": _NAPAS, "01": beneficiary, "02": _TO_ACCOUNT})
    fields = {"00": "01", "01": _DYNAMIC if dong else _STATIC, "38": target, "53": "704"}
    if dong:
        fields["54"] = str(dong)
    fields["58"] = "VN"
    if purpose:
        fields["62"] = _join({"08": purpose[:_LONGEST_PURPOSE]})
    return _sealed(fields)


def parse(text: str) -> Fields:
    """The fields of a sealed code, or of a template in it.

    Raises:
        ValueError: the text is no such list of fields.
    """
    fields: Fields = {}
    while text:
        tag, length = text[:2], text[2:4]
        if not (tag.isdigit() and length.isdigit() and len(text) >= 4 + int(length)):
            raise ValueError("not a tag-length-value text")
        fields[tag], text = text[4 : 4 + int(length)], text[4 + int(length) :]
    return fields


def is_sealed(text: str) -> bool:
    """Whether the checksum at the end is the one of what stands before it."""
    return text[-8:-4] == "6304" and _checksum(text[:-4]) == text[-4:]


def _join(fields: Fields) -> str:
    return "".join(f"{tag}{len(value):02d}{value}" for tag, value in fields.items())


def _sealed(fields: Fields) -> str:
    text = _join(fields) + "6304"
    return text + _checksum(text)


def _checksum(text: str) -> str:
    """CRC-16/CCITT-FALSE, four capital hexadecimal digits."""
    crc = 0xFFFF
    for byte in text.encode():
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1
        crc &= 0xFFFF
    return f"{crc:04X}"

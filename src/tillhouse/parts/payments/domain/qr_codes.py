"""What payment codes say, for codes that we draw ourselves (EMVCo merchant-presented; providers of Vietnam)."""

_NAPAS = "A000000727"
_TO_ACCOUNT = "QRIBFTTA"
_DONG = "704"


def vietqr(*, bin_code: str, account: str, amount: int, content: str) -> str:
    """A VietQR string for one transfer. `bin_code` is the bank's six digits, `amount` whole dong, `content` ASCII."""
    beneficiary = _field("00", bin_code) + _field("01", account)
    merchant = _field("00", _NAPAS) + _field("01", beneficiary) + _field("02", _TO_ACCOUNT)
    text = (
        _field("00", "01")
        + _field("01", "12")
        + _field("38", merchant)
        + _field("53", _DONG)
        + _field("54", str(amount))
        + _field("58", "VN")
        + _field("62", _field("08", content))
        + "6304"
    )
    return text + crc16(text)


def crc16(text: str) -> str:
    """CRC-16/CCITT-FALSE as four upper-case hex digits; the sum covers the `6304` that announces it."""
    crc = 0xFFFF
    for byte in text.encode("ascii"):
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021) & 0xFFFF if crc & 0x8000 else (crc << 1) & 0xFFFF
    return f"{crc:04X}"


def _field(tag: str, value: str) -> str:
    return f"{tag}{len(value):02d}{value}"

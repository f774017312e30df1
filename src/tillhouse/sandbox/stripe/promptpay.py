"""The text of a Thai PromptPay bill-payment code (EMVCo QR), so that a wallet's scanner reads it."""

_BILLER = "0994000165501"
_AID_BILL_PAYMENT = "A000000677010112"


def qr_payload(amount: int, reference: str) -> str:
    """The code for `amount` satang with `reference` (its letters and digits, at most 20)."""
    short = "".join(letter for letter in reference.upper() if letter.isalnum())[-20:]
    biller = _field("00", _AID_BILL_PAYMENT) + _field("01", _BILLER) + _field("02", short)
    body = (
        _field("00", "01")
        + _field("01", "12")
        + _field("30", biller)
        + _field("53", "764")
        + _field("54", f"{amount // 100}.{amount % 100:02d}")
        + _field("58", "TH")
        + "6304"
    )
    return f"{body}{_crc(body.encode()):04X}"


def _field(tag: str, value: str) -> str:
    return f"{tag}{len(value):02d}{value}"


def _crc(data: bytes) -> int:
    """CRC-16/CCITT-FALSE."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = ((crc << 1) ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc

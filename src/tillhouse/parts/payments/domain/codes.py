"""The code that a payer writes into a bank transfer, so that we know which order it is for.

    TH 7K2M9Q4P X      prefix, eight signs from the order's id, one check sign

Banks change what people write: they insert spaces and dots, change case, put words around it, cut it off. A code is
found through all of that; one that was altered is not taken for another's, because its check sign does not fit.
"""

import hashlib
import re

# No 0, O, 1, I, L, U, Z: they are mistaken for others. Twenty-nine are left, a prime: the check sign tells every single
# wrong sign and every exchange of two neighbours.
_SIGNS = "23456789ABCDEFGHJKMNPQRSTVWXY"
_LENGTH = 8
_NOISE = re.compile(r"[^0-9A-Z]")


def transfer_code(receipt: str, prefix: str) -> str:
    """The code of the order with that receipt: the same each time. 29 signs to the power of 8 tell orders apart.

    `prefix` is capital letters and digits.
    """
    number = int.from_bytes(hashlib.sha256(f"{prefix}:{receipt}".encode()).digest())
    body = ""
    for _ in range(_LENGTH):
        number, sign = divmod(number, len(_SIGNS))
        body += _SIGNS[sign]
    return f"{prefix}{body}{_check_sign(body)}"


def find_codes(content: str, prefix: str) -> list[str]:
    """Every code in a transfer's free text, as we wrote it, in the order of their first place.

    Only codes whose check sign fits, so that "PREFIX" in someone's name finds nothing.
    """
    tidy = _NOISE.sub("", content.upper())
    found: dict[str, None] = {}
    for at in range(len(tidy)):
        if tidy.startswith(prefix, at):
            body = tidy[at + len(prefix) : at + len(prefix) + _LENGTH]
            check = tidy[at + len(prefix) + _LENGTH :][:1]
            if set(body) <= set(_SIGNS) and check == _check_sign(body):  # nothing follows a body that is cut off
                found[f"{prefix}{body}{check}"] = None
    return list(found)


def begins_of_codes(content: str, prefix: str, least: int = 5) -> list[str]:
    """What may be codes that a bank cut off or a payer altered: for a person to look at, never to pay by."""
    tidy = _NOISE.sub("", content.upper())
    starts = [at for at in range(len(tidy)) if tidy.startswith(prefix, at)]
    found = [tidy[at : at + len(prefix) + _LENGTH + 1] for at in starts]
    return list(dict.fromkeys(one for one in found if len(one) >= len(prefix) + least))


def _check_sign(body: str) -> str:
    return _SIGNS[sum((at + 2) * _SIGNS.index(sign) for at, sign in enumerate(body)) % len(_SIGNS)]

"""What a posting must be before it is written, whoever asks."""

import json
import re
from collections.abc import Iterator, Mapping

from tillhouse.kernel.db import JsonValue
from tillhouse.kernel.errors import FieldError
from tillhouse.kernel.money import MAX_MINOR
from tillhouse.kernel.text import N_
from tillhouse.parts.ledger.domain.books import Posting
from tillhouse.parts.ledger.domain.errors import BadPosting

MAX_LEGS = 100
MAX_POSTINGS = 10_000
MAX_KEY = 200
MAX_METADATA = 4_000
_NUL_OR_SURROGATE = re.compile(r"\\u0000|[\ud800-\udfff]")


def check_posting(posting: Posting) -> None:
    """Raise `BadPosting`, naming every fault, unless the legs make a transaction."""
    if _is_simple(posting):
        return
    faults = [FieldError(pointer, code, message) for pointer, code, message in _faults(posting)]
    if faults:
        raise BadPosting(faults[0].message, errors=faults)


def _is_simple(posting: Posting) -> bool:
    """Whether this is the most common posting, without a fault: two legs that agree, and nothing else to look at.

    Says at once what `_faults` would find out by asking everything.
    """
    if len(posting.legs) != 2 or posting.metadata or posting.effective_at is not None:
        return False
    (first, debited), (second, credited) = posting.legs
    return (
        first.unit == debited.unit == credited.unit == second.unit
        and debited.minor == -credited.minor
        and 0 < abs(debited.minor) <= MAX_MINOR
        and first != second
        and 0 < len(posting.key) <= MAX_KEY
        and posting.key.isprintable()
    )


def _faults(posting: Posting) -> Iterator[tuple[str, str, str]]:
    yield from key_faults(posting.key)
    if not 2 <= len(posting.legs) <= MAX_LEGS:
        yield "/legs", "leg_count", N_("A transaction has from 2 to 100 legs.")
    accounts = [account for account, _ in posting.legs]
    twice = len(set(accounts)) < len(accounts)
    for n, (account, amount) in enumerate(posting.legs):
        if account.unit != amount.unit:
            yield f"/legs/{n}", "wrong_unit", N_("The amount is in another unit than the account.")
        if not 0 < abs(amount.minor) <= MAX_MINOR:
            yield f"/legs/{n}", "bad_amount", N_("An amount is not zero and not more than can be counted.")
        if twice and accounts.count(account) > 1:
            yield f"/legs/{n}", "account_twice", N_("A transaction names each account once: add the amounts up.")
    sums: dict[str, int] = {}
    for _, amount in posting.legs:
        sums[amount.unit] = sums.get(amount.unit, 0) + amount.minor
    if any(sums.values()):
        yield "/legs", "unbalanced", N_("The legs do not sum to zero.")
    if posting.effective_at is not None and posting.effective_at.tzinfo is None:
        yield "/effective_at", "naive", N_("The effective time carries no zone.")
    yield from metadata_faults(posting.metadata)


def key_faults(key: str) -> Iterator[tuple[str, str, str]]:
    """What is wrong with an idempotency key."""
    if not 0 < len(key) <= MAX_KEY or not key.isprintable():
        yield "/key", "bad_key", N_("A key has from 1 to 200 characters, all of them printable.")


def metadata_faults(metadata: Mapping[str, JsonValue]) -> Iterator[tuple[str, str, str]]:
    """What keeps metadata from being stored: PostgreSQL knows no NUL, UTF-8 no lone surrogate, JSON no infinity."""
    try:
        text = json.dumps(dict(metadata), ensure_ascii=False, allow_nan=False) if metadata else ""
    except ValueError:
        yield "/metadata", "bad_number", N_("Metadata holds a number that JSON has no word for: NaN, or one too large.")
        return
    except RecursionError:
        yield "/metadata", "too_deep", N_("Metadata is nested too deeply.")
        return
    if len(text) > MAX_METADATA:
        yield "/metadata", "too_large", N_("Metadata has at most 4,000 characters.")
    if _NUL_OR_SURROGATE.search(text.replace("\\\\", "")):
        yield "/metadata", "bad_text", N_("Metadata holds a character that cannot be stored.")

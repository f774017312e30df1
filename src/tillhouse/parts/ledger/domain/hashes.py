"""What a key was used for, as a hash: the same key must come with the same request again."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from tillhouse.kernel.db import JsonValue
from tillhouse.kernel.money import Money
from tillhouse.parts.ledger.domain.books import AccountRef, Posting

_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_quoted = json.encoder.encode_basestring  # how that writes a string


def posting_hash(
    posting: Posting,
    *,
    reverses: int | None = None,
    captures: int | None = None,
    names: Sequence[str] | None = None,
) -> bytes:
    """SHA-256 of what is asked, whatever the order of legs and metadata: a key used again must come with the same.

    `names` are the legs' accounts as text, where the caller has them ready. The text that is hashed is the one that
    `_digest` would make, put together by hand: a bulk makes thousands of them.
    """
    if names is None:
        names = [str(account) for account, _ in posting.legs]
    legs = sorted(zip(names, [amount.minor for _, amount in posting.legs], strict=True))
    said = ",".join([f"[{_quoted(name)},{minor}]" for name, minor in legs])
    instant = "null" if posting.effective_at is None else f'"{_instant(posting.effective_at)}"'
    metadata = _canonical(dict(posting.metadata)) if posting.metadata else "{}"
    others = f"{'null' if reverses is None else reverses},{'null' if captures is None else captures}"
    text = f'["post",{_quoted(posting.kind)},[{said}],{instant},{metadata},{others}]'
    return hashlib.sha256(text.encode()).digest()


def hold_hash(
    account: AccountRef, amount: Money, expires_at: datetime | None, metadata: Mapping[str, JsonValue]
) -> bytes:
    """SHA-256 of a hold that is asked for."""
    return _digest(["hold", str(account), amount.minor, _instant(expires_at), dict(metadata)])


def _digest(canonical: list[object]) -> bytes:
    return hashlib.sha256(_canonical(canonical).encode()).digest()


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else instant.astimezone(UTC).isoformat(timespec="microseconds")

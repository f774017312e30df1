"""Encrypted columns: what the law or common sense calls sensitive is ciphertext in the database.

Fernet (AES-128-CBC with HMAC-SHA256) from `cryptography`. Several keys may be known: the first writes, all read, and
`till keys rotate` rewrites what is old under the first. Losing the keys loses the data: see docs/howto/keep-keys.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class UnreadableSecret(Exception):
    """No known key opens this ciphertext, or it was changed."""


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed texts, named in its module's manifest so that its keys can be rotated.

    `table` is `schema.table`; `key` is its uuid primary key.
    """

    table: str
    key: str
    column: str


class Vault:
    """Seals and opens short texts."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("the vault needs at least one key")
        self._fernet = MultiFernet([Fernet(key) for key in keys])

    def seal(self, text: str) -> bytes:
        return self._fernet.encrypt(text.encode())

    def open(self, sealed: bytes) -> str:
        """Raises `UnreadableSecret`."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise UnreadableSecret("no known key opens this") from None

    def seal_bytes(self, content: bytes) -> bytes:
        """Seal what is no text: a third larger than it was."""
        return self._fernet.encrypt(content)

    def open_bytes(self, sealed: bytes) -> bytes:
        """Raises `UnreadableSecret`."""
        try:
            return self._fernet.decrypt(sealed)
        except InvalidToken:
            raise UnreadableSecret("no known key opens this") from None

    def rotate(self, sealed: bytes) -> bytes:
        """The same text under the newest key. Raises `UnreadableSecret`."""
        try:
            return self._fernet.rotate(sealed)
        except InvalidToken:
            raise UnreadableSecret("no known key opens this") from None

"""Encrypted columns: what the law or common sense calls sensitive is ciphertext in the database.

Fernet (AES-128-CBC with HMAC-SHA256) from `cryptography`. Several keys may be known: the first writes, all read, and
`Vault.rotate` rewrites an old ciphertext under the first. Losing the keys loses the data: see docs/howto/keep-keys.md.
"""

import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class UnreadableSecret(Exception):
    """No known key opens this ciphertext, or it was changed."""


class Vault:
    """Seals and opens short texts, and makes blind indexes by which a sealed value can be looked up."""

    def __init__(self, keys: Sequence[str]) -> None:
        if not keys:
            raise ValueError("the vault needs at least one key")
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self._index_key = hashlib.sha256(b"tillhouse blind index\0" + keys[-1].encode()).digest()

    def seal(self, text: str) -> bytes:
        return self._fernet.encrypt(text.encode())

    def open(self, sealed: bytes) -> str:
        """Raises `UnreadableSecret`."""
        try:
            return self._fernet.decrypt(sealed).decode()
        except InvalidToken:
            raise UnreadableSecret("no known key opens this") from None

    def rotate(self, sealed: bytes) -> bytes:
        """The same text under the newest key. Raises `UnreadableSecret`."""
        try:
            return self._fernet.rotate(sealed)
        except InvalidToken:
            raise UnreadableSecret("no known key opens this") from None

    def blind_index(self, text: str) -> bytes:
        """A keyed digest by which equal texts are found without opening them.

        Made with the oldest key, so that it survives rotation for as long as that key is kept in the list.
        """
        return hmac.digest(self._index_key, text.encode(), "sha256")

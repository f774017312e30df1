"""Passwords as Argon2id hashes, computed in threads beside the event loop.

Whoever is asked for, one call costs one hash: an account that does not exist or has no password is compared with a
hash of nothing.
"""

import asyncio
from dataclasses import dataclass, field
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

from tillhouse.kernel.house import House
from tillhouse.parts.identity.settings import IdentitySettings


def _hasher(passes: int, memory_kib: int) -> PasswordHasher:
    return PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)


@cache
def _hash_of_nothing(passes: int, memory_kib: int) -> str:
    return _hasher(passes, memory_kib).hash("")


@dataclass
class Passwords:
    """The hasher of one process. Few hashes run at once: each takes tens of MiB."""

    settings: IdentitySettings
    hasher: PasswordHasher = field(init=False)
    _nothing: str = field(init=False)
    _at_once: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.hasher = _hasher(self.settings.argon2_passes, self.settings.argon2_memory_kib)
        self._nothing = _hash_of_nothing(self.settings.argon2_passes, self.settings.argon2_memory_kib)
        self._at_once = asyncio.Semaphore(self.settings.argon2_at_once)

    async def hash(self, password: str) -> str:
        async with self._at_once:
            return await asyncio.to_thread(self.hasher.hash, password)

    async def verify(self, password_hash: str | None, password: str) -> bool:
        """Whether the password is right; None (no account, no password) takes as long and is always wrong."""
        async with self._at_once:
            right = await asyncio.to_thread(self._matches, password_hash or self._nothing, password)
        return right and password_hash is not None

    def is_outdated(self, password_hash: str) -> bool:
        """Whether the hash was made with other parameters than today's."""
        return self.hasher.check_needs_rehash(password_hash)

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self.hasher.verify(password_hash, password)
        except (VerifyMismatchError, InvalidHashError):
            return False


def passwords_of(house: House) -> Passwords:
    """The hasher of this process."""
    return house.the(Passwords)

"""Lockout: wrong guesses in a row make the identifier, and the address they come from, wait longer and longer.

A guess is counted before it is judged and forgiven when it was right, so that a hundred guesses at once are a hundred.
What is counted is the name that was typed, whether or not there is an account of that name.
"""

import hmac
from dataclasses import dataclass
from datetime import timedelta

from tillhouse.kernel import clock
from tillhouse.kernel.db import Session, house_of
from tillhouse.kernel.errors import TooManyRequests
from tillhouse.kernel.text import N_
from tillhouse.parts.identity import store
from tillhouse.parts.identity.domain import derive_key, lockout
from tillhouse.parts.identity.models import AttemptRow
from tillhouse.parts.identity.settings import IdentitySettings

_QUIET = timedelta(hours=1)  # after so long without a wrong guess the count starts over


@dataclass(frozen=True, slots=True)
class Guess:
    """A counted guess: `name` is what was guessed at, `address` where it came from; both as keyed digests."""

    name: bytes
    address: bytes


async def count(session: Session, kind: str, name: str, address: str) -> Guess:
    """Count a guess of a `kind` at `name` from `address`. Raises `TooManyRequests` while either has to wait."""
    house = house_of(session)
    settings = house.settings_of(IdentitySettings)
    key = derive_key(house.settings.secret_key, "attempts")
    guess = Guess(_digest(key, f"{kind}:{name}"), _digest(key, f"address:{address}"))
    frees = {guess.name: settings.password_tries, guess.address: settings.address_tries}
    for digest in sorted(frees):  # one order for all, so that two never wait for each other
        row = await store.count_attempt(session, digest, clock.now(), _QUIET)
        _refuse_while_locked(row)
        wait = lockout(row.failures, frees[digest])
        row.locked_until = clock.now() + wait if wait else None
    await session.flush()
    return guess


async def forgive(session: Session, guess: Guess) -> None:
    """The guess was right: forget those at this name, and take back this one from its address."""
    await store.clear_attempts(session, [guess.name])
    row = await store.lock_attempt(session, guess.address)
    if row:
        row.failures = max(row.failures - 1, 0)
        row.locked_until = None
        await session.flush()


def _refuse_while_locked(row: AttemptRow) -> None:
    if row.locked_until and row.locked_until > clock.now():
        seconds = int((row.locked_until - clock.now()).total_seconds()) + 1
        raise TooManyRequests(
            N_("Too many attempts. Try again in {seconds} seconds."), retry_after=seconds, seconds=seconds
        )


def _digest(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")

"""HTTP Basic with the key id and secret; and idempotency keys."""

import hashlib
import json
import re
from typing import Annotated

from fastapi import Depends, Request
from pydantic import BaseModel

from tillhouse.sandbox.basic import is_basic
from tillhouse.sandbox.razorpay.errors import unauthorized
from tillhouse.sandbox.razorpay.schemas import UsedKey
from tillhouse.sandbox.world import Here, World


def require_key(request: Request, world: Here) -> None:
    """Refuse requests without the sandbox's key id and secret.

    Raises:
        RazorpayError: 401.
    """
    if not is_basic(request, world.settings.razorpay_key_id, world.settings.razorpay_key_secret):
        raise unauthorized()


KeyRequired = Annotated[None, Depends(require_key)]


def body_hash(subject: str, body: BaseModel) -> str:
    """A digest of what was asked, the same for every spelling of the same JSON."""
    document = json.dumps([subject, body.model_dump(mode="json", exclude_unset=True)], sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()


def used_before(world: World, scope: str, key: str) -> UsedKey | None:
    """The first use of an idempotency key, if any."""
    return world.store.get(UsedKey, f"{scope}:{key}")


def remember_key(world: World, scope: str, key: str, digest: str, made: str) -> None:
    """Tie a key to what it made. Call in the transaction that makes it."""
    world.store.put(UsedKey(id=f"{scope}:{key}", created_at=world.clock.now_s(), body_hash=digest, made=made))


def key_is_well_formed(key: str, pattern: str) -> bool:
    """Whether the whole key matches."""
    return re.fullmatch(pattern, key) is not None

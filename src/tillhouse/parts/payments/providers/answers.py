"""What all vendors' answers have in common: what a status means for the money, ids in paths, signatures.

A module beside the vendors' folders, so that any folder can be deleted by itself.
"""

import hashlib
import hmac
from collections.abc import Callable, Iterable
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from tillhouse.kernel import clock
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.outbound import Answer, OutcomeUnknown
from tillhouse.kernel.text import N_
from tillhouse.parts.payments.ports import BadSignature, KeyRefused, Refused

W = TypeVar("W", bound=BaseModel)

# Not looked at: asked too soon, too often, or while the same is under way.
_COME_BACK_LATER = (408, 409, 425, 429)

# It is us whom the provider does not know or does not allow: a key taken back, an address that is not listed.
_OUR_KEY = (401, 403)

# Seconds between signing and receiving: Stripe's libraries and SePay's rule say so, Omise names none.
_TOLERANCE = 300


def raise_for(answer: Answer, provider: str, error_of: Callable[[bytes], tuple[str | None, str | None]]) -> None:
    """Turn an answer that is not 2xx into what it means for the money.

    4xx in the provider's own words is final, except 408, 409, 425 and 429 (not looked at), and 401 and 403 (our key).
    5xx may or may not have had its effect, and who answers in other words is not the provider. `error_of` reads (the
    provider's own code, its sentence) from the body.
    Raises `Refused`, `OutcomeUnknown`, `KeyRefused`, `TransientError`.
    """
    if answer.ok:
        return
    if answer.status >= 500:
        raise OutcomeUnknown(N_("{provider} did not answer in time."), provider=provider)
    if answer.status in _COME_BACK_LATER:
        raise TransientError(N_("{provider} is busy right now."), provider=provider)
    if answer.status in _OUR_KEY:
        raise KeyRefused(provider)
    try:
        code, sentence = error_of(answer.body)
    except ValidationError:
        code = sentence = None
    if code is None and sentence is None:
        raise _not_understood(provider)
    raise refusal(provider, code or f"status_{answer.status}", sentence or str(answer.status))


def refusal(provider: str, reason: str, description: str) -> Refused:
    """The provider's no, in its own words."""
    return Refused(N_("{provider} said no: {description}"), reason=reason, description=description, provider=provider)


def read(shape: type[W], answer: Answer, provider: str) -> W:
    """The answer as `shape`. One that we cannot read leaves us as ignorant as none. Raises `OutcomeUnknown`."""
    try:
        return shape.model_validate_json(answer.body)
    except ValidationError:
        raise _not_understood(provider) from None


def _not_understood(provider: str) -> OutcomeUnknown:
    return OutcomeUnknown(N_("{provider} gave an answer that we do not understand."), provider=provider)


def path_part(identifier: str, provider: str) -> str:
    """An id as part of a path. Raises `Refused` for one that could lead elsewhere."""
    if not identifier.isascii() or not identifier.replace("_", "").replace("-", "").isalnum():
        raise refusal(provider, "bad_id", "bad id")
    return identifier


def hmac_sha256(secret: bytes, message: bytes) -> bytes:
    """The signature that most providers use."""
    return hmac.new(secret, message, hashlib.sha256).digest()


def require_timed_match(
    body: bytes, at: str, given: Iterable[str], secrets: Iterable[bytes], *, prefix: str = ""
) -> None:
    """Pass if one of the signatures given is that of `{at}.{body}` in hex, behind `prefix`, and `at` is about now.

    `at` is unix seconds as the provider wrote them. Raises `BadSignature`.
    """
    if not at.isascii() or not at.isdigit() or abs(clock.now().timestamp() - int(at[:12])) > _TOLERANCE:
        raise BadSignature(N_("The signature is not of now."))
    message = at.encode() + b"." + body
    require_match(given, [prefix + hmac_sha256(secret, message).hex() for secret in secrets])


def require_match(given: Iterable[str], expected: Iterable[str]) -> None:
    """Pass if one of the signatures given is one of those expected. Every pair is compared, in constant time; nothing
    is no proof, also where nothing is set up.

    Raises `BadSignature`.
    """
    wanted = [one.encode() for one in expected if one]
    matches = [hmac.compare_digest(one.encode("utf-8", "replace"), other) for one in given for other in wanted]
    if not any(matches):
        raise BadSignature(N_("The signature does not match."))

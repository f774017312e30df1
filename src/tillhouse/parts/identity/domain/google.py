"""What an ID token of Google has to say before anyone is believed (OpenID Connect Core 1.0, section 3.1.3.7)."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from tillhouse.kernel.errors import Forbidden

GOOGLE = "https://accounts.google.com"
LONGEST_SUBJECT = 255
_SKEW = timedelta(seconds=10)  # what Google's own library allows between its clock and ours


class NotFromGoogle(Forbidden):
    """What came back is not what Google answers to the question that was asked; `reason` is for the log."""

    code = "google_refused"

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class GoogleAccount:
    """Whom Google vouches for. `subject` is theirs for ever; `email` may change hands.

    `email_is_theirs`: Google runs the mailbox (gmail.com, or a Workspace domain), so that its word is as good as a code
    sent there. Of any other address Google once saw a proof, nobody knows when.
    """

    subject: str
    email: str
    email_is_theirs: bool
    name: str


@dataclass(frozen=True, slots=True)
class Secrets:
    """What one sign-in is recognised by: both follow from its state and a key of the house, and are stored nowhere."""

    nonce: str
    verifier: str


def secrets_of(key: bytes, state: str) -> Secrets:
    """The nonce and the PKCE verifier of the sign-in that began with `state`."""
    return Secrets(_derived(key, "nonce", state), _derived(key, "verifier", state))


def challenge_of(verifier: str) -> str:
    """What PKCE (RFC 7636, S256) sends ahead of its verifier."""
    return _text(hashlib.sha256(verifier.encode()).digest())


def account_of(
    claims: Mapping[str, object], *, issuer: str, client_id: str, nonce: str, now: datetime
) -> GoogleAccount | Literal["issuer", "audience", "expired", "nonce", "subject", "email", "email_verified"]:
    """Whom the claims of a token with a good signature speak of, or which claim will not do.

    Google writes its issuer with and without `https://`. An address that Google has not verified is nobody's.
    """
    if claims.get("iss") not in (issuer, issuer.removeprefix("https://")):
        return "issuer"
    if not _is_for(claims, client_id):
        return "audience"
    if not _is_valid_at(claims, now):
        return "expired"
    if not isinstance(claims.get("nonce"), str) or not hmac.compare_digest(str(claims["nonce"]), nonce):
        return "nonce"
    subject, email = claims.get("sub"), claims.get("email")
    if not isinstance(subject, str) or not 0 < len(subject) <= LONGEST_SUBJECT:
        return "subject"
    if not isinstance(email, str) or "@" not in email:
        return "email"
    if claims.get("email_verified") not in (True, "true"):
        return "email_verified"
    name = claims.get("name")
    return GoogleAccount(subject, email.lower(), _runs(claims, email), name if isinstance(name, str) else "")


def _is_for(claims: Mapping[str, object], client_id: str) -> bool:
    audience = claims.get("aud")
    if isinstance(audience, list):
        return client_id in audience and claims.get("azp") == client_id
    return audience == client_id and claims.get("azp", client_id) == client_id


def _is_valid_at(claims: Mapping[str, object], now: datetime) -> bool:
    begun, over = claims.get("iat"), claims.get("exp")
    if not isinstance(begun, int) or not isinstance(over, int):
        return False
    return begun <= (now + _SKEW).timestamp() and (now - _SKEW).timestamp() < over


def _runs(claims: Mapping[str, object], email: str) -> bool:
    domain = email.lower().rpartition("@")[2]
    return domain in ("gmail.com", "googlemail.com") or claims.get("hd") == domain


def _derived(key: bytes, use: str, state: str) -> str:
    return _text(hmac.digest(key, f"{use}:{state}".encode(), "sha256"))


def _text(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()

"""What Google remembers: keys, codes, tokens, and how a person wants the next token spoilt."""

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from tillhouse.sandbox.store import Record

Spoiling = Literal[
    "nothing",
    "nonce",
    "audience",
    "issuer",
    "expired",
    "unverified",
    "alg_none",
    "signature",
    "unknown_key",
    "no_token",
]


class SigningKey(Record):
    """One RSA key, in PEM; `id` is its `kid`."""

    kind: ClassVar[str] = "google_key"

    pem: str


class Account(BaseModel):
    """Someone with a Google account. `hd` is the domain of a Workspace."""

    sub: str
    email: str
    name: str
    email_verified: bool = True
    hd: str | None = None


class Code(Record):
    """An authorization code, good once and for ten minutes."""

    kind: ClassVar[str] = "google_code"

    client_id: str
    redirect_uri: str
    nonce: str
    challenge: str
    scope: str
    offline: bool
    account: Account
    used: bool = False


class Token(Record):
    """An access or refresh token, by its text."""

    kind: ClassVar[str] = "google_token"

    use: Literal["access", "refresh"]
    account: Account
    scope: str
    code: str
    revoked: bool = False


class Spoil(Record):
    """What is to be wrong with the next ID token."""

    kind: ClassVar[str] = "google_spoil"

    what: Spoiling


class SpoilWish(BaseModel):
    """A wish for a bad ID token."""

    model_config = ConfigDict(extra="forbid")

    what: Spoiling = "nothing"


class AuthorizeQuery(BaseModel):
    """What a client asks of the authorize page."""

    client_id: str = ""
    redirect_uri: str = ""
    response_type: str = ""
    scope: str = ""
    state: str = ""
    nonce: str = ""
    code_challenge: str = ""
    code_challenge_method: str = ""
    access_type: Literal["online", "offline"] = "online"
    prompt: str = ""
    login_hint: str = ""


class ChoiceForm(AuthorizeQuery):
    """Whom the person says they are: one of the accounts, an address, or nobody."""

    account: str = Field("", max_length=254)
    email: str = Field("", max_length=254)
    verified: bool = False
    deny: bool = False


class TokenForm(BaseModel):
    """A code or a refresh token to exchange."""

    grant_type: str
    client_id: str = ""
    client_secret: str = ""
    code: str = ""
    redirect_uri: str = ""
    code_verifier: str = ""
    refresh_token: str = ""

"""Requests and responses of identity."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field, StringConstraints

from tillhouse.kernel.schemas import Strict
from tillhouse.parts.identity.domain import DEFAULT_ZONE, AddressKind, IdentifierKind, PersonRole
from tillhouse.parts.identity.domain.organisations import Role

# No NUL anywhere: PostgreSQL cannot store one.
_NO_NUL = r"^[^\x00]*$"
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120, pattern=_NO_NUL)]
Address = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=254, pattern=_NO_NUL)]
Password = Annotated[str, StringConstraints(min_length=1, max_length=1024, pattern=_NO_NUL)]
CodeText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=4, max_length=20, pattern=_NO_NUL)]
Token = Annotated[str, StringConstraints(min_length=1, max_length=2048, pattern=_NO_NUL)]
Slug = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=40, pattern=_NO_NUL)]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
InvitationCode = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=60, pattern=_NO_NUL)]
Locale = Literal["en", "hi", "vi", "th", "he"]


class RegisterIn(Strict):
    """Who wants to become a person: an e-mail address or a phone number is enough."""

    email: Address | None = None
    phone: Address | None = None
    password: Password | None = None
    full_name: Name
    locale: Locale | None = None
    zone: Annotated[str, StringConstraints(max_length=64)] = DEFAULT_ZONE


class OtpView(BaseModel):
    """A code that was sent."""

    challenge_id: UUID
    channel: AddressKind
    expires_at: datetime


class OtpOut(BaseModel):
    """What is told of a code that was sent."""

    otp: OtpView


class VerifyOtpIn(Strict):
    """A code, and where it was sent."""

    identifier: Address
    code: CodeText
    challenge_id: UUID | None = None


class IdentifierIn(Strict):
    """An e-mail address or phone number."""

    identifier: Address


class LoginIn(Strict):
    """Without a password a code is sent, to be answered at `verify-otp`."""

    identifier: Address
    password: Password | None = None


class TokensOut(BaseModel):
    """The tokens of a session; `expires_in` is in seconds."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105  a scheme, not a secret
    expires_in: int


class RefreshIn(Strict):
    """The last refresh token."""

    refresh_token: Token


class LogoutIn(Strict):
    """The session to end, where no bearer token names it."""

    refresh_token: Token | None = None


class ResetIn(Strict):
    """A new password and the code that allows it."""

    identifier: Address
    code: CodeText
    password: Password
    challenge_id: UUID | None = None


class StepUpOut(BaseModel):
    """How to prove oneself again."""

    method: Literal["totp", "code"]
    otp: OtpView | None


class CodeIn(Strict):
    """A code."""

    code: CodeText


class FreshOut(BaseModel):
    """Until when the session is fresh."""

    fresh_until: datetime
    assurance: int


class TicketOut(BaseModel):
    """A ticket for a stream."""

    ticket: str


class IdentifierOut(BaseModel):
    """A confirmed address."""

    id: UUID
    kind: IdentifierKind
    value: str
    confirmed_at: datetime


class MeOut(BaseModel):
    """The caller."""

    id: UUID
    full_name: str
    locale: str
    zone: str
    roles: list[str]
    identifiers: list[IdentifierOut]
    has_password: bool
    has_totp: bool
    created_at: datetime


class MeIn(Strict):
    """What a person says of themselves."""

    full_name: Name
    locale: Locale
    zone: Annotated[str, StringConstraints(max_length=64)]


class PasswordIn(Strict):
    """A new password; the present one where there is one."""

    current_password: Password | None = None
    new_password: Password


class LinkIn(Strict):
    """An address to add: one of the two."""

    email: Address | None = None
    phone: Address | None = None


class SessionOut(BaseModel):
    """One sign-in."""

    id: UUID
    kind: Literal["api", "pages"]
    device: str
    created_at: datetime
    used_at: datetime
    current: bool


class EnrolmentOut(BaseModel):
    """What an authenticator app needs."""

    secret: str
    uri: str


class RecoveryOut(BaseModel):
    """Codes for when the authenticator is lost; shown once."""

    recovery_codes: list[str]


class ApiKeyIn(Strict):
    """A key to make."""

    name: Name
    scopes: Annotated[list[Annotated[str, StringConstraints(max_length=100)]], Field(min_length=1, max_length=100)]
    expires_at: datetime | None = None


class ApiKeyOut(BaseModel):
    """A key without its secret."""

    id: UUID
    name: str
    hint: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime | None
    used_at: datetime | None
    revoked_at: datetime | None


class NewApiKeyOut(ApiKeyOut):
    """A key with its secret; shown once."""

    key: str


class RoleIn(Strict):
    """A role to give."""

    role: PersonRole


class RoleOut(BaseModel):
    """A person and their role."""

    id: UUID
    role: PersonRole


class AuditOut(BaseModel):
    """One line of the audit log."""

    id: UUID
    actor_kind: str
    actor_id: UUID | None
    action: str
    subject: str
    at: datetime


class OrganisationIn(Strict):
    """An organisation to make."""

    name: Name = Field(examples=["Rao & Sons"])
    country: Country = Field(description="Two letters, ISO 3166-1.", examples=["IN"])
    slug: Slug | None = Field(default=None, description="A short name for addresses; made when left out.")


class OrganisationNameIn(Strict):
    """What an organisation is called from now on."""

    name: Name = Field(examples=["Rao & Daughters"])


class OrganisationOut(BaseModel):
    """An organisation that the caller belongs to, and as what."""

    id: UUID
    name: str
    slug: str
    country: str
    role: Role
    joined_at: datetime


class MemberOut(BaseModel):
    """Someone in an organisation."""

    person_id: UUID
    name: str
    role: Role
    joined_at: datetime


class MemberRoleIn(Strict):
    """The role of a member."""

    role: Role


class TransferIn(Strict):
    """Who owns the organisation from now on."""

    person_id: UUID


class InviteIn(Strict):
    """Whom to ask, and as what."""

    email: Address = Field(examples=["new@example.com"])
    role: Role


class InvitationOut(BaseModel):
    """An invitation that waits for an answer."""

    id: UUID
    organisation_id: UUID
    organisation: str
    email: str
    role: Role
    expires_at: datetime
    created_at: datetime


class InvitationCodeIn(Strict):
    """The code of the invitation's link. None: the invitation went to a confirmed address of the caller."""

    code: InvitationCode | None = None

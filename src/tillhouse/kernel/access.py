"""Who calls, and what they may do. Denied unless a permission says otherwise.

Every route names its permission with `require(...)`, or says with `open_to_all(...)` why it needs none; the conformance
suite refuses a mutating route with neither. Ownership is checked by the service: what is not yours is not found.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol
from uuid import UUID

from fastapi import Request

from tillhouse.kernel.errors import Forbidden, NotAuthenticated
from tillhouse.kernel.text import N_

Role = Literal["user", "staff", "admin", "machine"]


@dataclass(frozen=True, slots=True)
class Permission:
    """A named right, such as `payments.payout`, and the roles that have it.

    A role `machine` means: an API key may be given it as a scope. `assurance` 2 asks for a second factor (staff TOTP).
    """

    name: str
    title: str
    roles: frozenset[Role]
    assurance: Literal[1, 2] = 1


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller. `id` is the person or API key; None for nobody. `assurance` is 2 once a second factor was shown.

    `with_second_factor` are the permissions that showing one would add; `made_by` is who made a machine's key.
    """

    kind: Literal["nobody", "person", "machine", "system"]
    id: UUID | None = None
    roles: frozenset[Role] = frozenset()
    permissions: frozenset[str] = frozenset()
    session_id: UUID | None = None
    assurance: Literal[1, 2] = 1
    with_second_factor: frozenset[str] = frozenset()
    made_by: UUID | None = None
    display_name: str = ""
    locale: str | None = None
    zone: str = "UTC"
    details: dict[str, str] = field(default_factory=dict, compare=False)

    @property
    def person_id(self) -> UUID:
        """The person's id. Raises `Forbidden` when the caller is no person."""
        if self.kind != "person" or self.id is None:
            raise Forbidden(N_("Only a signed-in person can do this."))
        return self.id

    def may(self, permission: str) -> bool:
        return permission in self.permissions


class SecondFactorRequired(Forbidden):
    """The caller's role allows it, once a second factor was shown in this session."""

    code = "second_factor_required"


NOBODY = Principal("nobody")
SYSTEM = Principal("system")


class Authenticator(Protocol):
    """Says who sent a request. Plugged in by the part that knows people."""

    async def __call__(self, request: Request) -> Principal:
        """Return the caller, `NOBODY` when no credential was sent. Raises `NotAuthenticated` for a bad one."""
        ...


@dataclass(frozen=True, slots=True)
class AuthenticatedBy:
    """What the part that knows people provides, so that composition can plug it in."""

    authenticator: Authenticator


async def nobody(request: Request) -> Principal:
    """The authenticator of a house without people: every caller is nobody."""
    return NOBODY


@dataclass(frozen=True, slots=True)
class _Require:
    permission: str

    async def __call__(self, request: Request) -> Principal:
        principal = await caller(request)
        if principal.may(self.permission):
            return principal
        if principal.kind == "nobody":
            raise NotAuthenticated(N_("Sign in to do this."))
        if self.permission in principal.with_second_factor:
            raise SecondFactorRequired(
                N_("Show your authenticator app first: sign in with its code, or set one up at /account.")
            )
        raise Forbidden(N_("You are not allowed to do this."))


@dataclass(frozen=True, slots=True)
class _OpenToAll:
    reason: str

    async def __call__(self, request: Request) -> Principal:
        return await caller(request)


def require(permission: str) -> Callable[[Request], Awaitable[Principal]]:
    """A dependency that lets only callers with `permission` in and hands over the `Principal`."""
    return _Require(permission)


def open_to_all(reason: str) -> Callable[[Request], Awaitable[Principal]]:
    """A dependency for a route that anyone may call; `reason` says why that is right. Hands over the `Principal`."""
    return _OpenToAll(reason)


async def caller(request: Request) -> Principal:
    """The principal of this request, asked for once."""
    known: Principal | None = getattr(request.state, "principal", None)
    if known is None:
        authenticate: Authenticator = request.app.state.house.authenticator
        known = await authenticate(request)
        request.state.principal = known
    return known


def permission_of(dependency: object) -> str | None:
    """The permission a dependency asks for, or None when it is another kind of dependency. For conformance checks."""
    return dependency.permission if isinstance(dependency, _Require) else None


def opening_reason_of(dependency: object) -> str | None:
    """Why a dependency lets everyone in, or None. For conformance checks."""
    return dependency.reason if isinstance(dependency, _OpenToAll) else None

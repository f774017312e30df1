"""What identity needs of parts above it, and what it offers them: extension points that composition plugs together."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol
from uuid import UUID

from tillhouse.kernel.db import JsonObject, ReadSession, Session
from tillhouse.parts.identity.domain import AddressKind
from tillhouse.parts.identity.domain.google import GoogleAccount
from tillhouse.parts.identity.domain.organisations import Role


@dataclass(frozen=True, slots=True)
class Contact:
    """How to reach a person with a message, and in which language and time zone to write it."""

    person_id: UUID | None
    kind: AddressKind
    address: str
    locale: str
    zone: str


class OpenIdProvider(Protocol):
    """Whoever vouches for people by OpenID Connect. Both calls go out, so that no transaction may be open."""

    async def address(self, *, state: str, nonce: str, verifier: str, back: str) -> str:
        """Where the browser is sent, and from there to `back`. Raises `TransientError` when nobody answers."""
        ...

    async def account(self, *, code: str, nonce: str, verifier: str, back: str) -> GoogleAccount:
        """Whom a code stands for. Raises `NotFromGoogle`, `TransientError`."""
        ...


@dataclass(frozen=True, slots=True)
class GoogleSignIn:
    """Provided where Sign in with Google is set up."""

    provider: OpenIdProvider


class Send(Protocol):
    """Queues one message in the caller's transaction. `template` is `module.name`; nothing secret in `data`."""

    async def __call__(self, session: Session, to: Contact, template: str, data: JsonObject) -> None: ...


class Tell(Protocol):
    """Queues a message to a person in the caller's transaction, by the ways that its kind and the person allow."""

    async def __call__(self, session: Session, person_id: UUID, template: str, data: JsonObject) -> None: ...


@dataclass(frozen=True, slots=True)
class MessageSender:
    """Provided by the part that sends messages: to one address, and to a person."""

    send: Send
    tell: Tell


Category = Literal["security", "money", "account"]


@dataclass(frozen=True, slots=True)
class MessageKind:
    """Provided for each message (`module.name`) of a module that does not stand above the part that sends them.

    What is about `security` (who can enter an account, or send its money away) goes to every confirmed address at
    once, whatever the person chose; anything else by the first way that they left open, and into the app. `parameters`
    are the fields of the data, in order, that fill what WhatsApp has approved for it.
    """

    name: str
    category: Category
    parameters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PictureKeeper:
    """Provided by the part that keeps pictures of people: the account page sends one to `form` (as `file`), shows it
    from `address`, and asks `remove` to take it away. The part notes which is whose by `api.set_picture`.
    """

    form: str
    remove: str
    address: str


@dataclass(frozen=True, slots=True)
class Code:
    """A one-time code, for the job that sends it, and until when it is good."""

    text: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CodeSource:
    """Provided by identity: `read(session, challenge_id)` recomputes a code, None once it must not be sent any more."""

    read: Callable[[ReadSession, UUID], Awaitable[Code | None]]


@dataclass(frozen=True, slots=True)
class ErasureVeto:
    """Provided by a part that may have a reason to keep a person: an open balance, a payment under way.

    `reasons` returns sentences for that person (marked with `N_`), none when nothing stands against it. What
    `may_be_given_up` stands against it only until the person says, by its `name`, that they give it up; the part's
    `Erasure` then ends it.
    """

    name: str
    reasons: Callable[[ReadSession, UUID], Awaitable[Sequence[str]]]
    may_be_given_up: bool = False


@dataclass(frozen=True, slots=True)
class OrganisationClosing:
    """Provided by a part in which organisations own something.

    `reasons` returns sentences for the owner who wants to close one (marked with `N_`), none when nothing stands
    against it; `close` ends what is left, in the transaction that closes the organisation.
    """

    name: str
    reasons: Callable[[ReadSession, UUID], Awaitable[Sequence[str]]]
    close: Callable[[Session, UUID], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class OrganisationRoom:
    """Provided by a part that has a page of its own for each organisation: `path` and the organisation's id lead there.

    Members in one of `roles` are shown the way.
    """

    title: str
    text: str
    icon: str
    path: str
    roles: frozenset[Role]


@dataclass(frozen=True, slots=True)
class Erasure:
    """Provided by a part that holds personal data: `erase` removes it, in the transaction that erases the person.

    `addresses` are the person's e-mail addresses and phone numbers, for rows that know no person.
    """

    name: str
    erase: Callable[[Session, UUID, Sequence[str]], Awaitable[None]]

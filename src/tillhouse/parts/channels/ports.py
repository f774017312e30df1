"""What channels needs of the outside: something that takes a rendered message."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, runtime_checkable
from uuid import UUID

from tillhouse.kernel.errors import DomainError
from tillhouse.parts.channels.domain.chat import Approved, Line, MediaRef
from tillhouse.parts.channels.domain.destinations import Rules
from tillhouse.parts.channels.domain.messages import Channel, Purpose, WhenUnknown
from tillhouse.parts.identity.api import Category


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a message."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Target:
    """A phone or browser for pushes. `p256dh` and `auth` are a browser's keys."""

    id: UUID
    kind: Literal["fcm", "web"]
    token: str
    p256dh: str = ""
    auth: str = ""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as it is sent. `subject` and `html` are empty for SMS; `line` is what a chat says, with its buttons.

    `approved` takes the place of `text` where only a template may be sent. `queued_at` is when we first meant to.
    `unsubscribe` is the address that a mail program may call for the person.
    """

    id: UUID
    address: str
    subject: str
    text: str
    html: str
    line: Line | None = None
    approved: Approved | None = None
    attachment: Attachment | None = None
    sender: str = ""
    target: Target | None = None
    url: str = ""
    unsubscribe: str = ""
    queued_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Taken:
    """The provider has the message, under an id of its own where it gives one."""

    provider_id: str | None


class Refused(DomainError):
    """The provider will not take this message, now or later. `reason` is its own code for why."""

    code = "message_refused"
    status = 422

    def __init__(self, reason: str) -> None:
        super().__init__("the provider refused the message: {reason}", reason=reason)
        self.reason = reason


class Gone(Refused):
    """The phone or browser is there no more: forget it."""


class Carrier(Protocol):
    """One way for messages to leave the house."""

    @property
    def name(self) -> str: ...

    @property
    def channel(self) -> Channel: ...

    async def carry(self, message: Outgoing) -> Taken:
        """Hand the message over.

        Raises `NotSent` (it was certainly not taken), `OutcomeUnknown` (it may have been), `Refused` (it never will
        be), and `RuntimeError` while a transaction is open.
        """
        ...


@runtime_checkable
class LooksUp(Protocol):
    """A carrier that can say whether it took a message whose answer got lost."""

    async def look_up(self, message: Outgoing) -> Taken | None:
        """The message as the provider has it, None when it has none. Raises `NotSent`, `OutcomeUnknown`."""
        ...


@runtime_checkable
class FetchesMedia(Protocol):
    """A carrier whose chat brings files."""

    async def fetch(self, media: MediaRef, most_bytes: int) -> bytes:
        """The bytes. Raises `NotSent`, `OutcomeUnknown`, and `Refused` where they are gone or too many."""
        ...


@runtime_checkable
class ShowsRead(Protocol):
    """A carrier whose chat shows people that their messages were read."""

    async def show_read(self, account: str, message_id: str, *, typing: bool) -> None:
        """Show that a message to `account`, and all before it, was read; with `typing` that an answer comes.

        Raises `NotSent`, `OutcomeUnknown`, `Refused`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Carriers:
    """The carriers of this process. Where a channel has several, the first is the one that the settings chose."""

    carriers: tuple[Carrier, ...]

    def of(self, channel: str, name: str | None = None) -> Carrier:
        """The carrier of a channel, or the one of this name. Raises `Refused` when nothing is configured."""
        found = next(
            (one for one in self.carriers if one.channel == channel and (name is None or one.name == name)), None
        )
        if found is None:
            raise Refused("not_configured")
        return found

    def has(self, channel: str) -> bool:
        return any(one.channel == channel for one in self.carriers)


@dataclass(frozen=True, slots=True)
class MessageTemplate:
    """What a module says of one of its templates; one that nobody describes is transactional and goes where it is sent.

    `name` is `module.name`. `channels` are tried in this order, the next where one fails or is not allowed; it goes by
    those of `also` besides. What is of the category `security` goes to every confirmed address instead (`tell`).
    `when_unknown` says what follows a try whose outcome nobody knows: `leave` it to the provider's report, `resend` (a
    second copy does no harm), or `look_up` where the provider can be asked. `approved` maps a language to the template
    that WhatsApp has approved, `parameters` are the fields of the data that fill it.
    """

    name: str
    purpose: Purpose = "transactional"
    channels: tuple[Channel, ...] = ("email", "sms")
    also: tuple[Literal["in_app"], ...] = ()
    category: Category = "account"
    when_unknown: WhenUnknown = "leave"
    approved: Mapping[str, str] = field(default_factory=dict)
    parameters: tuple[str, ...] = ()


class Resolver(Protocol):
    """Asks what addresses a name has."""

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """The addresses of a host, which may be one itself. Raises `OSError` for a name that has none."""
        ...


@dataclass(frozen=True, slots=True)
class WebhookNetwork:
    """Where webhooks may go, and who says where a name leads."""

    rules: Rules
    resolve: Resolver

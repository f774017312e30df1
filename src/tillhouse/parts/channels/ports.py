"""What channels needs of the outside: something that takes a rendered message."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from tillhouse.kernel.errors import DomainError
from tillhouse.parts.channels.domain.destinations import Rules
from tillhouse.parts.channels.domain.messages import Channel


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message as it is sent. `subject` and `html` are empty for SMS."""

    id: UUID
    address: str
    subject: str
    text: str
    html: str


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


@dataclass(frozen=True, slots=True)
class Carriers:
    """The carriers of this process, one per channel."""

    carriers: tuple[Carrier, ...]

    def of(self, channel: str) -> Carrier:
        """Raises `Refused` for a channel that nothing is configured for."""
        found = next((carrier for carrier in self.carriers if carrier.channel == channel), None)
        if found is None:
            raise Refused("not_configured")
        return found


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

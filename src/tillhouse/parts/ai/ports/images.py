"""The port of makers of pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tillhouse.parts.ai.domain.images import Asked, ImageKind, Pack, Standing


class ImageEndpoint(Protocol):
    """A maker of pictures. All calls go out, so that no transaction may be open; all raise `ModelFailure`.

    An answer that got lost (`late`, `cut`, `down`) says nothing of the order: `find` does.
    """

    name: str

    async def begin(self, asked: Asked) -> str:
        """Send an order; the maker's own name of it. Never repeated by itself."""
        ...

    async def find(self, asked: Asked) -> str | None:
        """The maker's own name of an order that may have arrived; None when it knows none."""
        ...

    async def look(self, asked: Asked, external_id: str) -> Standing | None:
        """Where it stands; None when the maker does not know it (any more)."""
        ...

    async def cancel(self, asked: Asked, external_id: str) -> None:
        """Have it stopped and forgotten. What is gone already is no failure."""
        ...

    async def fetch(self, address: str) -> bytes:
        """A picture that was made. Refuses addresses that are not the maker's to give."""
        ...

    async def packs(self) -> Sequence[Pack]:
        """What it offers."""
        ...


@dataclass(frozen=True, slots=True)
class InstalledImages:
    """Provided by an adapter. Prices are listed under `name/kind`."""

    endpoint: ImageEndpoint

    def model(self, kind: ImageKind) -> str:
        """Under which name a kind of work is metered."""
        return f"{self.endpoint.name}/{kind}"

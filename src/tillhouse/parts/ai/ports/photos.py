"""The ports of whoever measures photos, and of whoever finds faces in them."""

from collections.abc import Callable
from dataclasses import dataclass

from tillhouse.parts.ai.domain.photos import Face, Facts


@dataclass(frozen=True, slots=True)
class PhotoReader:
    """Measures a photo; None for what is no picture. Takes a processor's time: call it in a thread."""

    read: Callable[[bytes], Facts | None]


@dataclass(frozen=True, slots=True)
class FaceFinder:
    """Provided where faces can be found: the faces of a photo, with who they are where that is known. As above."""

    name: str
    find: Callable[[bytes], tuple[Face, ...]]

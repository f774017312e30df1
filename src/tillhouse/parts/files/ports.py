"""What files needs from outside, and what other modules tell it of the files they keep."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Literal, Protocol

from tillhouse.kernel.db import JsonObject

Rendition = Literal["thumbnail", "audio", "stream"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FileKind:
    """Provided by a module that keeps files of a kind of its own.

    `name` is `module.thing` (the house's own are `file` and `avatar`). `accepts` are media types, None for any.
    `most_bytes` None: what the settings say. `lifetime`: after it, a job deletes the file. `counts`: against the quota
    of its owner; what the house itself writes for someone does not. `most_of_owner`: bytes that one owner may have of
    this kind, beside any quota. `exact`: pictures are kept byte for byte; otherwise
    they are written anew, upright and without what the camera noted. `playable`: refused unless it can be played.
    `by_person`: a person may send it through the API; otherwise only its module stores it.
    """

    name: str
    accepts: frozenset[str] | None = None
    most_bytes: int | None = None
    lifetime: timedelta | None = None
    counts: bool = True
    most_of_owner: int | None = None
    exact: bool = False
    playable: bool = False
    by_person: bool = False


class Scanner(Protocol):
    """Looks for malware."""

    async def scan(self, content: AsyncIterator[bytes]) -> str | None:
        """What was found, None for nothing. Reads `content` to its end, in a transaction never.

        Raises `TransientError`, and `FileRefused("not_scanned")` for more than the scanner takes.
        """
        ...


@dataclass(frozen=True, slots=True)
class ScannedBy:
    """Provided where a scanner is set."""

    scanner: Scanner


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture written anew: upright, and without anything but its pixels and colours."""

    content: bytes
    media_type: str
    width: int
    height: int


class PictureWriter(Protocol):
    """Decodes pictures that strangers sent. Both are slow: call them in a thread."""

    def rewrite(self, content: bytes, most_pixels: int) -> Picture:
        """The picture in the format it came in; HEIC and AVIF as JPEG. Raises `FileRefused`."""
        ...

    def squares(self, content: bytes, most_pixels: int, sides: tuple[int, ...]) -> tuple[Picture, ...]:
        """The middle of the picture as WebP squares of these sides. Raises `FileRefused`."""
        ...


@dataclass(frozen=True, slots=True)
class Pictures:
    """Loads the writer when the first picture comes: its libraries are no part of a process that sees none."""

    load: Callable[[], PictureWriter]


class MediaTool(Protocol):
    """Works on recordings, in a process of its own. Raises `FileRefused("not_playable")` and `TransientError`."""

    async def probe(self, source: Path, media_type: str) -> JsonObject:
        """`duration_ms`, `audio` and `video` (codec; channels and rate; width, height and frames a second)."""
        ...

    async def make(self, rendition: Rendition, source: Path, media_type: str, target: Path) -> tuple[str, JsonObject]:
        """Write a rendition to `target`; its media type and facts."""
        ...


@dataclass(frozen=True, slots=True)
class MediaBy:
    """The tool for recordings."""

    tool: MediaTool


RENDITION_ENDINGS: Mapping[Rendition, str] = {"thumbnail": "jpg", "audio": "flac", "stream": "mp4"}

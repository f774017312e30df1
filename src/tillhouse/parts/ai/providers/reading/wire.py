"""What the house and the reading process say to each other: one line of JSON each way, then the bytes; pages back."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from tillhouse.parts.ai.domain.reading import Limits

OcrChoice = Literal["auto", "rapidocr", "tesseract", "off"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be read. `languages` are those the document may be in (`th`, `vi` …); `known` are fingerprints of
    pictures of pages that were read before: such a page is not read again, only named.
    """

    media_type: str
    name: str
    languages: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    ocr: OcrChoice = "auto"
    threads: int = 2
    memory_bytes: int = 4_096_000_000
    limits: Limits = field(default_factory=Limits)

    def to_json(self) -> dict[str, object]:
        return asdict(self)

    @classmethod
    def from_json(cls, found: dict[str, object]) -> "Request":
        """What `to_json` wrote: the house and its child are one version."""
        limits = found.pop("limits")
        assert isinstance(limits, dict)
        lists = {name: tuple(_texts(found.pop(name))) for name in ("languages", "known")}
        return cls(**found, **lists, limits=Limits(**limits))  # type: ignore[arg-type]


def _texts(found: object) -> Sequence[str]:
    return [str(one) for one in found] if isinstance(found, list) else []

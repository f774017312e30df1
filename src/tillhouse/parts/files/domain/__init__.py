"""Pure rules of files: what bytes are, what a file may be called, what part of it was asked for."""

from tillhouse.parts.files.domain.names import tidy_name
from tillhouse.parts.files.domain.ranges import Part, RangeNotSatisfiable, etag_of, part_of, unchanged
from tillhouse.parts.files.domain.reasons import REASONS, FileRefused
from tillhouse.parts.files.domain.types import (
    HEAD,
    IMAGES,
    MEDIA,
    SHOWN,
    TAIL,
    has_second_face,
    is_playable,
    sniff,
)
from tillhouse.parts.files.domain.uploads import (
    Checksum,
    metadata_of,
    parse_checksum,
)

__all__ = [
    "HEAD",
    "IMAGES",
    "MEDIA",
    "REASONS",
    "SHOWN",
    "TAIL",
    "Checksum",
    "FileRefused",
    "Part",
    "RangeNotSatisfiable",
    "etag_of",
    "has_second_face",
    "is_playable",
    "metadata_of",
    "parse_checksum",
    "part_of",
    "sniff",
    "tidy_name",
    "unchanged",
]

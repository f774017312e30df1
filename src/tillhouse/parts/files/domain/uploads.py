"""The headers of tus 1.0 (https://tus.io/protocols/resumable-upload)."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from tillhouse.kernel.errors import InvalidInput
from tillhouse.kernel.text import N_

VERSION = "1.0.0"
EXTENSIONS = "creation,creation-with-upload,expiration,checksum,termination"
ALGORITHMS = ("sha256", "sha1", "md5")


@dataclass(frozen=True, slots=True)
class Checksum:
    """What the bytes of one request must hash to."""

    algorithm: str
    digest: bytes

    def hasher(self) -> "hashlib._Hash":
        """A fresh hash of this algorithm; sha1 and md5 guard against accidents on the way, nothing more."""
        return hashlib.new(self.algorithm, usedforsecurity=False)


def parse_checksum(header: str | None) -> Checksum | None:
    """`Upload-Checksum: sha1 <base64>`. Raises `InvalidInput`."""
    if header is None:
        return None
    algorithm, _, encoded = header.strip().partition(" ")
    try:
        digest = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        digest = b""
    if algorithm not in ALGORITHMS or not digest:
        raise InvalidInput(N_("Upload-Checksum needs one of sha256, sha1 or md5, and the digest in base64."))
    return Checksum(algorithm, digest)


def metadata_of(header: str | None) -> Mapping[str, str]:
    """`Upload-Metadata: filename <base64>,filetype <base64>`. Raises `InvalidInput`."""
    found: dict[str, str] = {}
    for pair in (header or "").split(","):
        key, _, encoded = pair.strip().partition(" ")
        if not key:
            continue
        try:
            found[key] = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, ValueError):
            raise InvalidInput(N_("Upload-Metadata needs names, each with a value in base64.")) from None
    return found

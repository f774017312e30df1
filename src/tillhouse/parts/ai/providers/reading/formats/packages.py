"""Opening office files, which are zip archives of XML, without believing what they say of themselves.

Nothing is given to a library before every member was unpacked once, counted, against the limit (a zip bomb stops
there), and its XML was seen to declare no entities and no document type, which these formats forbid.
"""

import io
import re
import zipfile
import zlib

from tillhouse.parts.ai.domain.reading import Unreadable
from tillhouse.parts.ai.providers.reading.wire import Request

_MOST_MEMBERS = 20_000
_PIECE = 1 << 20
_DECLARES = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_LOCKED = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # an encrypted office file is an OLE container


def checked(content: bytes, request: Request) -> io.BytesIO:
    """The archive, if it may be opened. Raises `Unreadable`."""
    if content.startswith(_LOCKED):
        raise Unreadable("encrypted")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = archive.infolist()
            if len(members) > _MOST_MEMBERS or sum(one.file_size for one in members) > request.limits.unpacked_bytes:
                raise Unreadable("too_large")
            left = request.limits.unpacked_bytes
            for member in members:
                left -= _look_through(archive, member, left)
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError) as error:
        raise Unreadable("not_a_document") from error
    return io.BytesIO(content)


def _look_through(archive: zipfile.ZipFile, member: zipfile.ZipInfo, left: int) -> int:
    """Unpack a member, a piece at a time. Returns its true size."""
    size, tail = 0, b""
    is_xml = member.filename.lower().endswith((".xml", ".rels", ".vml"))
    with archive.open(member) as opened:
        while piece := opened.read(_PIECE):
            size += len(piece)
            if size > left:
                raise Unreadable("too_large")
            if is_xml and _DECLARES.search((tail + piece).replace(b"\x00", b"")):  # UTF-16 has zeros between
                raise Unreadable("not_a_document")
            tail = piece[-64:]
    return size

"""The process that reads one document: a request on its standard input, pages on its standard output, then its end.

in    {"media_type": …, "name": …, "limits": …}\n  and the bytes
out   {"total": 12}\n  {"page": …}\n or {"known": …}\n …  and {"done": true}\n or {"failed": …}\n
"""

import json
import os
import resource
import sys
from contextlib import suppress
from importlib import import_module
from typing import BinaryIO

from tillhouse.parts.ai.domain.reading import Page, Unreadable, to_wire
from tillhouse.parts.ai.providers.reading.formats import Known, Pages, reader_of
from tillhouse.parts.ai.providers.reading.wire import Request

_NICER = 5  # who waits for a page of the house goes before who waits for a document


def main() -> None:
    """Read what comes in and write what it says. Ends with 0 also when the document cannot be read."""
    given, taken = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # what a library prints must not stand between pages
    request = Request.from_json(json.loads(given.readline()))
    _confine(request)
    page = 0
    try:
        content = given.read()
        total, pages = _open(content, request)
        _say(taken, {"total": total})
        for found in pages:
            page = found.number
            _check(found, request)
            _say(taken, _told(found))
        _say(taken, {"done": True})
    except Unreadable as error:
        _say(taken, {"failed": {"reason": error.reason, "page": error.page, "most": error.fields["most"]}})
    except Exception as error:  # noqa: BLE001  # a fault of a library is a fault of this document: the next may be read
        reason = "damaged" if page else "not_a_document"
        _say(
            taken,
            {"failed": {"reason": reason, "page": page + 1 if page else 0, "most": 0, "error": type(error).__name__}},
        )


def _open(content: bytes, request: Request) -> tuple[int, Pages]:
    name = reader_of(request.media_type, request.name, content[:1024])
    if not name:
        raise Unreadable("unknown_type")
    opened: tuple[int, Pages] = import_module(f"tillhouse.parts.ai.providers.reading.formats.{name}").read(
        content, request
    )
    return opened


def _check(found: Page | Known, request: Request) -> None:
    if found.number > request.limits.pages:
        raise Unreadable("too_many_pages", most=request.limits.pages)
    if isinstance(found, Page) and len(found.text) > request.limits.page_characters:
        raise Unreadable("too_large", found.number)


def _told(found: Page | Known) -> dict[str, object]:
    if isinstance(found, Known):
        return {"known": {"number": found.number, "fingerprint": found.fingerprint}}
    return {"page": to_wire(found)}


def _say(taken: BinaryIO, message: dict[str, object]) -> None:
    taken.write(json.dumps(message).encode() + b"\n")
    taken.flush()


def _confine(request: Request) -> None:
    """So much memory and no more, no file written, and last in line for the processor."""
    os.nice(_NICER)
    with suppress(ValueError, OSError):  # macOS has no such limit
        resource.setrlimit(resource.RLIMIT_AS, (request.memory_bytes, request.memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()

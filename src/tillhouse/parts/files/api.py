"""The door of files: bytes with an owner. Every read names the owner; another owner's file is not found.

Outside a transaction, because bytes move:

    found = await files.store_bytes(house, owner_id, "receipt.pdf", content, kind="documents.receipt")
    found, content = await files.read_bytes(house, owner_id, file_id)
    found, pieces = await files.stream(house, owner_id, file_id, start, end)
    return await files.serve(house, request, owner_id, file_id)       to a browser, in ranges, as nothing that it runs
    small = await files.preview(house, owner_id, file_id, 192)

Inside one:

    await files.find(session, owner_id, file_id)              ready files; `look` for every state; `list_of`
    await files.link(session, owner_id, file_id, lifetime)    an address for a player or a provider that fetches
    await files.delete(session, owner_id, file_id)            `delete_all_of` where the owner itself goes
    await files.change_owner(session, before, after)          where two owners turn out to be one
    await files.request_rendition(session, owner_id, file_id, "audio")    → RenditionReady; then `renditions`

A module that keeps files of its own provides a `FileKind` for each kind of them; `events` tells when one is ready.
"""

from tillhouse.parts.files.domain import IMAGES, MEDIA, REASONS, FileRefused, sniff, tidy_name
from tillhouse.parts.files.flows.previews import preview
from tillhouse.parts.files.flows.reading import Link, link, read_bytes, stream
from tillhouse.parts.files.flows.serving import serve
from tillhouse.parts.files.flows.storing import store_bytes
from tillhouse.parts.files.ports import FileKind, Rendition
from tillhouse.parts.files.service import (
    NoRoom,
    StoredFile,
    Usage,
    change_owner,
    delete,
    delete_all_of,
    find,
    list_of,
    look,
    renditions,
    request_rendition,
    room_for,
    usage,
)

__all__ = [
    "IMAGES",
    "MEDIA",
    "REASONS",
    "FileKind",
    "FileRefused",
    "Link",
    "NoRoom",
    "Rendition",
    "StoredFile",
    "Usage",
    "change_owner",
    "delete",
    "delete_all_of",
    "find",
    "link",
    "list_of",
    "look",
    "preview",
    "read_bytes",
    "renditions",
    "request_rendition",
    "room_for",
    "serve",
    "sniff",
    "store_bytes",
    "stream",
    "tidy_name",
    "usage",
]

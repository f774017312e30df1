"""What a document goes through on its way into the index.

received ─► parsing ─► indexing ─► ready ─► parsing (a new file in its place)
    └──────────┴──────────┴──► failed ─► parsing (tried again)
any of them ─► deleting ─► gone
"""

from enum import StrEnum


class DocumentState(StrEnum):
    """Where a document stands."""

    RECEIVED = "received"
    PARSING = "parsing"
    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"
    DELETING = "deleting"


_S = DocumentState
DOCUMENT_MOVES: dict[DocumentState, frozenset[DocumentState]] = {
    _S.RECEIVED: frozenset({_S.PARSING, _S.FAILED, _S.DELETING}),
    _S.PARSING: frozenset({_S.PARSING, _S.INDEXING, _S.FAILED, _S.DELETING}),
    _S.INDEXING: frozenset({_S.PARSING, _S.READY, _S.FAILED, _S.DELETING}),
    _S.READY: frozenset({_S.RECEIVED, _S.DELETING}),
    _S.FAILED: frozenset({_S.RECEIVED, _S.DELETING}),
    _S.DELETING: frozenset(),
}


def may_move(before: DocumentState, after: DocumentState) -> bool:
    """Whether a document may go from one state to the other."""
    return after in DOCUMENT_MOVES[before]

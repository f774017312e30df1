"""The process in which papers are typeset: one sheet in, one file out, until its parent is gone.

    python -m tillhouse.parts.documents.providers.typst.workshop MOST_BYTES_OF_MEMORY FONTS_FOLDER

A process of its own because Typst keeps what it has laid out (50 MB more for every long statement): here that memory
ends with the process, and a paper that takes for ever can be stopped. It is started without the parent's environment,
so that no secret is in it.
"""

import json
import pickle
import sys
from typing import BinaryIO

import psutil
import typst

from tillhouse.kernel.errors import InvalidInput
from tillhouse.parts.documents.providers.typst.typesetter import Typesetter
from tillhouse.parts.documents.providers.typst.wire import ANSWER, DONE, FAILED, LENGTH, REFUSED


def main() -> None:
    """Serve standard input until it ends, or until more than so much memory is taken."""
    most_memory, fonts_folder = int(sys.argv[1]), sys.argv[2]
    typesetter = Typesetter(fonts_folder=fonts_folder)
    sheets, answers = sys.stdin.buffer, sys.stdout.buffer
    last = False
    while not last and (head := sheets.read(LENGTH.size)):
        kind, body = _answer(typesetter, sheets.read(*LENGTH.unpack(head)))
        last = psutil.Process().memory_info().rss > most_memory
        _send(answers, kind, body, last=last)


def _answer(typesetter: Typesetter, message: bytes) -> tuple[bytes, bytes]:
    try:
        return DONE, typesetter.pdf(pickle.loads(message))  # noqa: S301  what the parent has pickled, and no one else
    except InvalidInput as refused:
        errors = [(error.pointer, error.code, error.message) for error in refused.errors]
        return REFUSED, json.dumps({"message": refused.message, "errors": errors}).encode()
    except typst.TypstError as failed:
        # Where it failed in our template; never the message, in which a person's text may stand.
        return FAILED, "; ".join(failed.trace or [type(failed).__name__]).encode()


def _send(answers: BinaryIO, kind: bytes, body: bytes, *, last: bool) -> None:
    answers.write(ANSWER.pack(kind, last, len(body)) + body)
    answers.flush()


if __name__ == "__main__":
    main()

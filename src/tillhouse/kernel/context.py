"""What every log line and every row written in a request or job can be traced by."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


def request_id() -> str | None:
    """The id of the request (or of the request that caused this job), None outside both."""
    return _request_id.get()


@contextmanager
def tracing(request_id: str | None) -> Iterator[None]:
    """Carry `request_id` while the block runs."""
    token = _request_id.set(request_id)
    try:
        yield
    finally:
        _request_id.reset(token)

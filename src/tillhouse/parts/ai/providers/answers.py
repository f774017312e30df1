"""What answers of endpoints mean, for every vendor that speaks HTTP. Nothing of an answer's text is kept: it may quote
the prompt; its codes are."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from tillhouse.kernel.outbound import NotSent, OutcomeUnknown
from tillhouse.kernel.sse import BrokenStream
from tillhouse.parts.ai.domain.failures import ModelFailure, Trouble

W = TypeVar("W", bound=BaseModel)

_CODE = re.compile(r"[a-z0-9_.-]{1,60}", re.IGNORECASE)
# 429 with one of these is not a busy endpoint: nothing but a person with a card mends it.
_SPENT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "insufficient_balance", "billing_error"})


class ErrorObject(BaseModel):
    """What went wrong. Google says it in `status` and vLLM in `type`; their `code` is the HTTP status once more."""

    model_config = ConfigDict(extra="ignore")

    type: str | None = None
    code: str | int | None = None
    status: str | int | None = None

    @property
    def word(self) -> str:
        """The name of the error."""
        words = [one for one in (self.code, self.status, self.type) if one and isinstance(one, str)]
        return words[0] if words else str(self.code or "")


class _Body(ErrorObject):
    error: ErrorObject | None = None  # vLLM once sent the error without anything around it


_BODIES = TypeAdapter(_Body | list[_Body])  # Gemini's is the one item of a list


@contextmanager
def translated(begun: "Progress") -> Iterator[None]:
    """What the way out raises, as `ModelFailure`: before anything was accepted, or in the middle of it."""
    try:
        yield
    except NotSent:
        raise ModelFailure("not_sent") from None
    except OutcomeUnknown:
        trouble: Trouble = "cut" if begun.accepted else "late"
        raise ModelFailure(trouble, "no_answer", request_id=begun.request_id) from None
    except BrokenStream:
        raise ModelFailure("nonsense", "stream", request_id=begun.request_id) from None


class Progress:
    """How far a call has come."""

    def __init__(self) -> None:
        self.accepted = False
        self.request_id = ""


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> ModelFailure:
    """The failure behind an answer that is not 2xx."""
    code = _code_in(body)
    trouble: Trouble = "refused"
    if status == 429 and code not in _SPENT:
        trouble = "busy"
    elif status >= 500 or status == 408:
        trouble = "down"
    return ModelFailure(
        trouble,
        f"http_{status}" + (f":{code}" if code else ""),
        request_id=request_id(headers),
        retry_after=_retry_after(headers),
    )


def error_within(code: str | None, *, shown: bool, request_id: str) -> ModelFailure:
    """An error that came as an event of a stream that had been accepted: nothing shown yet, it is as a 5xx before."""
    tidy = code if code and _CODE.fullmatch(code) else "error"
    return ModelFailure("cut" if shown else "down", tidy, request_id=request_id)


def request_id(headers: Mapping[str, str]) -> str:
    """The endpoint's own name of a call."""
    return headers.get("x-request-id") or headers.get("request-id") or ""


def read(shape: type[W], body: bytes | str, request_id: str = "") -> W:
    """An answer in its shape. Raises `ModelFailure`."""
    try:
        return shape.model_validate_json(body)
    except ValidationError:
        raise ModelFailure("nonsense", "shape", request_id=request_id) from None


def _code_in(body: bytes) -> str:
    try:
        found = _BODIES.validate_json(body)
    except ValidationError:
        return ""
    whole = found if isinstance(found, _Body) else next(iter(found), _Body())
    code = (whole.error or whole).word
    return code if _CODE.fullmatch(code) else ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) * scale
        except (KeyError, ValueError):
            continue
        if 0 <= seconds < 86_400:
            return seconds
    return None

"""The tree of failures that a person or a calling program can do something about.

    DomainError
    ├── InvalidInput       422  the request is understood and refused; `errors` names the fields
    ├── NotAuthenticated   401  nobody, or a token that is no longer good
    ├── Forbidden          403  somebody, but not allowed
    ├── NotFound           404  does not exist, or is not yours (the two look the same)
    ├── Conflict           409  the state of the thing does not allow it
    ├── PayloadTooLarge    413
    ├── TooManyRequests    429  with `retry_after`
    └── TransientError     503  the only one that is retried

Failures are raised, never returned: raising rolls the transaction back. Sentences are English message ids with
named `{fields}`; the edge translates them and formats the fields in the reader's language.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field: `pointer` is a JSON pointer (`/amount`), `code` is stable for programs."""

    pointer: str
    code: str
    message: str


class DomainError(Exception):
    """A refusal with a stable `code`, an HTTP `status` and a sentence that tells a person what to do.

    `message` may hold `{named}` fields that are filled from `fields` when it is shown.
    """

    code: ClassVar[str]
    status: ClassVar[int]

    def __init__(self, message: str, *, errors: Sequence[FieldError] = (), **fields: object) -> None:
        super().__init__(message)
        self.message = message
        self.errors = tuple(errors)
        self.fields: Mapping[str, object] = fields

    def __str__(self) -> str:
        return self.message.format(**self.fields) if self.fields else self.message


class InvalidInput(DomainError):
    """Understood and refused: `errors` names the fields and what to do about each."""

    code = "invalid_input"
    status = 422


class NotAuthenticated(DomainError):
    """Nobody is signed in, or the credential is no longer good."""

    code = "not_authenticated"
    status = 401


class Forbidden(DomainError):
    """Somebody is signed in, but may not do this."""

    code = "forbidden"
    status = 403


class NotFound(DomainError):
    """It does not exist or belongs to someone else: the two look the same."""

    code = "not_found"
    status = 404


class Conflict(DomainError):
    """The present state of the thing does not allow this."""

    code = "conflict"
    status = 409


class PayloadTooLarge(DomainError):
    """More bytes than this address takes."""

    code = "payload_too_large"
    status = 413


class TooManyRequests(DomainError):
    """Refused for now; `retry_after` is in seconds, `headers` say more to programs."""

    code = "too_many_requests"
    status = 429

    def __init__(
        self,
        message: str,
        *,
        retry_after: int,
        headers: Mapping[str, str] | None = None,
        errors: Sequence[FieldError] = (),
        **fields: object,
    ) -> None:
        super().__init__(message, errors=errors, **fields)
        self.headers = headers or {}
        self.retry_after = retry_after


class TransientError(DomainError):
    """The outside, or the database, could not answer this time: the same call may succeed later."""

    code = "temporarily_unavailable"
    status = 503

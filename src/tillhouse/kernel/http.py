"""What an HTTP edge needs: the request's transaction, the house, and failures as RFC 9457 problem details.

The transaction's dependency has `scope="function"`: it commits before the response is sent, and a commit that fails is
a failure that the client sees. (FastAPI's default commits after the 200 has gone.)
"""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Protocol

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tillhouse.kernel.context import request_id
from tillhouse.kernel.db import JsonObject, ReadSession, Session
from tillhouse.kernel.errors import DomainError, FieldError, InvalidInput, TooManyRequests, TransientError
from tillhouse.kernel.house import House
from tillhouse.kernel.logs import get_logger
from tillhouse.kernel.text import N_
from tillhouse.kernel.web.errors import sentence_of
from tillhouse.kernel.web.i18n import gettext

log = get_logger(__name__)


def house_of_request(request: Request) -> House:
    """The house that answers this request."""
    house: House = request.app.state.house
    return house


async def _the_house(request: Request) -> House:
    """`house_of_request` as a dependency: one that is not `async` is run in a thread, for a microsecond of work."""
    return house_of_request(request)


async def _write(request: Request) -> AsyncIterator[Session]:
    async with house_of_request(request).database.transaction() as session:
        request.state.session = session
        if first := getattr(request.state, "on_transaction", None):
            await first(session)
        yield session


async def _read(request: Request) -> AsyncIterator[ReadSession]:
    async with house_of_request(request).database.reading() as session:
        request.state.session = session
        yield session


def opens_transaction(dependency: object) -> bool:
    """Whether a dependency is `Write`'s: the route works in one transaction."""
    return dependency is _write


Write = Annotated[Session, Depends(_write, scope="function")]
Read = Annotated[ReadSession, Depends(_read, scope="function")]
TheHouse = Annotated[House, Depends(_the_house)]


class Problem(Protocol):
    """Renders a failure for whoever asked: JSON for programs, a page or fragment for people."""

    def __call__(self, request: Request, error: DomainError) -> Response: ...


def problem_json(request: Request, error: DomainError) -> JSONResponse:
    """A failure as `application/problem+json` (RFC 9457) with `errors: [{pointer, code, message}]`."""
    body = {
        "type": "about:blank",
        "title": type(error).__name__,
        "status": error.status,
        "detail": sentence_of(error),
        "code": error.code,
        "errors": [{"pointer": e.pointer, "code": e.code, "message": gettext(e.message)} for e in error.errors],
        "request_id": request_id(),
    }
    headers = dict(error.headers) if isinstance(error, TooManyRequests) else {}
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.retry_after)
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(body, error.status, headers, media_type="application/problem+json")


_TEXT: JsonObject = {"type": "string"}
_FIELD_ERROR: JsonObject = {
    "type": "object",
    "required": ["pointer", "code", "message"],
    "properties": {"pointer": _TEXT, "code": _TEXT, "message": _TEXT},
}
_PROBLEM: JsonObject = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "errors", "request_id"],
    "properties": {
        "type": _TEXT,
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do, in the reader's language."},
        "code": {"type": "string", "description": "Stable, for programs."},
        "errors": {"type": "array", "items": _FIELD_ERROR},
        "request_id": _TEXT,
    },
}
# What `problem_json` answers, as every operation of the API's description says it.
PROBLEMS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "Refused.", "content": {"application/problem+json": {"schema": _PROBLEM}}}
}


class CrashBarrier:
    """Turns an error of ours into an answer: logged with its traceback, told without.

    The innermost of our middleware, so that the answer passes the others and carries their headers.
    """

    def __init__(self, app: ASGIApp, render: Problem) -> None:
        self.app, self._render = app, render

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            await self._render(Request(scope), _as_domain_error(error))(scope, receive, send)


def _as_domain_error(error: Exception) -> DomainError:
    if isinstance(error, HTTPException):  # raised by middleware, before the framework's own handler
        return _from_status(error.status_code)
    log.error("crash", exc_info=error)
    return _Crash(_CRASHED)


_CRASHED = N_("Something broke on our side. It has been noted; nothing half done was kept.")


class _Crash(DomainError):
    code = "internal_error"
    status = 500


def install_problems(app: FastAPI, render: Problem) -> None:
    """Answer every failure with `render`."""

    async def domain(request: Request, error: Exception) -> Response:
        assert isinstance(error, DomainError)
        return render(request, error)

    async def validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return render(request, _from_status(404) if _leads_nowhere(request, error) else _invalid(error))

    async def framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        response = render(request, _from_status(error.status_code))
        response.headers.update(error.headers or {})
        return response

    def busy(request: Request, _error: Exception) -> Response:
        # It says nothing of what was done: a flow may have got half way, and a commit's answer be lost.
        return render(request, TransientError(N_("The house is busy or restarting. Try again in a moment.")))

    async def database(request: Request, error: Exception) -> Response:
        assert isinstance(error, DBAPIError)
        if error.connection_invalidated or _is_transient(error):
            return busy(request, error)
        if _state_of(error) in _UNSTORABLE:
            return render(request, InvalidInput(N_("The request could not be understood.")))
        raise error

    app.add_exception_handler(DomainError, domain)
    app.add_exception_handler(RequestValidationError, validation)
    app.add_exception_handler(HTTPException, framework)
    app.add_exception_handler(DBAPIError, database)
    app.add_exception_handler(NoConnectionLeft, busy)


class _HttpError(DomainError):
    """A failure that the framework found: unknown path, wrong method."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status  # type: ignore[misc]  # the framework decides it per request
        self.code = code  # type: ignore[misc]


def _from_status(status: int) -> DomainError:
    code, sentence = {
        404: ("not_found", N_("There is nothing at this address.")),
        413: ("payload_too_large", N_("This is more than we take at this address: send less at once.")),
        405: ("method_not_allowed", N_("This address does not take that method.")),
    }.get(status, ("http_error", N_("The request could not be understood.")))
    return _HttpError(status, code, sentence)


def _leads_nowhere(request: Request, error: RequestValidationError) -> bool:
    """Whether a page's own address is what is wrong: a person who followed it has no fields to correct."""
    return not request.url.path.startswith("/api/") and any(found["loc"][:1] == ("path",) for found in error.errors())


def _invalid(error: RequestValidationError) -> InvalidInput:
    errors = []
    for found in error.errors():
        path = [str(part) for part in found["loc"] if part not in ("body", "query", "path", "header")]
        errors.append(FieldError("/" + "/".join(path), str(found["type"]), str(found["msg"])))
    return InvalidInput(N_("Some fields need another look."), errors=errors)


# Serialization failure, deadlock, lock timeout, statement timeout, too many connections, server starting or stopping.
_TRANSIENT_STATES = ("40001", "40P01", "55P03", "57014", "53300", "57P01", "57P02", "57P03", "08")

_UNSTORABLE = ("22021", "22P05")  # a NUL in a text, in JSON


def _is_transient(error: DBAPIError) -> bool:
    return _state_of(error).startswith(_TRANSIENT_STATES)


def _state_of(error: DBAPIError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")

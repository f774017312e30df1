"""`/fcm/token` and `/fcm/v1/projects/{project}/messages:send`.

The token endpoint checks the service account's signed word (issuer, audience, times); whose key signed it is not known
here, so any key will do. A token that begins with `gone` is a phone that is there no more.
"""

import json
from typing import Annotated, Any, ClassVar

import jwt
from fastapi import APIRouter, Form, Header
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from tillhouse.sandbox import ids
from tillhouse.sandbox.player import Refusal
from tillhouse.sandbox.store import Record
from tillhouse.sandbox.world import Here

PREFIX = "/fcm"
_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE = 3600
_MOST_BYTES = 4096
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class AccessToken(Record):
    """A token that was given out."""

    kind: ClassVar[str] = "fcm_token"

    issuer: str


class Push(Record):
    """A push that was taken, by FCM or by a browser's push service."""

    kind: ClassVar[str] = "push"

    to: str
    title: str
    body: str
    data: dict[str, str] = {}


class FcmError(Refusal):
    """A refusal as Google words it. `code` is FCM's own."""

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(message)
        self.status, self.message, self.code = status, message, code

    def response(self) -> JSONResponse:
        error: dict[str, JsonValue] = {
            "code": self.status,
            "message": self.message,
            "status": _STATUS.get(self.status, "INTERNAL"),
        }
        if self.code:
            kind = "type.googleapis.com/google.firebase.fcm.v1.FcmError"
            error["details"] = [{"@type": kind, "errorCode": self.code}]
        return JSONResponse({"error": error}, self.status)


class Notification(BaseModel):
    """What a phone shows."""

    title: str = ""
    body: str = ""


class PushMessage(BaseModel):
    """A message. What else Google knows of is accepted and ignored."""

    model_config = ConfigDict(extra="allow")

    token: str = ""
    fid: str = ""
    topic: str = ""
    notification: Notification = Notification()
    data: dict[str, str] = {}


class SendBody(BaseModel):
    """`messages:send`."""

    validate_only: bool = Field(default=False, alias="validateOnly")
    message: PushMessage


router = APIRouter(prefix=PREFIX)


@router.post("/token")
async def token(
    world: Here, grant_type: Annotated[str, Form()] = "", assertion: Annotated[str, Form()] = ""
) -> Response:
    """An access token for a service account's word."""
    try:
        claims = jwt.decode(assertion, options={"verify_signature": False, "verify_aud": False, "verify_exp": False})
        header = jwt.get_unverified_header(assertion)
    except jwt.InvalidTokenError:
        claims, header = {}, {}
    wrong = _wrong_claims(grant_type, claims, header)
    if wrong:
        return JSONResponse({"error": "invalid_grant", "error_description": wrong}, 400)
    issued = AccessToken(id=f"ya29.{ids.token(60)}", created_at=world.clock.now_s(), issuer=str(claims["iss"]))
    world.store.put(issued)
    return JSONResponse({"access_token": issued.id, "expires_in": _LIFE - 1, "token_type": "Bearer"})


@router.post("/v1/projects/{project}/messages:send")
async def send(
    world: Here, project: str, body: SendBody, authorization: Annotated[str, Header()] = ""
) -> dict[str, str]:
    """Take a push."""
    if not _is_good(world, authorization):
        raise FcmError(401, "Request had invalid authentication credentials.", "THIRD_PARTY_AUTH_ERROR")
    message = body.message
    target = message.token or message.fid or message.topic
    if not target:
        raise FcmError(400, "Exactly one of token, topic, condition or fid is needed.", "INVALID_ARGUMENT")
    if target.startswith("gone"):
        raise FcmError(404, "Requested entity was not found.", "UNREGISTERED")
    if len(json.dumps(message.model_dump(), ensure_ascii=False).encode()) > _MOST_BYTES:
        raise FcmError(400, "Message is too big.", "INVALID_ARGUMENT")
    taken = Push(
        id=f"projects/{project}/messages/{ids.token(20)}",
        created_at=world.clock.now_s(),
        to=target,
        title=message.notification.title,
        body=message.notification.body,
        data=message.data,
    )
    if not body.validate_only:
        world.store.put(taken)
    return {"name": taken.id}


def invalid(errors: Any) -> Response:
    """The first thing that is wrong with a body."""
    where = ".".join(str(part) for part in errors[0]["loc"][1:])
    return FcmError(400, f"Invalid value at '{where}': {errors[0]['msg']}", "INVALID_ARGUMENT").response()


def trouble(status: int) -> Response:
    """429 and 5xx."""
    code = {429: "QUOTA_EXCEEDED", 503: "UNAVAILABLE"}.get(status, "INTERNAL")
    return FcmError(status, "The service is in trouble.", code).response()


def no_such_url(_method: str, path: str, _status: int) -> Response:
    """A path that Google does not serve."""
    return FcmError(404, f"The requested URL {path} was not found on this server.").response()


def _wrong_claims(grant_type: str, claims: dict[str, Any], header: dict[str, Any]) -> str:
    if grant_type != _GRANT:
        return "Invalid grant_type."
    if header.get("alg") != "RS256" or not claims.get("iss"):
        return "Invalid JWT Signature."
    if _SCOPE not in str(claims.get("scope", "")) and "cloud-platform" not in str(claims.get("scope", "")):
        return "Invalid OAuth scope or ID token audience provided."
    lifetime = int(claims.get("exp", 0)) - int(claims.get("iat", 0))
    if not 0 < lifetime <= _LIFE:
        return "Token must be a short-lived token (60 minutes) and in a reasonable timeframe."
    return ""


def _is_good(world: Here, authorization: str) -> bool:
    found = world.store.get(AccessToken, authorization.removeprefix("Bearer "))
    return found is not None and world.clock.now_s() - found.created_at < _LIFE

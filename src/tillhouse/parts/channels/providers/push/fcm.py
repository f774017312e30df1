"""FCM HTTP v1: a service account's signed word for an access token, then one call per phone."""

import asyncio
import json
from datetime import datetime, timedelta

import jwt
from pydantic import BaseModel, ConfigDict

from tillhouse.kernel import clock
from tillhouse.kernel.db import JsonObject
from tillhouse.kernel.outbound import Answer, NotSent, Outbound, OutcomeUnknown
from tillhouse.kernel.text import N_
from tillhouse.parts.channels.domain.messages import Channel
from tillhouse.parts.channels.ports import Gone, Outgoing, Refused, Taken

_SCOPE = "https://www.googleapis.com/auth/firebase.messaging"
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LIFE = timedelta(hours=1)
_EARLY = timedelta(minutes=2)  # a token is renewed before it ends, so that no push fails on it
_LONGEST = 3_000  # characters of a body: 4096 bytes hold the whole message


class ServiceAccount(BaseModel):
    """Google's JSON for a service account, as far as it is needed."""

    model_config = ConfigDict(extra="ignore")

    project_id: str
    client_email: str
    private_key: str
    private_key_id: str = ""
    token_uri: str = "https://oauth2.googleapis.com/token"  # noqa: S105  an address


class FcmCarrier:
    """Hands pushes for phones to Google."""

    name = "fcm"
    channel: Channel = "push"

    def __init__(self, outbound: Outbound, account: ServiceAccount, *, url: str, token_url: str) -> None:
        self._outbound, self._account, self._token_url = outbound, account, token_url
        self._url = f"{url.rstrip('/')}/v1/projects/{account.project_id}/messages:send"
        self._token, self._until = "", datetime.min.replace(tzinfo=clock.now().tzinfo)
        self._renewing = asyncio.Lock()

    async def carry(self, message: Outgoing) -> Taken:
        if message.target is None:
            raise Refused("no_device")
        token = await self._access_token()
        answer = await self._outbound.send(
            self.name,
            "POST",
            self._url,
            json={"message": _message(message, message.target.token)},
            headers={"Authorization": f"Bearer {token}"},
        )
        if answer.ok:
            return Taken(str(_json(answer).get("name") or "") or None)
        raise self._failure(answer)

    def _failure(self, answer: Answer) -> Exception:
        code = _code(answer)
        if code == "UNREGISTERED" or (code == "INVALID_ARGUMENT" and _is_of_the_token(answer)):
            return Gone(f"fcm_{code}")
        if answer.status == 401:
            self._token = ""  # revoked or spoilt: the next try asks for another
            return NotSent(N_("{provider} cannot be reached right now."), provider=self.name)
        if answer.status in (429, 503):
            return NotSent(N_("{provider} cannot be reached right now."), provider=self.name)
        if answer.status >= 500:
            return OutcomeUnknown(N_("{provider} did not answer in time."), provider=self.name)
        return Refused(f"fcm_{code}")

    async def _access_token(self) -> str:
        async with self._renewing:
            if not self._token or clock.now() >= self._until - _EARLY:
                await self._renew()
            return self._token

    async def _renew(self) -> None:
        now, account = clock.now(), self._account
        claims = {
            "iss": account.client_email,
            "scope": _SCOPE,
            "aud": account.token_uri,
            "iat": int(now.timestamp()),
            "exp": int((now + _LIFE).timestamp()),
        }
        headers = {"kid": account.private_key_id} if account.private_key_id else None
        assertion = jwt.encode(claims, account.private_key, algorithm="RS256", headers=headers)
        form = {"grant_type": _GRANT, "assertion": assertion}
        try:
            answer = await self._outbound.send(self.name, "POST", self._token_url, form=form)
        except OutcomeUnknown as error:  # a token that nobody has had is no push
            raise NotSent(N_("{provider} cannot be reached right now."), provider=self.name) from error
        found = _json(answer)
        if not answer.ok or not found.get("access_token"):
            if answer.status >= 500 or answer.status == 429:
                raise NotSent(N_("{provider} cannot be reached right now."), provider=self.name)
            raise Refused(f"fcm_{found.get('error') or answer.status}")
        lifetime = found.get("expires_in")
        self._token = str(found["access_token"])
        self._until = now + (timedelta(seconds=lifetime) if isinstance(lifetime, int) else _LIFE)


def _message(message: Outgoing, token: str) -> JsonObject:
    """`collapse_key` and tag are our own id: a second copy replaces the first on the screen."""
    return {
        "token": token,
        "notification": {"title": message.subject, "body": message.text[:_LONGEST]},
        "data": {"message_id": str(message.id), "url": message.url},
        "android": {"collapse_key": str(message.id), "notification": {"tag": str(message.id)}},
        "apns": {"headers": {"apns-collapse-id": str(message.id)}},
    }


def _code(answer: Answer) -> str:
    error = _json(answer).get("error")
    if not isinstance(error, dict):
        return str(answer.status)
    details = error.get("details")
    for detail in details if isinstance(details, list) else []:
        if isinstance(detail, dict) and detail.get("errorCode"):
            return str(detail["errorCode"])
    return str(error.get("status") or answer.status)


def _is_of_the_token(answer: Answer) -> bool:
    """Whether what is wrong with a message is its token: one that never was any."""
    error = _json(answer).get("error")
    if not isinstance(error, dict):
        return False
    details = error.get("details")
    violations = [
        one
        for detail in (details if isinstance(details, list) else [])
        if isinstance(detail, dict) and isinstance(found := detail.get("fieldViolations"), list)
        for one in found
    ]
    named = any(isinstance(one, dict) and one.get("field") == "message.token" for one in violations)
    return named or "registration token" in str(error.get("message")).lower()


def _json(answer: Answer) -> JsonObject:
    try:
        found = json.loads(answer.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}

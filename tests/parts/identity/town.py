"""A small town to test identity in: a web process, its jobs, an inbox, and people who can be anyone."""

import re
from dataclasses import dataclass
from typing import Literal

import httpx
import pyotp
from fastapi import FastAPI

from tillhouse.kernel import clock
from tillhouse.kernel.access import SYSTEM
from tillhouse.kernel.house import House
from tillhouse.kernel.work import run_due
from tillhouse.parts.identity import store
from tillhouse.parts.identity.domain import Identifier, PersonRole, parse_identifier
from tillhouse.parts.identity.models import TotpRow
from tillhouse.parts.identity.service import machines, people, sessions
from tillhouse.parts.identity.service.passwords import passwords_of
from tillhouse.sandbox.app import Sandbox

PASSWORD = "seven green parrots"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


@dataclass
class Town:
    """`call` sends a request; `code_to` runs the jobs and reads the newest code out of an inbox."""

    house: House
    app: FastAPI
    sandbox: Sandbox

    async def call(
        self,
        method: str,
        path: str,
        json: object = None,
        *,
        token: str | None = None,
        cookie: str | None = None,
        address: str = "203.0.113.7",
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        cookies = {"till_session": cookie} if cookie else {}
        transport = httpx.ASGITransport(self.app, client=(address, 50000))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver", cookies=cookies) as client:
            return await client.request(method, f"/api/v1{path}", json=json, headers=headers)

    async def post(self, path: str, json: object = None, **how: str | None) -> httpx.Response:
        return await self.call("POST", path, json, **how)  # type: ignore[arg-type]  # token, cookie and address alone

    async def messages_to(self, address: str) -> list[str]:
        """Texts in the inbox of an address, newest first, after the jobs have run."""
        await run_due(self.house)
        return [message.body for message in self.sandbox.world.inbox.messages(address)]

    async def code_to(self, address: str) -> str:
        found = re.search(r"\b(\d{6})\b", (await self.messages_to(address))[0])
        assert found
        return found[1]

    async def register(self, email: str, *, password: str | None = PASSWORD, name: str = "Asha Rao") -> httpx.Response:
        return await self.post("/auth/register", {"email": email, "password": password, "full_name": name})

    async def resident(
        self, identifier: str = "asha@example.com", *, role: PersonRole = "user", password: str | None = PASSWORD
    ) -> "Resident":
        """Someone who is here already, signed in; `staff` and `admin` with their second factor shown."""
        found = parse_identifier(identifier)
        password_hash = await passwords_of(self.house).hash(password) if password else None
        async with self.house.database.transaction() as session:
            person = await people.create(session, "Asha Rao", [found], password_hash=password_hash, role=role)
            begun = await sessions.begin(session, person, "api", "Firefox", 1 if role == "user" else 2)
        assert begun.tokens
        return Resident(found, str(person.id), begun.tokens.access_token, begun.tokens.refresh_token)

    async def machine(self, *scopes: str) -> str:
        async with self.house.database.transaction() as session:
            return (await machines.create(session, SYSTEM, "robot", scopes)).key

    async def browser(self, identifier: str, kind: Literal["api", "pages"] = "pages") -> str:
        """The cookie of a new session of someone who is here already."""
        async with self.house.database.transaction() as session:
            person = await store.person_by_identifier(session, parse_identifier(identifier))
            assert person
            cookie = (await sessions.begin(session, person, kind, "Firefox")).cookie
        assert cookie
        return cookie

    async def give_totp(self, who: "Resident") -> pyotp.TOTP:
        """A confirmed authenticator, and the app that makes its codes."""
        async with self.house.database.transaction() as session:
            sealed = self.house.vault.seal(SECRET)
            now = clock.now()
            session.add(TotpRow(person_id=who.id, secret=sealed, counter=0, confirmed_at=now, created_at=now))
        return pyotp.TOTP(SECRET)


@dataclass(frozen=True)
class Resident:
    identifier: Identifier
    id: str
    token: str
    refresh_token: str

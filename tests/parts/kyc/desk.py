"""A town with a desk at which papers are handed in and looked at."""

import io
from dataclasses import dataclass, replace
from uuid import UUID

import httpx
from PIL import Image

from tests.parts.identity.town import PASSWORD, Resident, Town
from tillhouse.kernel.access import Principal
from tillhouse.kernel.work import enqueue, run_due
from tillhouse.parts.kyc import store
from tillhouse.parts.kyc.domain import Owner
from tillhouse.parts.kyc.events import LookAfter
from tillhouse.parts.kyc.models import CaseRow
from tillhouse.parts.kyc.service import reviews

DETAILS: dict[str, object] = {
    "name": "Asha Rao",
    "birth_date": "1990-04-01",
    "country": "IN",
    "id_kind": "pan",
    "id_number": "abcpr 1234 d",
}


def photo(size: tuple[int, int] = (400, 500), form: str = "JPEG", colour: str = "green") -> bytes:
    """A picture, as a phone sends one."""
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, form)
    return out.getvalue()


@dataclass
class Desk(Town):
    """What people and reviewers do."""

    async def send(
        self, who: Resident, level: str, kind: str, content: bytes | None = None, query: str = ""
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return await client.post(
                f"/api/v1/kyc/{level}/papers{query}",
                files={"file": ("IMG_1.jpg", photo() if content is None else content, "image/jpeg")},
                data={"kind": kind},
                headers={"Authorization": f"Bearer {who.token}"},
            )

    async def submit(self, who: Resident, level: str = "basic", query: str = "", **changed: object) -> httpx.Response:
        body = {"details": {**DETAILS, **changed} if level == "basic" else None}
        return await self.post(f"/kyc/{level}/submit{query}", body, token=who.token)

    async def hand_in(self, who: Resident, level: str = "basic", **changed: object) -> UUID:
        """Send what a level wants, hand it in, and have it checked. Returns the case's id."""
        for kind in ("id_front",) if level == "basic" else ("selfie", "bank_proof"):
            assert (await self.send(who, level, kind)).status_code == 201
        answer = await self.submit(who, level, **changed)
        assert answer.status_code == 200, answer.text
        await run_due(self.house)
        return (await self.newest(who)).id

    async def again(self, who: Resident) -> Resident:
        """Signed in anew."""
        body = {"identifier": who.identifier.value, "password": PASSWORD}
        return replace(who, token=(await self.post("/auth/login", body)).json()["access_token"])

    async def newest(self, who: Resident) -> CaseRow:
        async with self.house.database.reading() as session:
            return (await store.cases_of(session, Owner("person", UUID(who.id))))[0]

    async def state(self, who: Resident, level: str = "basic") -> dict[str, object]:
        answer = await self.call("GET", f"/kyc/{level}", token=who.token)
        assert answer.status_code == 200, answer.text
        found: dict[str, object] = answer.json()
        return found

    async def look_after(self) -> None:
        async with self.house.database.transaction() as session:
            await enqueue(session, LookAfter())
        await run_due(self.house)

    async def approve(self, case_id: UUID, *reviewers: Resident) -> None:
        """Each of the reviewers in turn."""
        for one in reviewers:
            async with self.house.database.transaction() as session:
                await reviews.approve(session, principal(one), case_id)
        await run_due(self.house)

    async def reject(self, case_id: UUID, reviewer: Resident, *reasons: str) -> None:
        async with self.house.database.transaction() as session:
            await reviews.reject(session, principal(reviewer), case_id, reasons)
        await run_due(self.house)


def principal(who: Resident) -> Principal:
    """Someone as services see them."""
    return Principal("person", UUID(who.id))

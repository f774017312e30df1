"""A house with people, files and chats, and phones to hold. Products play their flows with `Phone` as well.

phone = Phone(town, "+919845012345")
await phone.writes("hello")
assert await phone.hears() == ["Shall we begin?"]
await phone.taps("Yes")
"""

from dataclasses import dataclass, field
from datetime import timedelta
from io import BytesIO

import httpx
from fastapi import FastAPI
from PIL import Image

from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.work import fire_schedules, run_due
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.clock import ManualClock
from tillhouse.sandbox.transport import SandboxTransport

_ROUNDS = 12  # of what follows from one message: webhook, job, answer, its statuses


@dataclass
class ChatTown:
    """The house, the outside world, and what happens between them when time passes."""

    house: House
    app: FastAPI
    sandbox: Sandbox
    clock: ManualClock

    async def settle(self) -> None:
        """Webhooks arrive, jobs run, answers are delivered, until nothing happens any more."""
        for _ in range(_ROUNDS):
            tries = await self.sandbox.deliver_due()
            done = await self.run_jobs()
            self.clock.advance(1)
            if not tries and not done and self.sandbox.world.store.next_due() is None:
                return

    async def run_jobs(self) -> int:
        return len(await run_due(self.house))

    async def webhooks(self) -> dict[str, list[dict[str, str]]]:
        """What the sandbox sent, newest first."""
        async with httpx.AsyncClient(transport=SandboxTransport(self.sandbox), base_url="http://sandbox") as client:
            found: dict[str, list[dict[str, str]]] = (await client.get("/_sandbox/webhooks")).json()
        return found

    async def fault(self, wish: dict[str, object]) -> httpx.Response:
        """Have something go wrong."""
        async with httpx.AsyncClient(transport=SandboxTransport(self.sandbox), base_url="http://sandbox") as client:
            return await client.post("/_sandbox/faults", json=wish)

    async def at_the_sandbox(self, method: str, path: str, **how: object) -> httpx.Response:
        transport = SandboxTransport(self.sandbox)
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox") as client:
            return await client.request(method, f"/_sandbox/whatsapp{path}", **how)  # type: ignore[arg-type]


@dataclass
class Phone:
    """Someone's phone, at the sandbox. What was heard once is not heard again."""

    town: ChatTown
    number: str
    name: str = "Asha Rao"
    via: str = "cloud"
    hides_phone: bool = False
    _heard: set[str] = field(default_factory=set)
    _shown: list[dict[str, object]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return f"{self.via}:{self.number.removeprefix('+')}"

    async def writes(self, text: str) -> None:
        await self._do("/messages", json={"type": "text", "text": text})

    async def taps(self, title: str, *, of: int = -1) -> None:
        """Press a button or row by its title, of the last message that has it, or of an earlier one (`of`=-2…)."""
        await self.look()
        having = [
            (one, choice)
            for one in self._shown
            for choice in (*one["buttons"], *one["rows"])  # type: ignore[misc]  # as the sandbox writes it
            if choice["title"] == title
        ]
        message, choice = having[of]
        await self._do("/messages", json={"type": "press", "message_id": message["id"], "id": choice["id"]})

    async def sends_pictures(self, count: int = 1, *, settle: bool = True) -> None:
        files = [("file", (f"{n}.jpg", picture(n), "image/jpeg")) for n in range(count)]
        await self._do("/photos", files=files, settle=settle)

    async def sends(self, name: str, content: bytes, media_type: str) -> None:
        await self._do("/photos", files=[("file", (name, content, media_type))])

    async def is_at(self, latitude: float, longitude: float) -> None:
        await self._do("/messages", json={"type": "location", "latitude": latitude, "longitude": longitude})

    async def hears(self) -> list[str]:
        """What was said to the phone since it was asked last."""
        await self.town.settle()
        await self.look()
        new = [one for one in self._shown if not one["mine"] and one["id"] not in self._heard]
        self._heard |= {str(one["id"]) for one in new}
        return [str(one["text"]) for one in new]

    async def look(self) -> dict[str, object]:
        answer = await self.town.at_the_sandbox("GET", f"/{self.id}")
        found: dict[str, object] = answer.json()
        self._shown = found["messages"]  # type: ignore[assignment]
        return found

    async def take(self) -> None:
        """Have the phone."""
        wish = {"phone": self.number, "name": self.name, "via": self.via, "hides_phone": self.hides_phone}
        assert (await self.town.at_the_sandbox("POST", "", json=wish)).status_code == 200

    async def _do(self, path: str, *, settle: bool = True, **how: object) -> None:
        await self.take()
        answer = await self.town.at_the_sandbox("POST", f"/{self.id}{path}", **how)
        assert answer.status_code == 200, answer.text
        if settle:
            await self.town.settle()


def picture(shade: int = 0, kind: str = "JPEG") -> bytes:
    """A small picture, each shade another."""
    found = BytesIO()
    Image.new("RGB", (32, 24), (shade % 256, 80, 120)).save(found, kind)
    return found.getvalue()


async def later(town: ChatTown, at: clock.TestClock, by: timedelta) -> None:
    """Time passes, and the house notices."""
    await fire_schedules(town.house)  # one that is seen for the first time waits for its next turn
    at.advance(by)
    town.clock.advance(by.total_seconds())
    await fire_schedules(town.house)
    await town.settle()

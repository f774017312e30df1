"""Sending to Razorpay, and where it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel

from tillhouse.kernel.outbound import Outbound
from tillhouse.parts.payments.providers.answers import path_part, read
from tillhouse.parts.payments.providers.razorpay.settings import RazorpaySettings
from tillhouse.parts.payments.providers.razorpay_format import raise_for

W = TypeVar("W", bound=BaseModel)

_REAL = "https://api.razorpay.com/v1"


@dataclass(frozen=True, slots=True)
class Places:
    """Addresses of Razorpay: of the API, and of what its checkout loads in a browser."""

    api: str
    script: str
    scripts: tuple[str, ...]
    frames: tuple[str, ...]
    connections: tuple[str, ...]
    forms: tuple[str, ...]
    images: tuple[str, ...]

    @classmethod
    def at(cls, base_url: str) -> "Places":
        """Everything under one base URL, as a sandbox has it; the real Razorpay spreads over several hosts."""
        if base_url == _REAL:
            return cls(
                api=_REAL,
                script="https://checkout.razorpay.com/v1/checkout.js",
                scripts=("https://checkout.razorpay.com",),
                frames=("https://api.razorpay.com", "https://checkout.razorpay.com"),
                connections=("https://api.razorpay.com", "https://lumberjack.razorpay.com"),
                forms=("https://api.razorpay.com", "https://rzp.io", "https://pages.razorpay.com"),
                images=("https://rzp.io",),
            )
        parts = urlsplit(base_url)
        origin = (f"{parts.scheme}://{parts.netloc}",)
        return cls(base_url, f"{base_url}/checkout.js", origin, origin, origin, origin, origin)


class RazorpayClient:
    """One account at Razorpay. Every call goes through the house's outbound client."""

    def __init__(self, outbound: Outbound, settings: RazorpaySettings, *, sandbox: str = "") -> None:
        base = settings.base_url or (f"{sandbox.rstrip('/')}/razorpay/v1" if sandbox else _REAL)
        self.places = Places.at(base.rstrip("/"))
        self.settings = settings
        self._outbound = outbound

    async def get(self, shape: type[W], path: str, params: Mapping[str, str] | None = None) -> W:
        """One object or list. Raises `Refused`, `OutcomeUnknown`, `NotSent`."""
        return await self._send("GET", shape, path, params=params)

    async def post(
        self, shape: type[W], path: str, body: object = None, *, headers: Mapping[str, str] | None = None
    ) -> W:
        """Make or change one object. Raises `Refused`, `OutcomeUnknown`, `NotSent`."""
        return await self._send("POST", shape, path, body=body, headers=headers)

    async def put(self, shape: type[W], path: str) -> W:
        """Change one object. Raises `Refused`, `OutcomeUnknown`, `NotSent`."""
        return await self._send("PUT", shape, path)

    async def delete(self, shape: type[W], path: str) -> W:
        """Remove one object. Raises `Refused`, `OutcomeUnknown`, `NotSent`."""
        return await self._send("DELETE", shape, path)

    async def _send(
        self,
        method: Literal["GET", "POST", "PUT", "DELETE"],
        shape: type[W],
        path: str,
        *,
        body: object = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> W:
        answer = await self._outbound.send(
            "razorpay", method, self.places.api + path, json=body, params=params, headers=headers,
            auth=(self.settings.key_id, self.settings.key_secret),
        )  # fmt: skip
        raise_for(answer, "Razorpay")
        return read(shape, answer, "Razorpay")


def safe(identifier: str) -> str:
    """An id as part of a path. Raises `Refused` for one that could not be Razorpay's."""
    return path_part(identifier, "Razorpay")

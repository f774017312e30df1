"""Whatever a maker of pictures calls back, by the address that we gave it: no error of ours, nothing is believed."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

from hypothesis import strategies as st

from tests.money.test_webhook_fuzz import documents, hammer
from tests.parts.ai.test_images import Studio, studio
from tillhouse.kernel.work import run_due
from tillhouse.parts.ai.flows.imaging import callback_of

__all__ = ["studio"]


async def test_the_makers_door_takes_bodies_of_any_kind_and_orders_stay_as_they_are(studio: Studio) -> None:
    tune = await studio.tune()
    await run_due(studio.house)
    before = (await studio.look(tune)).state
    assert before not in ("done", "failed")
    found = urlsplit(callback_of(studio.house, tune))
    door = f"{found.path}?{found.query}"
    sent = 0

    async def knock(document: object, raw: bytes, number: int, kind: str) -> None:
        nonlocal sent
        for body in (json.dumps(document).encode(), json.dumps({kind: {"id": document}}).encode(), raw, odd(number)):
            sent += 1
            studio.client._transport.client = (f"10.7.{sent // 200}.1", 443)  # type: ignore[attr-defined]  # nobody meets the limit
            answer = await studio.client.post(door, content=body, headers={"Content-Type": "application/json"})
            assert answer.status_code == 202, (answer.status_code, body[:200])
        wrong = await studio.client.post(f"{found.path}?key=wrong", content=b"{}")
        assert wrong.status_code == 404
        await run_due(studio.house)

    loop = asyncio.get_running_loop()
    kinds = st.sampled_from(["tune", "prompt", "x", "\u0000"])
    await asyncio.to_thread(hammer(loop, documents, st.binary(max_size=300), st.integers(0, 3), kinds, knock=knock))
    assert (await studio.look(tune)).state == before, "what a callback says is a hint alone"


def odd(number: int) -> bytes:
    """Bodies that break readers."""
    shapes: tuple[Any, ...] = (
        b"[" * 200_000,
        b'{"tune":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"id": ' + b"9" * 100_000 + b"}",
        b"\xff\xfe{}",
    )
    return bytes(shapes[number])

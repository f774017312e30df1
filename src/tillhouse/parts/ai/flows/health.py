"""Whether the endpoints of models answer."""

from tillhouse.kernel.house import House
from tillhouse.parts.ai.flows.switchboard import Switchboard


async def endpoints_answer(house: House) -> None:
    """Raises `RuntimeError` naming the endpoints that this process leaves alone because they kept failing."""
    if found := house.the(Switchboard).open_breakers():
        raise RuntimeError(f"left alone after failures in a row: {', '.join(found)}")

"""A phone that is a page of the console: what is said to it is there as soon as it is recorded."""

from tillhouse.parts.channels.domain.messages import Channel
from tillhouse.parts.channels.ports import Outgoing, Taken

ACCOUNT = "simulator"


class SimulatorCarrier:
    """Takes everything and sends nothing: the page reads what was recorded."""

    name = "simulator"
    channel: Channel = "whatsapp"

    async def carry(self, message: Outgoing) -> Taken:
        return Taken(f"simulated-{message.id}")

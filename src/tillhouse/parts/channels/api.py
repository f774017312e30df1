"""The door of channels: `send(session, Recipient(...), "module.template", {...})`."""

from tillhouse.parts.channels.service import Recipient, send

__all__ = ["Recipient", "send"]

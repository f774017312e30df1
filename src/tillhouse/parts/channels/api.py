"""The door of channels: `send(session, Recipient(...), "module.template", {...})`."""

from tillhouse.parts.channels.service.messages import Recipient, send

__all__ = ["Recipient", "send"]

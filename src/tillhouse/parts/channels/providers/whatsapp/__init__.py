"""WhatsApp by Meta's Cloud API: messages out (`WhatsAppCarrier`), signed deliveries in (`read_delivery`)."""

from tillhouse.parts.channels.providers.whatsapp.client import WhatsAppCarrier
from tillhouse.parts.channels.providers.whatsapp.reading import is_signed, read_delivery

__all__ = ["WhatsAppCarrier", "is_signed", "read_delivery"]

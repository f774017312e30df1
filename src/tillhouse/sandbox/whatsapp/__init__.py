"""WhatsApp: Meta's Cloud API, and the phones at the other end, which Twilio's WhatsApp reaches as well."""

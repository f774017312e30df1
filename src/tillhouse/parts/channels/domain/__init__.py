"""The rules of messages and webhooks. No I/O, no framework."""

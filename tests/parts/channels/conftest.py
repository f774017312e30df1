"""Channels is tested in the town where identity is: its codes are the messages."""

from tests.parts.identity.conftest import at, house, town

__all__ = ["at", "house", "town"]

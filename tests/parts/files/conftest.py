"""Files is tested in the town where identity is: a file belongs to a person."""

from collections.abc import AsyncIterator

import pytest

from tests.parts.identity.conftest import at, town
from tillhouse.apps.compose import build_house
from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.channels.manifest import MODULE as CHANNELS
from tillhouse.parts.files.manifest import MODULE as FILES
from tillhouse.parts.identity.manifest import MODULE as IDENTITY

__all__ = ["at", "town"]


@pytest.fixture
async def house(settings: KernelSettings, monkeypatch: pytest.MonkeyPatch, at: clock.TestClock) -> AsyncIterator[House]:
    monkeypatch.setenv("IDENTITY_ARGON2_MEMORY_KIB", "64")
    built = build_house(settings, catalogue=(IDENTITY, CHANNELS, FILES))
    yield built
    await built.close()

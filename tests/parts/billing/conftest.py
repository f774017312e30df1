from collections.abc import AsyncIterator

import pytest

from tests.parts.billing.counter import Counter, open_counter
from tests.parts.identity.town import Town
from tillhouse.kernel.settings import KernelSettings
from tillhouse.sandbox.app import create_sandbox
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.smtp import smtp_server


@pytest.fixture
async def counter(settings: KernelSettings) -> AsyncIterator[Counter]:
    """A house that sells plans and points; when the test is over, every invariant has to hold."""
    async with open_counter(settings) as opened:
        yield opened


@pytest.fixture
async def mailed(settings: KernelSettings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Counter, Town]]:
    """The counter, and people of whom one can read the mail."""
    post = create_sandbox(SandboxSettings(web="http://testserver"))
    async with smtp_server(post.world.inbox, "127.0.0.1", 0) as port:
        monkeypatch.setenv("SMTP_PORT", str(port))
        async with open_counter(settings) as counter:
            yield counter, Town(counter.till.house, counter.till.app, post)

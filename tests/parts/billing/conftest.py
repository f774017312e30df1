from collections.abc import AsyncIterator

import pytest

from tests.parts.billing.counter import Counter, open_counter
from tillhouse.kernel.settings import KernelSettings


@pytest.fixture
async def counter(settings: KernelSettings) -> AsyncIterator[Counter]:
    """A house that sells plans and points; when the test is over, every invariant has to hold."""
    async with open_counter(settings) as opened:
        yield opened

from collections.abc import AsyncIterator

import pytest

from tests.parts.ledger.books import Books, open_books
from tillhouse.kernel.settings import KernelSettings


@pytest.fixture
async def books(settings: KernelSettings) -> AsyncIterator[Books]:
    async with open_books(settings) as opened:
        yield opened

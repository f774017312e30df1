from collections.abc import AsyncIterator

import pytest

from tests.parts.payments.till import Till, open_till
from tillhouse.kernel.settings import KernelSettings

pytest.register_assert_rewrite("tests.money.flows", "tests.money.news")  # what they find wrong is told with its values


@pytest.fixture
async def till(settings: KernelSettings) -> AsyncIterator[Till]:
    """A house that takes and pays out money; when the test is over, every invariant has to hold."""
    async with open_till(settings) as opened:
        yield opened

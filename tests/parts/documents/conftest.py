"""A house without a database: papers need none."""

import pytest

from tillhouse.apps.compose import build_house
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.documents.manifest import MODULE

NOWHERE = "postgresql://till@127.0.0.1:1/nowhere"


def desk() -> House:
    return build_house(KernelSettings(environment="test", database_url=NOWHERE), catalogue=(MODULE,))


@pytest.fixture(scope="module")
def house() -> House:
    """One press for all tests of a file: it is the same for every paper."""
    return desk()

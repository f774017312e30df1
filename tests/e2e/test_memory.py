"""What the whole house holds of memory on a laptop."""

import httpx
import psutil
from bench.start import MOST, pss

from tests.e2e.conftest import Town


def test_the_whole_house_holds_less_than_900_mb(town: Town) -> None:
    for path in ("/", "/login", "/health/ready"):
        httpx.get(f"{town.web}{path}", timeout=30)
    held = pss(psutil.Process(town.pid))
    assert 100 < held < MOST == 900

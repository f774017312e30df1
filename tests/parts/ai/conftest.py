"""A house whose models are the sandbox's."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest

from tillhouse.apps.compose import build_house
from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings
from tillhouse.sandbox.app import Sandbox, create_sandbox
from tillhouse.sandbox.faults import FaultRequest
from tillhouse.sandbox.settings import SandboxSettings
from tillhouse.sandbox.transport import SandboxTransport

Open = Callable[..., House]

KEYS = {
    "OPENAI_API_KEY": "sk-tillhouse",
    "DEEPSEEK_API_KEY": "sk-tillhouse",
    "DEEPSEEK_BASE_URL": "http://sandbox/openai/v1",
    "ANTHROPIC_API_KEY": "sk-ant-tillhouse",
    "VLLM_BASE_URL": "http://sandbox/openai/v1",
    "VLLM_API_KEY": "sk-tillhouse",
    "AI_BETWEEN_SECONDS": "5",
}


@pytest.fixture
async def open_house(
    settings: KernelSettings, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Open]:
    """Open a house under an environment of one's own."""
    async with AsyncExitStack() as stack:

        def build(**environment: str) -> House:
            for name, value in {**KEYS, **environment}.items():
                monkeypatch.setenv(name, value)
            built = build_house(settings, serve=["ai"], mounts={"http://sandbox": SandboxTransport(sandbox)})
            stack.push_async_callback(built.close)
            return built

        yield build


@pytest.fixture
def fault(sandbox: Sandbox) -> Callable[..., None]:
    """Put a fault in force at an AI provider."""

    def add(kind: str, provider: str = "*", count: int = 1, path: str = "*") -> None:
        wish = FaultRequest.model_validate({"fault": kind, "provider": provider, "count": count, "path": path})
        sandbox.world.faults.add(wish)

    return add


@pytest.fixture
def at() -> Iterator[clock.TestClock]:
    """The clock, held still."""
    with clock.held(datetime(2026, 3, 2, 9, 30, tzinfo=UTC)) as held:
        yield held


@pytest.fixture
async def still_sandbox(at: clock.TestClock) -> AsyncIterator[Sandbox]:
    """A sandbox that goes by the held clock: pictures are ready when a test says that the time has come."""
    created = create_sandbox(
        SandboxSettings(web="http://testserver", clock_scale=10), now_ms=lambda: int(at.at.timestamp() * 1000)
    )
    yield created
    await created.aclose()


@pytest.fixture
async def still_house(settings: KernelSettings, still_sandbox: Sandbox) -> AsyncIterator[House]:
    """A house of ai alone in front of that sandbox."""
    built = build_house(settings, serve=["ai"], mounts={"http://sandbox": SandboxTransport(still_sandbox)})
    yield built
    await built.close()

"""A house whose models are the sandbox's."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest

from tillhouse.apps.compose import build_house
from tillhouse.kernel.house import House
from tillhouse.kernel.settings import KernelSettings
from tillhouse.sandbox.app import Sandbox
from tillhouse.sandbox.faults import FaultRequest
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

"""A key of ours that a provider takes no longer: nobody's money is refused for it, and a person is told."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

import pytest

from tests.money.flows import Case, Flow, Town, open_town
from tests.money.test_faults import PROVIDERS, STRUCK
from tillhouse.kernel.errors import TransientError
from tillhouse.kernel.settings import KernelSettings

# What each provider compares our calls with, in the sandbox.
KEYS = {
    "omise": ("omise_secret_key",),
    "razorpay": ("razorpay_key_secret",),
    "razorpayx": ("razorpay_key_secret",),
    "sepay": ("sepay_api_token",),
    "stripe": ("stripe_secret_key",),
}
SAID = {"omise": "Omise", "razorpay": "Razorpay", "razorpayx": "RazorpayX", "sepay": "SePay", "stripe": "Stripe"}


@contextmanager
def rotated(town: Town, provider: str) -> Iterator[None]:
    """While it lasts the provider answers 401 to every call of ours."""
    settings = town.till.sandbox.world.settings
    before = {name: getattr(settings, name) for name in KEYS[provider]}
    for name in before:
        setattr(settings, name, "rotated-at-the-dashboard")
    try:
        yield
    finally:
        for name, key in before.items():
            setattr(settings, name, key)


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("provider", PROVIDERS)
async def test_what_our_key_could_not_do_is_done_when_the_key_is_right_again(
    settings: KernelSettings, provider: str
) -> None:
    async with open_town(settings) as town:
        cases: list[tuple[Flow, Case]] = []
        for flow in [flow for flow in STRUCK if flow.provider == provider]:
            case = flow.make(town)
            await case.begin()
            with rotated(town, provider):
                with suppress(TransientError):  # who asked is told to try again, and does
                    await case.run()
                await town.till.pass_time(timedelta(minutes=10), step=timedelta(minutes=5))
            await case.again()
            cases.append((flow, case))
        assert await town.till.subjects("our_key_refused") == [SAID[provider]]
        await town.till.pass_time(timedelta(hours=42), step=timedelta(hours=7))
        for flow, case in cases:
            try:
                await case.ended()
            except AssertionError as wrong:
                wrong.add_note(str(flow))
                raise

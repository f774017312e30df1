"""Killed at every step of every flow of every provider, and started again: done exactly once, nothing left undone."""

from contextlib import suppress
from itertools import count

import pytest

from tests.money.flows import FLOWS, Flow, open_town
from tests.parts.payments.crashes import Killed, killed_at
from tillhouse.kernel.settings import KernelSettings

MOST_STEPS = 60
LEAST_KILLED = 3  # of every flow: one that is never killed shows nothing


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("flow", FLOWS, ids=str)
async def test_killed_anywhere_it_is_done_once(settings: KernelSettings, flow: Flow) -> None:
    """One case is killed at each step, and the house goes on at once as another process would. Then the leases of the
    killed run out, those who asked come back, and time passes, once for all of them.
    """
    async with open_town(settings) as town:
        cases = []
        for kill_at in count(1):
            assert kill_at < MOST_STEPS
            case = flow.make(town)
            await case.begin()
            with suppress(Killed), killed_at(town.till.house, kill_at) as steps:
                await case.run()
            cases.append((case, steps.passed[-1] if steps.passed else "nowhere"))
            if len(steps.passed) < kill_at:
                break
            await case.again()
            await town.till.let_leases_end()
            if flow.patient:
                await town.till.restart()
        await town.till.restart()
        for case, step in cases:
            try:
                await case.ended()
            except AssertionError as wrong:
                wrong.add_note(f"killed {step}")
                raise
        assert len(cases) >= LEAST_KILLED

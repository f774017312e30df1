"""Running what is due in this very process: no broker, no relay, no threads. For tests, demo data and scripts."""

from datetime import timedelta

from tillhouse.kernel import clock
from tillhouse.kernel.house import House
from tillhouse.kernel.work import store
from tillhouse.kernel.work.endings import EXPECTED
from tillhouse.kernel.work.outbox import enqueue
from tillhouse.kernel.work.registry import registry_of
from tillhouse.kernel.work.running import Ran, run_claimed
from tillhouse.kernel.work.schedules import last_fire

_LEASE = timedelta(minutes=5)
_EVENTS_AT_ONCE = 1_000


async def run_due(house: House, *, raise_bugs: bool = True) -> list[Ran]:
    """Run every event and job that is due by `kernel.clock`, and what follows from them, until nothing is left.

    One at a time, oldest first; what is to be tried again later stays for later. Returns how each attempt ended. An
    exception that is no `DomainError` is a bug: the attempt is written down as a worker would, then it is raised.
    Schedules do not fire here: see `fire_schedules`.
    """
    ran: list[Ran] = []
    while True:
        async with house.database.transaction() as session:
            await store.fan_out(session, registry_of(house), _EVENTS_AT_ONCE)
            job_id = await store.next_due(session)
            claim = await store.claim(session, job_id, "run_due", _LEASE) if job_id else None
        if claim is None:
            return ran
        ran.append(await run_claimed(house, claim))
        error = ran[-1].error
        if raise_bugs and error and not isinstance(error, EXPECTED):
            raise error


async def fire_schedules(house: House) -> list[str]:
    """Make the jobs of the schedules whose fire time has come, once per fire time; returns their names.

    Any number of processes may do this at once. A schedule that is seen for the first time waits for its next fire.
    """
    fired = []
    for job in registry_of(house).scheduled:
        assert job.schedule is not None
        fire = last_fire(job.schedule, clock.now())
        if fire is None:
            continue
        async with house.database.transaction() as session:
            if await store.note_fire(session, job.task.name, fire):
                await enqueue(session, job.task(), unique=f"fire:{fire.isoformat()}")
                fired.append(job.task.name)
    return fired

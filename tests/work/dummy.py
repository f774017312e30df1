"""A module whose jobs leave marks: what counts is how often each mark was made, not how often a function ran."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from sqlalchemy import text

from tillhouse.kernel.db import ReadSession, Session
from tillhouse.kernel.manifest import Module
from tillhouse.kernel.work import Event, Handler, Job, JobRun, Schedule, Task, event, task

Behaviour = Callable[[Session], Awaitable[None]]
FlowBehaviour = Callable[[JobRun], Awaitable[None]]


@event("dummy.thing_happened")
class ThingHappened(Event):
    mark: str


@task("dummy.pay", lane="money")
class Pay(Task):
    mark: str


@task("dummy.tell", lane="quick")
class Tell(Task):
    mark: str


@task("dummy.grind", lane="slow")
class Grind(Task):
    mark: str


@task("dummy.tick", lane="quick")
class Tick(Task):
    pass


behaviour: dict[str, Behaviour] = {}
flow_behaviour: dict[str, FlowBehaviour] = {}


def reset() -> None:
    behaviour.clear()
    flow_behaviour.clear()


async def mark(session: Session, made_by: str, value: str) -> None:
    await session.execute(text("INSERT INTO public.marks VALUES (:mark, :by)"), {"mark": value, "by": made_by})


async def marks(session: ReadSession, made_by: str = "%") -> list[str]:
    rows = await session.execute(
        text("SELECT mark FROM public.marks WHERE made_by LIKE :by ORDER BY mark"), {"by": made_by}
    )
    return list(rows.scalars())


async def pay(session: Session, asked: Pay) -> None:
    await mark(session, "pay", asked.mark)
    if found := behaviour.get(asked.mark):
        await found(session)


async def tell(session: Session, asked: Tell) -> None:
    await mark(session, "tell", asked.mark)
    if found := behaviour.get(asked.mark):
        await found(session)


async def grind(run: JobRun, asked: Grind) -> None:
    """Safe to run twice: the mark is made where it is missing. `endless` ends at its second attempt alone."""
    if asked.mark == "endless" and await first_time(run):
        await asyncio.Event().wait()
    if found := flow_behaviour.get(asked.mark):
        await found(run)
    async with run.transaction() as session:
        if asked.mark not in await marks(session, "grind"):
            await mark(session, "grind", asked.mark)


async def first_time(run: JobRun) -> bool:
    async with run.transaction() as session:
        if await marks(session, "begun"):
            return False
        await mark(session, "begun", "endless")
        return True


async def tick(session: Session, _asked: Tick) -> None:
    await mark(session, "tick", "tick")


async def way_back(session: Session, asked: Pay) -> None:
    await mark(session, "way back", asked.mark)


async def react(session: Session, happened: ThingHappened) -> None:
    await mark(session, "react", happened.mark)


async def react_too(session: Session, happened: ThingHappened) -> None:
    await mark(session, "react too", happened.mark)


MODULE = Module(
    name="dummy",
    title="Dummy",
    floor="part",
    folder=Path(__file__).parent,
    jobs=lambda: (
        Job(task=Pay, run=pay, attempts=3, on_dead=way_back),
        Job(task=Tell, run=tell, attempts=3, time_limit=timedelta(seconds=1)),
        Job(task=Grind, flow=grind, attempts=5),
        Job(task=Tick, run=tick, schedule=Schedule(every=timedelta(minutes=10))),
    ),
    handlers=lambda: (
        Handler(event=ThingHappened, name="react", run=react),
        Handler(event=ThingHappened, name="react_too", run=react_too, lane="money"),
    ),
)

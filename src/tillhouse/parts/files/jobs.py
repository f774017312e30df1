"""Background jobs of files."""

from datetime import timedelta
from uuid import UUID

from tillhouse.kernel.work import Job, Schedule
from tillhouse.parts.files.events import Probe, Render, Sweep, TakeIn
from tillhouse.parts.files.flows.recordings import give_up_probe, give_up_rendition, probe, render
from tillhouse.parts.files.flows.sweeping import sweep
from tillhouse.parts.files.flows.taking_in import give_up, take_in

_NOBODY = UUID(int=0)

JOBS = (
    Job(task=Sweep, flow=sweep, schedule=Schedule(every=timedelta(hours=1)), example=Sweep),
    Job(
        task=TakeIn,
        flow=take_in,
        time_limit=timedelta(hours=1),
        on_dead=give_up,
        example=lambda: TakeIn(file_id=_NOBODY),
    ),
    Job(
        task=Probe,
        flow=probe,
        attempts=3,
        time_limit=timedelta(minutes=10),
        on_dead=give_up_probe,
        example=lambda: Probe(file_id=_NOBODY),
    ),
    Job(
        task=Render,
        flow=render,
        attempts=3,
        time_limit=timedelta(hours=1),
        on_dead=give_up_rendition,
        example=lambda: Render(file_id=_NOBODY),
    ),
)

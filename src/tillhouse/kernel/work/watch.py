"""Every invariant, checked by itself: what a bug or a hand in the database breaks is told within 15 minutes."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from tillhouse.kernel.db import ReadSession
from tillhouse.kernel.invariants import check_all
from tillhouse.kernel.logs import get_logger
from tillhouse.kernel.work.control import jobs
from tillhouse.kernel.work.definitions import AnyJob, Job, JobRun, Schedule, Task, task

log = get_logger(__name__)


@task("kernel.check_invariants", lane="slow")
class CheckInvariants(Task):
    """Check every invariant of the modules."""


async def check_invariants(run: JobRun, _task: CheckInvariants) -> None:
    """Log an error for each that is broken. `till audit` shows the same to a person."""
    async with run.house.database.reading() as session:
        findings = await check_all(session, run.house.modules)
    broken = [finding for finding in findings if finding.violations]
    for finding in broken:
        log.error(
            "invariant_broken", invariant=finding.name, count=len(finding.violations), first=finding.violations[0]
        )
    log.info("invariants_checked", count=len(findings), broken=len(broken))
    names = ", ".join(finding.name for finding in broken)  # no words for people: what was broken, for the console
    await run.progress(len(findings) - len(broken), len(findings), names)


@dataclass(frozen=True, slots=True)
class LastCheck:
    """When the invariants were last checked by themselves, how many there were, and which were broken."""

    at: datetime
    count: int
    broken: tuple[str, ...]


async def last_check(session: ReadSession) -> LastCheck | None:
    """The last check that ended; None before the first, or when its job is forgotten already."""
    done = await jobs(session, state="done", name=CheckInvariants.name, limit=1)
    if not done or done[0].finished_at is None or done[0].progress_total is None:
        return None
    names = done[0].progress_note or ""
    return LastCheck(done[0].finished_at, done[0].progress_total, tuple(names.split(", ")) if names else ())


WATCH_JOBS: tuple[AnyJob, ...] = (
    Job(
        task=CheckInvariants,
        flow=check_invariants,
        schedule=Schedule(every=timedelta(minutes=15)),
        time_limit=timedelta(minutes=30),
        example=CheckInvariants,
    ),
)

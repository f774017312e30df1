"""Every invariant, checked by itself: what a bug or a hand in the database breaks is told within 15 minutes."""

from datetime import timedelta

from tillhouse.kernel.invariants import check_all
from tillhouse.kernel.logs import get_logger
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


WATCH_JOBS: tuple[AnyJob, ...] = (
    Job(
        task=CheckInvariants,
        flow=check_invariants,
        schedule=Schedule(every=timedelta(minutes=15)),
        time_limit=timedelta(minutes=30),
        example=CheckInvariants,
    ),
)

"""Background jobs of ai."""

from tillhouse.kernel.work import AnyJob

JOBS: tuple[AnyJob, ...] = ()

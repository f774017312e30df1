"""What ai asks to be done later."""

from tillhouse.kernel.work import Task, task


@task("ai.sweep_calls", lane="quick")
class SweepCalls(Task):
    """Give back what was reserved for calls whose process died."""


@task("ai.remove_old_calls", lane="slow")
class RemoveOldCalls(Task):
    """Remove records of calls that are older than they are kept."""

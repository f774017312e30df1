"""What files asks to be done later."""

from tillhouse.kernel.work import Task, task


@task("files.sweep", lane="slow")
class Sweep(Task):
    """Remove the bytes of files that were deleted, or whose storing never finished."""

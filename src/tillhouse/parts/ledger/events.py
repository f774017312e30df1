"""Background work of the ledger."""

from tillhouse.kernel.work import Task, task


@task("ledger.expire_holds", lane="money")
class ExpireHolds(Task):
    """End the holds whose time is over."""


@task("ledger.expire_lots", lane="money")
class ExpireLots(Task):
    """End the points and credits whose time is over."""


@task("ledger.ensure_partitions", lane="quick")
class EnsurePartitions(Task):
    """Have the months ahead ready before they begin."""


@task("ledger.forget_refusals", lane="quick")
class ForgetRefusals(Task):
    """Delete what the API refused more than two days ago."""


@task("ledger.seal", lane="quick")
class Seal(Task):
    """Seal what can no longer change, and keep the head of the chain outside the database."""

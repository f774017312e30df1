"""What kyc tells the house, and the work it asks for. Ids alone: never what a paper says."""

from uuid import UUID

from tillhouse.kernel.work import Event, Task, event, task


@event("kyc.approved")
class KycApproved(Event):
    """A level of a person or an organisation stands from now on."""

    case_id: UUID


@event("kyc.rejected")
class KycRejected(Event):
    """A case was not accepted, or what was accepted was taken back."""

    case_id: UUID


@event("kyc.expired")
class KycExpired(Event):
    """A level stands no longer: its time is over."""

    case_id: UUID


@event("kyc.expiring")
class KycExpiring(Event):
    """A level's time is over soon."""

    case_id: UUID


@task("kyc.check_case", lane="quick")
class CheckCase(Task):
    """Make the checks of a case that was handed in, and put it before people."""

    case_id: UUID


@task("kyc.look_after", lane="slow")
class LookAfter(Task):
    """Remind of what expires, end what is over, delete papers whose time is over."""

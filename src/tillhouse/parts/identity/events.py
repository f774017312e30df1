"""What identity tells the house, and what it asks to be done later."""

from uuid import UUID

from tillhouse.kernel.work import Event, Task, event, task


@event("identity.person_registered")
class PersonRegistered(Event):
    """A new person has confirmed a first identifier."""

    person_id: UUID


@event("identity.person_erased")
class PersonErased(Event):
    """A person's data is gone; the id stays wherever the books need an owner."""

    person_id: UUID


@event("identity.organisation_closed")
class OrganisationClosed(Event):
    """An organisation is no more; the id stays wherever the books need an owner."""

    organisation_id: UUID


@event("identity.membership_ended")
class MembershipEnded(Event):
    """A person belongs to an organisation no longer."""

    organisation_id: UUID
    person_id: UUID


@task("identity.send_invitation", lane="quick")
class SendInvitation(Task):
    """Send the link of an invitation to an organisation."""

    invitation_id: UUID


@task("identity.answer_challenge", lane="quick")
class AnswerChallenge(Task):
    """Send what a challenge calls for: a code, a word that there is an account already, or nothing.

    Asked for every challenge alike, so that the request that made it takes the same path for every address.
    """

    challenge_id: UUID


@task("identity.forget", lane="slow")
class Forget(Task):
    """Delete challenges, attempts and sessions that nothing can need any more."""

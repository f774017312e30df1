"""Background jobs of identity."""

from datetime import timedelta

from tillhouse.kernel.ids import new_id
from tillhouse.kernel.work import Job, Schedule
from tillhouse.parts.identity.events import AnswerChallenge, Forget, SendInvitation
from tillhouse.parts.identity.service.inviting import send_invitation
from tillhouse.parts.identity.service.messages import answer_challenge, forget

JOBS = (
    Job(task=AnswerChallenge, run=answer_challenge, example=lambda: AnswerChallenge(challenge_id=new_id())),
    Job(task=SendInvitation, run=send_invitation, example=lambda: SendInvitation(invitation_id=new_id())),
    Job(task=Forget, run=forget, schedule=Schedule(every=timedelta(hours=1)), example=Forget),
)

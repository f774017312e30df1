"""What channels asks to be done later."""

from uuid import UUID

from tillhouse.kernel.work import Task, task


@task("channels.send_message", lane="quick")
class SendMessage(Task):
    """Hand one message over to its provider."""

    message_id: UUID


@task("channels.forget_messages", lane="slow")
class ForgetMessages(Task):
    """Delete messages that are older than anyone asks about."""

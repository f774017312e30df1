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


@task("channels.deliver_webhook", lane="quick")
class DeliverWebhook(Task):
    """Try once to deliver one event to one endpoint."""

    delivery_id: UUID


@task("channels.look_after_webhooks", lane="slow")
class LookAfterWebhooks(Task):
    """Begin again with deliveries that are due and that nobody works on."""


@task("channels.forget_webhooks", lane="slow")
class ForgetWebhooks(Task):
    """Delete deliveries that are older than the settings keep them."""

"""What channels asks to be done later."""

from uuid import UUID

from tillhouse.kernel.work import Event, Task, event, task


@event("channels.handed_over")
class HandedOver(Event):
    """A conversation waits for somebody of ours."""

    conversation_id: UUID


@task("channels.send_message", lane="quick")
class SendMessage(Task):
    """Hand one message over to its provider."""

    message_id: UUID


@task("channels.forget_messages", lane="slow")
class ForgetMessages(Task):
    """Delete messages that are older than anyone asks about."""


@task("channels.take_in", lane="quick")
class TakeIn(Task):
    """Read what a provider delivered."""

    received_id: UUID


@task("channels.fetch_media", lane="slow")
class FetchMedia(Task):
    """Bring the file of a message to us into the house, while the provider still has it."""

    inbound_id: UUID


@task("channels.converse", lane="quick")
class Converse(Task):
    """Answer what a contact wrote, in the order in which it was written."""

    contact_id: UUID


@task("channels.show_read", lane="quick")
class ShowRead(Task):
    """Tell whoever wrote a message that it was read."""

    inbound_id: UUID


@task("channels.look_after_chats", lane="slow")
class LookAfterChats(Task):
    """Go on where a state has waited long enough, and with files that nobody fetched."""


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

"""The conversation engine: one step per message, in the order in which they were written, each in the same transaction
as the message being marked as handled.

The contact is locked while it goes on, so that fifteen messages at once are fifteen steps one after another. A message
whose file is still on its way holds back those after it. Where a flow's own code keeps failing, somebody of ours takes
over instead of the person waiting for ever.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from uuid import UUID

from tillhouse.kernel import clock, live
from tillhouse.kernel.context import request_id
from tillhouse.kernel.db import JsonObject, ReadSession, Session, house_of
from tillhouse.kernel.errors import Conflict, NotFound
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.text import N_
from tillhouse.kernel.work import emit, enqueue, enqueue_all
from tillhouse.parts.channels.domain.chat import Choice, Kind, Line
from tillhouse.parts.channels.domain.flow import (
    END,
    PERSON,
    STAY,
    Accept,
    Action,
    Conversation,
    Gather,
    Heard,
    Place,
    Press,
    State,
    Talk,
    Text,
    Words,
    bare,
    read_wire_id,
    typed_choice,
    wire_id,
)
from tillhouse.parts.channels.domain.messages import window_is_open
from tillhouse.parts.channels.events import Converse, HandedOver, LookAfterChats, ShowRead
from tillhouse.parts.channels.models import ChatContactRow, ConversationRow, InboundRow
from tillhouse.parts.channels.ports import Carriers, ShowsRead
from tillhouse.parts.channels.service import messages
from tillhouse.parts.channels.service.bell import Bell
from tillhouse.parts.channels.service.rendering import translated
from tillhouse.parts.channels.store import chats

_BITE = 50  # messages of one contact in one transaction
_MOST_STEPS = 20  # states that one message may lead through: more is a circle
_STAFF = "channels:chats"  # the live channel of whoever answers for us
NO_ROOM = "no_room"  # why a file was not kept: the chat has as many as one may have
_FULL = N_("There is no room for more files in this chat, so that one was not kept. Please go on without it.")


@dataclass(slots=True)
class _Scene:
    """One step: who talks, where they are, in which flow, and what the flow's own code sees of it."""

    session: Session
    contact: ChatContactRow
    row: ConversationRow
    flow: Conversation
    talk: Talk


async def converse(session: Session, task: Converse) -> None:
    """Answer what a contact wrote and nobody has looked at."""
    contact = await chats.lock_contact(session, task.contact_id)
    if contact is None:
        return
    rows = await chats.unhandled(session, contact.id, _BITE)
    ready = list(takewhile(lambda row: row.media != "waiting", rows))  # whoever fetches it comes back here
    shown = False
    for row in ready:
        heard, open_one = _heard(row), await chats.open_conversation(session, contact.id)
        if not shown and _flow_takes(session, contact, open_one, heard):
            shown = True
            await _show_read(session, ready[-1])
        await _step(session, contact, open_one, heard)
        row.handled_at = clock.now()
    await session.flush()
    if len(ready) == _BITE:
        await enqueue(session, Converse(contact_id=contact.id))


async def converse_gave_up(session: Session, task: Converse) -> None:
    """A flow's own code failed again and again: what was written goes to a person."""
    contact = await chats.lock_contact(session, task.contact_id)
    if contact is None:
        return
    for row in await chats.unhandled(session, contact.id, _BITE):
        if row.media == "waiting":
            break
        row.handled_at = clock.now()
    if found := await chats.open_conversation(session, contact.id):
        flow = _flow_of(session, found)
        await _hand_over(session, contact, found, flow.handed_over if flow else "")


async def look_after(session: Session, _task: LookAfterChats) -> None:
    """Go on where a state has waited long enough."""
    for conversation_id, contact_id in await chats.due_conversations(session, clock.now(), _BITE):
        contact = await chats.lock_contact(session, contact_id)
        row = await chats.conversation(session, conversation_id)
        if contact is None or row is None or row.mode != "flow" or row.due_at is None or row.due_at > clock.now():
            continue
        flow = _flow_of(session, row)
        state = flow.state(row.state) if flow else None
        row.due_at = None
        if flow and state:
            await _go(_scene(session, contact, row, flow, None), state.late)


async def move(session: Session, contact_id: UUID, to: str, memory: JsonObject | None = None) -> None:
    """Go to a state of the flow a contact is in, for what happened elsewhere: a payment, a finished job.

    `memory` is added to what the conversation knows. Nothing happens where a person of ours answers, or where the
    conversation is over. Raises `LookupError` for a state that the flow does not have.
    """
    contact = await chats.lock_contact(session, contact_id)
    row = await chats.open_conversation(session, contact_id) if contact else None
    if contact is None or row is None:
        return
    row.memory = {**row.memory, **(memory or {})}
    flow = _flow_of(session, row)
    if flow and row.mode == "flow":
        if to not in (END, PERSON) and flow.state(to) is None:
            raise LookupError(f"{flow.name} has no state {to}")
        await _go(_scene(session, contact, row, flow, None), to)


async def begin(session: Session, contact_id: UUID, flow_name: str, memory: JsonObject | None = None) -> UUID:
    """Begin a flow with a contact, in place of the one they are in. Returns the conversation's id.

    Raises `LookupError` for a flow or contact that there is not.
    """
    flow = _newest(house_of(session)).get(flow_name)
    contact = await chats.lock_contact(session, contact_id)
    if flow is None or contact is None:
        raise LookupError(f"there is no flow {flow_name}, or no such contact")
    if open_one := await chats.open_conversation(session, contact.id):
        open_one.mode = "ended"
        await session.flush()
    row = await _begin(session, contact, flow, memory or {})
    await _go(_scene(session, contact, row, flow, None), flow.begins)
    return row.id


async def answer(session: Session, conversation_id: UUID, said: str | Line, staff_id: UUID) -> None:
    """Somebody of ours answers. Raises `NotFound`, `Conflict` unless the conversation was handed to a person.

    `Conflict` as well once the 24 hours are over, unless the line has something approved for then (`outside`).
    """
    line = Line(said) if isinstance(said, str) else said
    contact, row = await _locked(session, conversation_id)
    if row.mode != "person":
        raise Conflict(N_("Take the conversation over first, so that nobody is answered twice."))
    is_over = messages.channel_of(contact) == "whatsapp" and not window_is_open(contact.last_inbound_at, clock.now())
    if is_over and line.outside is None:
        raise Conflict(N_("24 hours have passed since their last message: WhatsApp takes approved texts alone."))
    row.answered_by, row.updated_at = staff_id, clock.now()
    await messages.say(session, contact, line)


async def take_over(session: Session, conversation_id: UUID, staff_id: UUID) -> None:
    """Somebody of ours answers from now on. Safe to repeat. Raises `NotFound`, `Conflict` once it is over."""
    _, row = await _locked(session, conversation_id)
    if row.mode == "ended":
        raise Conflict(N_("This conversation is over. It begins anew with their next message."))
    row.mode, row.due_at, row.updated_at = "person", None, clock.now()
    row.answered_by, row.handed_at = staff_id, row.handed_at or clock.now()


async def hand_back(session: Session, conversation_id: UUID) -> None:
    """The flow goes on where it was, and asks its question once more. Raises `NotFound`, `Conflict`."""
    contact, row = await _locked(session, conversation_id)
    if row.mode != "person":
        raise Conflict(N_("Nobody has taken this conversation over."))
    row.mode, row.handed_at, row.answered_by = "flow", None, None
    flow = _flow_of(session, row)
    if flow is None:
        row.mode = "ended"
        return
    await _ask(_scene(session, contact, row, flow, None))


async def waits_for(session: Session, contact: ChatContactRow, text: str) -> bool:
    """Whether a word is one that the flow of a contact waits for; a `Text` takes any, and waits for none."""
    row = await chats.open_conversation(session, contact.id)
    flow = _flow_of(session, row) if row and row.mode == "flow" else None
    state = flow.state(row.state) if row and flow else None
    if row is None or flow is None or state is None:
        return False
    words = {*flow.words, *(word for one in state.accepts for word in _words_of(one))}
    if bare(text) in map(bare, words):
        return True
    heard = Heard(contact.id, "text", text)
    return _typed(session, contact, state, _scene(session, contact, row, flow, heard).talk, heard).kind == "press"


async def begins_with(session: ReadSession, contact: ChatContactRow, text: str) -> bool:
    """Whether a flow begins with this very word, and the contact is in none."""
    if await chats.open_conversation(session, contact.id):
        return False
    flow = _flow_for(session, contact, Heard(contact.id, "text", text))
    return flow is not None and bare(text) in map(bare, flow.starts)


def _words_of(accept: Accept) -> tuple[str, ...]:
    return accept.words if isinstance(accept, Words) else accept.done if isinstance(accept, Gather) else ()


def _flow_takes(session: Session, contact: ChatContactRow, row: ConversationRow | None, heard: Heard) -> bool:
    """Not where a person of ours answers, or nobody does."""
    if row is None:
        return _flow_for(session, contact, heard) is not None
    return row.mode == "flow" and _flow_of(session, row) is not None


async def _show_read(session: Session, row: InboundRow) -> None:
    """Have the person see that it was read, and with it all that was written before, where their chat shows such."""
    carriers = house_of(session).the(Carriers).carriers
    if any(one.name == row.provider and isinstance(one, ShowsRead) for one in carriers):
        told = house_of(session).the(Bell).wait(ShowRead)
        await enqueue_all(session, [ShowRead(inbound_id=row.id)], caused_by=[request_id()], told=[told])


async def _step(session: Session, contact: ChatContactRow, row: ConversationRow | None, heard: Heard) -> None:
    if heard.lost == NO_ROOM:  # whoever answers here, and if nobody does: they should know that we do not have it
        await messages.say(session, contact, Line(translated(house_of(session), contact.locale, _FULL)))
    if row is None:
        flow = _flow_for(session, contact, heard)
        if flow is None:
            return
        row = await _begin(session, contact, flow, {})
        await _go(_scene(session, contact, row, flow, heard), flow.begins)
        return
    row.updated_at = clock.now()
    if row.mode == "person":
        live.publish(session, _STAFF, {"conversation": str(row.id)})
        return
    flow = _flow_of(session, row)
    if flow is None:
        await _hand_over(session, contact, row, "")
        return
    scene, state = _scene(session, contact, row, flow, heard), flow.state(row.state)
    if row.version != flow.version or state is None:
        await _migrate(scene)
        return
    await _react(scene, state)


async def _react(scene: _Scene, state: State) -> None:
    heard = scene.talk.heard
    if heard is None:
        return
    if heard.kind == "text" and (to := scene.flow.words.get(bare(heard.text))):
        await _go(scene, to)
        return
    if heard.kind == "press":
        serial, of_state, choice = read_wire_id(heard.choice)
        current = of_state in ("", state.name)
        scene.talk.heard = heard = replace(heard, choice=choice)
        if not current or (serial != scene.row.serial and not _is_pressed(state, choice)):
            scene.talk.says(Line(scene.flow.stale))
            await _ask(scene)
            return
    elif heard.kind == "text":
        heard = _typed(scene.session, scene.contact, state, scene.talk, heard)
        scene.talk.heard = heard
    for accept in state.accepts:
        if await _accepted(scene, accept):
            return
    lost = heard.kind in ("image", "audio", "video", "document", "sticker") and heard.file_id is None
    if heard.lost != NO_ROOM:
        scene.talk.says(Line(scene.flow.lost_file if lost else state.otherwise))
    await _ask(scene)


async def _accepted(scene: _Scene, accept: Accept) -> bool:
    """Whether this is what the state waits for; then it has been done."""
    heard = scene.talk.heard
    if heard is None:
        return False
    if isinstance(accept, Gather):
        return await _gathered(scene, accept)
    if isinstance(accept, Text) and heard.kind == "text":
        if accept.check and (wrong := accept.check(heard.text.strip())):
            scene.talk.says(Line(wrong))
            await _ask(scene)
            return True
        scene.talk.memory[accept.save] = heard.text.strip()
    elif isinstance(accept, Place) and heard.kind == "location":
        scene.talk.memory[accept.save] = dict(heard.facts)
    elif not _matches(accept, heard):
        return False
    await _do(scene, accept.does, accept.to)
    return True


def _matches(accept: Accept, heard: Heard) -> bool:
    if isinstance(accept, Press):
        return heard.kind == "press" and heard.choice == accept.id
    return isinstance(accept, Words) and heard.kind == "text" and bare(heard.text) in map(bare, accept.words)


async def _gathered(scene: _Scene, accept: Gather) -> bool:
    heard = scene.talk.heard
    found = scene.talk.memory.get(accept.save)
    kept = list(found) if isinstance(found, list) else []
    if heard and heard.kind in accept.kinds and heard.file_id:
        kept.append({"file_id": str(heard.file_id), "inbound_id": str(heard.inbound_id)})
        scene.talk.memory[accept.save] = kept
        if len(kept) >= accept.most:
            await _do(scene, accept.does, accept.to)
        else:
            if accept.each:
                scene.talk.says(accept.each(scene.talk) if callable(accept.each) else accept.each)
            await _settle(scene)
        return True
    if heard and heard.kind == "text" and bare(heard.text) in map(bare, accept.done):
        if len(kept) >= accept.least:
            await _do(scene, accept.does, accept.to)
        else:
            said = translated(
                house_of(scene.session), scene.contact.locale, accept.too_few, count=len(kept), least=accept.least,
                needed=accept.least - len(kept),
            )  # fmt: skip
            scene.talk.says(Line(said))
            await _settle(scene)
        return True
    return False


async def _do(scene: _Scene, does: Action | None, to: str) -> None:
    instead = await does(scene.talk) if does else None
    await _go(scene, to if instead is None else instead)


async def _go(scene: _Scene, to: str) -> None:
    """Enter a state, and the next where entering it leads on; say what is to be said."""
    for _ in range(_MOST_STEPS):
        if to == STAY:
            await _settle(scene)
            return
        if to == PERSON:
            await _settle(scene)
            await _hand_over(scene.session, scene.contact, scene.row, scene.flow.handed_over)
            return
        state = scene.flow.state(to)
        if to == END or state is None:
            scene.row.mode, scene.row.due_at = "ended", None
            await _settle(scene)
            return
        scene.row.state = state.name
        instead = await state.enters(scene.talk) if state.enters else None
        if instead is None:
            await _ask(scene)
            return
        to = instead
    raise RuntimeError(f"{scene.flow.name} goes round in a circle at {scene.row.state}")


async def _ask(scene: _Scene) -> None:
    """Say what the present state says, under a new number, and wait; a state that accepts nothing is the end."""
    state = scene.flow.state(scene.row.state)
    if state is None:
        scene.row.mode = "ended"
        return
    scene.row.serial += 1
    scene.row.due_at = clock.now() + state.waits if state.waits else None
    if state.says:
        scene.talk.says(
            _marked(state.says(scene.talk) if callable(state.says) else state.says, scene.row.serial, state.name)
        )
    if not state.accepts:
        scene.row.mode, scene.row.due_at = "ended", None
    await _settle(scene)


async def _settle(scene: _Scene) -> None:
    """Keep the memory, and queue what is to be said."""
    scene.row.memory, scene.row.updated_at = dict(scene.talk.memory), clock.now()
    house = house_of(scene.session)
    for line in scene.talk.lines:
        spoken = _spoken(house, scene.contact.locale, line, scene.talk.memory)
        await messages.say(scene.session, scene.contact, spoken, owner_id=scene.talk.owner_id)
    scene.talk.lines.clear()
    await scene.session.flush()


async def _hand_over(session: Session, contact: ChatContactRow, row: ConversationRow, said: str) -> None:
    row.mode, row.due_at, row.handed_at = "person", None, clock.now()
    if said:
        await messages.say(session, contact, Line(translated(house_of(session), contact.locale, said)))
    await emit(session, HandedOver(conversation_id=row.id))
    live.publish(session, _STAFF, {"conversation": str(row.id)})
    await session.flush()


async def _migrate(scene: _Scene) -> None:
    """Go on in a newer version: where it says, in the state of the same name, or from the beginning."""
    found = (
        scene.flow.migrate(scene.row.version, scene.row.state, dict(scene.row.memory)) if scene.flow.migrate else None
    )
    scene.row.version = scene.flow.version
    if found:
        scene.row.state, scene.talk.memory = found[0], found[1]
    state = scene.flow.state(scene.row.state)
    if state is None:
        scene.talk.memory = {}
        scene.talk.says(Line(scene.flow.anew))
        await _go(scene, scene.flow.begins)
        return
    scene.row.memory = dict(scene.talk.memory)
    await _react(scene, state)


async def _begin(session: Session, contact: ChatContactRow, flow: Conversation, memory: JsonObject) -> ConversationRow:
    now = clock.now()
    row = ConversationRow(
        id=new_id(),
        contact_id=contact.id,
        flow=flow.name,
        version=flow.version,
        state=flow.begins,
        memory=memory,
        mode="flow",
        serial=0,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    await session.flush()
    return row


async def _locked(session: Session, conversation_id: UUID) -> tuple[ChatContactRow, ConversationRow]:
    found = await chats.conversation(session, conversation_id)
    contact = await chats.lock_contact(session, found.contact_id) if found else None
    row = await chats.conversation(session, conversation_id)
    if contact is None or row is None:
        raise NotFound(N_("There is no such conversation."))
    return contact, row


def _flow_of(session: ReadSession, row: ConversationRow) -> Conversation | None:
    """The version that a conversation began in while there is one, else the newest."""
    flows = house_of(session).provided(Conversation)
    pinned = next((one for one in flows if (one.name, one.version) == (row.flow, row.version)), None)
    return pinned or _newest(house_of(session)).get(row.flow)


def _flow_for(session: ReadSession, contact: ChatContactRow, heard: Heard) -> Conversation | None:
    """The flow that a first message begins: by its word, else the one that begins with anything."""
    here = [one for one in _newest(house_of(session)).values() if not one.accounts or contact.account in one.accounts]
    said = bare(heard.text)
    named = next((one for one in here if said in map(bare, one.starts)), None)
    return named or next((one for one in here if not one.starts), None)


def _newest(house: House) -> Mapping[str, Conversation]:
    found: dict[str, Conversation] = {}
    for one in house.provided(Conversation):
        if one.name not in found or one.version > found[one.name].version:
            found[one.name] = one
    return found


def _scene(
    session: Session, contact: ChatContactRow, row: ConversationRow, flow: Conversation, heard: Heard | None
) -> _Scene:
    talk = Talk(
        session=session,
        conversation_id=row.id,
        contact_id=contact.id,
        owner_id=owner_of(contact),
        person_id=contact.person_id,
        locale=contact.locale,
        memory=dict(row.memory),
        heard=heard,
    )
    return _Scene(session, contact, row, flow, talk)


def owner_of(contact: ChatContactRow) -> UUID:
    """Who owns the files of a chat: the contact, so that they stay where they are when a number finds its person."""
    return contact.id


def _heard(row: InboundRow) -> Heard:
    facts = row.content.get("facts")
    return Heard(
        row.id,
        _kind(row.kind),
        str(row.content.get("text") or ""),
        str(row.content.get("choice") or ""),
        row.file_id,
        {name: str(value) for name, value in facts.items()} if isinstance(facts, dict) else {},
        row.media_error or "",
    )


_KINDS: tuple[Kind, ...] = (
    "text", "press", "image", "audio", "video", "document", "sticker", "location", "contacts", "reaction", "other",
)  # fmt: skip


def _kind(word: str) -> Kind:
    return next((kind for kind in _KINDS if kind == word), "other")


def _typed(session: Session, contact: ChatContactRow, state: State, talk: Talk, heard: Heard) -> Heard:
    """What was typed where a button was expected, as the button, if it is one's title or number."""
    says = state.says(talk) if callable(state.says) else state.says
    if says is None or not says.choices:
        return heard
    house = house_of(session)
    titles = tuple(translated(house, contact.locale, one.title, **talk.memory) for one in says.choices)
    choice = typed_choice(says.choices, titles, heard.text)
    return replace(heard, kind="press", choice=choice) if choice else heard


def _is_pressed(state: State, choice: str) -> bool:
    """A button of the same state that was asked before is as good as the present one."""
    return any(isinstance(accept, Press) and accept.id == choice for accept in state.accepts)


def _marked(line: Line, serial: int, state: str) -> Line:
    return replace(
        line,
        buttons=tuple(replace(one, id=wire_id(serial, state, one.id)) for one in line.buttons),
        rows=tuple(replace(one, id=wire_id(serial, state, one.id)) for one in line.rows),
    )


def _spoken(house: House, locale: str, line: Line, memory: JsonObject) -> Line:
    """The line in the person's language. A translation that is too long for a button is cut, never refused."""
    longest = 1024 if line.choices or line.file_id else 4096
    return replace(
        line,
        text=_cut(translated(house, locale, line.text, **memory), longest),
        buttons=tuple(_said(house, locale, one, 20, memory) for one in line.buttons),
        rows=tuple(_said(house, locale, one, 24, memory) for one in line.rows),
        opens_list=_cut(translated(house, locale, line.opens_list), 20),
    )


def _said(house: House, locale: str, choice: Choice, longest: int, memory: JsonObject) -> Choice:
    title = _cut(translated(house, locale, choice.title, **memory), longest)
    return replace(choice, title=title, about=_cut(translated(house, locale, choice.about, **memory), 72))


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"

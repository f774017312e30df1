"""Conversations as data: states, what each says, what it accepts, what it does. Versioned, and checked when loaded.

    CHECK_IN = Conversation(
        name="headshots.order", version=2, begins="welcome",
        states=(
            State("welcome",
                  says=Line(N_("Shall we begin?"), buttons=(Choice("yes", N_("Yes")), Choice("no", N_("No")))),
                  accepts=(Press("yes", to="photos"), Press("no", to=END))),
            State("photos", says=Line(N_("Send 15 photos.")),
                  accepts=(Gather("photos", most=15, least=15, to="complete"),),
                  waits=timedelta(hours=20), late="remind"),
            State("complete", says=Line(N_("Complete.")), enters=order_portraits),
            …
        ),
    )

A module provides it in its manifest (`provides`). A person is in one state at a time. Everything a step does (`does`,
`enters`) happens in one transaction with the message being marked as handled: exactly once, so no network in it; ask
for a job and come back with `api.move`.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from tillhouse.kernel.db import JsonObject, Session
from tillhouse.kernel.text import N_
from tillhouse.parts.channels.domain.chat import MEDIA, Choice, Kind, Line

STAY = ""  # the state goes on as it is, and says nothing anew
END = "*end"
PERSON = "*person"  # somebody of ours answers from here, until they hand back
_SPECIAL = (STAY, END, PERSON)


@dataclass(frozen=True, slots=True)
class Heard:
    """What somebody wrote, as a step sees it. `file_id` is the stored file of a picture, None where it was lost: `lost`
    says why.
    """

    inbound_id: UUID
    kind: Kind
    text: str = ""
    choice: str = ""
    file_id: UUID | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    lost: str = ""


@dataclass(slots=True)
class Talk:
    """One step of one conversation. `memory` may be changed; what `says` is given goes out before the next state's own.

    `owner_id` owns the files that were sent: the person, or the contact where we do not know the person.
    """

    session: Session
    conversation_id: UUID
    contact_id: UUID
    owner_id: UUID
    person_id: UUID | None
    locale: str
    memory: JsonObject
    heard: Heard | None
    lines: list[Line] = field(default_factory=list)

    def says(self, line: Line) -> None:
        """Say this as well."""
        self.lines.append(line)


Action = Callable[[Talk], Awaitable[str | None]]  # returns the state to go to instead, or None
Says = Line | Callable[[Talk], Line]


@dataclass(frozen=True, slots=True)
class Press:
    """A button or a row of the state's line; its title or number, typed, means the same."""

    id: str
    to: str
    does: Action | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """One of these words, whatever the case."""

    words: tuple[str, ...]
    to: str
    does: Action | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """Any text, kept in the memory as `save`. `check` returns a sentence that says what is wrong with it."""

    save: str
    to: str
    check: Callable[[str], str | None] | None = None
    does: Action | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A location, kept as `save` with latitude, longitude, name and address."""

    save: str
    to: str
    does: Action | None = None


@dataclass(frozen=True, slots=True)
class Gather:
    """Files, kept as a list of `{file_id, inbound_id}` in `save`. At `most` it goes on by itself, once.

    One of the words in `done` goes on earlier, with `least` or more; with fewer, `too_few` is said.
    """

    save: str
    to: str
    most: int
    least: int = 1
    kinds: frozenset[Kind] = frozenset({"image"})
    done: tuple[str, ...] = ("done", "ready", "finish")
    too_few: str = N_("{count} have arrived, {least} are needed.")
    each: Says | None = None
    does: Action | None = None


Accept = Press | Words | Text | Place | Gather


@dataclass(frozen=True, slots=True)
class State:
    """One state. Without `accepts` the conversation ends in it.

    `enters` runs before `says`. `otherwise` answers what it does not accept, and the question follows once more. After
    `waits` without an answer it goes to `late`.
    """

    name: str
    says: Says | None = None
    accepts: tuple[Accept, ...] = ()
    enters: Action | None = None
    otherwise: str = N_("I did not understand that.")
    waits: timedelta | None = None
    late: str = END


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """A flow. Conversations that began in an older version go on in it while it is still provided (pinned).

    Once it is gone, `migrate(version, state, memory)` says where in this version they go on; without it, in the state
    of the same name, or from the beginning. `starts`: words that begin it; the one without any begins with whatever is
    written. `accounts`: numbers of ours it answers on, any where empty. `words` lead somewhere from every state.
    Raises `ValueError` for a flow with a way that leads nowhere.
    """

    name: str
    version: int
    begins: str
    states: tuple[State, ...]
    starts: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    migrate: Callable[[int, str, JsonObject], tuple[str, JsonObject] | None] | None = None
    stale: str = N_("That question is behind us.")
    lost_file: str = N_("That file could not be read. Please send it once more.")
    handed_over: str = N_("Somebody of us will answer you here.")
    anew: str = N_("We have changed something here, so let us begin again.")

    def __post_init__(self) -> None:
        names = [state.name for state in self.states]
        if len(set(names)) != len(names):
            raise ValueError(f"{self.name}: two states have the same name")
        known = {*names, *_SPECIAL}
        for state in self.states:
            wrong = _ways(state) - known
            if wrong:
                raise ValueError(f"{self.name}: {state.name} leads to {', '.join(sorted(wrong))}, which is no state")
            _check_buttons(self.name, state)
        if wrong := {self.begins, *self.words.values()} - known:
            raise ValueError(f"{self.name}: {', '.join(sorted(wrong))} is no state")

    def state(self, name: str) -> State | None:
        """A state by name, None for one that this version does not have."""
        return next((state for state in self.states if state.name == name), None)


def wire_id(serial: int, state: str, choice: str) -> str:
    """What a button carries, so that one of an earlier question is known for what it is."""
    return f"{serial}.{state}.{choice}"


def read_wire_id(carried: str) -> tuple[int, str, str]:
    """The question, state and choice of a pressed button; (-1, "", …) for one that is not ours."""
    serial, _, rest = carried.partition(".")
    state, _, choice = rest.partition(".")
    if serial.isdigit() and choice:
        return int(serial), state, choice
    return -1, "", carried


def typed_choice(choices: tuple[Choice, ...], titles: tuple[str, ...], text: str) -> str | None:
    """The choice that somebody typed instead of pressing it: its title, or its number in the order shown."""
    said = bare(text)
    for number, (choice, title) in enumerate(zip(choices, titles, strict=True), 1):
        if said in (bare(title), str(number)):
            return choice.id
    return None


def bare(text: str) -> str:
    """A text for comparing: case, spaces and the stop at its end do not matter."""
    return " ".join(text.casefold().strip(" \t\n.!?").split())


def _ways(state: State) -> set[str]:
    return {accept.to for accept in state.accepts} | {state.late}


def _check_buttons(flow: str, state: State) -> None:
    pressed = {accept.id for accept in state.accepts if isinstance(accept, Press)}
    shown = {choice.id for choice in state.says.choices} if isinstance(state.says, Line) else pressed
    if shown != pressed:
        different = ", ".join(sorted(shown ^ pressed))
        raise ValueError(f"{flow}: {state.name} shows and accepts different buttons: {different}")
    if any("." in name for name in (state.name,)):
        raise ValueError(f"{flow}: the name of {state.name} has a full stop, which buttons cannot carry")
    for accept in state.accepts:
        if isinstance(accept, Gather) and not (accept.kinds <= MEDIA and 0 < accept.least <= accept.most):
            raise ValueError(f"{flow}: {state.name} gathers files, from `least` to `most` of them")

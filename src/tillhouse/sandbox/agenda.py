"""What the outside world does by itself later: banks that settle, people who confirm late, phones that receive."""

import asyncio
from collections.abc import Callable
from typing import ClassVar

from tillhouse.sandbox import ids
from tillhouse.sandbox.clock import Clock
from tillhouse.sandbox.store import Scheduled, Store

Action = Callable[[str], None]


class Task(Scheduled):
    """One thing to do to one object at `due_at`."""

    kind: ClassVar[str] = "task"

    action: str
    subject: str


class Agenda:
    """Scheduled actions. Each runs in one transaction with its own removal, so exactly once."""

    def __init__(self, store: Store, clock: Clock, wake: asyncio.Event) -> None:
        self._store = store
        self._clock = clock
        self._wake = wake
        self._actions: dict[str, Action] = {}

    def register(self, name: str, action: Action) -> None:
        """Say what to do for tasks called `name`. The action must bear being called too late."""
        self._actions[name] = action

    def plan(self, action: str, subject: str, provider_seconds: float) -> None:
        """Do `action` to `subject` after that much of the provider's time."""
        self._put(action, subject, self._clock.after(provider_seconds))

    def plan_at(self, action: str, subject: str, unix_seconds: int) -> None:
        """Do `action` to `subject` at an instant that was named on the wire: the scale of the clock is left out."""
        self._put(action, subject, unix_seconds * 1000)

    def run_due(self) -> int:
        """Do everything due; returns how many things were done."""
        due = self._store.due(Task, self._clock.now_ms())
        for task in due:
            with self._store.transaction():
                if self._store.delete(Task, task.id):
                    self._actions[task.action](task.subject)
        return len(due)

    def _put(self, action: str, subject: str, due_at: int) -> None:
        task = Task(
            id=f"task_{ids.token(14)}",
            created_at=self._clock.now_s(),
            due_at=due_at,
            action=action,
            subject=subject,
        )
        self._store.put(task)
        self._wake.set()

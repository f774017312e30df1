"""The whole house for the chaos bench: the processes that `till up` keeps, kept by the same supervisor.

Its parent kills any of them with SIGKILL, at any moment; the supervisor starts it again.
"""

import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tillhouse.apps import local
from tillhouse.apps.embedded import EmbeddedPostgres
from tillhouse.apps.supervise import ProcessSpec, Supervisor
from tillhouse.apps.supervise.specs import RestartPolicy

# Whatever is killed comes back in a moment, and nobody counts how often.
_POLICY = RestartPolicy(pause=0.2, longest_pause=0.5, early=0.0, most_early_deaths=10**6, ready=120.0)
_UNGUARDED = {
    # Hundreds of people are paid out to the sandbox's few test accounts: the guards would stop them, as they should.
    "PAYOUTS_PERSONS_PER_ACCOUNT": "1000000",
    "PAYOUTS_ACCOUNT_LIMITS": "",
    "PAYOUTS_HOUSE_LIMITS": "",
    "PAYOUTS_PERSON_LIMITS": "",
    "PAYOUTS_PAYEE_LIMITS": "",
    "PAYMENTS_GATEWAYS": "razorpay,stripe,omise,sepay",
}


@dataclass(frozen=True)
class Place:
    """Where the house is, and what its processes are told."""

    folder: Path
    port: int

    @property
    def web(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def sandbox(self) -> str:
        return f"http://127.0.0.1:{self.port + 1}"

    @property
    def state(self) -> Path:
        return self.folder / "sandbox.sqlite"

    def environment(self, database_url: str) -> dict[str, str]:
        """What web, worker and relay are told."""
        addresses = {"BASE_URL": self.web, "SANDBOX_URL": self.sandbox, "SMTP_HOST": "127.0.0.1"}
        more = {"SMTP_PORT": str(self.port + 25), "DATA_FOLDER": str(self.folder), "DATABASE_URL": database_url}
        levels = {"LOG_LEVEL": "error", "IDENTITY_ACCESS_MINUTES": "600"}
        return {**os.environ, **local.keys(self.folder), **addresses, **more, **levels, **_UNGUARDED}


def be_house(place: Place) -> int:
    """Keep the house running until SIGTERM."""
    server = EmbeddedPostgres(place.folder / "postgres", durable=True)
    server.start()
    env = place.environment(server.app_url)
    (place.folder / "database_url").write_text(server.app_url)
    sandbox = [
        sys.executable, "-m", "tillhouse.sandbox", "--port", str(place.port + 1), "--smtp-port", str(place.port + 25),
        "--state", str(place.state), "--web", place.web,
    ]  # fmt: skip
    # A held answer is given up by the house after ten seconds; the sandbox's own patience need not be longer.
    outside = {**os.environ, "SANDBOX_SEPAY_CALLS_PER_SECOND": "50", "SANDBOX_HOLD_SECONDS": "12"}
    owner = {**env, "DATABASE_OWNER_URL": server.owner_url}
    specs = [
        server,
        ProcessSpec("migrate", _till("migrate"), owner, restart=False),
        ProcessSpec("sandbox", sandbox, outside, ready=f"{place.sandbox}/health/live"),
        ProcessSpec("web", _till("serve", "--port", str(place.port)), env, ready=f"{place.web}/health/ready"),
        ProcessSpec("worker", _till("worker"), env),
        ProcessSpec("relay", _till("relay"), env),
    ]
    ready = place.folder / "ready"
    return Supervisor(specs, place.folder, policy=_POLICY, say=lambda _: None, on_ready=ready.touch).run()


def _till(*words: str) -> list[str]:
    return [sys.executable, "-m", "tillhouse.apps.cli", *words]


def kill(place: Place, supervisor: int, what: str) -> bool:
    """SIGKILL one process of the house; whether there was one to kill."""
    found = _postmaster(place) if what == "postgres" else _child(supervisor, what)
    if found is None:
        return False
    with suppress(psutil.NoSuchProcess):
        found.send_signal(signal.SIGKILL)
        return True
    return False


def _postmaster(place: Place) -> psutil.Process | None:
    try:
        pid = int((place.folder / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
        return psutil.Process(pid)
    except (OSError, ValueError, IndexError, psutil.NoSuchProcess):
        return None


def _child(supervisor: int, what: str) -> psutil.Process | None:
    marks = {"web": "serve", "worker": "worker", "relay": "relay", "sandbox": "tillhouse.sandbox"}
    with suppress(psutil.NoSuchProcess):
        for child in psutil.Process(supervisor).children():
            with suppress(psutil.Error):
                if marks[what] in child.cmdline():
                    return child
    return None

"""Mixed load against the whole house while its processes are killed and its providers misbehave.

    ./till bench chaos [--minutes 10] [--seed N] [--json FILE]

Starts PostgreSQL (fsync on), sandbox, web, worker and relay as `till up` does. People pay in by every gateway, verify,
withdraw; staff give back; machines post; somebody forges webhooks. Meanwhile one process after another gets SIGKILL,
PostgreSQL and the sandbox too, and the sandbox's webhooks and answers get every fault it knows. Then all of it stops,
the house comes to rest, and the books are held against what the outside and the clients remember. The seed, which is
printed, decides who does what and what breaks; what the machine makes of the same moment is its own.

Exit code 1 when anything is lost, double, stuck, or breaks an invariant, when the house answered 500, when it refused
what it should not have (`REFUSALS` of chaos_load.py says what it may, and how) or took what nobody signed, and when one
of the acts, kills or faults never happened: such a run has shown nothing of it.
"""

import argparse
import asyncio
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from bench import chaos_house, chaos_truth
from bench.chaos_house import Place
from bench.chaos_load import ACTS, REFUSALS, Client, Load, Person, connect, each_in_turn, verify_recipients
from bench.chaos_truth import Outside, Verdict
from tillhouse.apps.compose import build_house
from tillhouse.apps.embedded import host
from tillhouse.kernel.access import SYSTEM
from tillhouse.kernel.house import House
from tillhouse.kernel.ids import new_id
from tillhouse.kernel.logs import configure_logs
from tillhouse.kernel.settings import KernelSettings
from tillhouse.parts.identity.domain import parse_identifier
from tillhouse.parts.identity.service import machines, people, sessions
from tillhouse.sandbox.faults import CALL_FAULTS, WEBHOOK_FAULTS

PROCESSES = ("web", "worker", "relay", "postgres", "sandbox")
FAULTS = (*WEBHOOK_FAULTS, *CALL_FAULTS)
PROVIDERS = ("razorpay", "razorpayx", "stripe", "omise", "sepay")
PEOPLE = 60
START_SECONDS = 900.0
_FAULTS_AT_ONCE = 4


@dataclass
class Chaos:
    """A run: where the house is, what was done to it, and what came of it."""

    place: Place
    supervisor: int
    seed: int
    end: float  # of load, kills and faults, by the monotonic clock
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def left(self) -> float:
        """Seconds until all of it ends."""
        return max(0.0, self.end - time.monotonic())

    async def kill_now_and_then(self, load: Load) -> None:
        """SIGKILL to one process, sometimes to two at once; the next one as a rule when something was done meanwhile,
        so that there is something to be killed in.
        """
        chance = random.Random(f"{self.seed} kills")
        victims = each_in_turn(PROCESSES, chance)
        while self.left:
            await asyncio.sleep(min(self.left, chance.uniform(1.0, 7.0)))
            enough = sum(load.done.values()) + (chance.randint(5, 25) if chance.random() < 0.8 else 0)
            while self.left and sum(load.done.values()) < enough:  # noqa: ASYNC110  other tasks do it
                await asyncio.sleep(0.3)
            if not self.left:
                return
            for what in {next(victims) for _ in range(chance.choice((1, 1, 1, 2)))}:
                self.kills[what] += chaos_house.kill(self.place, self.supervisor, what)

    async def break_now_and_then(self, http: httpx.AsyncClient) -> None:
        """One fault after another at any provider, a few in force at a time: more would leave no call that works."""
        chance = random.Random(f"{self.seed} faults")
        faults = each_in_turn(FAULTS, chance)
        while self.left:
            await asyncio.sleep(min(self.left, chance.uniform(0.5, 2.5)))
            in_force = await _ask(http, "GET", f"{self.place.sandbox}/_sandbox/faults")
            if in_force is None or len(in_force.json()) >= _FAULTS_AT_ONCE:
                continue
            fault = next(faults)
            wish: dict[str, Any] = {"provider": chance.choice(PROVIDERS), "path": "*", "fault": fault}
            wish["count"] = chance.choice((1, 1, 2, 4))
            if fault in ("delay", "reorder"):
                wish["seconds"] = chance.uniform(1, 10)
            if await _ask(http, "POST", f"{self.place.sandbox}/_sandbox/faults", wish):
                self.faults[fault] += wish["count"]
        await self.mend(http)

    async def mend(self, http: httpx.AsyncClient) -> None:
        """Lift every fault."""
        faults = f"{self.place.sandbox}/_sandbox/faults"
        while await _ask(http, "DELETE", faults) is None:  # noqa: ASYNC110  another process starts it
            await asyncio.sleep(0.5)


async def _ask(http: httpx.AsyncClient, method: str, url: str, body: object = None) -> httpx.Response | None:
    try:
        answer = await http.request(method, url, json=body)
    except httpx.HTTPError:
        return None
    return answer if answer.is_success else None


async def run(chaos: Chaos, given: argparse.Namespace) -> dict[str, Any]:
    """Everything from the first client to the verdict."""
    async with _house(chaos.place) as house, _clients() as http:
        load = await _prepare(house, chaos.place, http)
        started = time.monotonic()
        chaos.end = started + given.minutes * 60
        clients = [Client(load, random.Random(f"{chaos.seed} client {n}"), http) for n in range(given.clients)]
        breaking = [
            asyncio.create_task(chaos.kill_now_and_then(load)),
            asyncio.create_task(chaos.break_now_and_then(http)),
            asyncio.create_task(_progress(chaos, load)),
        ]
        await asyncio.gather(*breaking, *(client.run(lambda: not chaos.left) for client in clients))
        ran = time.monotonic() - started
        print("no more load, kills or faults: the house comes to rest", flush=True)
        drained, left = await _drain(chaos, house, http, given.patience * 60)
        verdict = await _judge(chaos, house, load)
        exceptions = await chaos_truth.exceptions(house)
    return _result(chaos, load, Came(ran, drained, left, verdict, exceptions))


@asynccontextmanager
async def _house(place: Place) -> AsyncIterator[House]:
    """Our own eyes on the database, with the keys of the house."""
    os.environ |= place.environment((place.folder / "database_url").read_text())
    settings = KernelSettings.load()
    configure_logs(settings)
    house = build_house(settings, process="chaos")
    try:
        yield house
    finally:
        await house.close()


@asynccontextmanager
async def _clients() -> AsyncIterator[httpx.AsyncClient]:
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=20)
    async with httpx.AsyncClient(timeout=30.0, limits=limits, trust_env=False) as http:
        yield http


async def _prepare(house: House, place: Place, http: httpx.AsyncClient) -> Load:
    found: list[Person] = []
    async with house.database.transaction() as session:
        for number in range(PEOPLE):
            address = parse_identifier(f"person{number}@example.com")
            row = await people.create(session, f"Person {number}", [address], password_hash=None, role="user")
            begun = await sessions.begin(session, row, "api", "bench", 2)
            assert begun.tokens
            found.append(Person(row.id, begun.tokens.access_token))
        machine = await machines.create(
            session, SYSTEM, "bench", ["ledger.post", "payments.refund", "payments.reconcile"]
        )
    return Load(place.web, place.sandbox, found, machine.key, new_id(), await connect(place.sandbox, http))


async def _progress(chaos: Chaos, load: Load) -> None:
    while chaos.left:
        await asyncio.sleep(min(30.0, chaos.left))
        print(
            f"  {chaos.left:4.0f} s to go: {sum(load.done.values()):,} done, {sum(load.refused.values()):,} refused, "
            f"{sum(chaos.kills.values())} kills, {sum(chaos.faults.values())} faults",
            flush=True,
        )


async def _reach(house: House) -> None:
    """Our connections may be to a server that was killed, and the new one may still be starting."""
    await house.database.engine.dispose()
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            async with house.database.reading() as session:
                await session.execute(text("SELECT 1"))
            return
        except (SQLAlchemyError, OSError):
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.5)


async def _drain(chaos: Chaos, house: House, http: httpx.AsyncClient, patience: float) -> tuple[float, list[str]]:
    """Wait until nothing is under way: how many seconds that took, and what is left after all patience."""
    started = time.monotonic()
    await _reach(house)
    said = 0.0
    while True:
        await verify_recipients(chaos.place.sandbox, http)
        left = await _waiting(chaos, house)
        passed = time.monotonic() - started
        if not left or passed > patience:
            return passed, left
        if passed - said > 30:
            said = passed
            print(f"  {passed:4.0f} s: {len(left)} not at their end, such as: {left[0]}", flush=True)
        await asyncio.sleep(1)


async def _waiting(chaos: Chaos, house: House) -> list[str]:
    return await chaos_truth.waits(house, Outside.read(chaos.place.state))


async def _judge(chaos: Chaos, house: House, load: Load) -> Verdict:
    return await chaos_truth.judge(house, load, Outside.read(chaos.place.state))


def _audit() -> list[str]:
    """What `till audit` finds."""
    argv = [sys.executable, "-m", "tillhouse.apps.cli", "audit", "--json"]
    said = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False).stdout
    findings = json.loads(said)["findings"]
    return [f"{one['name']}: {line}" for one in findings for line in one["violations"]]


@dataclass(frozen=True)
class Came:
    """What came of it. `ran` and `drained` are seconds; `left` is what was still open after all patience."""

    ran: float
    drained: float
    left: list[str]
    verdict: Verdict
    exceptions: dict[str, int]


def _result(chaos: Chaos, load: Load, came: Came) -> dict[str, Any]:
    violations = _audit()
    stuck = sorted({*came.verdict.stuck, *came.left})
    return {
        "seed": chaos.seed,
        "seconds": round(came.ran, 1),
        "operations": sum(load.done.values()) + sum(load.refused.values()),
        "done": dict(sorted(load.done.items())),
        "refused": dict(sorted(load.refused.items())),
        "unanswered": load.unanswered,
        "kills": dict(sorted(chaos.kills.items())),
        "faults": dict(sorted(chaos.faults.items())),
        "seconds_to_drain": round(came.drained, 1),
        "put_before_people": came.exceptions,
        "answered_500": dict(load.crashes),
        "invariant_violations": violations,
        "refused_wrongly": _refused_wrongly(load),
        "never_happened": _never_happened(chaos, load),
        "lost": came.verdict.lost,
        "double": came.verdict.double,
        "stuck": stuck,
    }


def _refused_wrongly(load: Load) -> list[str]:
    """What the house said no to and should not have, and what it should have said no to and took."""
    refused = [f"{what}, {times} times" for what, times in sorted(load.refused.items()) if what not in REFUSALS]
    taken = load.done["forged webhook"]
    return [*refused, *([f"forged webhooks that were taken: {taken}"] if taken else [])]


def _never_happened(chaos: Chaos, load: Load) -> list[str]:
    """Acts, kills and faults that the run was too short, or the house too slow, for."""
    acts = [f"act: {name}" for name in ACTS if not load.done[name]]
    if not any(name.startswith("forged webhook") for name in load.refused):
        acts.append("act: forged webhook")
    kills = [f"kill: {name}" for name in PROCESSES if not chaos.kills[name]]
    return [*acts, *kills, *(f"fault: {name}" for name in FAULTS if not chaos.faults[name])]


_WRONG = (
    "invariant_violations", "lost", "double", "stuck", "answered_500", "refused_wrongly", "never_happened",
    "unanswered",
)  # fmt: skip


def show(found: dict[str, Any]) -> bool:
    """Print the figures; whether all is well."""
    print(f"\nseed {found['seed']}: {found['operations']:,} operations in {found['seconds']:.0f} s")
    for title in ("done", "refused", "kills", "faults", "put_before_people"):
        parts = ", ".join(f"{name} {times:,}" for name, times in found[title].items())
        print(f"  {title.replace('_', ' '):<22} {sum(found[title].values()):>8,}   {parts}")
    print(f"  {'seconds to drain':<22} {found['seconds_to_drain']:>8,}")
    for title in _WRONG:
        print(f"  {title.replace('_', ' '):<22} {len(found[title]):>8,}")
        for line in list(found[title])[:10]:
            print(f"      {line}")
    return not any(found[title] for title in _WRONG)


@contextmanager
def _house_process(place: Place) -> Iterator[int]:
    argv = [sys.executable, "-m", "bench.chaos", "--be-house", str(place.folder), "--port", str(place.port)]
    with (place.folder / "house.log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        _wait_for(lambda: (place.folder / "ready").exists() or process.poll() is not None)
        if process.poll() is not None:
            raise SystemExit((place.folder / "house.log").read_text()[-2000:])
        yield process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def _wait_for(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + START_SECONDS
    while not happened():
        if time.monotonic() > end:
            raise SystemExit("The house did not start in time.")
        time.sleep(0.1)


def _free_port() -> int:
    """A port whose neighbours, for the sandbox and its mail, are free as well."""
    while True:
        port = host.free_port()
        if port < 65_000 and all(host.is_free(port + offset) for offset in (0, 1, 25)):
            return port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="how long everything happens (default 10)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9), help="default: another each time")
    parser.add_argument("--clients", type=int, default=8, help="how many do things at once (default 8)")
    parser.add_argument("--patience", type=float, default=20, help="minutes for the house to come to rest (default 20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file, too")
    parser.add_argument("--port", type=int, default=0, help="port of the web process (default: a free one)")
    parser.add_argument("--be-house", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.be_house:
        sys.exit(chaos_house.be_house(Place(given.be_house, given.port)))
    print(f"seed {given.seed}, {given.minutes:g} minutes, {os.cpu_count()} processors", flush=True)
    with tempfile.TemporaryDirectory(prefix="till-chaos-") as folder:
        place = Place(Path(folder), given.port or _free_port())
        with _house_process(place) as supervisor:
            found = asyncio.run(run(Chaos(place, supervisor, given.seed, end=0.0), given))
    well = show(found)
    if given.json:
        given.json.write_text(json.dumps(found, indent=2) + "\n")
    sys.exit(0 if well else 1)


if __name__ == "__main__":
    main()

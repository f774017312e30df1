"""The supervisor, run as a program of its own beside real processes."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from tillhouse.apps.supervise import ProcessSpec, Supervisor, SupervisorError, check_port, lock_folder

# Each prints what it does, so that the tests wait for lines, never for time.
PROGRAMS = {
    "sleeper": "import time; print('sleeping', flush=True); time.sleep(600)",
    "stubborn": "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(600)",
    "parent": """
        import subprocess, sys, time
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print("child", child.pid, flush=True)
        time.sleep(600)
    """,
    "broken": "import sys; print('ERROR the setting is missing', flush=True); sys.exit(3)",
    "told": """
        import json, os, sys
        told = [sorted(os.environ), sys.argv[1:], sys.stdin.read(), os.getpgrp() == os.getpid()]
        print(json.dumps(told), flush=True)
    """,
    "preloaded": "",
    "loud": "import time; [print('x' * 9999) for _ in range(1500)]; print(flush=True); time.sleep(600)",
}
HARNESS = """
    import json, sys
    from pathlib import Path
    from tillhouse.apps.supervise import Nursery, ProcessSpec, RestartPolicy, Supervisor, SupervisorError
    folder, policy, specs = json.loads(sys.argv[1])
    try:
        code = Supervisor(
            [ProcessSpec(*spec) for spec in specs],
            Path(folder),
            nursery=Nursery("preloaded"),
            policy=RestartPolicy(**policy),
            say=lambda sentence: print(sentence, flush=True),
            on_ready=lambda: print("all up", flush=True),
        ).run()
    except SupervisorError as error:
        sys.exit(str(error))
    sys.exit(code)
"""


class House:
    """A supervisor as a program, with what it says."""

    def __init__(self, folder: Path, programs: Path, *, fork: bool) -> None:
        self.folder, self.fork = folder, fork
        self.said: list[str] = []
        self._running: list[subprocess.Popen[str]] = []
        self._found = {"PYTHONPATH": str(programs)}
        for name, program in PROGRAMS.items():
            (programs / f"{name}.py").write_text(textwrap.dedent(program))

    def up(self, *names: str, url: str | None = None, restart: bool = True, **policy: float) -> subprocess.Popen[str]:
        specs = [(name, [sys.executable, "-m", name], self._found, url, restart, self.fork) for name in names]
        arguments = json.dumps([str(self.folder), {"pause": 0.05, "longest_pause": 0.2, **policy}, specs])
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(HARNESS), arguments],
            env={**os.environ, **self._found, "OF_THE_SUPERVISOR": "alone"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._running.append(process)
        return process

    def hear(self, process: subprocess.Popen[str], words: str) -> str:
        assert process.stdout is not None
        for line in process.stdout:
            self.said.append(line)
            if words in line:
                return line
        raise AssertionError(f"never said {words!r}: {''.join(self.said)}")

    def recorded(self) -> list[int]:
        return [pid for pid, _ in json.loads((self.folder / "processes.json").read_text())]

    def running(self) -> list[psutil.Process]:
        return [psutil.Process(pid) for pid in self.recorded()]

    def log(self, name: str) -> str:
        path = self.folder / "logs" / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def end(self) -> None:
        for process in self._running:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.communicate(timeout=20)


linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every process starts by itself")


@contextmanager
def begun(folder: Path, *, fork: bool) -> Iterator[House]:
    (folder / "programs").mkdir()
    house = House(folder / "home with spaces", folder / "programs", fork=fork)
    try:
        yield house
    finally:
        house.end()


@pytest.fixture(params=["alone", pytest.param("forked", marks=linux)])
def house(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[House]:
    """In both ways a process can start: by itself, or as a fork of one that has loaded what it needs."""
    with begun(tmp_path, fork=request.param == "forked") as house:
        yield house


def eventually(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen"
        time.sleep(0.02)  # polling another process: there is no event to wait for


def stop(process: subprocess.Popen[str], how: signal.Signals) -> float:
    began = time.monotonic()
    process.send_signal(how)
    process.wait(timeout=20)
    return time.monotonic() - began


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_everything_and_the_exit_code_is_zero(house: House, how: signal.Signals) -> None:
    process = house.up("sleeper", "parent")
    house.hear(process, "all up")
    eventually(lambda: "child" in house.log("parent") and "sleeping" in house.log("sleeper"))
    children = [*house.running(), psutil.Process(int(house.log("parent").split()[1]))]
    seconds = stop(process, how)
    assert process.returncode == 0
    assert seconds < 3
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    assert not (house.folder / "processes.json").exists()


def test_a_process_that_ignores_sigterm_is_killed_within_ten_seconds(house: House) -> None:
    process = house.up("stubborn")
    house.hear(process, "all up")
    eventually(lambda: "deaf" in house.log("stubborn"))
    (child,) = house.running()
    assert stop(process, signal.SIGINT) < 10
    assert process.returncode == 0
    assert not child.is_running()


def test_ctrl_c_of_the_terminal_reaches_the_supervisor_alone(house: House) -> None:
    process = house.up("sleeper")
    house.hear(process, "all up")
    (child,) = house.running()
    assert os.getpgid(child.pid) != os.getpgid(process.pid)
    eventually(lambda: os.getpgid(child.pid) == child.pid)


def test_a_killed_process_is_started_again(house: House) -> None:
    process = house.up("sleeper", early=0)
    house.hear(process, "all up")
    (first,) = house.running()
    first.kill()
    said = house.hear(process, "sleeper ended")
    assert "SIGKILL" in said
    assert "Starting it again in 0.05 s" in said
    eventually(lambda: house.recorded() != [first.pid] and house.running()[0].is_running())


def test_the_pause_between_restarts_doubles_up_to_the_longest(house: House) -> None:
    process = house.up("broken", early=0)
    pauses = [house.hear(process, "Starting it again").rsplit(" in ", 1)[1].strip() for _ in range(4)]
    assert pauses == ["0.05 s.", "0.1 s.", "0.2 s.", "0.2 s."]


def test_a_process_that_keeps_dying_young_ends_everything_with_one_sentence(house: House) -> None:
    process = house.up("sleeper", "broken")
    said = house.hear(process, "Everything is stopped")
    assert process.wait(timeout=20) == 1
    assert "broken ended (exit code 3)" in said
    assert str(house.folder / "logs" / "broken.log") in said
    assert "5 times in a row" in said
    assert sum("Starting it again" in line for line in house.said) == 4


def test_errors_are_shown_and_everything_is_in_the_log(house: House) -> None:
    process = house.up("broken")
    house.hear(process, "broken: ERROR the setting is missing")
    house.hear(process, "Everything is stopped")
    assert "ERROR the setting is missing" in house.log("broken")


def test_a_process_that_never_gets_ready_counts_as_dead(house: House) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}/"
    process = house.up("sleeper", url=nobody, ready=0.3)
    assert "was not ready within 0.3 s" in house.hear(process, "Everything is stopped")
    assert process.wait(timeout=20) == 1


def test_the_log_is_bounded_and_rotated_at_the_next_start(house: House) -> None:
    process = house.up("loud")
    house.hear(process, "all up")
    log, before = house.folder / "logs" / "loud.log", house.folder / "logs" / "loud.log.1"
    eventually(before.exists)
    eventually(lambda: before.stat().st_size + log.stat().st_size > 11 * 2**20)
    assert before.stat().st_size <= 10 * 2**20
    stop(process, signal.SIGTERM)
    last = log.stat().st_size
    process = house.up("loud")
    house.hear(process, "all up")
    assert before.stat().st_size >= last


def test_a_killed_database_is_started_again_at_its_address_and_stopped_at_the_end(tmp_path: Path) -> None:
    program = """
        import os, signal, sys
        from pathlib import Path
        from tillhouse.apps.embedded import EmbeddedPostgres
        from tillhouse.apps.supervise import ProcessSpec, RestartPolicy, Supervisor
        postgres = EmbeddedPostgres(Path(sys.argv[1]) / "postgres", durable=False)
        postgres.start()
        print(postgres.port, postgres.pid, flush=True)
        print("exit code", Supervisor(
            [postgres, ProcessSpec("sleeper", ["sleep", "600"], {})],
            Path(sys.argv[1]),
            policy=RestartPolicy(pause=0.05),
            say=lambda sentence: print(sentence, flush=True),
            on_ready=lambda: os.kill(postgres.pid, signal.SIGKILL),
        ).run(), postgres.poll())
    """
    with subprocess.Popen(
        [sys.executable, "-u", "-c", textwrap.dedent(program), str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        port, killed = process.stdout.readline().split()
        assert "postgresql ended (SIGKILL). Starting it again" in process.stdout.readline()
        pid_file = tmp_path / "postgres" / "data" / "postmaster.pid"
        eventually(lambda: pid_file.exists() and not pid_file.read_text().startswith(killed))
        eventually(lambda: "ready" in pid_file.read_text())
        assert pid_file.read_text().splitlines()[3] == port
        assert stop(process, signal.SIGTERM) < 5
        assert process.stdout.read().split() == ["exit", "code", "0", "0"]
    assert not pid_file.exists()


def test_a_one_off_that_fails_ends_everything(house: House) -> None:
    process = house.up("broken", restart=False)
    assert "Everything is stopped" in house.hear(process, "broken ended (exit code 3)")
    assert process.wait(timeout=20) == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends children of a killed parent on Linux alone")
def test_children_end_when_the_supervisor_is_killed(house: House) -> None:
    process = house.up("sleeper")
    house.hear(process, "all up")
    eventually(lambda: "sleeping" in house.log("sleeper"))
    (child,) = house.running()
    stop(process, signal.SIGKILL)
    child.wait(timeout=5)


def test_a_process_gets_its_own_environment_and_nothing_of_the_supervisors(house: House) -> None:
    house.hear(house.up("told", restart=False), "all up")
    environment, words, typed, leads_its_group = json.loads(house.log("told"))
    assert "PYTHONPATH" in environment
    assert "OF_THE_SUPERVISOR" not in environment
    assert (words, typed, leads_its_group) == ([], "", True)


@linux
def test_when_what_processes_are_forked_from_is_killed_they_end_and_are_started_again(tmp_path: Path) -> None:
    with begun(tmp_path, fork=True) as house:
        process = house.up("sleeper")
        house.hear(process, "all up")
        (child,) = house.running()
        server = child.parent()
        assert server is not None
        assert server.pid != process.pid
        server.kill()
        house.hear(process, "Starting it again")
        eventually(lambda: bool(house.recorded()) and house.recorded() != [child.pid])
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
        assert stop(process, signal.SIGTERM) < 10


@linux
def test_one_that_cannot_be_loaded_is_said_and_ends_everything(tmp_path: Path) -> None:
    with begun(tmp_path, fork=True) as house:
        (tmp_path / "programs" / "preloaded.py").write_text("raise RuntimeError('no such engine')")
        process = house.up("sleeper", most_early_deaths=2)
        house.hear(process, "no such engine")
        assert "sleeper cannot start" in house.hear(process, "Everything is stopped")
        assert process.wait(timeout=20) == 1


def test_the_next_start_ends_what_a_killed_supervisor_left(house: House) -> None:
    process = house.up("stubborn", "parent")
    house.hear(process, "all up")
    eventually(lambda: "deaf" in house.log("stubborn") and "child" in house.log("parent"))
    left = [*house.running(), psutil.Process(int(house.log("parent").split()[1]))]
    stop(process, signal.SIGKILL)
    assert left[0].is_running()
    house.hear(house.up("sleeper"), "all up")
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in left)


def test_a_recorded_process_id_that_now_belongs_to_another_is_left_alone(house: House) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True) as other:
        house.folder.mkdir()
        record = [[other.pid, psutil.Process(other.pid).create_time() - 100]]
        (house.folder / "processes.json").write_text(json.dumps(record))
        house.hear(house.up("sleeper"), "all up")
        assert other.poll() is None
        other.kill()


def test_a_second_supervisor_of_the_same_folder_is_refused(house: House) -> None:
    first = house.up("sleeper")
    house.hear(first, "all up")
    second = house.up("sleeper")
    assert f"already running in {house.folder} (process {first.pid})" in house.hear(second, "running")
    assert second.wait(timeout=20) == 1
    assert house.running()[0].is_running()


def test_a_port_in_use_is_named_with_the_way_out() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(SupervisorError, match=rf"Port {port} of 127.0.0.1 is in use.*--port"):
            check_port(port)
    check_port(port)


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_number_that_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(SupervisorError, match="no port"):
        check_port(port)


def test_a_second_up_of_the_same_folder_is_one_sentence_and_changes_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with lock_folder(data), socket.socket() as taken:  # the first one, which also holds the port
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        before = sorted(data.rglob("*"))
        done = subprocess.run(
            [sys.executable, "-m", "tillhouse.apps.cli", "up", "--data", str(data), "--port", port],
            check=False, cwd=tmp_path, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 1
        (sentence,) = done.stderr.splitlines()
        assert f"Tillhouse is already running in {data} (process {os.getpid()}): use it, or stop it" in sentence
        assert sorted(data.rglob("*")) == before


def test_a_supervisor_takes_over_the_lock_of_whoever_made_its_folder_ready(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert (
        Supervisor(
            [ProcessSpec("broken", [sys.executable, "-c", "raise SystemExit(3)"], {}, restart=False)],
            data,
            lock=lock_folder(data),
            say=lambda _: None,
        ).run()
        == 1
    )
    lock_folder(data).close()

"""The embedded database against real folders, real kills and real refusals."""

import asyncio
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import psycopg
import pytest

from tillhouse.apps.embedded import EmbeddedError, EmbeddedPostgres, find_binaries, host, server

HOLD = """
import sys
from pathlib import Path
from tillhouse.apps.embedded import EmbeddedPostgres
postgres = EmbeddedPostgres(Path(sys.argv[1]))
postgres.start()
print(postgres.pid, postgres.superuser_dsn, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "a folder"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that was made and stopped once, to be copied and damaged."""
    folder = tmp_path_factory.mktemp("template") / "made"
    with EmbeddedPostgres(folder, durable=False):
        pass
    return folder


@pytest.fixture
def made(template: Path, folder: Path) -> Path:
    subprocess.run(["cp", "-a", str(template), str(folder)], check=True)
    return folder


@pytest.fixture
def elsewhere(made: Path) -> Iterator[tuple[int, str, subprocess.Popen[str]]]:
    """Another program that runs the database in `made`: its postmaster's id and address."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(made)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        pid, dsn = holder.stdout.readline().split()
        yield int(pid), dsn, holder
        holder.kill()


def refused(folder: Path, port: int | None = None) -> str:
    """The sentence of a start that is refused; nothing is left running and the folder can be taken again."""
    postgres = EmbeddedPostgres(folder, port, durable=False)
    with pytest.raises(EmbeddedError) as error:
        postgres.start()
    assert postgres.pid is None
    sentence = str(error.value)
    assert "\n" not in sentence
    return sentence


async def ask(dsn: str, question: str) -> object:
    connection = await asyncpg.connect(dsn.replace("+asyncpg", ""))
    try:
        return await connection.fetchval(question)
    finally:
        await connection.close()


async def test_a_new_folder_becomes_a_database_with_an_owner_and_an_app_role(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False) as postgres:
        assert str(await ask(postgres.app_url, "SELECT version()")).startswith("PostgreSQL 18")
        assert await ask(postgres.app_url, "SELECT '[1,2]'::vector <-> '[1,3]'") == 1.0
        assert await ask(postgres.app_url, "SELECT upper('đồng हिन्दी')") == "ĐỒNG हिन्दी"
        owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        assert await ask(postgres.owner_url, owner) == "till_owner"
        powers = "SELECT rolsuper OR rolcreaterole OR rolcreatedb FROM pg_roles WHERE rolname = current_user"
        assert await ask(postgres.owner_url, powers) is False
        assert await ask(postgres.app_url, powers) is False
        await ask(postgres.owner_url, "CREATE SCHEMA ledger")


@pytest.mark.parametrize(
    "forbidden",
    ["CREATE SCHEMA mine", "CREATE TABLE mine (id int)", "CREATE TEMP TABLE mine (id int)", "CREATE ROLE mine"],
)
async def test_the_app_role_can_make_nothing(made: Path, forbidden: str) -> None:
    with EmbeddedPostgres(made, durable=False) as postgres, pytest.raises(asyncpg.InsufficientPrivilegeError):
        await ask(postgres.app_url, forbidden)


async def test_a_wrong_password_is_refused(made: Path) -> None:
    with EmbeddedPostgres(made, durable=False) as postgres:
        wrong = re.sub(r"till_app:[^@]+@", "till_app:guess@", postgres.app_url)
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(wrong, "SELECT 1")


async def test_passwords_and_data_survive_a_restart_and_only_we_can_read_them(folder: Path) -> None:
    with EmbeddedPostgres(folder, durable=False) as postgres:
        await ask(postgres.owner_url, "CREATE TABLE kept (id int)")
    passwords = (folder / "secrets.json").read_text()
    assert stat.S_IMODE((folder / "secrets.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o700
    assert not (folder / "initdb.password").exists()
    with EmbeddedPostgres(folder, durable=False) as postgres:
        assert await ask(postgres.owner_url, "SELECT count(*) FROM kept") == 0
    assert (folder / "secrets.json").read_text() == passwords


async def test_a_durable_server_forces_every_commit_to_the_disk(made: Path) -> None:
    with EmbeddedPostgres(made) as postgres:
        for name in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
            assert await ask(postgres.superuser_dsn, f"SHOW {name}") == "on"


async def test_the_log_holds_no_statement_and_no_value(made: Path) -> None:
    with EmbeddedPostgres(made, durable=False) as postgres:
        await ask(postgres.owner_url, "CREATE TABLE people (email text PRIMARY KEY)")
        for question in ("INSERT INTO people VALUES ('a@b.example')",) * 2:
            try:
                await ask(postgres.owner_url, question)
            except asyncpg.UniqueViolationError:
                continue
    log = postgres.log_file.read_text()
    assert "duplicate key" in log
    assert "a@b.example" not in log


async def test_after_a_kill_the_same_address_answers_again_and_commits_are_kept(made: Path) -> None:
    postgres = EmbeddedPostgres(made)
    with postgres:
        address, first = postgres.owner_url, postgres.pid
        await ask(address, "CREATE TABLE kept AS SELECT 1 AS id")
        assert first is not None
        os.kill(first, signal.SIGKILL)
        while postgres.poll() is None:  # noqa: ASYNC110  the end of a process is no event
            await asyncio.sleep(0)
        assert postgres.poll() == -signal.SIGKILL
        postgres.start()
        assert postgres.owner_url == address
        assert postgres.pid != first
        assert await ask(address, "SELECT count(*) FROM kept") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends children of a killed parent on Linux alone")
def test_the_server_ends_when_its_owner_is_killed(elsewhere: tuple[int, str, subprocess.Popen[str]]) -> None:
    postmaster = psutil.Process(elsewhere[0])
    elsewhere[2].kill()
    elsewhere[2].wait()
    postmaster.wait(timeout=10)


def test_what_a_killed_owner_left_is_ended_and_the_database_starts(
    made: Path, elsewhere: tuple[int, str, subprocess.Popen[str]]
) -> None:
    pid, dsn, holder = elsewhere
    with psycopg.connect(dsn, autocommit=True):  # a fast shutdown ends this one too
        holder.kill()
        holder.wait()
        with EmbeddedPostgres(made) as postgres:
            assert postgres.pid != pid
            assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_database_that_runs_elsewhere_is_recognised_and_left_alone(
    made: Path, elsewhere: tuple[int, str, subprocess.Popen[str]]
) -> None:
    pid, dsn, holder = elsewhere
    assert f"already running (process {holder.pid})" in refused(made)
    assert psutil.Process(pid).is_running()
    with psycopg.connect(dsn) as connection:
        connection.execute("SELECT 1")


@pytest.mark.parametrize(
    "content",
    ["", "not a number\n", f"{os.getpid()}\n/elsewhere\n1\n5432\n\n127.0.0.1\n  1 1\nready\n"],
    ids=["empty", "not a number", "another process"],
)
def test_a_stale_pid_file_is_no_obstacle(made: Path, content: str) -> None:
    """Empty after a power cut; or its number belongs to another program by now (here: this one)."""
    (made / "data" / "postmaster.pid").write_text(content)
    with EmbeddedPostgres(made, durable=False) as postgres:
        assert postgres.pid is not None


def test_a_start_killed_in_initdb_leaves_nothing_in_the_way(folder: Path) -> None:
    (folder / "data.new" / "base").mkdir(parents=True)
    (folder / "initdb.password").write_text("left")
    with EmbeddedPostgres(folder, durable=False) as postgres:
        assert postgres.pid is not None
    assert not (folder / "data.new").exists()
    assert not (folder / "initdb.password").exists()


def test_a_start_killed_before_the_database_was_made_is_completed(made: Path) -> None:
    with (
        EmbeddedPostgres(made, durable=False) as postgres,
        psycopg.connect(postgres.superuser_dsn, autocommit=True) as it,
    ):
        it.execute("DROP DATABASE tillhouse")
        it.execute("DROP ROLE till_app")
    with (
        EmbeddedPostgres(made, durable=False) as postgres,
        psycopg.connect(postgres.app_url.replace("+asyncpg", "")) as it,
    ):
        assert it.execute("SELECT '[1]'::vector").fetchone() is not None


def test_a_port_in_use_is_named(made: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert f"Port {port} of 127.0.0.1 is in use" in refused(made, port)


def test_the_port_asked_for_is_the_port_used(made: Path) -> None:
    port = host.free_port()
    with EmbeddedPostgres(made, port, durable=False) as postgres:
        assert f"127.0.0.1:{port}/" in postgres.app_url


@pytest.mark.parametrize("missing", ["PG_VERSION", "global/pg_control", "base", "pg_wal", "global/1262"])
def test_a_damaged_folder_is_named_with_the_command_that_moves_it_away(made: Path, missing: str) -> None:
    lost = made / "data" / missing
    shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
    before = [path for path in (made / "data" / "base").rglob("*") if path.name.isdecimal()]
    sentence = refused(made)
    assert "is damaged" in sentence
    assert str(made / "server.log") in sentence
    assert f"mv '{made}' '{made}.damaged'" in sentence
    assert all(path.exists() for path in before)
    assert not lost.exists()  # nothing is made anew in its place
    made.rename(f"{made}.damaged")
    with EmbeddedPostgres(made, durable=False) as postgres:
        assert postgres.pid is not None


def test_lost_passwords_are_named(made: Path) -> None:
    (made / "secrets.json").unlink()
    assert "secrets.json, which holds its passwords, is missing" in refused(made)


def test_passwords_of_another_database_are_named(made: Path) -> None:
    path = made / "secrets.json"
    path.write_text(path.read_text().replace('"postgres": "', '"postgres": "x'))
    assert "password authentication failed" in refused(made)


def test_a_database_of_another_major_version_is_left_alone(made: Path) -> None:
    (made / "data" / "PG_VERSION").write_text("16\n")
    sentence = refused(made)
    assert "made by PostgreSQL 16, this is 18" in sentence
    assert f"mv '{made}' '{made}.damaged'" in sentence


def test_a_full_disk_is_named_before_anything_is_made(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The free space is replaced here; a disk that is really full is in the next test, where mounting is allowed."""
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(100, 99, 1))
    sentence = refused(folder)
    assert re.search(r"The disk of .* is full \(0 MB free, 256 MB needed\)", sentence)
    assert not (folder / "data").exists()


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "tiny"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(place)], check=False)
    if mounted.returncode != 0:
        pytest.skip("this account may not mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="needs tmpfs")
def test_a_disk_that_fills_up_during_the_first_start_leaves_nothing_half_made(
    tiny_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_disk / "till"
    assert re.search(r"is full \(\d+ MB free, 256 MB needed\)", refused(folder))
    monkeypatch.setattr(server, "FREE_BYTES_NEW", 0)  # as if it had been free when it was asked
    assert "is full" in refused(folder)
    assert not (folder / "data").exists()
    assert not (folder / "data.new").exists()
    subprocess.run(["mount", "-o", "remount,size=300m", str(tiny_disk)], check=True)
    with EmbeddedPostgres(folder, durable=False) as postgres:
        assert postgres.pid is not None


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be used" in refused(tmp_path / "file" / "till")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_another_account_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    sentence = refused(tmp_path / "till")
    tmp_path.chmod(0o700)
    assert "cannot be written" in sentence


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="PostgreSQL refuses root alone")


@as_root
@pytest.mark.parametrize("reachable", [True, False])
def test_root_hands_the_server_to_another_account_and_opens_no_folder(reachable: bool) -> None:
    parent = Path(tempfile.mkdtemp())  # 0700, as /root is
    if reachable:
        parent.chmod(0o755)
    before = parent.stat()
    try:
        with EmbeddedPostgres(parent / "till", durable=False) as postgres:
            assert postgres.pid is not None
            assert psutil.Process(postgres.pid).uids().effective == postgres.data.stat().st_uid != 0
            assert (postgres.folder.stat().st_uid, (parent / "till" / "secrets.json").stat().st_uid) == (0, 0)
            seen = "/proc/self/cwd" if not reachable else str(postgres.data)
            with psycopg.connect(postgres.superuser_dsn) as connection:
                assert connection.execute("SHOW data_directory").fetchone() == (seen,)
        assert (parent.stat().st_mode, parent.stat().st_uid) == (before.st_mode, before.st_uid)
    finally:
        shutil.rmtree(parent)


@as_root
def test_binaries_that_the_account_cannot_reach_are_copied_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = Path(tempfile.mkdtemp())  # 0700, as a home folder with the checkout in it
    place = Path(tempfile.mkdtemp(dir="/tmp"))
    place.chmod(0o755)
    try:
        package = find_binaries().parent.parent
        for part in (package, package.with_name(f"{package.name}.libs")):
            subprocess.run(["cp", "-a", str(part), str(hidden)], check=True)
        monkeypatch.setattr(host, "find_binaries", lambda: hidden / package.name / "pginstall18" / "bin")
        for _ in (1, 2):
            with EmbeddedPostgres(place / "till", durable=False) as postgres:
                assert postgres.pid is not None
                program = Path(psutil.Process(postgres.pid).exe())
                assert program.is_relative_to(place / "till")
                assert program.stat().st_uid == 0
        assert len(list((place / "till").glob("pg-*"))) == 1
    finally:
        shutil.rmtree(hidden)
        shutil.rmtree(place)


def test_the_wheel_itself_is_never_imported(made: Path) -> None:
    program = HOLD.replace(
        "sys.stdin.read()", "assert not any('pixeltable' in name for name in sys.modules); postgres.stop()"
    )
    subprocess.run([sys.executable, "-c", program, str(made)], check=True, capture_output=True)

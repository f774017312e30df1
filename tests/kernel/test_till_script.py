"""The script `till` in a folder of its own: real shell, real environments; only the packages are none."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "till"
CLI = (
    "import os, sys; print('cli', sys.argv[1:], os.getcwd(), sys.executable); sys.exit(int(os.environ.get('EXIT', 0)))"
)
UV = """#!/bin/sh
# A uv that makes environments without packages; $UV_PIP is what it does to install some.
case $1 in
    --version) echo uv 0 ;;
    venv) for folder; do :; done; exec {python} -m venv --without-pip "$folder" ;;
    pip) eval "${{UV_PIP:-:}}" ;;
esac
"""
BASE_PYTHON = str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")


class Checkout:
    def __init__(self, place: Path, tools: Path) -> None:
        self.place = place
        self.tools = tools

    @property
    def venv(self) -> Path:
        return self.place / ".venv"

    def till(self, *arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", str(self.place / "till"), *arguments],
            check=False, cwd=cwd or self.place, env=self.environment(**environment), capture_output=True, text=True,
        )  # fmt: skip

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": f"{self.tools}:{os.defpath}", "TILL_PYTHON": BASE_PYTHON, "HOME": str(self.tools), **more}


def executable(path: Path, content: str) -> None:
    path.write_text(content)
    path.chmod(0o755)


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    place, tools = tmp_path / "a check out", tmp_path / "tools"
    apps = place / "src" / "tillhouse" / "apps"
    apps.mkdir(parents=True)
    tools.mkdir()
    shutil.copy(SCRIPT, place)
    (apps / "cli.py").write_text(CLI)
    (place / "requirements.lock").write_text("# nothing\n")
    (place / "requirements-dev.lock").write_text("# nothing, and for developers\n")
    executable(tools / "uv", UV.format(python=BASE_PYTHON))
    return Checkout(place, tools)


def only_sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert done.stdout == ""
    (sentence,) = done.stderr.splitlines()
    assert sentence.startswith("till: ")
    return sentence


@pytest.mark.parametrize("shell", ["sh", "dash", "bash", "busybox"])
def test_it_is_plain_posix_shell(shell: str) -> None:
    if not shutil.which(shell):
        pytest.skip(f"there is no {shell} here")
    subprocess.run([shell, *(["sh"] if shell == "busybox" else []), "-n", str(SCRIPT)], check=True)


@pytest.mark.parametrize("home", ["/tmp", ""], ids=["a home", "an empty HOME"])
def test_it_sets_up_once_and_hands_everything_to_the_command(checkout: Checkout, tmp_path: Path, home: str) -> None:
    first = checkout.till("jobs", "a b", "", cwd=tmp_path, EXIT="7", HOME=home)
    assert first.returncode == 7, first.stderr
    assert first.stdout.strip() == f"cli ['jobs', 'a b', ''] {checkout.place} {checkout.venv}/bin/python"
    assert "Setting up Tillhouse with Python 3." in first.stderr
    second = checkout.till(HOME=home)
    assert (second.returncode, second.stderr) == (0, "")


def test_without_uv_and_home_plain_pip_does_it(checkout: Checkout) -> None:
    (checkout.tools / "uv").unlink()
    done = subprocess.run(
        ["/bin/sh", "./till", "up"],
        check=False, cwd=checkout.place, capture_output=True, text=True,
        env={"PATH": os.defpath, "TILL_PYTHON": BASE_PYTHON, "PIP_USER": "1", "PIP_NO_INDEX": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "cli ['up']" in done.stdout


def test_it_is_found_through_a_symbolic_link(checkout: Checkout, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "till").symlink_to("../a check out/till")
    done = subprocess.run(
        [tmp_path / "bin" / "till"], check=True, env=checkout.environment(), capture_output=True, text=True
    )
    assert str(checkout.place) in done.stdout


def test_a_changed_lock_is_installed_and_an_unchanged_one_is_not(checkout: Checkout) -> None:
    checkout.till()
    (checkout.place / "requirements.lock").write_text("# something else\n")
    record = "echo $* >>installs"
    assert "Updating" in checkout.till(UV_PIP=record).stderr
    assert checkout.till(UV_PIP=record).stderr == ""
    (install,) = (checkout.place / "installs").read_text().splitlines()
    assert "--require-hashes" in install
    assert install.endswith("-r requirements.lock")


@pytest.mark.parametrize("command", ["test"])
def test_developers_commands_get_their_packages_which_serve_the_others_too(checkout: Checkout, command: str) -> None:
    record = "echo $* >>installs"
    for arguments in ([], [command], [], [command]):
        checkout.till(*arguments, UV_PIP=record)
    installs = [line.rsplit(" ", 1)[1] for line in (checkout.place / "installs").read_text().splitlines()]
    assert installs == ["requirements.lock", "requirements-dev.lock"]


def test_packages_that_cannot_be_installed_are_one_sentence_and_the_next_run_starts_over(checkout: Checkout) -> None:
    done = checkout.till(UV_PIP="exit 2")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("till: the packages could not be installed")
    (checkout.venv / "left from before").touch()
    assert "Setting up" in checkout.till().stderr
    assert not (checkout.venv / "left from before").exists()


@pytest.mark.parametrize("before", ["new", "made"])
def test_ctrl_c_in_the_middle_leaves_nothing_that_looks_finished(checkout: Checkout, before: str) -> None:
    if before == "made":
        checkout.till()
        (checkout.place / "requirements.lock").write_text("# something else\n")
    process = subprocess.Popen(
        ["/bin/sh", "./till"], cwd=checkout.place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=checkout.environment(UV_PIP="echo installing; exec sleep 60"), start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "installing\n"
    os.killpg(process.pid, signal.SIGINT)
    said = process.communicate(timeout=20)[1]
    assert process.returncode == 130
    assert "run it again" in said
    done = checkout.till()
    assert done.returncode == 0
    assert "Setting up" in done.stderr


class Pair:
    """Two `./till` of one checkout: the first is in the middle of installing until `go_on`."""

    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout
        self._gate = checkout.place / "gate"
        os.mkfifo(self._gate)
        self.first = self._start("echo installing; read -r _ <gate; echo first >>installs")
        assert self.first.stdout
        assert self.first.stdout.readline() == "installing\n"
        self.second = self._start("echo second >>installs")
        assert self.second.stderr
        assert self.second.stderr.readline() == "Another ./till is setting up .venv: waiting for it.\n"

    def _start(self, install: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            ["/bin/sh", "./till", "up"], cwd=self._checkout.place, env=self._checkout.environment(UV_PIP=install),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def go_on(self) -> None:
        self._gate.write_text("\n")

    def ends(self, process: "subprocess.Popen[str]") -> tuple[str, str]:
        said = process.communicate(timeout=30)
        assert process.returncode == 0, said
        return said

    @property
    def installs(self) -> list[str]:
        return (self._checkout.place / "installs").read_text().split()


def test_two_at_the_same_moment_set_up_once_and_both_go_on(checkout: Checkout) -> None:
    pair = Pair(checkout)
    pair.go_on()
    assert "cli ['up']" in pair.ends(pair.first)[0]
    said, complaints = pair.ends(pair.second)
    assert "cli ['up']" in said
    assert complaints == ""
    assert pair.installs == ["first"]


def test_one_that_waits_for_a_killed_one_does_its_work(checkout: Checkout) -> None:
    pair = Pair(checkout)
    os.killpg(pair.first.pid, signal.SIGKILL)
    pair.first.communicate()
    said, complaints = pair.ends(pair.second)
    assert "Setting up" in complaints
    assert "cli ['up']" in said
    assert pair.installs == ["second"]


def test_an_installation_that_outlives_its_killed_till_is_waited_for(checkout: Checkout) -> None:
    pair = Pair(checkout)
    pair.first.kill()  # the installer lives on
    pair.go_on()
    pair.ends(pair.second)
    pair.first.communicate()
    assert pair.installs == ["first", "second"]


def test_waiting_ends_with_ctrl_c(checkout: Checkout) -> None:
    pair = Pair(checkout)
    os.killpg(pair.second.pid, signal.SIGINT)
    said = pair.second.communicate(timeout=20)[1]
    assert pair.second.returncode == 130
    assert "Traceback" not in said
    pair.go_on()
    pair.ends(pair.first)


def test_two_that_find_a_new_lock_update_once(checkout: Checkout) -> None:
    checkout.till()
    (checkout.place / "requirements.lock").write_text("# something else\n")
    pair = Pair(checkout)
    pair.go_on()
    assert "Updating" in pair.ends(pair.first)[1]
    assert pair.ends(pair.second)[1] == ""
    assert pair.installs == ["first"]


def test_the_command_itself_holds_no_lock(checkout: Checkout) -> None:
    (checkout.place / "src" / "tillhouse" / "apps" / "cli.py").write_text("import os; os.fstat(9)")
    assert "Bad file descriptor" in checkout.till().stderr


def test_a_moved_checkout_is_set_up_again(checkout: Checkout, tmp_path: Path) -> None:
    checkout.till()
    moved = Checkout(checkout.place.rename(tmp_path / "moved"), checkout.tools)
    done = moved.till()
    assert "Setting up" in done.stderr
    assert f" {moved.place} {moved.venv}/bin/python" in done.stdout


def test_an_environment_whose_python_is_gone_is_made_again(checkout: Checkout) -> None:
    checkout.till()
    python = checkout.venv / "bin" / "python"
    python.unlink()
    python.symlink_to("/nowhere/python3")
    done = checkout.till()
    assert done.returncode == 0
    assert "Setting up" in done.stderr


OLD = "#!/bin/sh\necho 3.9\nexit 1\n"
WITHOUT_VENV = "#!/bin/sh\ncase $2 in *ensurepip*) exit 1 ;; esac\necho 3.12\n"


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (OLD, "is no Python 3.11 to 3.14 (it is 3.9)"),
        ("#!/bin/sh\nexit 127\n", "is no Python 3.11 to 3.14:"),
        (WITHOUT_VENV, "without its venv module: install it (Debian, Ubuntu: sudo apt install python3.12-venv"),
    ],
    ids=["too old", "not a Python", "without venv"],
)  # fmt: skip
def test_a_python_that_does_not_do_is_one_sentence(checkout: Checkout, program: str, expected: str) -> None:
    (checkout.tools / "uv").unlink()
    executable(checkout.tools / "some python", program)
    assert expected in only_sentence(checkout.till(TILL_PYTHON=str(checkout.tools / "some python")))
    assert not checkout.venv.exists()


@pytest.mark.parametrize(
    ("programs", "expected"),
    [
        ({}, "none is here: install it (Debian, Ubuntu: sudo apt install python3 python3-venv"),
        ({"python3": OLD}, "only 3.9 is here: install a newer one"),
        ({"python3": OLD, "python3.12": WITHOUT_VENV}, "Python 3.12 is here without its venv module"),
    ],
    ids=["none", "old", "old and bare"],
)
def test_a_machine_without_a_good_python_is_told_what_to_install(
    checkout: Checkout, programs: dict[str, str], expected: str
) -> None:
    (checkout.tools / "uv").unlink()
    for tool in ("dirname", "cat", "head", "readlink", "rm"):
        (checkout.tools / tool).symlink_to(shutil.which(tool) or tool)
    for name, program in programs.items():
        executable(checkout.tools / name, program)
    assert expected in only_sentence(checkout.till(PATH=str(checkout.tools), TILL_PYTHON=""))


def test_the_newest_python_that_can_make_environments_is_taken(checkout: Checkout) -> None:
    (checkout.tools / "uv").unlink()
    executable(checkout.tools / "python3.14", WITHOUT_VENV)
    executable(checkout.tools / "python3.13", f'#!/bin/sh\nexec "{BASE_PYTHON}" "$@"\n')
    done = checkout.till(TILL_PYTHON="", PIP_NO_INDEX="1")
    assert done.returncode == 0, done.stderr
    assert "Setting up" in done.stderr

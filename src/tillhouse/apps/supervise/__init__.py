"""The supervisor: starts processes in order, keeps them running, ends them all.

    check_port(8000)
    web = ProcessSpec("web", [sys.executable, "-m", …], environment, ready="http://127.0.0.1:8000/health/ready")
    sys.exit(Supervisor([database, web], Path(".till")).run())

`run()` returns the exit code of the whole: 0 after Ctrl-C, SIGTERM or SIGHUP, 1 when a process could not be kept
running. What a process writes goes to `<folder>/logs/<name>.log`; its errors are shown too. A process that ends is
started again after a pause (`RestartPolicy`). All is over ten seconds after the signal.

However the supervisor ends, its processes end: on Linux the kernel sends them SIGTERM when it is killed; everywhere,
the next start ends what its record in the folder (process id and start time) says was left behind.
"""

from tillhouse.apps.supervise.machine import SupervisorError, check_port, lock_folder
from tillhouse.apps.supervise.nursery import Nursery
from tillhouse.apps.supervise.specs import ProcessSpec, RestartPolicy, Service
from tillhouse.apps.supervise.supervisor import Supervisor

__all__ = [
    "Nursery",
    "ProcessSpec",
    "RestartPolicy",
    "Service",
    "Supervisor",
    "SupervisorError",
    "check_port",
    "lock_folder",
]

"""Trainings side by side: each in a process of its own, on this machine or on the workers of a Dask cluster."""

import ctypes
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from ser.parallel import SCHEDULER_VARIABLE, map_chunks
from studies.runs import ENVIRONMENT

PR_SET_PDEATHSIG = 1  # of Linux's prctl.h


def run_each(commands: dict[str, list[str]], *, jobs: int) -> list[str]:
    """Run a command of Python for each name, and tell which failed.

    Parameters
    ----------
    commands : what follows ``python``, by name
    jobs : how many at once on this machine; on a cluster each worker runs one
    """
    folder = os.getcwd()

    # Functions in here travel to the workers whole: these have ``ser``, and need not have ``studies``.
    def end_with_parent() -> None:
        """Called in the new process: it ends when what started it is killed, where the system can do so.

        Another worker then goes on with the run; two processes must not write one.
        """
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    def run(name: str) -> int:
        command = [sys.executable, *commands[name]]
        return subprocess.run(command, cwd=folder, env=os.environ | ENVIRONMENT, preexec_fn=end_with_parent).returncode

    names = list(commands)
    if os.environ.get(SCHEDULER_VARIABLE):
        codes = [code for part in map_chunks(lambda names: [*map(run, names)], names, chunk=1) for code in part]
    else:
        with ThreadPoolExecutor(jobs) as pool:
            codes = list(pool.map(run, names))
    return [name for name, code in zip(names, codes, strict=True) if code]

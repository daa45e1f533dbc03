"""A real Dask cluster: a scheduler and two worker processes on loopback."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

from helpers import ROOT, free_port


class Cluster:
    """A scheduler and two workers, each in a process group of its own; they stand in another folder."""

    def __init__(self, folder, code=ROOT):
        port = free_port()
        self.address, self.folder = f"tcp://127.0.0.1:{port}", folder
        self.processes = [self._start("dask_scheduler", "--host", "127.0.0.1", "--port", str(port), code=code)]
        self.processes += [
            self._start("dask_worker", self.address, "--nthreads", "1", "--local-directory", str(folder), code=code)
            for _ in range(2)
        ]

    def _start(self, program: str, *arguments: str, code) -> subprocess.Popen:
        return subprocess.Popen(
            [sys.executable, "-m", f"distributed.cli.{program}", *arguments, "--no-dashboard"],
            cwd=self.folder,
            env=os.environ | {"PYTHONPATH": str(code)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self, number: int) -> None:
        """Kill the scheduler (0) or a worker with its nanny (1, 2)."""
        os.killpg(self.processes[number].pid, signal.SIGKILL)
        self.processes[number].wait()

    def wait_for_both_workers(self) -> None:
        from distributed import Client

        with Client(self.address, timeout=60, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)

    def stop(self) -> None:
        for number, process in enumerate(self.processes):
            if process.poll() is None:
                self.kill(number)


@contextmanager
def running_cluster(folder, **arguments):
    """A cluster for as long as the block lasts."""
    cluster = Cluster(folder, **arguments)
    try:
        cluster.wait_for_both_workers()
        yield cluster
    finally:
        cluster.stop()

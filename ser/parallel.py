"""One map over chunks of clips: in threads or processes of this machine, or on the workers of a Dask cluster.

Where it runs is an environment variable and no parameter, since it changes no result and must rerun
no stage.
"""

import ctypes
import hashlib
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

import ser
from ser import artifacts
from ser.errors import InputError

WORKERS_VARIABLE = "SER_WORKERS"  # how many threads or processes; by default one a processor
SCHEDULER_VARIABLE = "SER_DASK_SCHEDULER"  # address of a Dask scheduler, such as tcp://10.0.0.1:8786
THREADS_SCALE_TO = 4  # workers; beyond it they wait for the interpreter's lock
CHUNKS_EACH = 2  # that pay for starting a process
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
CONNECT_SECONDS = 20  # how long a scheduler may take to answer, and a first worker to appear


def workers() -> int:
    """How many threads or processes compute on this machine."""
    value = os.environ.get(WORKERS_VARIABLE)
    if value is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not value.isdecimal() or int(value) < 1:
        raise InputError(f"{WORKERS_VARIABLE} is {value!r}: expected a whole number from 1.")
    return int(value)


def map_chunks(function: Callable, items: Sequence, *, chunk: int) -> Iterator:
    """Yield ``function(items[i : i + chunk])`` for consecutive parts of ``items``, in their order.

    At most two chunks a worker are under way, and a task holds only its own items, so neither memory
    nor messages grow with their number. Up to four workers are threads: most of the time goes into NumPy
    and SciPy, which release the interpreter's lock, and processes cost seconds to start. More workers are
    processes, where each has two chunks or more. Small matrix products would start a thread pool for each
    clip: every worker keeps to one thread.

    Raises
    ------
    InputError : as ``function`` raises it; or the cluster cannot be used, or was lost
    """
    chunks = (items[start : start + chunk] for start in range(0, len(items), chunk))
    address = os.environ.get(SCHEDULER_VARIABLE)
    if address:
        yield from _map_on_cluster(address, function, chunks)
    elif workers() > THREADS_SCALE_TO and len(items) >= CHUNKS_EACH * workers() * chunk:
        yield from _pool("loky")(delayed(_in_process)(function, items) for items in chunks)
    else:
        _keep_freed_memory()
        with threadpool_limits(1):
            yield from _pool("threading")(delayed(function)(items) for items in chunks)


def _pool(backend: str) -> Parallel:
    return Parallel(workers(), backend=backend, return_as="generator", pre_dispatch="2*n_jobs", batch_size=1)


def _in_process(function: Callable, items: Sequence):
    _keep_freed_memory()
    return _single_threaded(function, items)


def _keep_freed_memory() -> None:
    """Let the allocator keep what is freed: every chunk makes the same arrays again.

    glibc hands large blocks back to the system, and getting them again costs a page fault each 4 kB, up
    to a third of a stage's time. Other C libraries are left as they are, and so are Dask's workers, which
    may serve others and have a setting of their own.
    """
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        libc.mallopt(M_MMAP_THRESHOLD, 2**25)  # bytes; the most that glibc takes
        libc.mallopt(M_TRIM_THRESHOLD, 2**30)


def _single_threaded(function: Callable, items: Sequence):
    with threadpool_limits(1):
        return function(items)


def _map_on_cluster(address: str, function: Callable, chunks: Iterator[Sequence]) -> Iterator:
    """The same on a cluster, by Dask's own futures; a chunk whose worker dies is computed again by another.

    joblib's Dask backend is not used: it waits for ever for a task that failed outside its function
    (joblib 1.6), such as one that no worker survives.
    """
    with _connected(address) as client, _losses_explained(address):
        ahead = 2 * sum(client.ncores().values())
        pending: deque = deque()
        for items in chunks:
            pending.append(client.submit(_single_threaded, function, items, pure=False))
            if len(pending) > ahead:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _connected(address: str):
    """A client of the scheduler, once every worker is seen to compute what this process would."""
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError(
            f"{SCHEDULER_VARIABLE} is set, and Dask is missing: pip install '.[dask]' in the project's folder"
        ) from error
    try:
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{SCHEDULER_VARIABLE} is {address!r}: no Dask scheduler answers there ({error}). Start one with "
            f"'dask scheduler', or unset the variable to compute on this machine."
        ) from error
    try:
        _check_workers(client)
    except BaseException:
        client.close()
        raise
    return client


def _check_workers(client) -> None:
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
    except TimeoutError as error:
        raise InputError(
            f"{client.scheduler.address}: the scheduler has no worker after {CONNECT_SECONDS} s. Start some with "
            f"'dask worker {client.scheduler.address}' in the environment and the folder of the project."
        ) from error
    here, folder = installation(), os.getcwd()
    for worker, found in client.run(_described, folder, on_error="return").items():
        if isinstance(found, Exception):
            raise InputError(
                f"Dask worker {worker}: does not run this project's code ({found!r}). Start it in an environment in "
                f"which the project is installed."
            )
        there, sees_folder = found
        if there != here:
            differ = ", ".join(f"{name} {there.get(name)} there, {here[name]} here" for name in here)
            raise InputError(
                f"Dask worker {worker}: has other code or other versions than this process, so its results could "
                f"differ: {differ}. Install the same there, and restart it."
            )
        if not sees_folder:
            raise InputError(f"Dask worker {worker}: does not see {folder}. Share that folder under the same path.")


def _described(folder: str) -> tuple[dict[str, str], bool]:
    return installation(), os.path.isdir(folder)


def installation() -> dict[str, str]:
    """What decides the bytes of a feature: the code of ``ser`` and the versions of what it computes with."""
    files = sorted(Path(ser.__file__).parent.rglob("*.py"))
    code = hashlib.sha256("".join(map(artifacts.hash_file, files)).encode()).hexdigest()[:12]
    return {"ser": code} | {package: version(package) for package in ("numpy", "scipy", "soundfile", "soxr")}


@contextmanager
def _losses_explained(address: str) -> Iterator[None]:
    """Turn the loss of the scheduler, or of a worker again and again, into an ``InputError``."""
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError

    try:
        yield
    except FutureCancelledError as error:
        raise InputError(
            f"The Dask scheduler at {address} was lost, and the stage wrote nothing. Start it and its workers, and run "
            f"the stage again."
        ) from error
    except KilledWorker as error:
        raise InputError(
            f"The same chunk of clips ended every Dask worker that took it; what the workers printed last says why "
            f"(memory?). {error}"
        ) from error

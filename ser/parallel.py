"""One map over chunks of clips, in local processes."""

import os
from collections.abc import Callable, Iterator

from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from ser.errors import InputError

WORKERS_VARIABLE = "SER_WORKERS"  # how many processes; by default one a processor


def workers() -> int:
    """How many processes compute, from the environment: no parameter, since it changes no result."""
    value = os.environ.get(WORKERS_VARIABLE)
    if value is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if not value.isdecimal() or int(value) < 1:
        raise InputError(f"{WORKERS_VARIABLE} is {value!r}: expected a whole number from 1.")
    return int(value)


def map_chunks(function: Callable, total: int, *, chunk: int) -> Iterator:
    """Yield ``function(start, stop)`` for consecutive ranges of ``total``, in their order.

    At most two chunks a worker are under way, so memory does not grow with ``total``. Small matrix
    products would start a thread pool for each clip: every worker keeps to one thread.
    """
    ranges = [(start, min(start + chunk, total)) for start in range(0, total, chunk)]
    pool = Parallel(n_jobs=workers(), return_as="generator", pre_dispatch="2*n_jobs", batch_size=1)
    yield from pool(delayed(_single_threaded)(function, start, stop) for start, stop in ranges)


def _single_threaded(function: Callable, start: int, stop: int):
    with threadpool_limits(1):
        return function(start, stop)

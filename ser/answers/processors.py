"""How many processors there are to answer with."""

import os


def processors() -> int:
    """The processors that this process may use, where the system says so; those of the machine elsewhere."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

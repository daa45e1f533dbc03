"""The map over chunks on this machine; `test_cluster.py` has the map on others."""

import ctypes
import os
import subprocess
import sys

import numpy as np
import pytest
from helpers import ROOT

from ser import artifacts

ARRAYS, MEGABYTES = 4, 8
KEPT_BYTES = f"""
import numpy as np
import psutil
from ser.parallel import map_chunks

def compute(items):
    return len([np.ones({MEGABYTES} << 20, np.uint8) for _ in range({ARRAYS})])

before = psutil.Process().memory_info().rss
list(map_chunks(compute, range(20), chunk=1))
print(psutil.Process().memory_info().rss - before)
"""


PROCESSES = """
import os, sys
import numpy as np
from ser.parallel import map_chunks

found = list(map_chunks(lambda items: (os.getpid(), np.sqrt(items)), range(int(sys.argv[1])), chunk=2))
print(len({process for process, _ in found} - {os.getpid()}), *np.concatenate([roots for _, roots in found]) ** 2)
"""


@pytest.mark.parametrize(("workers", "items", "elsewhere"), [("4", 40, False), ("5", 40, True), ("5", 18, False)])
def test_more_workers_than_threads_serve_are_processes(workers, items, elsewhere):
    command, environment = [sys.executable, "-c", PROCESSES, str(items)], os.environ | {"SER_WORKERS": workers}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120)
    processes, *squares = map(float, done.stdout.split())
    assert (processes > 0) == elsewhere
    np.testing.assert_allclose(squares, range(items))


@pytest.mark.pipeline
def test_a_stage_in_processes_writes_the_same_bytes(copied):
    """As with more than four workers and more clips: the networks of ``conditions`` travel to the processes, too."""
    code = (
        "import runpy, sys, ser.parallel as p; p.CHUNKS_EACH = 0; runpy.run_module(sys.argv[1], None, '__main__', True)"
    )
    names = ("augmented.npy", "conditions.parquet")
    before = [artifacts.hash_file(copied.folder / "data" / name) for name in names]
    for stage in ("stages.augment", "stages.conditions"):
        copied.run(sys.executable, "-c", code, stage, SER_WORKERS="5")
    assert [artifacts.hash_file(copied.folder / "data" / name) for name in names] == before


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="another C library than glibc"
)
def test_memory_of_one_chunk_is_kept_for_the_next():
    command, environment = [sys.executable, "-c", KEPT_BYTES], os.environ | {"SER_WORKERS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120)
    assert int(done.stdout) > (ARRAYS * MEGABYTES << 20) / 2

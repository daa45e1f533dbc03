"""One row of features for every signal and, after them, every augmented copy."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ser import artifacts
from ser.parallel import map_chunks
from stages.shared.console import progress, rate

CHUNK = 128  # signals a task
BLOCK = 8  # signals copied at once


def write_features(path: str, features_of: Callable[[np.ndarray], np.ndarray]) -> str:
    """Apply ``features_of`` to all signals and copies, and write what it gives as float16.

    Parameters
    ----------
    features_of : from signals ``(clips, samples)`` to features ``(clips, frames, features)``
    """
    start = time.perf_counter()
    # Absolute, because the workers of a cluster may stand in another folder.
    signals_file, copies_file = Path("data/signals.npy").absolute(), Path("data/augmented.npy").absolute()
    clips, samples = artifacts.open_array(signals_file).shape
    total = clips + len(artifacts.open_array(copies_file))
    shape = features_of(np.zeros((1, samples), np.float32)).shape[1:]

    def compute(rows: range) -> np.ndarray:
        signals, copies = artifacts.open_array(signals_file), artifacts.open_array(copies_file)
        blocks = []
        for start in range(rows.start, rows.stop, BLOCK):
            stop = min(start + BLOCK, rows.stop)
            taken = [signals[start:stop], copies[max(0, start - clips) : max(0, stop - clips)]]
            blocks.append(artifacts.narrow(features_of(np.concatenate(taken).astype(np.float32))))
        return np.concatenate(blocks)

    with artifacts.array_writer(path, shape=(total, *shape), dtype=np.float16) as features:
        for chunk in progress(map_chunks(compute, range(total), chunk=CHUNK), total=total, unit="signals"):
            features.append(chunk)
    return f"{total} signals in, {total} rows of {shape[0]} x {shape[1]} out, {rate(clips, start)}"

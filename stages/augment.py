"""Offline copies of every clip: with noise, shifted, at another pitch."""

import time
from pathlib import Path

import numpy as np
import pandas as pd

from ser import io
from ser.augmentation import TRANSFORMS, altered_copies, draw_values
from ser.parallel import map_chunks
from ser.params import load
from ser.randomness import clip_rng
from stages.console import progress, rate, run

CHUNK = 32


def augment() -> str:
    start, params = time.perf_counter(), load()
    settings = params.augment
    clips = io.read_parquet("data/clips.parquet")["clip"].tolist()
    source = Path("data/signals.npy").absolute()  # the workers of a cluster may stand elsewhere
    samples = io.open_array(source).shape[1]

    def compute(clips: list[tuple[int, str]]) -> tuple[np.ndarray, list[dict]]:
        signals, copies, rows = io.open_array(source), [], []
        for row, clip in clips:
            signal = signals[row].astype(np.float32)
            rng = clip_rng(settings.seed, clip)
            values = draw_values(settings, rng)
            altered = altered_copies(signal, values, sample_rate=params.preprocess.sample_rate, rng=rng)
            copies.append(altered.astype(np.float16))
            rows += [{"clip": clip, "source_row": row, "transform": name, "value": values[name]} for name in TRANSFORMS]
        return np.concatenate(copies), rows

    total, table = len(TRANSFORMS) * len(clips), []
    chunks = map_chunks(compute, list(enumerate(clips)), chunk=CHUNK)
    with io.array_writer("data/augmented.npy", shape=(total, samples), dtype=np.float16) as augmented:
        for rows in progress((append(augmented, *chunk) for chunk in chunks), total=total, unit="copies"):
            table += rows
    io.write_parquet("data/augmented.parquet", pd.DataFrame(table))
    return f"{len(clips)} clips in, {total} copies out, {rate(total, start)}"


def append(augmented: io.ArrayWriter, copies: np.ndarray, rows: list[dict]) -> list[dict]:
    """Write the copies of a chunk and pass its rows on."""
    augmented.append(copies)
    return rows


if __name__ == "__main__":
    run(augment)

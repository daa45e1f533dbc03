"""Offline copies of every clip: with noise, shifted, at another pitch."""

import time
from pathlib import Path

import numpy as np
import pandas as pd

from ser import artifacts
from ser.audio.augmentation import TRANSFORMS, altered_copies, draw_values
from ser.parallel import map_chunks
from ser.params import load
from ser.randomness import clip_rng
from stages.shared.console import progress, rate, run

CHUNK = 16


def augment() -> str:
    start, params = time.perf_counter(), load()
    settings = params.augment
    transforms = [name for name in TRANSFORMS if name in params.training.copies]  # others would train nobody
    clips = artifacts.read_parquet("data/clips.parquet", ["clip"])["clip"].to_numpy()
    source = Path("data/signals.npy").absolute()  # the workers of a cluster may stand elsewhere
    samples = artifacts.open_array(source).shape[1]

    def compute(clips: list[tuple[int, str]]) -> list[tuple[np.ndarray, list[float]]]:
        signals, altered = artifacts.open_array(source), []
        for row, clip in clips:
            signal = signals[row].astype(np.float32)
            rng = clip_rng(settings.seed, clip)
            drawn = draw_values(settings, rng)
            copies = altered_copies(signal, drawn, transforms, sample_rate=params.preprocess.sample_rate, rng=rng)
            altered.append((artifacts.narrow(copies), [drawn[name] for name in transforms]))
        return altered

    total, values = len(transforms) * len(clips), []
    chunks = map_chunks(compute, list(enumerate(clips)), chunk=CHUNK) if transforms else iter([])
    with artifacts.array_writer("data/augmented.npy", shape=(total, samples), dtype=np.float16) as augmented:
        for chunk in progress(chunks, total=len(clips)):
            for copies, drawn in chunk:
                augmented.append(copies)
                values += drawn
    table = {
        "clip": np.repeat(clips, len(transforms)),
        "source_row": np.repeat(np.arange(len(clips)), len(transforms)),
        "transform": transforms * len(clips),
        "value": values,
    }
    artifacts.write_parquet("data/augmented.parquet", pd.DataFrame(table))
    return f"{len(clips)} clips in, {total} copies out, {rate(len(clips), start)}"


if __name__ == "__main__":
    run(augment)

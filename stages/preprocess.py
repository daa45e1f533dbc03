"""Recordings to signals of fixed length."""

import time

import numpy as np

from ser import artifacts
from ser.audio.preprocessing import preprocess as to_signal
from ser.audio.reading import read_audio
from ser.corpus.formats import FORMATS
from ser.parallel import map_chunks
from ser.params import load
from stages.shared.console import progress, rate, run

CHUNK = 32


def preprocess() -> str:
    start, params = time.perf_counter(), load()
    settings, folder = (
        params.preprocess,
        artifacts.location(params.corpus.dir) / FORMATS[params.corpus.format].audio_folder,
    )
    files = artifacts.read_parquet("data/clips.parquet", ["file"])["file"].tolist()

    def compute(files: list[str]) -> np.ndarray:
        recordings = (read_audio(folder / file) for file in files)
        signals = (to_signal(samples, source_rate, settings) for samples, source_rate in recordings)
        return np.stack([artifacts.narrow(signal) for signal in signals])

    samples = round(settings.duration_seconds * settings.sample_rate)
    with artifacts.array_writer("data/signals.npy", shape=(len(files), samples), dtype=np.float16) as signals:
        for chunk in progress(map_chunks(compute, files, chunk=CHUNK), total=len(files)):
            signals.append(chunk)
    return f"{len(files)} clips in, {len(files)} signals of {samples} samples out, {rate(len(files), start)}"


if __name__ == "__main__":
    run(preprocess)

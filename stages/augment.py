"""Offline copies of every clip: with noise, shifted, at another pitch, or as other devices would have recorded it."""

import time
from dataclasses import astuple
from pathlib import Path

import numpy as np
import pandas as pd

from ser import artifacts
from ser.audio.augmentation import DEVICE, TRANSFORMS, altered_copies, draw_values
from ser.audio.devices import DEVICE_COLUMNS, Device, draw_device, speech_level, through_device
from ser.audio.preprocessing import mix_down
from ser.audio.preprocessing import preprocess as to_signal
from ser.audio.reading import read_audio
from ser.corpus.formats import FORMATS
from ser.parallel import map_chunks
from ser.params import load
from ser.randomness import clip_rng
from stages.shared.console import progress, rate, run

CHUNK = 16


def augment() -> str:
    start, params = time.perf_counter(), load()
    settings, wanted = params.augment, params.training.copies  # others would train nobody
    transforms = [name for name in TRANSFORMS if name in wanted]
    numbers = range(1, settings.devices + 1) if DEVICE in wanted else range(0)
    index = artifacts.read_parquet("data/clips.parquet", ["clip", "actor", "file"])
    clips, files, actors = index["clip"].tolist(), index["file"].tolist(), index["actor"].to_numpy()
    # Absolute, because the workers of a cluster may stand in another folder.
    source = Path("data/signals.npy").absolute()
    folder = artifacts.location(params.corpus.dir) / FORMATS[params.corpus.format].audio_folder
    samples = artifacts.open_array(source).shape[1]
    devices = {
        (actor, number): draw_device(settings.device, clip_rng(settings.seed, f"actor {actor}, device {number}"))
        for actor in np.unique(actors).tolist()
        for number in numbers
    }
    usual = usual_levels([folder / file for file in files], actors) if numbers else {}

    def compute(rows: list[int]) -> list[tuple[np.ndarray, list[float]]]:
        signals, altered = artifacts.open_array(source), []
        for row in rows:
            rng = clip_rng(settings.seed, clips[row])
            drawn = draw_values(settings, rng)
            copies = [
                *altered_copies(
                    signals[row].astype(np.float32),
                    drawn,
                    transforms,
                    sample_rate=params.preprocess.sample_rate,
                    rng=rng,
                )
            ]
            if numbers:
                copies += device_copies(row, signals, rng)
            altered.append((artifacts.narrow(np.stack(copies)), [drawn[name] for name in transforms]))
        return altered

    def device_copies(row: int, signals: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        own, sample_rate = np.flatnonzero(actors == actors[row]), params.preprocess.sample_rate
        recording = centred(*read_audio(folder / files[row]), sample_rate)

        def other_voice(length: int) -> np.ndarray:
            """Speech of the same actor: no copy may hold the voice of somebody who is tested or validated on."""
            spoken = signals[rng.choice(own)].astype(np.float32)
            return np.roll(np.resize(spoken[: max(1, np.count_nonzero(spoken))], length), rng.integers(length))

        above = 20 * np.log10(max(speech_level(recording), 1e-9) / usual[int(actors[row])])
        return [
            to_signal(
                through_device(
                    recording,
                    devices[int(actors[row]), number],
                    sample_rate=sample_rate,
                    above_usual_db=above,
                    other_voice=other_voice,
                    rng=rng,
                )[:, None],
                sample_rate,
                params.preprocess,
            )
            for number in numbers
        ]

    kinds, drawn_values = [*transforms, *[DEVICE] * len(numbers)], []
    total = len(kinds) * len(clips)
    chunks = map_chunks(compute, list(range(len(clips))), chunk=CHUNK) if kinds else iter([])
    with artifacts.array_writer("data/augmented.npy", shape=(total, samples), dtype=np.float16) as augmented:
        for chunk in progress(chunks, total=len(clips)):
            for copies, drawn in chunk:
                augmented.append(copies)
                drawn_values += [*drawn, *map(float, numbers)]
    nothing = (None,) * len(DEVICE_COLUMNS)
    about = [
        astuple(devices[actor, int(value)]) if kind == DEVICE else nothing
        for actor, kind, value in zip(
            np.repeat(actors, len(kinds)).tolist(), kinds * len(clips), drawn_values, strict=True
        )
    ]
    table = {
        "clip": np.repeat(clips, len(kinds)),
        "source_row": np.repeat(np.arange(len(clips)), len(kinds)),
        "transform": kinds * len(clips),
        "value": drawn_values,
    }
    drawn_devices = pd.DataFrame(about, columns=DEVICE_COLUMNS).astype(column_types())
    artifacts.write_parquet("data/augmented.parquet", pd.DataFrame(table).join(drawn_devices))
    return f"{len(clips)} clips in, {total} copies out, {rate(len(clips), start)}"


def column_types() -> dict[str, str]:
    """Types of the columns about devices, which have nothing to say of other copies."""
    types = {"bool": "boolean", "int": "Int64"}
    return {
        name: types.get(str(getattr(kind, "__name__", kind)).split(" ")[0], "Float64")
        for name, kind in Device.__annotations__.items()
    }


def usual_levels(paths: list, actors: np.ndarray) -> dict[int, float]:
    """Median speech level of each actor's recordings."""

    def levels_of(paths: list) -> list[float]:
        return [speech_level(centred(*read_audio(path))) for path in paths]

    levels = np.array([level for chunk in map_chunks(levels_of, paths, chunk=CHUNK) for level in chunk])
    return {actor: max(float(np.median(levels[actors == actor])), 1e-9) for actor in np.unique(actors).tolist()}


def centred(samples: np.ndarray, source_rate: int, sample_rate: int | None = None) -> np.ndarray:
    """A recording as one channel without a constant offset, at its own rate or another."""
    signal = mix_down(samples, source_rate, sample_rate=sample_rate or source_rate)
    return signal - signal.mean()


if __name__ == "__main__":
    run(augment)

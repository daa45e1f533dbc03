"""Offline copies of every clip: with noise, shifted, at another pitch, or as other devices would have recorded it."""

import time
from dataclasses import astuple, dataclass
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
from ser.params import Params, load
from ser.randomness import clip_rng
from stages.shared.console import progress, rate, run

CHUNK = 16


@dataclass(frozen=True)
class Plan:
    """Which copies are made of which clips.

    Attributes
    ----------
    transforms, numbers : names of the transforms, and numbers of the simulated devices, that training wants
    devices : by actor and number
    usual : median speech level of each actor's recordings
    """

    params: Params
    clips: list[str]
    actors: np.ndarray
    paths: list
    transforms: list[str]
    numbers: range
    devices: dict[tuple[int, int], Device]
    usual: dict[int, float]

    @property
    def kinds(self) -> list[str]:
        """What is made of every clip, in the order of its copies."""
        return [*self.transforms, *[DEVICE] * len(self.numbers)]


def augment() -> str:
    start, plan = time.perf_counter(), read_plan(load())
    # Absolute, because the workers of a cluster may stand in another folder.
    source = Path("data/signals.npy").absolute()
    samples, total = artifacts.open_array(source).shape[1], len(plan.kinds) * len(plan.clips)

    def compute(rows: list[int]) -> list[tuple[np.ndarray, list[float]]]:
        signals = artifacts.open_array(source)
        return [copies_of(row, signals, plan) for row in rows]

    values: list[float] = []
    chunks = map_chunks(compute, list(range(len(plan.clips))), chunk=CHUNK) if plan.kinds else iter([])
    with artifacts.array_writer("data/augmented.npy", shape=(total, samples), dtype=np.float16) as augmented:
        for chunk in progress(chunks, total=len(plan.clips)):
            for copies, drawn in chunk:
                augmented.append(copies)
                values += drawn
    artifacts.write_parquet("data/augmented.parquet", table_of(plan, values))
    return f"{len(plan.clips)} clips in, {total} copies out, {rate(len(plan.clips), start)}"


def read_plan(params: Params) -> Plan:
    """What to make: nothing but what ``training.copies`` names, since other copies would train nobody."""
    settings, wanted = params.augment, params.training.copies
    index = artifacts.read_parquet("data/clips.parquet", ["clip", "actor", "file"])
    actors, numbers = index["actor"].to_numpy(), range(1, settings.devices + 1) if DEVICE in wanted else range(0)
    folder = artifacts.location(params.corpus.dir) / FORMATS[params.corpus.format].audio_folder
    paths = [folder / file for file in index["file"]]
    devices = {
        (actor, number): draw_device(settings.device, clip_rng(settings.seed, f"actor {actor}, device {number}"))
        for actor in np.unique(actors).tolist()
        for number in numbers
    }
    return Plan(
        params=params,
        clips=index["clip"].tolist(),
        actors=actors,
        paths=paths,
        transforms=[name for name in TRANSFORMS if name in wanted],
        numbers=numbers,
        devices=devices,
        usual=usual_levels(paths, actors) if numbers else {},
    )


def copies_of(row: int, signals: np.ndarray, plan: Plan) -> tuple[np.ndarray, list[float]]:
    """The copies of a clip, in the order of ``Plan.kinds``, and the value that was drawn for each."""
    rng = clip_rng(plan.params.augment.seed, plan.clips[row])
    drawn = draw_values(plan.params.augment, rng)
    sample_rate, signal = plan.params.preprocess.sample_rate, signals[row].astype(np.float32)
    copies = [*altered_copies(signal, drawn, plan.transforms, sample_rate=sample_rate, rng=rng)]
    if plan.numbers:
        copies += device_copies(row, signals, plan, rng)
    values = [*(drawn[name] for name in plan.transforms), *map(float, plan.numbers)]
    return artifacts.narrow(np.stack(copies)), values


def device_copies(row: int, signals: np.ndarray, plan: Plan, rng: np.random.Generator) -> list[np.ndarray]:
    """A clip as each of its actor's devices would have recorded it, preprocessed."""
    settings, actor = plan.params.preprocess, int(plan.actors[row])
    own = np.flatnonzero(plan.actors == actor)
    recording = centred(*read_audio(plan.paths[row]), settings.sample_rate)

    def other_voice(length: int) -> np.ndarray:
        """Speech of the same actor: no copy may hold the voice of somebody who is tested or validated on."""
        spoken = signals[rng.choice(own)].astype(np.float32)
        return np.roll(np.resize(spoken[: max(1, np.count_nonzero(spoken))], length), rng.integers(length))

    above = 20 * np.log10(max(speech_level(recording), 1e-9) / plan.usual[actor])
    return [
        to_signal(
            through_device(
                recording,
                plan.devices[actor, number],
                sample_rate=settings.sample_rate,
                above_usual_db=above,
                other_voice=other_voice,
                rng=rng,
            )[:, None],
            settings.sample_rate,
            settings,
        )
        for number in plan.numbers
    ]


def table_of(plan: Plan, values: list[float]) -> pd.DataFrame:
    """A row a copy: its clip, what was done, the value that was drawn, and the device."""
    count, clips = len(plan.kinds), len(plan.clips)
    kinds = plan.kinds * clips
    nothing = (None,) * len(DEVICE_COLUMNS)
    about = [
        astuple(plan.devices[actor, int(value)]) if kind == DEVICE else nothing
        for actor, kind, value in zip(np.repeat(plan.actors, count).tolist(), kinds, values, strict=True)
    ]
    copies = pd.DataFrame(
        {
            "clip": np.repeat(plan.clips, count),
            "source_row": np.repeat(np.arange(clips), count),
            "transform": kinds,
            "value": values,
        }
    )
    return copies.join(pd.DataFrame(about, columns=DEVICE_COLUMNS).astype(column_types()))


def column_types() -> dict[str, str]:
    """Types of the columns about devices, which have nothing to say of other copies."""
    types = {"bool": "boolean", "int": "Int64", "str": "string"}
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

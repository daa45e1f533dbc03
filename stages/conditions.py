"""Answers of the networks to test clips as they are and under other conditions, by the path of ``ser predict``."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd

from ser import artifacts
from ser.answers.bundle import Bundle, packed_network
from ser.answers.recognizer import Recognizer
from ser.audio.conditions import CONDITIONS, Condition, Recording, microphone_conditions
from ser.audio.preprocessing import mix_down
from ser.audio.reading import AUDIO_SUFFIXES, read_audio
from ser.corpus.formats import FORMATS
from ser.errors import InputError, NoAnswer
from ser.parallel import map_chunks
from ser.params import Params, load
from ser.randomness import clip_rng
from ser.scoring.conditions import ABOUT, AS_RECORDED
from stages.shared.console import progress, rate, run

CHUNK = 4  # clips a task, which opens the networks again where it is another process
VOICES = 40  # training clips that babble
NEVER_SURE = 2.0  # above every probability


def conditions() -> str:
    start, params = time.perf_counter(), load()
    settings, recognizer = params.conditions, Recognizer(unscored_bundle(params))
    index = artifacts.read_parquet("data/clips.parquet")
    subsets = artifacts.read_parquet("data/split.parquet")["subset"].to_numpy()
    rng = np.random.default_rng(settings.seed)
    tested = np.sort(rng.permutation(np.flatnonzero(subsets == "test"))[: settings.clips])
    folder = artifacts.location(params.corpus.dir) / FORMATS[params.corpus.format].audio_folder
    files, clips = index["file"].tolist(), index["clip"].tolist()
    trained = rng.permutation(np.flatnonzero(subsets == "train"))[:VOICES]
    voices = [mono(folder / files[row], params.preprocess.sample_rate)[0] for row in trained]
    listed = [AS_RECORDED, *CONDITIONS, *microphones(settings.microphones)]

    def compute(rows: list[int]) -> list[np.ndarray]:
        return [answers(row, *mono(folder / files[row])) for row in rows]

    def answers(row: int, signal: np.ndarray, sample_rate: int) -> np.ndarray:
        """Probabilities of a clip under each condition, not a number where it has no answer."""
        changed = []
        for condition in listed:
            draw = clip_rng(settings.seed, f"{clips[row]} {condition.name}")
            speech = speech_of(voices, draw, params.preprocess.sample_rate, sample_rate)
            changed.append(condition.apply(Recording(signal, sample_rate, draw, speech)))
        return answers_to(recognizer, changed)

    chunks = map_chunks(compute, tested.tolist(), chunk=CHUNK)
    given = np.stack([one for chunk in progress(chunks, total=len(tested)) for one in chunk], axis=1)
    about = [(one.name, one.family, one.least_change, one.least_unchanged) for one in listed]
    table = pd.DataFrame(about, columns=ABOUT).loc[np.repeat(np.arange(len(listed)), len(tested))]
    table = table.assign(row=np.tile(tested, len(listed)))
    table[list(recognizer.emotions)] = given.reshape(-1, given.shape[-1])
    artifacts.write_parquet("data/conditions.parquet", table.reset_index(drop=True))
    return f"{len(tested)} clips under {len(listed) - 1} conditions, {rate(len(tested), start)}"


def unscored_bundle(params: Params) -> Bundle:
    """The networks as a bundle has them, before anybody has scored them.

    No answer is sure: those that are would be searched for speech, which changes no probability.
    """
    about = {
        "emotions": list(params.corpus.emotions),
        "params": params.blocks(),
        "temperature": 1.0,
        "threshold": NEVER_SURE,
    }
    networks = {name: packed_network(artifacts.read_bytes(f"models/{name}.onnx")) for name in params.networks}
    return Bundle(about, networks, "models")


def mono(path: Path, sample_rate: int | None = None) -> tuple[np.ndarray, int]:
    """A recording as one channel, at its own rate or another."""
    samples, own_rate = read_audio(path)
    return mix_down(samples, own_rate, sample_rate=sample_rate or own_rate), sample_rate or own_rate


def speech_of(
    voices: list[np.ndarray], rng: np.random.Generator, voices_rate: int, sample_rate: int
) -> Callable[[int], np.ndarray]:
    """Speech of any length from somebody of the training clips, at a recording's rate."""

    def speech(samples: int) -> np.ndarray:
        voice = mix_down(voices[rng.integers(len(voices))][:, None], voices_rate, sample_rate=sample_rate)
        return np.roll(np.resize(voice, samples), rng.integers(max(samples, 1)))

    return speech


def answers_to(recognizer: Recognizer, recordings: list[tuple[np.ndarray, int] | None]) -> np.ndarray:
    """Probabilities of recordings, each a signal and its rate, not a number where there is no answer or no recording.

    Returns
    -------
    shape ``(recordings, emotions)``
    """
    asked = {}
    for place, recording in enumerate(recordings):
        with suppress(NoAnswer):
            if recording is not None:
                signal, sample_rate = recording
                asked[place] = recognizer.begin([np.asarray(signal, np.float32)[:, None]], sample_rate)
    found = np.full((len(recordings), len(recognizer.emotions)), np.nan, np.float32)
    for place, one in zip(asked, recognizer.finish([*asked.values()]), strict=True):
        if not isinstance(one, NoAnswer):
            found[place] = one.probabilities
    return found


def microphones(folder: str | None) -> list[Condition]:
    """A condition for each impulse response in a folder."""
    if folder is None:
        return []
    paths = artifacts.find_files(folder, AUDIO_SUFFIXES)
    if not paths:
        raise InputError(
            f"conditions.microphones: {folder}: holds no impulse response. Give a folder of them, or null."
        )
    return microphone_conditions((path.stem, *mono(path)) for path in paths)


if __name__ == "__main__":
    run(conditions)

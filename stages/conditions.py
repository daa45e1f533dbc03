"""Answers of the bundle to test clips as they are and under other conditions, by the path of ``ser predict``."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ser import artifacts
from ser.answers.opening import open_bundle
from ser.answers.recognizer import Recognizer
from ser.audio.conditions import CONDITIONS, MICROPHONE, Condition, Recording, microphone_conditions
from ser.audio.preprocessing import mix_down
from ser.audio.reading import AUDIO_SUFFIXES, read_audio
from ser.corpus.formats import FORMATS
from ser.errors import InputError, NoAnswer
from ser.parallel import map_chunks
from ser.params import load
from ser.randomness import clip_rng
from ser.scoring.conditions import COLUMNS, condition_row, mean_change, microphone_row
from ser.scoring.metrics import summary
from ser.scoring.scores import BASELINE, FUSION
from stages.shared.console import progress, rate, run

BUNDLE = "models/bundle.zip"
VOICES = 40  # training clips that babble


def conditions() -> str:
    start, params = time.perf_counter(), load()
    settings, recognizer = params.conditions, Recognizer(open_bundle(BUNDLE))
    index = artifacts.read_parquet("data/clips.parquet")
    subsets = artifacts.read_parquet("data/split.parquet")["subset"].to_numpy()
    rng = np.random.default_rng(settings.seed)
    tested = np.sort(rng.permutation(np.flatnonzero(subsets == "test"))[: settings.clips])
    folder = artifacts.location(params.corpus.dir) / FORMATS[params.corpus.format].audio_folder
    files, clips = index["file"].tolist(), index["clip"].tolist()
    trained = rng.permutation(np.flatnonzero(subsets == "train"))[:VOICES]
    voices = [mono(folder / files[row], params.preprocess.sample_rate)[0] for row in trained]
    listed = CONDITIONS + microphones(settings.microphones)

    def compute(rows: list[int]) -> list[np.ndarray]:
        return [answers(rows[0], *mono(folder / files[rows[0]]))]

    def answers(row: int, signal: np.ndarray, sample_rate: int) -> np.ndarray:
        """Probabilities of a clip as it is and under each condition, not a number where it has no answer."""
        found = [answer(recognizer, signal, sample_rate)]
        for condition in listed:
            draw = clip_rng(settings.seed, f"{clips[row]} {condition.name}")
            speech = speech_of(voices, draw, params.preprocess.sample_rate, sample_rate)
            changed = condition.apply(Recording(signal, sample_rate, draw, speech))
            found.append(nothing(recognizer) if changed is None else answer(recognizer, *changed))
        return np.stack(found)

    chunks = map_chunks(compute, tested.tolist(), chunk=1)
    given = np.stack([one for chunk in progress(chunks, total=len(tested)) for one in chunk])
    actual = np.array([recognizer.emotions.index(index["emotion"][row]) for row in tested])
    actors = index["actor"].to_numpy()[tested]
    scored = {"bootstrap_samples": params.evaluate.bootstrap_samples, "seed": settings.seed}
    clean = Condition("as recorded", "", lambda recording: (recording.signal, recording.sample_rate))
    rows = [
        condition_row(condition, given[:, 0], given[:, number], actual, actors, **scored)
        for number, condition in enumerate([clean, *listed])
    ]
    if any(condition.family == MICROPHONE for condition in listed):
        rows.append(microphone_row(rows))
    artifacts.write_csv("metrics/conditions.csv", rows, columns=COLUMNS)
    found = {name: artifacts.read_json(f"metrics/{name}.json") for name in [*params.networks, FUSION, BASELINE]}
    artifacts.write_json("metrics/summary.json", summary(found) | {"conditions": {"uar_change": mean_change(rows)}})
    return f"{len(tested)} clips under {len(listed)} conditions, {rate(len(tested), start)}"


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


def nothing(recognizer: Recognizer) -> np.ndarray:
    """In place of the probabilities of a clip that has no answer."""
    return np.full(len(recognizer.emotions), np.nan, np.float32)


def answer(recognizer: Recognizer, signal: np.ndarray, sample_rate: int) -> np.ndarray:
    try:
        return recognizer.recognize(np.asarray(signal, np.float32)[:, None], sample_rate).probabilities
    except NoAnswer:
        return nothing(recognizer)


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

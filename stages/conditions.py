"""Answers of the networks to test clips under many conditions, without and with a profile, as by ``ser predict``."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from ser import artifacts
from ser.answers.bundle import Bundle, packed_network
from ser.answers.profile import Profile
from ser.answers.recognizer import Heard, Recognizer
from ser.audio.conditions import (
    CONDITIONS,
    ENROLMENT,
    JOINED_SECONDS,
    PAUSE_SECONDS,
    Condition,
    Enrolment,
    Recording,
    enrolments,
    microphone_conditions,
)
from ser.audio.preprocessing import mix_down
from ser.audio.reading import AUDIO_SUFFIXES, read_audio
from ser.corpus.formats import FORMATS
from ser.errors import InputError, NoAnswer
from ser.parallel import map_chunks
from ser.params import Params, load
from ser.randomness import clip_rng
from ser.scoring.conditions import ABOUT, AS_RECORDED, PROFILES
from stages.shared.console import progress, rate, run

VOICES = 40  # training clips that babble
TESTED_FRACTION = 2 / 3  # of an actor's test clips at most: the others make profiles
ENROLLED = 4
NEVER_SURE = 2.0  # above every probability


@dataclass(frozen=True)
class Trial:
    """What is tried, and on which clips; ``emotions`` and ``actors`` are of every clip."""

    params: Params
    recognizer: Recognizer
    paths: list[Path]
    clips: list[str]
    emotions: np.ndarray
    actors: np.ndarray
    tested: np.ndarray
    others: np.ndarray
    voices: list[np.ndarray]

    def change(self, row: int, condition: Condition | Enrolment, seed: str = "") -> tuple[np.ndarray, int] | None:
        """A clip under a condition; the same ``seed`` draws the same for several clips."""
        draw = clip_rng(self.params.conditions.seed, seed or f"{self.clips[row]} {condition.name}")
        signal, rate = mono(self.paths[row])
        speech = speech_of(self.voices, draw, self.params.preprocess.sample_rate, rate)
        return condition.apply(Recording(signal, rate, draw, speech))

    def listen(self, recording: tuple[np.ndarray, int] | None) -> Heard | None:
        """What the networks read of a recording, or ``None`` where it has no answer or cannot be made."""
        with suppress(NoAnswer):
            if recording is not None:
                return self.recognizer.listen([np.asarray(recording[0], np.float32)[:, None]], recording[1])
        return None

    def answer(self, heard: Heard | None, profile: Profile | None = None) -> np.ndarray:
        """Probabilities, not a number where there is no answer."""
        if heard is None:
            return np.full(len(self.recognizer.emotions), np.nan, np.float32)
        recognizer = self.recognizer.with_profile(profile)
        return recognizer.calibrated(recognizer.network_probabilities(*heard)).mean(axis=0)

    def profile(self, heard: Iterable[Heard | None]) -> Profile | None:
        """The profile of what has speech in it, if anything has."""
        spoken = [one for one in heard if one is not None]
        return self.recognizer.profile_of(spoken) if spoken else None


def conditions() -> str:
    start, params = time.perf_counter(), load()
    trial = read_trial(params)
    listed = [AS_RECORDED, *CONDITIONS, *microphones(params.conditions.microphones)]
    scenarios = enrolments(params.corpus.emotions)
    actors = np.unique(trial.actors[trial.tested]).tolist()

    def compute(some: list[int]) -> list[np.ndarray]:
        return [answers_of(actor, trial, listed, scenarios) for actor in some]

    chunks = progress(map_chunks(compute, actors, chunk=1), total=len(actors), unit="actors")
    given = np.concatenate([one for chunk in chunks for one in chunk], axis=2)
    rows = np.concatenate([own_rows(trial, actor) for actor in actors])
    about = [(one.name, one.family, one.least_change, one.least_unchanged) for one in listed]
    about += [(one.name, ENROLMENT, None, None) for one in scenarios]
    table = pd.DataFrame(about, columns=ABOUT).loc[np.repeat(np.arange(len(about)), len(PROFILES) * len(rows))]
    table = table.assign(
        profile=np.tile(np.repeat(list(PROFILES), len(rows)), len(about)), row=np.tile(rows, len(about) * len(PROFILES))
    )
    table[list(trial.recognizer.emotions)] = given.reshape(-1, given.shape[-1])
    artifacts.write_parquet("data/conditions.parquet", table.reset_index(drop=True))
    return f"{len(rows)} clips under {len(about) - 1} conditions, {rate(len(rows) * len(listed), start)}"


def read_trial(params: Params) -> Trial:
    """The test clips that are tried, those that make profiles, and voices that babble."""
    settings = params.conditions
    index = artifacts.read_parquet("data/clips.parquet")
    subsets, actors = artifacts.read_parquet("data/split.parquet")["subset"].to_numpy(), index["actor"].to_numpy()
    folder = artifacts.location(params.corpus.dir) / FORMATS[params.corpus.format].audio_folder
    paths, rng = [folder / file for file in index["file"]], np.random.default_rng(settings.seed)
    test = rng.permutation(np.flatnonzero(subsets == "test"))
    place = pd.Series(actors[test]).groupby(actors[test]).cumcount().to_numpy()
    count = pd.Series(actors[test]).map(pd.Series(actors[test]).value_counts()).to_numpy()
    tested = test[place < np.maximum(1, TESTED_FRACTION * count)][: settings.clips]
    trained = rng.permutation(np.flatnonzero(subsets == "train"))[:VOICES]
    return Trial(
        params=params,
        recognizer=Recognizer(unscored_bundle(params)),
        paths=paths,
        clips=index["clip"].tolist(),
        emotions=index["emotion"].to_numpy(),
        actors=actors,
        tested=np.sort(tested),
        others=test[~np.isin(test, tested)],
        voices=[mono(paths[row], params.preprocess.sample_rate)[0] for row in trained],
    )


def own_rows(trial: Trial, actor: int) -> np.ndarray:
    """The tested clips of an actor."""
    return trial.tested[trial.actors[trial.tested] == actor]


def answers_of(actor: int, trial: Trial, listed: Sequence[Condition], scenarios: Sequence[Enrolment]) -> np.ndarray:
    """Probabilities of an actor's clips under everything, without a profile and with one.

    Returns
    -------
    shape ``(conditions and enrolments, 2, clips, emotions)``
    """
    rows, given = own_rows(trial, actor), []
    enrolled = trial.others[trial.actors[trial.others] == actor][:ENROLLED]
    as_recorded: list[Heard | None] = []
    for condition in listed:
        heard = [trial.listen(trial.change(row, condition)) for row in rows]
        as_recorded = as_recorded or heard
        profile = trial.profile(trial.listen(trial.change(row, condition)) for row in enrolled)
        given.append([[trial.answer(one, known) for one in heard] for known in (None, profile)])
    plain = given[0][0]
    for scenario in scenarios:
        profile = trial.profile(map(trial.listen, enrolled_recordings(actor, trial, scenario)))
        known = [trial.answer(None if profile is None else one, profile) for one in as_recorded]
        given.append([plain, known])
    return np.array(given, np.float32)


def enrolled_recordings(actor: int, trial: Trial, scenario: Enrolment) -> list[tuple[np.ndarray, int] | None]:
    """The recordings of an enrolment; none where the speaker has no such clips."""
    own = trial.others[trial.actors[trial.others] == actor]
    rng = clip_rng(trial.params.conditions.seed, f"actor {actor}, {scenario.name}")
    if scenario.joined:
        return [joined([*own_rows(trial, actor), *own], trial)]
    if isinstance(scenario.emotions, str):
        own = own[trial.emotions[own] == scenario.emotions]
    elif scenario.emotions is not None:
        own = own[np.isin(trial.emotions[own], rng.permutation(np.unique(trial.emotions[own]))[: scenario.emotions])]
    strangers = rng.permutation(trial.others[trial.actors[trial.others] != actor])[: scenario.of_another]
    chosen = [*own[: scenario.clips - len(strangers)], *strangers]
    return [trial.change(row, scenario, seed=f"actor {actor}, {scenario.name}") for row in chosen]


def joined(rows: list[int], trial: Trial) -> tuple[np.ndarray, int]:
    """Clips one after another with pauses, up to ``JOINED_SECONDS``."""
    sample_rate, parts, samples = trial.params.preprocess.sample_rate, [], 0
    for row in rows:
        parts += [mono(trial.paths[row], sample_rate)[0], np.zeros(round(PAUSE_SECONDS * sample_rate), np.float32)]
        samples += len(parts[-2]) + len(parts[-1])
        if samples >= JOINED_SECONDS * sample_rate:
            break
    return np.concatenate(parts), sample_rate


def unscored_bundle(params: Params) -> Bundle:
    """The networks as a bundle has them, before anybody has scored them.

    No answer is sure: those that are would be searched for speech, which changes no probability.
    """
    about = {
        "emotions": list(params.corpus.emotions),
        "params": params.blocks(),
        "temperature": 1.0,
        "threshold": NEVER_SURE,
        "hash": "of networks that are not packed yet",
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

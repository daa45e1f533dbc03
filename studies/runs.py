"""The runs of cross-validation: each trained once, kept in ``data/runs``, trained again when it no longer counts."""

import platform
import time
from dataclasses import replace
from datetime import date
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from ser import artifacts
from ser.features.relative import clip_sums
from ser.networks.baseline import predict_baseline
from ser.networks.network import Network, find_network
from ser.params import Params
from ser.scoring.scores import BASELINE
from ser.training.checkpoint import Checkpoint
from ser.training.data import Clips, prepare_test
from ser.training.devices import gpus
from ser.training.fit import Session, answer_with, predict_probabilities
from ser.training.train import Features, predict, prepared, train
from stages.shared.clips import read_clips
from stages.shared.key import run_key
from stages.shared.training import read_features
from stages.split import divide_index
from studies.plan import NETWORKS, Run

RUNS = Path("data/runs")
# How many clips of a test speaker make the profile, and of which emotion; those are then not scored. "all" are all
# others: the clip's own sums are taken out, though it was among those that the others were measured against.
PROFILES: dict[str, tuple[int, str | None]] = {
    "1": (1, None),
    "4": (4, None),
    "16": (16, None),
    "all": (0, None),
    "4 neutral": (4, "neutral"),
    "8 neutral": (8, "neutral"),
}
# Two trainings with a thread each are done sooner than one after the other with two, and what a training
# finds does not depend on how many processors there are.
ENVIRONMENT = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}


def network_of(run: Run) -> Network:
    """The network that a run trains, or whose features the baseline reads."""
    return find_network(run.classifier if run.classifier in NETWORKS else NETWORKS[0])


def key_of(run: Run, params: Params, subsets: list[str]) -> str:
    """What a finished run must have been trained with to count; the baseline reads what its network reads."""
    own = artifacts.hash_file("ser/networks/baseline.py") if run.classifier == BASELINE else ""
    return run_key(f"train_{network_of(run).name}", run.settings(params), subsets, run.classifier, own)


def subsets_of(run: Run, params: Params) -> list[str]:
    """The subset of every clip in a run."""
    return divide_index(artifacts.read_parquet("data/clips.parquet"), run.settings(params).split)


def describe(run: Run) -> dict:
    """When, where and with what a finished run was trained."""
    return artifacts.read_json(RUNS / f"{run.name}.json")


def finished(run: Run, params: Params) -> bool:
    """Whether the run's files exist and were made with these parameters, clips and code."""
    return (RUNS / f"{run.name}.json").exists() and describe(run)["key"] == key_of(run, params, subsets_of(run, params))


def versions() -> dict[str, str]:
    """Versions of what decides a training's figures."""
    packages = ("numpy", "keras", keras.backend.backend())
    return {"python": platform.python_version()} | {package: version(package) for package in packages}


def train_run(run: Run, params: Params) -> None:
    """Train a run; keep its probabilities on every clip and, of a network, its model and learning curve."""
    start, settings, stored = time.perf_counter(), run.settings(params), read_clips()
    clips = replace(stored, subsets=subsets_of(run, params))
    key = key_of(run, params, clips.subsets)
    features = read_features(network_of(run))
    procedure = train_baseline if run.classifier == BASELINE else train_network
    arrays, curve = procedure(run, features, clips, settings, key)
    artifacts.write_arrays(RUNS / f"{run.name}.npz", **arrays)
    artifacts.write_json(
        RUNS / f"{run.name}.json",
        {
            "key": key,
            "date": date.today().isoformat(),
            "seconds": round(time.perf_counter() - start, 1),
            "device": "GPU" if gpus() else "CPU",
            "precision": settings.training.precision,
            "versions": versions(),
            "validation_uar": curve,
        },
    )


def train_baseline(run: Run, features: Features, clips: Clips, params: Params, key: str):
    """The baseline's decisions on every clip; it has no curve."""
    frames = prepared(network_of(run), features, clips, params)
    decided = predict_baseline(frames, clips.labels, train=clips.rows("train"), emotions=len(clips.emotions))
    return {"probabilities": [decided]}, []


def train_network(run: Run, features: Features, clips: Clips, params: Params, key: str):
    """A network's probabilities on every clip, and its validation UAR after each epoch."""
    checkpoint = Checkpoint(RUNS / f".{run.name}.npz", key)
    session = Session(checkpoint.read(), checkpoint.write, lambda line: print(f"{run.name}: {line}", flush=True))
    model, history = train(network_of(run), features, clips, params, session)
    arrays = {"probabilities": [predict(network_of(run), model, features, clips, params)]}
    arrays |= with_profiles(run, model, features, clips, params)
    artifacts.write_model(RUNS / f"{run.name}.keras", model)
    checkpoint.remove()
    return arrays, [row["validation_uar"] for row in history]


def with_profiles(run: Run, model, features: Features, clips: Clips, params: Params) -> dict[str, list[np.ndarray]]:
    """Rows and probabilities of the test clips that are scored when the speaker is known from some clips."""
    columns = network_of(run).columns_of(params, features.table)
    test = np.array(clips.rows("test"))
    return profile_answers(
        model,
        prepare_test(features.array, rows=test.tolist(), columns=columns),
        clips.actors[test],
        np.array(clips.emotions)[clips.labels[test]],
        seed=run.fold,
        rows=test,
    )


def profile_answers(
    model: keras.Model,
    features: NDArray,
    actors: NDArray[np.int64],
    emotions: NDArray,
    *,
    seed: int,
    rows: NDArray[np.int64],
) -> dict[str, list[NDArray]]:
    """What a network answers with each of ``PROFILES``.

    Parameters
    ----------
    features : of the clips, shape ``(clips, frames, columns)``
    actors, emotions, rows : of each clip; ``rows`` is what a clip is called in the result

    Returns
    -------
    rows and probabilities of the clips that are scored, by the profile's name
    """
    answer, rng = answer_with(model), np.random.default_rng(seed)
    width, count = model.input_shape[1][1], features.shape[2]
    order = rng.permutation(len(rows))
    found = {}
    for name, (clips, emotion) in PROFILES.items():
        scored, sums = [], []
        for actor in np.unique(actors):
            own = order[actors[order] == actor]
            enrolled = own if emotion is None else own[emotions[own] == emotion]
            enrolled = enrolled[: clips or len(own)]
            if len(enrolled) == 0:  # nothing to know the speaker by
                continue
            said = clip_sums(answer, features[enrolled].astype(np.float32), columns=count, width=width)
            if clips:
                others = np.setdiff1d(own, enrolled)
                scored.append(others)
                sums.append(np.repeat(said.sum(axis=0)[None], len(others), axis=0))
            else:
                scored.append(own)
                sums.append(said.sum(axis=0) - said)
        asked = np.concatenate([rows[:0], *scored])
        given = np.zeros((0, model.output_shape[0][1]), np.float32)
        if len(asked):
            given = predict_probabilities(model, features[asked], np.concatenate(sums))
        found[name] = [rows[asked], given]
    return found

"""The runs of cross-validation: each trained once, kept in ``data/runs``, trained again when it no longer counts."""

import platform
import time
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np

import ser
from ser import artifacts
from ser.networks.baseline import BASELINE, predict_baseline
from ser.networks.network import Network, find_network
from ser.params import Params
from ser.training.checkpoint import Checkpoint, run_key
from ser.training.data import prepare_test, speaker_statistics
from ser.training.devices import gpus, precision
from ser.training.fit import predict_probabilities
from ser.training.train import Clips, Features, predict, prepared, train
from stages.shared.training import read_clips, read_features
from stages.split import divide_index
from studies.plan import NETWORKS, Run

RUNS = Path("data/runs")
ENROLLED_CLIPS = (1, 4, 16)
# Two trainings with a thread each are done sooner than one after the other with two, and what a training
# finds does not depend on how many processors there are. In single precision, so that figures from a GPU
# and from a processor are of one kind.
ENVIRONMENT = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "SER_PRECISION": "float32"}
# What decides a training, beside the clips, the features and the code.
DECIDING_BLOCKS = {"split", "preprocess", "features_1d", "spectrograms", "training", "networks"}


def network_of(run: Run) -> Network:
    """The network that a run trains, or whose features the baseline reads."""
    return find_network(run.classifier if run.classifier in NETWORKS else NETWORKS[0])


def key_of(run: Run, params: Params) -> str:
    """What a finished run must have been trained with to count."""
    settings = run.settings(params).model_dump_json(include=DECIDING_BLOCKS)
    code = (
        artifacts.hash_file(Path(ser.__file__).parent / "networks" / "baseline.py")
        if run.classifier == BASELINE
        else ""
    )
    return run_key(run.name, settings, code, hash_once(network_of(run).features_path))


@cache
def hash_once(path: str) -> str:
    """Hash of a large file, computed once in a process."""
    return artifacts.hash_file(path)


def describe(run: Run) -> dict:
    """When, where and with what a finished run was trained."""
    return artifacts.read_json(RUNS / f"{run.name}.json")


def finished(run: Run, params: Params) -> bool:
    """Whether the run's files exist and were made with these parameters, clips and code."""
    return (RUNS / f"{run.name}.json").exists() and describe(run)["key"] == key_of(run, params)


def versions() -> dict[str, str]:
    """Versions of what decides a training's figures."""
    packages = ("numpy", "keras", keras.backend.backend())
    return {"python": platform.python_version()} | {package: version(package) for package in packages}


def train_run(run: Run, params: Params) -> None:
    """Train a run; keep its probabilities on every clip and, of a network, its model and learning curve."""
    start, settings, stored = time.perf_counter(), run.settings(params), read_clips()
    subsets = divide_index(artifacts.read_parquet("data/clips.parquet"), settings.split)
    clips = Clips(**{**vars(stored), "subsets": subsets})
    features = read_features(network_of(run))
    procedure = train_baseline if run.classifier == BASELINE else train_network
    arrays, curve = procedure(run, features, clips, settings, key_of(run, params))
    artifacts.write_arrays(RUNS / f"{run.name}.npz", **arrays)
    artifacts.write_json(
        RUNS / f"{run.name}.json",
        {
            "key": key_of(run, params),
            "date": date.today().isoformat(),
            "seconds": round(time.perf_counter() - start, 1),
            "device": "GPU" if gpus() else "CPU",
            "precision": precision(),
            "versions": versions(),
            "validation_uar": curve,
        },
    )


def train_baseline(run: Run, features: Features, clips: Clips, params: Params, key: str):
    """The baseline's decisions on every clip; it has no curve."""
    frames = prepared(network_of(run), features, clips, params)
    seed = params.evaluate.seed
    return {"probabilities": [predict_baseline(frames, clips.labels(), train=clips.rows("train"), seed=seed)]}, []


def train_network(run: Run, features: Features, clips: Clips, params: Params, key: str):
    """A network's probabilities on every clip, and its validation UAR after each epoch."""
    checkpoint = Checkpoint(RUNS / f".{run.name}.npz", key)
    model, history = train(
        network_of(run),
        features,
        clips,
        params,
        progress=checkpoint.read(),
        save=checkpoint.write,
        report=lambda line: print(f"{run.name}: {line}", flush=True),
    )
    arrays = {"probabilities": [predict(network_of(run), model, features, clips, params)]}
    if params.training.speaker_normalization:
        arrays |= enrolment(run, model, features, clips, params)
    artifacts.write_model(RUNS / f"{run.name}.keras", model)
    checkpoint.remove()
    return arrays, [row["validation_uar"] for row in history]


def enrolment(run: Run, model, features: Features, clips: Clips, params: Params) -> dict[str, list[np.ndarray]]:
    """Probabilities of test clips when a speaker's statistics come from n clips that are then not scored."""
    test, columns = np.array(clips.rows("test")), network_of(run).columns_of(params, features.table)
    raw = prepare_test(features.array, rows=test.tolist(), columns=columns, actors=clips.actors[test], statistics=None)
    actors, rng, arrays = clips.actors[test], np.random.default_rng(run.fold), {}
    order = rng.permutation(len(test))
    rank = np.zeros(len(test), int)  # place of each clip among its actor's, in a random order
    for actor in np.unique(actors):
        own = order[actors[order] == actor]
        rank[own] = np.arange(len(own))
    for count in ENROLLED_CLIPS:
        enrolled = rank < count
        scored = np.flatnonzero(~enrolled)
        rows = prepare_test(
            raw,
            rows=scored.tolist(),
            columns=list(range(raw.shape[2])),
            actors=actors[scored],
            statistics=speaker_statistics(raw, actors, enrolled=enrolled),
        )
        arrays[f"enrolled{count}"] = [test[scored], predict_probabilities(model, rows)]
    return arrays

"""Cross-validation: every training that the results table rests on, each cached and resumable.

``python -m stages.cross_validate`` trains what is missing and writes ``results/crema-d/``. It reads
the features that the pipeline wrote, and ``params.yaml``; ``make cross-validate`` brings them up to
date. ``--jobs`` trains several at once, for a GPU.
"""

import argparse
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ser import io
from ser.experiment import Clips, chosen_columns, predict, train
from ser.leaks import check_split
from ser.metrics import classifier_metrics
from ser.params import Params, load
from ser.partitions import divide
from ser.summary import summarise
from ser.training import predict_probabilities
from ser.training_data import prepare_test, speaker_statistics
from stages.console import run as run_stage
from stages.network import FEATURES, read_clips
from stages.resume import Checkpoint, run_key

RUNS = Path("data/runs")
ENROLLED_CLIPS = (1, 4, 16)
NETWORKS = ("cnn1d", "cnn2d")


@dataclass(frozen=True)
class Run:
    """One training of the plan."""

    study: str
    network: str
    protocol: str
    fold: int = 1
    seed: int = 0
    speaker_normalization: bool = False

    @property
    def name(self) -> str:
        return f"{self.study}-{self.network}-fold{self.fold}-seed{self.seed}"

    def settings(self, params: Params) -> Params:
        """``params`` with what this run changes."""
        own = getattr(params, f"train_{self.network}").model_copy(update={"seed": self.seed})
        return params.model_copy(
            update={
                "split": params.split.model_copy(update={"protocol": self.protocol, "fold": self.fold}),
                "training": params.training.model_copy(update={"speaker_normalization": self.speaker_normalization}),
                f"train_{self.network}": own,
            }
        )


def plan() -> list[Run]:
    """All runs, the most wanted first."""
    folds = range(1, 6)
    headline = [Run("emo-superb", network, "emo-superb", fold) for fold in folds for network in NETWORKS]
    normalized = [
        Run("emo-superb-normalized", network, "emo-superb", fold, speaker_normalization=True)
        for fold in folds
        for network in NETWORKS
    ]
    leaking = [Run("clip", network, "clip") for network in NETWORKS]
    seeds = [Run("audeering", network, "audeering", seed=seed) for seed in range(3) for network in NETWORKS]
    return headline + leaking + normalized + seeds


def division(run: Run, params: Params) -> list[str]:
    """Subset of every clip under the run's protocol."""
    index, split = io.read_parquet("data/clips.parquet"), run.settings(params).split
    clips, actors = index["clip"].tolist(), index["actor"]
    subsets = divide(
        clips,
        actors.to_numpy(),
        index["emotion"].tolist(),
        index["sex"].tolist(),
        protocol=split.protocol,
        fold=split.fold,
        fractions=split.fractions(),
        seed=split.seed,
    )
    check_split(clips, actors.tolist(), index["fingerprint"].tolist(), subsets, protocol=split.protocol)
    return subsets


def key_of(run: Run, params: Params) -> str:
    """What a finished run must have been trained with to count."""
    return run_key(run.name, run.settings(params).model_dump_json(), hash_features(run.network))


@cache
def hash_features(network: str) -> str:
    """Hash of what a network reads, computed once."""
    return io.hash_file(FEATURES[network])


def finished(run: Run, params: Params) -> bool:
    """Whether the run's file exists and was made with these parameters, clips and code."""
    path = RUNS / f"{run.name}.npz"
    return path.exists() and bytes(io.read_arrays(path)["key"][0]).decode() == key_of(run, params)


def train_run(run: Run, params: Params) -> None:
    """Train one run and keep its probabilities on every clip, its history and its model."""
    start, settings, stored = time.perf_counter(), run.settings(params), read_clips()
    clips = Clips(**{**vars(stored), "subsets": division(run, params)})
    features = io.open_array(FEATURES[run.network])
    checkpoint = Checkpoint(RUNS / f".{run.name}.npz", key_of(run, params))
    model, history = train(
        run.network,
        features,
        clips,
        settings,
        progress=checkpoint.read(),
        save=checkpoint.write,
        report=lambda line: print(f"{run.name}: {line}", flush=True),
    )
    arrays = {
        "key": [np.frombuffer(key_of(run, params).encode(), np.uint8)],
        "probabilities": [predict(run.network, model, features, clips, settings)],
        "curve": [np.array([row["validation_uar"] for row in history])],
        "seconds": [np.array(time.perf_counter() - start)],
    }
    if run.speaker_normalization:
        arrays |= enrolment(run, model, features, clips, settings)
    io.write_model(RUNS / f"{run.name}.keras", model)
    io.write_arrays(RUNS / f"{run.name}.npz", **arrays)
    checkpoint.remove()


def enrolment(run: Run, model, features: np.ndarray, clips: Clips, params: Params) -> dict[str, list[np.ndarray]]:
    """Probabilities of test clips when a speaker's statistics come from n clips that are then not scored."""
    test, columns = np.array(clips.rows("test")), chosen_columns(run.network, params)
    raw = prepare_test(features, rows=test.tolist(), columns=columns, actors=clips.actors[test], statistics=None)
    actors, rng, arrays = clips.actors[test], np.random.default_rng(run.fold), {}
    order = rng.permutation(len(test))
    rank = np.zeros(len(test), int)  # place of each clip among its actor's, in a random order
    for actor in np.unique(actors):
        own = order[actors[order] == actor]
        rank[own] = np.arange(len(own))
    for count in ENROLLED_CLIPS:
        enrolled = rank < count
        statistics = speaker_statistics(raw, actors, enrolled=enrolled)
        chosen = np.flatnonzero(~enrolled)
        rows = prepare_test(
            raw,
            rows=chosen.tolist(),
            columns=list(range(raw.shape[2])),
            actors=actors[chosen],
            statistics=statistics,
        )
        arrays[f"enrolled{count}"] = [test[chosen], predict_probabilities(model, rows)]
    return arrays


def train_missing(runs: list[Run], params: Params, jobs: int) -> int:
    """Train the unfinished runs, ``jobs`` at a time, each in a process of its own."""
    missing = [run for run in runs if not finished(run, params)]
    command = [sys.executable, "-m", "stages.cross_validate", "--train"]
    with ThreadPoolExecutor(jobs) as pool:
        codes = list(pool.map(lambda run: subprocess.run([*command, run.name]).returncode, missing))
    failed = [run.name for run, code in zip(missing, codes, strict=True) if code]
    if failed:
        sys.exit(f"cross_validate: {len(failed)} of {len(missing)} trainings failed: {', '.join(failed)}")
    return len(missing)


def summary_of(runs: list[Run], params: Params) -> dict:
    """What a study found: each classifier's mean and spread, every training, and what it was run with."""
    clips = read_clips()
    found: dict[str, list[dict]] = {"cnn1d": [], "cnn2d": [], "fusion": []}
    for fold, seed in dict.fromkeys((run.fold, run.seed) for run in runs):
        pair = [run for run in runs if (run.fold, run.seed) == (fold, seed)]
        given = {run.network: io.read_arrays(RUNS / f"{run.name}.npz")["probabilities"][0] for run in pair}
        given["fusion"] = (given["cnn1d"] + given["cnn2d"]) / 2
        for name, probabilities in given.items():
            metrics = classifier_metrics(
                probabilities,
                clips.labels(),
                clips.actors,
                clips.votes,
                np.array(division(pair[0], params)),
                settings=pair[0].settings(params),
                seed=params.evaluate.seed,
                bootstrap_samples=params.evaluate.bootstrap_samples,
            )
            found[name].append({"fold": fold, "seed": seed} | metrics)
    return {
        "date": date.today().isoformat(),
        "versions": {package: version(package) for package in ("keras", "tensorflow", "numpy", "scikit-learn")},
        "params": runs[0].settings(params).model_dump(),
        "classifiers": {name: summarise(trainings) | {"trainings": trainings} for name, trainings in found.items()},
    }


def cross_validate() -> str:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--jobs",
        type=int,
        choices=range(1, 65),
        default=1,
        metavar="N",
        help="trainings at once; more than one is for a GPU",
    )
    studies = list(dict.fromkeys(run.study for run in plan()))
    parser.add_argument("--study", action="append", choices=studies, help="only this study; may be repeated")
    parser.add_argument(
        "--train",
        metavar="RUN",
        choices=[run.name for run in plan()],
        help="train this run of the plan alone, and write no summary",
    )
    options, params = parser.parse_args(), load()
    runs = [run for run in plan() if options.study is None or run.study in options.study]
    if options.train:
        (chosen,) = [run for run in plan() if run.name == options.train]
        train_run(chosen, params)
        return f"{chosen.name} trained"
    trained = train_missing(runs, params, options.jobs)
    for study in dict.fromkeys(run.study for run in runs):
        io.write_json(f"results/crema-d/{study}.json", summary_of([r for r in runs if r.study == study], params))
    return f"{trained} runs trained, {len(runs) - trained} taken from {RUNS}"


if __name__ == "__main__":
    run_stage(cross_validate)

"""Score both networks, their fusion and the baseline on train, validation and test."""

import time

import numpy as np

from ser import artifacts
from ser.emotions import EMOTIONS
from ser.networks.baseline import predict_baseline
from ser.params import Params, load
from ser.scoring.calibration import answered, coverage_curve, fit_temperature, temper
from ser.scoring.metrics import classifier_metrics, group_rows, groups_of
from ser.scoring.scores import calibration_error, rounded
from ser.scoring.tables import scores_page
from ser.training.train import Clips, predict, prepared
from stages.shared.console import rate, run
from stages.shared.training import FEATURES, read_clips


def evaluate() -> str:
    start, params, clips = time.perf_counter(), load(), read_clips()
    probabilities = {
        network: predict(
            network, artifacts.read_model(f"models/{network}.keras"), artifacts.open_array(path), clips, params
        )
        for network, path in FEATURES.items()
    }
    probabilities["fusion"] = (probabilities["cnn1d"] + probabilities["cnn2d"]) / 2
    frames = prepared("cnn1d", artifacts.open_array(FEATURES["cnn1d"]), clips, params)
    probabilities["baseline"] = predict_baseline(
        frames, clips.labels(), train=clips.rows("train"), seed=params.evaluate.seed
    )
    index = artifacts.read_parquet("data/clips.parquet")
    write_scores(probabilities, clips, index, params)
    page = scores_page({name: artifacts.read_json(f"metrics/{name}.json") for name in probabilities})
    artifacts.write_bytes("metrics/scores.md", page.encode())
    print(page)
    return f"{len(index)} clips in, {len(probabilities)} classifiers scored, {rate(len(index), start)}"


def write_scores(probabilities: dict[str, np.ndarray], clips: Clips, index, params: Params) -> None:
    """Metrics for Git, and tables for plots: one row a test clip, an emotion, a group."""
    actual, subsets = clips.labels(), np.array(clips.subsets)
    test = subsets == "test"
    groups = {group: values[test] for group, values in groups_of(index).items()}
    calibration = calibrate(probabilities["fusion"], actual, subsets, threshold=params.evaluate.not_sure_below)
    tempered = temper(probabilities["fusion"], calibration["temperature"])
    coverage = coverage_curve(tempered[test], actual[test])
    artifacts.write_csv("metrics/coverage.csv", coverage, columns=list(coverage[0]))
    group_table = []
    for name, given in probabilities.items():
        metrics = classifier_metrics(
            given,
            actual,
            clips.actors,
            clips.votes,
            subsets,
            settings=params,
            seed=params.evaluate.seed,
            bootstrap_samples=params.evaluate.bootstrap_samples,
            decides_alone=name == "baseline",
        )
        if name == "fusion":
            metrics["calibration"] = calibration
        artifacts.write_json(f"metrics/{name}.json", metrics)
        recalls = [{"emotion": emotion, "recall": value} for emotion, value in metrics["test"]["recall"].items()]
        artifacts.write_csv(f"metrics/{name}_recall.csv", recalls, columns=["emotion", "recall"])
        group_table += group_rows(name, given[test], actual[test], groups, clips.actors[test])
        decisions = [
            {"actual": EMOTIONS[a], "predicted": EMOTIONS[p]} for a, p in zip(actual, given.argmax(axis=1), strict=True)
        ]
        confusion_rows = [row for row, tested in zip(decisions, test, strict=True) if tested]
        artifacts.write_csv(f"metrics/{name}_confusion.csv", confusion_rows, columns=["actual", "predicted"])
    artifacts.write_csv("metrics/groups.csv", group_table, columns=list(group_table[0]))
    predictions = index[["clip", "actor", "emotion"]].assign(subset=clips.subsets)
    shown = {name: probabilities[name] for name in ("cnn1d", "cnn2d", "fusion")} | {"calibrated": tempered}
    for name, given in shown.items():
        for column, emotion in enumerate(EMOTIONS):
            predictions[f"{name}_{emotion}"] = given[:, column]
    artifacts.write_parquet("data/predictions.parquet", predictions)


def calibrate(given: np.ndarray, actual: np.ndarray, subsets: np.ndarray, *, threshold: float) -> dict:
    """The temperature that validation asks for, and what it and the threshold do on validation and test."""
    temperature = fit_temperature(given[subsets == "validation"], actual[subsets == "validation"])
    found: dict = {"temperature": temperature, "threshold": threshold}
    for subset in ("validation", "test"):
        chosen = subsets == subset
        tempered = temper(given[chosen], temperature)
        found[subset] = {
            "before": rounded(calibration_error(given[chosen], actual[chosen])),
            "after": rounded(calibration_error(tempered, actual[chosen])),
            "answered": answered(tempered, actual[chosen], threshold=threshold),
        }
    return found


if __name__ == "__main__":
    run(evaluate)

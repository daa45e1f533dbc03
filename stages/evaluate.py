"""Score the networks, their fusion and the baseline on train, validation and test."""

import time

import numpy as np
import pandas as pd

from ser import artifacts
from ser.params import Evaluate, Params, load
from ser.scoring.calibration import answered, coverage_curve, fit_temperature, temper
from ser.scoring.fusion import fuse
from ser.scoring.metrics import Scored, classifier_metrics, group_rows, groups_of
from ser.scoring.scores import BASELINE, FUSION, calibration_error, rounded
from ser.scoring.tables import scores_page
from ser.training.data import Clips
from stages.shared.clips import read_clips
from stages.shared.console import rate, run


def evaluate() -> str:
    start, params, clips = time.perf_counter(), load(), read_clips()
    table = artifacts.read_parquet("data/probabilities.parquet")
    said = {
        name: table[[f"{name}_{emotion}" for emotion in clips.emotions]].to_numpy(np.float32)
        for name in (*params.networks, BASELINE)
    }
    fusion = fuse({name: said[name] for name in params.networks}, params.evaluate.fusion_weights)
    probabilities = {name: said[name] for name in params.networks} | {FUSION: fusion, BASELINE: said[BASELINE]}
    index = artifacts.read_parquet("data/clips.parquet")
    page = scores_page(write_scores(probabilities, clips, index, params))
    artifacts.write_bytes("metrics/scores.md", page.encode())
    print(page)
    return f"{len(index)} clips in, {len(probabilities)} classifiers scored, {rate(len(index), start)}"


def write_scores(
    probabilities: dict[str, np.ndarray], clips: Clips, index: pd.DataFrame, params: Params
) -> dict[str, dict]:
    """Metrics for Git, and tables for plots: one row a test clip, an emotion, a group. Gives the metrics."""
    actual, subsets = clips.labels, np.array(clips.subsets)
    test = subsets == "test"
    groups = {group: values[test] for group, values in groups_of(index).items()}
    calibration = calibrate(probabilities[FUSION], actual, subsets, params.evaluate)
    tempered = temper(probabilities[FUSION], calibration["temperature"])
    coverage = coverage_curve(tempered[test], actual[test])
    artifacts.write_csv("metrics/coverage.csv", coverage, columns=list(coverage[0]))
    scored = Scored(actual, clips.actors, clips.votes, clips.emotions)
    drawn = {"samples": params.evaluate.bootstrap_samples, "seed": params.evaluate.seed}
    found, group_table = {}, []
    for name, given in probabilities.items():
        found[name] = metrics = classifier_metrics(given, scored, subsets, params, hard_decisions=name == BASELINE)
        if name == FUSION:
            metrics["calibration"] = calibration
        artifacts.write_json(f"metrics/{name}.json", metrics)
        group_table += group_rows(name, given[test], actual[test], groups, clips.actors[test], **drawn)
        write_plots(name, metrics["test"]["recall"], actual[test], given[test].argmax(axis=1), clips.emotions)
    artifacts.write_csv("metrics/groups.csv", group_table, columns=list(group_table[0]))
    shown = {name: given for name, given in probabilities.items() if name != BASELINE} | {"calibrated": tempered}
    write_predictions(shown, clips, index)
    return found


def write_plots(name: str, recall: dict, actual: np.ndarray, decided: np.ndarray, emotions: tuple[str, ...]) -> None:
    """What ``dvc plots`` draws of a classifier: a row an emotion with its recall, and a row a test clip."""
    recalls = [{"emotion": emotion, "recall": value} for emotion, value in recall.items()]
    artifacts.write_csv(f"metrics/{name}_recall.csv", recalls, columns=["emotion", "recall"])
    decisions = [
        {"actual": emotions[meant], "predicted": emotions[said]} for meant, said in zip(actual, decided, strict=True)
    ]
    artifacts.write_csv(f"metrics/{name}_confusion.csv", decisions, columns=["actual", "predicted"])


def write_predictions(probabilities: dict[str, np.ndarray], clips: Clips, index: pd.DataFrame) -> None:
    """What each classifier says of every clip."""
    predictions = index[["clip", "actor", "emotion"]].assign(subset=clips.subsets)
    for name, given in probabilities.items():
        predictions[[f"{name}_{emotion}" for emotion in clips.emotions]] = given
    artifacts.write_parquet("data/predictions.parquet", predictions)


def calibrate(given: np.ndarray, actual: np.ndarray, subsets: np.ndarray, settings: Evaluate) -> dict:
    """The temperature that validation asks for, or the least, and what it and the threshold do."""
    fitted = fit_temperature(given[subsets == "validation"], actual[subsets == "validation"])
    temperature, threshold = max(settings.least_temperature, fitted), settings.not_sure_below
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

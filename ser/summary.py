"""Metrics of several trainings as one: their mean, and how far they lie apart."""

import numpy as np

from ser.partitions import SUBSETS
from ser.scores import rounded

SCORES = ("accuracy", "uar", "macro_f1", "calibration_error")


def summarise(trainings: list[dict]) -> dict:
    """Mean and standard deviation of every score over trainings, as folds or seeds.

    Parameters
    ----------
    trainings : as ``ser.metrics.classifier_metrics`` gives them

    Returns
    -------
    ``mean`` and ``spread``, each with the scores of every subset, and the largest gap of accuracy
    between training and test
    """
    summary: dict = {"mean": {}, "spread": {}}
    for subset in SUBSETS:
        values = {score: [metrics[subset][score] for metrics in trainings] for score in SCORES}
        summary["mean"][subset] = {score: rounded(np.mean(found)) for score, found in values.items()}
        summary["spread"][subset] = {score: rounded(np.std(found)) for score, found in values.items()}
    summary["largest_train_minus_test_accuracy"] = max(m["train_minus_test_accuracy"] for m in trainings)
    return summary

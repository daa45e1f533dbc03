"""Probabilities that mean what they say: temperature, and what a threshold of confidence costs."""

import numpy as np
from numpy.typing import NDArray

SMALLEST = 1e-7  # probability that a logarithm is taken of


def temper(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Sharpen (below 1) or flatten (above 1) probabilities ``(..., emotions)``; their order stays.

    The softmax of ``log(p) / temperature`` (Guo et al. 2017, On Calibration of Modern Neural Networks).
    """
    scaled = np.log(np.maximum(probabilities, SMALLEST)) / temperature
    exponentials = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return (exponentials / exponentials.sum(axis=-1, keepdims=True)).astype(np.float32)


def fit_temperature(probabilities: NDArray[np.float32], actual: NDArray[np.int64]) -> float:
    """The temperature of the highest likelihood on the given clips, which must not be test clips.

    Parameters
    ----------
    probabilities : shape ``(clips, emotions)``
    actual : emotion numbers ``(clips,)``
    """
    from scipy.optimize import minimize_scalar  # a prediction tempers, and need not wait for it

    def loss(log_temperature: float) -> float:
        tempered = temper(probabilities, np.exp(log_temperature))
        return -float(np.log(np.maximum(tempered[np.arange(len(actual)), actual], SMALLEST)).mean())

    found = minimize_scalar(loss, bounds=(np.log(0.1), np.log(10)), method="bounded")
    return round(float(np.exp(found.x)), 4)


def coverage_curve(probabilities: NDArray[np.float32], actual: NDArray[np.int64], *, steps: int = 100) -> list[dict]:
    """Share of clips answered, and accuracy on them, when answers below a confidence are withheld.

    Returns
    -------
    rows of ``threshold, coverage, accuracy``; the thresholds withhold equal parts of the clips
    """
    confidence = probabilities.max(axis=1)
    correct = (probabilities.argmax(axis=1) == actual)[np.argsort(confidence)]
    ordered = np.sort(confidence)
    firsts = np.unique(np.linspace(0, len(ordered) - 1, steps).astype(int))
    return [
        {
            "threshold": round(float(ordered[first]), 4),
            "coverage": round(1 - first / len(ordered), 4),
            "accuracy": round(float(correct[first:].mean()), 4),
        }
        for first in firsts
    ]


def answered(probabilities: NDArray[np.float32], actual: NDArray[np.int64], *, threshold: float) -> dict:
    """Coverage and accuracy when an answer needs at least ``threshold``; accuracy ``None`` if none has it."""
    kept = probabilities.max(axis=1) >= threshold
    correct = probabilities.argmax(axis=1) == actual
    return {
        "coverage": round(float(kept.mean()), 4),
        "accuracy": round(float(correct[kept].mean()), 4) if kept.any() else None,
    }

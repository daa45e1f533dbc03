"""Scores of predicted probabilities, with intervals over actors."""

from collections.abc import Sequence
from typing import SupportsFloat

import numpy as np
from numpy.typing import NDArray

FUSION, BASELINE = "fusion", "baseline"  # classifiers beside the networks: all of them together, and the classical one
CALIBRATION_BINS = 15
FEW_ACTORS = 4  # an interval from so few only repeats them
CONFIDENCE = 0.95


def confusion(actual: NDArray[np.int64], predicted: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Counts of each predicted emotion (columns) for each actual one (rows), of ``size`` emotions."""
    return np.bincount(size * actual + predicted, minlength=size * size).reshape(size, size)


def recalls(counts: NDArray) -> NDArray[np.float64]:
    """Recall of each emotion from ``(..., emotions, emotions)``; NaN for one that does not occur."""
    total = counts.sum(axis=-1)
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    return np.divide(hits, total, out=np.full(total.shape, np.nan), where=total > 0)


def accuracy(counts: NDArray) -> NDArray[np.float64]:
    """Share of clips on the diagonal."""
    return np.trace(counts, axis1=-2, axis2=-1) / counts.sum(axis=(-2, -1))


def unweighted_average_recall(counts: NDArray) -> NDArray[np.float64]:
    """Mean recall over the emotions that occur (UAR; Schuller et al. 2009, Interspeech challenge)."""
    return np.nanmean(recalls(counts), axis=-1)


def macro_f1(counts: NDArray) -> float:
    """Mean F1 over emotions that occur or are predicted, of one confusion matrix."""
    hits = np.diagonal(counts)
    total = counts.sum(axis=0) + counts.sum(axis=1)
    return float(np.mean(2 * hits[total > 0] / total[total > 0]))


def calibration_error(probabilities: NDArray[np.float32], actual: NDArray[np.int64]) -> float:
    """Expected calibration error over 15 equal bins of confidence (Guo et al. 2017).

    The mean gap between confidence and accuracy in each bin, weighted by the clips in it.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == actual
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=confidence - correct, minlength=CALIBRATION_BINS)
    return float(np.abs(gaps).sum() / len(actual))


def actor_confusions(
    actual: NDArray[np.int64], predicted: NDArray[np.int64], actors: NDArray[np.int64], size: int
) -> NDArray[np.int64]:
    """One confusion matrix an actor, shape ``(actors, emotions, emotions)``, by actor number."""
    of_actor = (actors == actor for actor in np.unique(actors))
    return np.stack([confusion(actual[chosen], predicted[chosen], size) for chosen in of_actor])


def bootstrap(counts: NDArray[np.int64], *, samples: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Confusion matrices of corpora with actors drawn with replacement (Efron 1979).

    Actors, not clips: the clips of one voice are not independent, and a new user is a new voice.

    Parameters
    ----------
    counts : of each actor, as ``actor_confusions`` gives them

    Returns
    -------
    shape ``(samples, emotions, emotions)``
    """
    weights = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=samples)
    return np.tensordot(weights, counts, axes=1)


def interval(values: NDArray[np.float64]) -> list[float]:
    """The central 95 % of bootstrapped values."""
    tail = (1 - CONFIDENCE) / 2
    return [rounded(value) for value in np.nanquantile(values, [tail, 1 - tail])]


def rounded(value: SupportsFloat) -> float:
    """Four decimals: far finer than any interval, and quiet in a diff."""
    return round(float(value), 4)


def score(
    probabilities: NDArray[np.float32],
    actual: NDArray[np.int64],
    actors: NDArray[np.int64],
    *,
    bootstrap_samples: int,
    rng: np.random.Generator,
    emotions: Sequence[str],
    hard_decisions: bool = False,
) -> dict:
    """All scores of one subset, as fractions.

    Parameters
    ----------
    probabilities : shape ``(clips, emotions)``
    actual, actors : shape ``(clips,)``
    emotions : in the order of the probabilities
    hard_decisions : the probabilities are 0 and 1, from a classifier that has none: no calibration error
    """
    predicted = probabilities.argmax(axis=1)
    counts = confusion(actual, predicted, len(emotions))
    of_actors = actor_confusions(actual, predicted, actors, len(emotions))
    resampled = bootstrap(of_actors, samples=bootstrap_samples, rng=rng)
    accuracy_low, accuracy_high = interval(accuracy(resampled))
    uar_low, uar_high = interval(unweighted_average_recall(resampled))
    calibration = {} if hard_decisions else {"calibration_error": rounded(calibration_error(probabilities, actual))}
    return {
        "accuracy": rounded(accuracy(counts)),
        "accuracy_low": accuracy_low,
        "accuracy_high": accuracy_high,
        "uar": rounded(unweighted_average_recall(counts)),
        "uar_low": uar_low,
        "uar_high": uar_high,
        "macro_f1": rounded(macro_f1(counts)),
        **calibration,
        "recall": {
            emotion: rounded(value)
            for emotion, value in zip(emotions, recalls(counts), strict=True)
            if np.isfinite(value)
        },
        "clips": len(actual),
        "actors": len(np.unique(actors)),
    }


def paired_difference(
    actual: NDArray[np.int64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    actors: NDArray[np.int64],
    *,
    samples: int,
    rng: np.random.Generator,
) -> dict:
    """UAR of ``first`` minus UAR of ``second`` on the same clips, tested over actors.

    The interval is by bootstrap over actors, drawn alike for both; the p-value, two-sided, by
    exchanging the two predictions of randomly chosen actors (a paired permutation test).
    """
    size = int(max(values.max() for values in (actual, first, second))) + 1
    of_first, of_second = (actor_confusions(actual, predicted, actors, size) for predicted in (first, second))
    count = len(of_first)

    def difference(first_times: NDArray, second_times: NDArray) -> NDArray[np.float64]:
        """UAR of one classifier minus that of another, which have each actor's predictions so many times.

        Both ``(..., actors, 2)``: how often the first's and the second's.
        """
        both = np.stack([of_first, of_second], axis=1).reshape(2 * count, size, size)
        counts = (
            np.tensordot(times.reshape(*times.shape[:-2], -1), both, axes=1) for times in (first_times, second_times)
        )
        minuend, subtrahend = map(unweighted_average_recall, counts)
        return minuend - subtrahend

    own = np.stack([np.ones(count, int), np.zeros(count, int)], axis=-1)  # the first's predictions only
    drawn = rng.multinomial(count, np.full(count, 1 / count), size=samples)[..., None]
    low, high = interval(difference(drawn * own, drawn * own[:, ::-1]))
    exchanged = rng.integers(0, 2, (samples, count))[..., None]
    chosen = np.where(exchanged, own[:, ::-1], own)
    observed, under_null = difference(own, own[:, ::-1]), difference(chosen, chosen[..., ::-1])
    extreme = np.count_nonzero(np.abs(under_null) >= abs(observed) - 1e-12)
    return {
        "uar_difference": rounded(observed),
        "low": low,
        "high": high,
        "p": rounded((extreme + 1) / (samples + 1)),
    }


def score_listeners(votes: NDArray[np.int64], actual: NDArray[np.int64]) -> dict | None:
    """The listeners' plurality on the same clips; emotions that tie share the vote. ``None`` without votes."""
    heard = votes.sum(axis=1) > 0
    if not heard.any():
        return None
    chosen = votes[heard] == votes[heard].max(axis=1, keepdims=True)
    share = chosen / chosen.sum(axis=1, keepdims=True)
    counts = np.stack([share[actual[heard] == emotion].sum(axis=0) for emotion in range(votes.shape[1])])
    return {
        "accuracy": rounded(accuracy(counts)),
        "uar": rounded(unweighted_average_recall(counts)),
        "clips": int(heard.sum()),
    }

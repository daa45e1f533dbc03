"""What a study found: its trainings together, its classifiers compared, who is recognised worse."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ser.corpus.partitions import PUBLISHED, SUBSETS
from ser.scoring.metrics import group_rows
from ser.scoring.scores import paired_difference, rounded, score, score_listeners

SCORES = ("accuracy", "uar", "macro_f1", "calibration_error")
COMPARISONS = (
    ("cnn1d", "cnn2d"),
    ("cnn1d", "baseline"),
    ("cnn2d", "baseline"),
    ("fusion", "cnn1d"),
    ("fusion", "cnn2d"),
    ("fusion", "baseline"),
)
# Defaults were chosen by the UAR on these actors, some of whom other protocols test.
SELECTION_ACTORS = PUBLISHED["audeering"][0]


def summarise(trainings: list[dict]) -> dict:
    """Mean of every score over trainings, and how far folds and seeds lie apart.

    Parameters
    ----------
    trainings : as ``ser.scoring.metrics.classifier_metrics`` gives them, each with its ``fold`` and ``seed``

    Returns
    -------
    ``mean``; ``spread_of_folds`` and ``spread_of_seeds`` where there are several, the sample standard
    deviation over each of the test scores; and how much accuracy falls from training to test
    """
    names = _scores(trainings)
    means = {
        subset: {name: rounded(np.mean([training[subset][name] for training in trainings])) for name in names}
        for subset in SUBSETS
    }
    gaps = [training["train_minus_test_accuracy"] for training in trainings]
    return {
        "mean": means,
        **{f"spread_of_{axis}s": spread for axis in ("fold", "seed") if (spread := _spread(trainings, axis))},
        "mean_train_minus_test_accuracy": rounded(np.mean(gaps)),
        "largest_train_minus_test_accuracy": max(gaps),
        "trainings": trainings,
    }


def _scores(trainings: list[dict]) -> list[str]:
    """The scores that these trainings have: one that decides without probabilities has no calibration error."""
    return [name for name in SCORES if name in trainings[0]["test"]]


def _spread(trainings: list[dict], axis: str) -> dict:
    values = sorted({training[axis] for training in trainings})
    if len(values) == 1:
        return {}
    spread = {}
    for name in _scores(trainings):
        found = [[training["test"][name] for training in trainings if training[axis] == value] for value in values]
        spread[name] = rounded(np.std([np.mean(scores) for scores in found], ddof=1))
    return spread


def score_pooled(
    pooled: dict[str, NDArray[np.float32]],
    actual: NDArray[np.int64],
    actors: NDArray[np.int64],
    votes: NDArray[np.int64],
    groups: dict[str, NDArray[np.str_]],
    *,
    emotions: Sequence[str],
    bootstrap_samples: int,
    seed: int,
) -> dict:
    """Scores of every tested actor once, paired comparisons, groups, listeners on the same clips.

    Parameters
    ----------
    pooled : probabilities ``(clips, emotions)`` of each classifier
    actual, actors, votes : of the same clips
    groups : for each group, as ``sex``, the value of every clip
    """

    def scored(name: str, chosen: NDArray[np.bool_]) -> dict:
        return score(
            pooled[name][chosen],
            actual[chosen],
            actors[chosen],
            bootstrap_samples=bootstrap_samples,
            rng=np.random.default_rng(seed),
            emotions=emotions,
            hard_decisions=name == "baseline",
        )

    def compared(first: str, second: str) -> dict:
        decided = (pooled[name].argmax(axis=1) for name in (first, second))
        rng = np.random.default_rng(seed)
        found = paired_difference(actual, *decided, actors, samples=bootstrap_samples, rng=rng)
        return {"first": first, "second": second} | found

    everyone, unseen = np.ones(len(actual), bool), ~np.isin(actors, SELECTION_ACTORS)
    partly_seen = unseen.any() and not unseen.all()
    by_actor = {
        name: group_rows(name, given, actual, {"actor": actors.astype(str)}, actors) for name, given in pooled.items()
    }
    return {
        "scores": {name: scored(name, everyone) for name in pooled},
        "scores_without_selection_actors": {name: scored(name, unseen) for name in pooled if partly_seen},
        "listeners": score_listeners(votes, actual),
        "comparisons": [compared(*pair) for pair in COMPARISONS],
        "groups": {
            group: {
                value: scored("fusion", chosen) | {"listeners": score_listeners(votes[chosen], actual[chosen])}
                for value in np.unique(values).tolist()
                for chosen in [values == value]
            }
            for group, values in groups.items()
        },
        "worst_actor": {name: min(rows, key=lambda row: row["uar"]) for name, rows in by_actor.items()},
    }

"""What a study found: its trainings together, its classifiers compared, who is recognised worse."""

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from ser.corpus.partitions import SUBSETS, published_partition
from ser.scoring.metrics import Scored, group_rows
from ser.scoring.scores import BASELINE, FUSION, paired_difference, rounded, score_listeners
from studies.plan import NETWORKS

SCORES = ("accuracy", "uar", "macro_f1", "calibration_error")
COMPARISONS = (
    *combinations(NETWORKS, 2),
    *((network, BASELINE) for network in NETWORKS),
    *((FUSION, other) for other in (*NETWORKS, BASELINE)),
)
# Defaults were chosen by the UAR on the validation actors of these, some of whom other protocols and folds test;
# decision 13 looked at those of all folds.
SELECTIONS = (("audeering", 1), ("emo-superb", 1), ("emo-superb", 2))
SELECTION_ACTORS = sorted(
    {
        actor
        for protocol, fold in SELECTIONS
        for actor, subset in published_partition(protocol, fold).items()
        if subset == "validation"
    }
)


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
    pooled: dict[str, NDArray[np.float32]], clips: Scored, groups: dict[str, NDArray[np.str_]], settings
) -> dict:
    """Scores of every tested actor once, paired comparisons, groups, listeners on the same clips.

    Parameters
    ----------
    pooled : probabilities ``(clips, emotions)`` of each classifier
    groups : for each group, such as ``sex``, the value of every clip
    settings : the parameters ``evaluate``
    """

    def scored(name: str, chosen: NDArray[np.bool_]) -> dict:
        return clips[chosen].score(pooled[name][chosen], settings, hard_decisions=name == BASELINE)

    def compared(first: str, second: str) -> dict:
        one, two = (pooled[name].argmax(axis=1) for name in (first, second))
        samples, rng = settings.bootstrap_samples, np.random.default_rng(settings.seed)
        found = paired_difference(clips.actual, one, two, clips.actors, samples=samples, rng=rng)
        return {"first": first, "second": second} | found

    def in_group(chosen: NDArray[np.bool_]) -> dict:
        own = clips[chosen]
        return scored("fusion", chosen) | {"listeners": score_listeners(own.votes, own.actual)}

    actor = {"actor": clips.actors.astype(str)}
    everyone, unseen = np.ones(len(clips.actual), bool), ~np.isin(clips.actors, SELECTION_ACTORS)
    partly_seen = unseen.any() and not unseen.all()
    by_actor = {name: group_rows(name, given, clips.actual, actor, clips.actors) for name, given in pooled.items()}
    return {
        "scores": {name: scored(name, everyone) for name in pooled},
        "scores_without_selection_actors": {name: scored(name, unseen) for name in pooled if partly_seen},
        "listeners": score_listeners(clips.votes, clips.actual),
        "comparisons": [compared(*pair) for pair in COMPARISONS],
        "groups": {
            group: {value: in_group(values == value) for value in np.unique(values).tolist()}
            for group, values in groups.items()
        },
        "worst_actor": {name: min(rows, key=lambda row: row["uar"]) for name, rows in by_actor.items()},
    }

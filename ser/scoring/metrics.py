"""The metrics of one classifier, as they land in a metrics file."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.corpus.partitions import LEAKING_PROTOCOLS, SUBSETS
from ser.scoring.scores import (
    FEW_ACTORS,
    actor_confusions,
    bootstrap,
    interval,
    recalls,
    rounded,
    score,
    score_listeners,
)
from ser.scoring.scores import accuracy as accuracy_of
from ser.scoring.scores import unweighted_average_recall as uar_of

AGE_BANDS = ((0, 19, "under 20"), (20, 29, "20-29"), (30, 39, "30-39"), (40, 49, "40-49"), (50, 200, "50 and over"))
GROUPS = ("sex", "age_band", "race", "sentence", "level", "actor")


@dataclass(frozen=True)
class Scored:
    """What classifiers are scored on, clip by clip.

    Attributes
    ----------
    actual, actors : number of the intended emotion, and of the actor, shape ``(clips,)``
    votes : of the listeners, shape ``(clips, emotions)``
    emotions : in the order of their numbers
    """

    actual: NDArray[np.int64]
    actors: NDArray[np.int64]
    votes: NDArray[np.int64]
    emotions: Sequence[str]

    def __getitem__(self, chosen: NDArray) -> "Scored":
        """Some of the clips."""
        return Scored(self.actual[chosen], self.actors[chosen], self.votes[chosen], self.emotions)

    def score(self, probabilities: NDArray[np.float32], settings, *, hard_decisions: bool = False) -> dict:
        """``ser.scoring.scores.score`` of a classifier; ``settings`` are the parameters ``evaluate``."""
        return score(
            probabilities,
            self.actual,
            self.actors,
            bootstrap_samples=settings.bootstrap_samples,
            rng=np.random.default_rng(settings.seed),
            emotions=self.emotions,
            hard_decisions=hard_decisions,
        )


def classifier_metrics(
    probabilities: NDArray[np.float32],
    clips: Scored,
    subsets: NDArray[np.str_],
    params,
    *,
    hard_decisions: bool = False,
) -> dict:
    """Scores on train, validation and test, with the terms under which they hold.

    Parameters
    ----------
    probabilities : shape ``(clips, emotions)``
    subsets : shape ``(clips,)``
    params : ``ser.params.Params``
    hard_decisions : see ``ser.scoring.scores.score``
    """
    metrics: dict[str, Any] = {"terms": terms(params)}
    for subset in SUBSETS:
        chosen = subsets == subset
        metrics[subset] = clips[chosen].score(probabilities[chosen], params.evaluate, hard_decisions=hard_decisions)
    test = clips[subsets == "test"]
    listeners = score_listeners(test.votes, test.actual)
    if listeners:
        metrics["test"]["listeners"] = listeners
    metrics["train_minus_test_accuracy"] = rounded(metrics["train"]["accuracy"] - metrics["test"]["accuracy"])
    return metrics


def summary(metrics: dict[str, dict]) -> dict:
    """About ten numbers that tell one run from another: what ``dvc metrics diff`` and ``dvc exp show`` are read for.

    Parameters
    ----------
    metrics : of each classifier, as ``classifier_metrics`` gives them; the fusion's with ``calibration``
    """
    fusion = metrics["fusion"]
    return {
        "protocol": fusion["terms"]["protocol"],
        "uar": {name: own["test"]["uar"] for name, own in metrics.items()},
        "validation_uar": {name: own["validation"]["uar"] for name, own in metrics.items()},
        "fusion": {
            "accuracy": fusion["test"]["accuracy"],
            "train_minus_test_accuracy": fusion["train_minus_test_accuracy"],
            "calibration_error": fusion["calibration"]["test"]["after"],
            "answered": fusion["calibration"]["test"]["answered"]["coverage"],
        },
    }


def terms(params) -> dict:
    """What a reader must know before comparing a figure: corpus, protocol, what leaks, what is transductive."""
    protocol = params.split.protocol
    fold = f", fold {params.split.fold}" if protocol == "emo-superb" else ""
    leak = ", leaks actors" if protocol in LEAKING_PROTOCOLS else ""
    synthetic = " (synthetic)" if params.corpus.dir.rstrip("/").endswith("data/demo") else ""
    return {
        "corpus": params.corpus.dir + synthetic,
        "protocol": protocol + fold + leak,
        "speakers": "no information",
    }


def age_band(age: int | None) -> str:
    """The band of an age in years."""
    return next((name for low, high, name in AGE_BANDS if age is not None and low <= age <= high), "unknown")


def groups_of(index) -> dict[str, NDArray[np.str_]]:
    """For each of ``GROUPS``, the value of every clip of ``clips.parquet``."""
    bands = [age_band(None if np.isnan(age) else int(age)) for age in index["age"].astype(float)]
    table = index.assign(age_band=bands)
    return {group: table[group].astype(str).to_numpy(str) for group in GROUPS}


def group_rows(
    network: str, probabilities, actual, groups: dict[str, NDArray[np.str_]], actors, *, samples: int = 0, seed: int = 0
) -> list[dict]:
    """Accuracy and UAR of the test clips in every group, with an interval where there are not ``FEW_ACTORS``.

    Parameters
    ----------
    groups : as ``groups_of`` gives them, of the same clips
    samples, seed : of the bootstrap over actors; without samples there are no intervals
    """
    predicted, rows = probabilities.argmax(axis=1), []
    for group, values in groups.items():
        for value in np.unique(values):
            chosen = values == value
            of_actors = actor_confusions(actual[chosen], predicted[chosen], actors[chosen], probabilities.shape[1])
            counts, low, high = of_actors.sum(axis=0), None, None
            if samples and len(of_actors) > FEW_ACTORS:
                drawn = bootstrap(of_actors, samples=samples, rng=np.random.default_rng(seed))
                low, high = interval(np.nanmean(recalls(drawn), axis=1))
            rows.append(
                {
                    "network": network,
                    "group": group,
                    "value": value,
                    "clips": int(chosen.sum()),
                    "actors": len(of_actors),
                    "accuracy": rounded(accuracy_of(counts)),
                    "uar": rounded(uar_of(counts)),
                    "uar_low": low,
                    "uar_high": high,
                }
            )
    return rows

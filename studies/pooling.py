"""What classifiers said of every clip, brought together over networks, seeds and folds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ser.scoring.fusion import fuse
from ser.scoring.scores import FUSION
from studies.plan import NETWORKS


@dataclass(frozen=True)
class Answer:
    """Probabilities ``(clips, emotions)`` by one training, and the subset of every clip under its fold."""

    classifier: str
    fold: int
    seed: int
    probabilities: NDArray[np.float32]
    subsets: NDArray[np.str_]


def fuse_answers(answers: list[Answer], weights: Mapping[str, float]) -> list[Answer]:
    """Both networks' probabilities fused, for every fold and seed; see ``ser.scoring.fusion``."""
    pairs: dict[tuple[int, int], list[Answer]] = {}
    for answer in answers:
        if answer.classifier in NETWORKS:
            pairs.setdefault((answer.fold, answer.seed), []).append(answer)
    return [
        replace(
            pair[0],
            classifier=FUSION,
            probabilities=fuse({answer.classifier: answer.probabilities for answer in pair}, weights),
        )
        for pair in pairs.values()
    ]


def average_seeds(answers: list[Answer]) -> list[Answer]:
    """The mean over seeds, for every fold and every classifier that has several."""
    seeds: dict[tuple[int, str], list[Answer]] = {}
    for answer in answers:
        seeds.setdefault((answer.fold, answer.classifier), []).append(answer)
    return [
        replace(group[0], probabilities=np.mean([answer.probabilities for answer in group], axis=0))
        for group in seeds.values()
        if len(group) > 1
    ]


def pool_tests(folds: list[Answer]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Every fold's test clips together, as if one classifier had been asked about all.

    Parameters
    ----------
    folds : one answer a fold

    Returns
    -------
    probabilities ``(clips, emotions)``, and which clips were tested ``(clips,)``

    Raises
    ------
    ValueError : a clip is tested in two folds
    """
    pooled, tested = np.zeros_like(folds[0].probabilities), np.zeros(len(folds[0].subsets), bool)
    for answer in folds:
        test = answer.subsets == "test"
        if (tested & test).any():
            raise ValueError(f"{(tested & test).sum()} clips are tested in two folds")
        pooled[test], tested = answer.probabilities[test], tested | test
    return pooled, tested

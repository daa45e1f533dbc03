"""Which feature families a network rests on."""

import numpy as np
from numpy.typing import NDArray

from ser.answers.recognizer import Recognizer
from ser.features.families import FAMILIES, feature_names
from ser.scoring.scores import confusion, unweighted_average_recall

BATCH = 256


def family_importance(
    recognizer: Recognizer, network: str, frames: NDArray, labels: NDArray[np.int64], *, rng: np.random.Generator
) -> dict[str, float]:
    """By how much the UAR of a network falls when a family's features come from another clip.

    Permutation importance (Breiman 2001, Random Forests, section 10), whole families at once.

    Parameters
    ----------
    network : name of one that reads frame features
    frames : all frame features, shape ``(clips, frames, features)``
    labels : emotion numbers ``(clips,)``

    Returns
    -------
    the fall of each family that the network reads
    """
    settings, columns = recognizer.params.features_1d, recognizer.networks[network].columns
    families = {
        family: [columns.index(name) for name in feature_names(settings, [family]) if name in columns]
        for family in FAMILIES
    }
    given = np.asarray(frames, np.float32)[..., recognizer.columns[network]]
    partner = rng.permutation(len(given))
    whole = _uar(recognizer, network, given, labels)
    falls = {}
    for family, own in families.items():
        if own:
            exchanged = given.copy()
            exchanged[..., own] = given[partner][..., own]
            falls[family] = whole - _uar(recognizer, network, exchanged, labels)
    return falls


def _uar(recognizer: Recognizer, network: str, given: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    parts = [recognizer.probabilities_of(network, given[i : i + BATCH]) for i in range(0, len(given), BATCH)]
    predicted = np.concatenate(parts).argmax(axis=1)
    return float(unweighted_average_recall(confusion(labels, predicted, len(recognizer.emotions))))

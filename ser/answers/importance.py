"""Which feature families the 1D network rests on."""

import numpy as np
from numpy.typing import NDArray

from ser.answers.recognizer import Recognizer
from ser.features.frame_features import feature_names
from ser.scoring.scores import confusion, unweighted_average_recall

BATCH = 256


def family_importance(
    recognizer: Recognizer, frames: NDArray, labels: NDArray[np.int64], *, rng: np.random.Generator
) -> dict[str, float]:
    """By how much the UAR of the 1D network falls when a family's features come from another clip.

    Permutation importance (Breiman 2001, Random Forests, section 10), whole families at once.

    Parameters
    ----------
    frames : all frame features, shape ``(clips, frames, features)``
    labels : emotion numbers ``(clips,)``

    Returns
    -------
    the fall of each family that the network reads
    """
    settings, families = recognizer.params.features_1d, recognizer.params.train_cnn1d.families
    sizes = {"n_mels": settings.n_mels, "n_mfcc": settings.n_mfcc}
    names = feature_names(families, **sizes)
    given = np.asarray(frames, np.float32)[..., recognizer.columns]
    partner = rng.permutation(len(given))
    whole = _uar(recognizer, given, labels)
    falls = {}
    for family in families:
        own = [names.index(name) for name in feature_names([family], **sizes)]
        exchanged = given.copy()
        exchanged[..., own] = given[partner][..., own]
        falls[family] = whole - _uar(recognizer, exchanged, labels)
    return falls


def _uar(recognizer: Recognizer, given: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    parts = [recognizer.probabilities_of("cnn1d", given[i : i + BATCH]) for i in range(0, len(given), BATCH)]
    return float(unweighted_average_recall(confusion(labels, np.concatenate(parts).argmax(axis=1))))

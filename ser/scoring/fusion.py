"""The answer of several networks together."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

SMALLEST = 1e-30  # probability, so that its logarithm is finite


def fuse(probabilities: Mapping[str, NDArray[np.float32]], weights: Mapping[str, float]) -> NDArray[np.float32]:
    """The weighted geometric mean of the networks' probabilities ``(..., emotions)``, which sums to 1 again.

    A logarithmic opinion pool (Genest and Zidek 1986, Statistical Science 1(1)).

    Parameters
    ----------
    weights : of the networks by name; 1 where one is not named
    """
    own = np.array([weights.get(name, 1.0) for name in probabilities], np.float32)
    logarithms = np.log(np.maximum(np.stack([*probabilities.values()], axis=-1), np.float32(SMALLEST)))
    pooled = logarithms @ (own / own.sum())
    pooled = np.exp(pooled - pooled.max(axis=-1, keepdims=True))
    return pooled / pooled.sum(axis=-1, keepdims=True)

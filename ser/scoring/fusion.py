"""The answer of several networks together."""

import numpy as np
from numpy.typing import NDArray


def fuse(probabilities: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """The mean of the networks' probabilities ``(..., emotions)``."""
    return np.mean(list(probabilities.values()), axis=0)

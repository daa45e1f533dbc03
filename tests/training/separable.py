"""A small experiment that a network can learn."""

import numpy as np
from helpers import SMALL

from ser.emotions import EMOTIONS
from ser.features.columns import column_rows
from ser.training.data import Copies
from ser.training.train import Clips, Features


def separable_experiment() -> tuple[Features, Clips]:
    """Features in which the emotion raises four bands in the first half, of 8 actors."""
    rng = np.random.default_rng(5)
    labels = np.tile(np.arange(6), 16)
    table = column_rows(n_mels=SMALL["features_1d.n_mels"], n_mfcc=SMALL["features_1d.n_mfcc"])
    features = rng.uniform(28, 34, (96, 40, len(table))).astype(np.float16)
    for band in range(4):
        features[np.arange(96), :20, 4 * labels + band] += 12
    clips = Clips(
        emotions=EMOTIONS,
        labels=labels,
        actors=np.repeat(np.arange(8), 12),
        votes=np.zeros((96, 6), int),
        subsets=["train"] * 48 + ["validation"] * 24 + ["test"] * 24,
        copies=Copies(np.array([], int), []),
    )
    return Features(features, table), clips

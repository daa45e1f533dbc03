"""A small experiment that a network can learn."""

import numpy as np
from helpers import tiny_params

from ser.emotions import EMOTIONS
from ser.features.families import column_table
from ser.training.data import Clips, Copies
from ser.training.train import Features


def separable_experiment() -> tuple[Features, Clips]:
    """Features in which the emotion raises four bands in the first half, of 8 actors."""
    rng = np.random.default_rng(5)
    labels = np.tile(np.arange(6), 16)
    table = column_table(tiny_params({}).features_1d)
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

"""The classical baseline: functionals of the frame features, and a support vector machine."""

import numpy as np
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

PERCENTILES = (5, 50, 95)


def functionals(features: NDArray) -> NDArray[np.float32]:
    """Mean, deviation, percentiles and mean absolute step of every feature over the sounding frames.

    Parameters
    ----------
    features : shape ``(clips, frames, features)``

    Returns
    -------
    shape ``(clips, 6 * features)``; a clip without sound gets zeros
    """
    rows = np.zeros((len(features), (3 + len(PERCENTILES)) * features.shape[2]), np.float32)
    for row, clip in enumerate(features):
        frames = clip[np.any(clip != 0, axis=-1)].astype(np.float32)  # padding is 0 in every feature
        if len(frames):
            step = np.abs(np.diff(frames, axis=0)).mean(axis=0) if len(frames) > 1 else np.zeros(frames.shape[1])
            ordered = np.percentile(frames, PERCENTILES, axis=0)
            rows[row] = np.concatenate([frames.mean(axis=0), frames.std(axis=0), *ordered, step])
    return rows


def build_baseline() -> Pipeline:
    """Standardisation fitted on what it is trained with, and an SVM (Cortes and Vapnik 1995) at C = 1."""
    return make_pipeline(StandardScaler(), SVC(C=1.0, class_weight="balanced"))


def predict_baseline(
    features: NDArray, labels: NDArray[np.int64], *, train: list[int], emotions: int
) -> NDArray[np.float32]:
    """Fit the baseline on the training rows and predict every row.

    Parameters
    ----------
    features : shape ``(clips, frames, features)``
    labels : emotion numbers ``(clips,)``
    emotions : how many there are

    Returns
    -------
    shape ``(clips, emotions)``, of 0 and 1: the SVM decides without probabilities
    """
    rows = functionals(features)
    decided = build_baseline().fit(rows[train], labels[train]).predict(rows)
    return np.eye(emotions, dtype=np.float32)[decided]

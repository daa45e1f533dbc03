"""What a network is fitted on and scored on: rows, columns, targets, speaker normalisation."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.corpus.leaks import check_copies
from ser.emotions import EMOTIONS
from ser.errors import InputError


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each feature over sounding frames, shape ``(features,)``."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]


def sounding(features: NDArray) -> NDArray[np.bool_]:
    """Frames that are not padding, shape ``(clips, frames)``: padding is 0 in every feature."""
    return np.any(features != 0, axis=-1)


def fit_statistics(features: NDArray, *, chunk: int = 256) -> Statistics:
    """Statistics over the sounding frames of ``(clips, frames, features)``; a constant gets deviation 1."""
    count, total, squares = 0, 0.0, 0.0
    for start in range(0, len(features), chunk):
        frames = features[start : start + chunk].astype(np.float64)
        frames = frames[sounding(frames)]
        count, total, squares = count + len(frames), total + frames.sum(axis=0), squares + (frames**2).sum(axis=0)
    if count == 0:
        raise InputError("No frame with sound in the clips that statistics are fitted on.")
    mean = total / count
    variance = np.maximum(squares / count - mean**2, 0)
    deviation = np.where(variance > 1e-8, np.sqrt(variance), 1.0)
    return Statistics(mean.astype(np.float32), deviation.astype(np.float32))


def normalize_speakers(features: NDArray, actors: NDArray[np.int64], statistics: dict[int, Statistics]) -> NDArray:
    """Standardise each speaker's sounding frames by that speaker's own statistics; padding stays 0.

    Parameters
    ----------
    features : shape ``(clips, frames, features)``
    actors : shape ``(clips,)``
    statistics : of each actor; see ``speaker_statistics``
    """
    normalised = np.zeros_like(features)
    for row, actor in enumerate(actors.tolist()):
        own = statistics[actor]
        frames = sounding(features[row])
        normalised[row, frames] = (features[row, frames] - own.mean) / own.deviation
    return normalised


def speaker_statistics(
    features: NDArray, actors: NDArray[np.int64], *, enrolled: NDArray[np.bool_] | None = None
) -> dict[int, Statistics]:
    """Statistics of each actor, from all of the actor's clips or from the ``enrolled`` ones."""
    chosen = np.ones(len(actors), bool) if enrolled is None else enrolled
    return {actor: fit_statistics(features[chosen & (actors == actor)]) for actor in np.unique(actors).tolist()}


def emotion_targets(emotions: list[str], votes: NDArray[np.int64], *, soft_labels: float) -> NDArray[np.float32]:
    """Target distributions: the intended emotion, mixed with the listeners' votes by ``soft_labels``.

    Parameters
    ----------
    emotions : intended emotion of each clip
    votes : shape ``(clips, emotions)``; a clip without votes keeps its intended emotion alone
    soft_labels : weight of the votes, 0 to 1

    Returns
    -------
    shape ``(clips, emotions)``; rows sum to 1
    """
    intended = np.eye(len(EMOTIONS), dtype=np.float32)[[EMOTIONS.index(emotion) for emotion in emotions]]
    count = votes.sum(axis=1, keepdims=True)
    share = np.where(count > 0, votes / np.maximum(count, 1), intended)
    return ((1 - soft_labels) * intended + soft_labels * share).astype(np.float32)


def prepare_train_data(
    features: NDArray,
    targets: NDArray[np.float32],
    *,
    subsets: list[str],
    copy_sources: NDArray[np.int64],
    copy_transforms: list[str],
    copies: list[str],
    columns: list[int],
    actors: NDArray[np.int64],
    statistics: dict[int, Statistics] | None,
) -> tuple[NDArray, NDArray[np.float32]]:
    """The rows that train: every training clip, and its offline copies where asked for.

    Parameters
    ----------
    features : shape ``(clips + copies, frames, features)``, usually a memory map
    targets, subsets, actors : of the clips
    copy_sources, copy_transforms : of the copies, in the order of ``augmented.parquet``
    copies : transforms whose copies train; none by default
    columns : features that the network reads
    statistics : of each speaker, to normalise by; ``None`` to leave the features as they are

    Returns
    -------
    features ``(rows, frames, columns)`` and targets ``(rows, emotions)``

    Raises
    ------
    InputError : a copy of a clip outside training would train
    """
    clips = [row for row, subset in enumerate(subsets) if subset == "train"]
    training = set(clips)
    chosen = [
        copy
        for copy, (source, transform) in enumerate(zip(copy_sources.tolist(), copy_transforms, strict=True))
        if transform in copies and source in training
    ]
    sources = clips + copy_sources[chosen].astype(int).tolist()
    check_copies(sources, subsets)
    rows = clips + [len(subsets) + copy for copy in chosen]
    taken = prepare_test(features, rows=rows, columns=columns, actors=actors[sources], statistics=statistics)
    return taken, targets[sources]


def prepare_test(
    features: NDArray,
    *,
    rows: list[int],
    columns: list[int],
    actors: NDArray[np.int64],
    statistics: dict[int, Statistics] | None,
) -> NDArray:
    """Rows and columns to score, as they are or normalised by speaker.

    Parameters
    ----------
    features : shape ``(clips, frames, features)``, usually a memory map
    actors : of each row asked for
    statistics : see ``prepare_train_data``

    Returns
    -------
    shape ``(rows, frames, columns)``, in memory, in the dtype of ``features``
    """
    whole = columns == list(range(features.shape[-1]))
    taken = np.empty((len(rows), features.shape[1], len(columns)), features.dtype)
    for index, row in enumerate(rows):  # row by row: a memory map is read once, in order
        taken[index] = features[row] if whole else features[row][:, columns]
    return taken if statistics is None else normalize_speakers(taken, actors, statistics)

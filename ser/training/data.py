"""What a network is fitted on and scored on: rows, columns, targets."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.corpus.leaks import check_copies


@dataclass(frozen=True)
class Copies:
    """Of every offline copy, in the order of ``augmented.parquet``."""

    sources: NDArray[np.int64]  # row of the clip
    kinds: Sequence[str]  # what was done, and with which device; clips of an actor share what is of a kind


@dataclass(frozen=True)
class Clips:
    """Of every clip, in the order of ``clips.parquet``; and of every offline copy."""

    emotions: tuple[str, ...]  # those told apart, in the order of their numbers
    labels: NDArray[np.int64]  # number of each clip's emotion
    actors: NDArray[np.int64]
    votes: NDArray[np.int64]  # (clips, emotions)
    subsets: list[str]
    copies: Copies

    def rows(self, subset: str) -> list[int]:
        """Rows of a subset."""
        return [row for row, other in enumerate(self.subsets) if other == subset]


@dataclass(frozen=True)
class Pool:
    """The training clips, each in several versions, of which every epoch draws one.

    Attributes
    ----------
    features : shape ``(rows, frames, columns)``
    rows : of ``features``, shape ``(clips, versions)``; the first is the clip as it was recorded
    targets : shape ``(clips, emotions)``
    actors, labels : shape ``(clips,)``
    """

    features: NDArray
    rows: NDArray[np.int64]
    targets: NDArray[np.float32]
    actors: NDArray[np.int64]
    labels: NDArray[np.int64]


def emotion_targets(labels: NDArray[np.int64], votes: NDArray[np.int64], *, soft_labels: float) -> NDArray[np.float32]:
    """Target distributions: the intended emotion, mixed with the listeners' votes by ``soft_labels``.

    Parameters
    ----------
    labels : number of the intended emotion of each clip, shape ``(clips,)``
    votes : shape ``(clips, emotions)``; a clip without votes keeps only its intended emotion
    soft_labels : weight of the votes, 0 to 1

    Returns
    -------
    shape ``(clips, emotions)``; rows sum to 1
    """
    intended = np.eye(votes.shape[1], dtype=np.float32)[labels]
    count = votes.sum(axis=1, keepdims=True)
    share = np.where(count > 0, votes / np.maximum(count, 1), intended)
    return ((1 - soft_labels) * intended + soft_labels * share).astype(np.float32)


def prepare_train_data(
    features: NDArray, targets: NDArray[np.float32], clips: Clips, *, wanted: Sequence[str], columns: list[int]
) -> Pool:
    """The training clips and the wanted copies of them, never a copy of another clip.

    Parameters
    ----------
    features : shape ``(clips + copies, frames, features)``, as a memory map
    targets : of every clip, shape ``(clips, emotions)``
    wanted : transforms whose copies join, such as ``"device"``
    columns : that the network reads
    """
    trained = np.array(clips.rows("train"), np.int64)
    place = {clip: number for number, clip in enumerate(trained.tolist())}
    copies = clips.copies
    kinds = [kind for kind in dict.fromkeys(copies.kinds) if kind.split()[0] in wanted]
    rows = np.zeros((len(trained), 1 + len(kinds)), np.int64)
    rows[:, 0] = trained
    for copy, (source, kind) in enumerate(zip(copies.sources.tolist(), copies.kinds, strict=True)):
        if source in place and kind in kinds:
            check_copies([source], clips.subsets)
            rows[place[source], 1 + kinds.index(kind)] = len(clips.subsets) + copy
    # Version by version, as they lie on the disk.
    taken = prepare_test(features, rows=rows.T.ravel().tolist(), columns=columns)
    own = np.arange(rows.size).reshape(rows.shape[::-1]).T
    return Pool(taken, own, targets[trained], clips.actors[trained], clips.labels[trained])


def prepare_test(features: NDArray, *, rows: list[int], columns: list[int]) -> NDArray:
    """What a network reads of some rows, as they are: nothing is drawn or altered.

    Parameters
    ----------
    features : shape ``(clips, frames, features)``, as a memory map

    Returns
    -------
    shape ``(rows, frames, columns)``, in memory, in the dtype of ``features``
    """
    whole = columns == list(range(features.shape[-1]))
    taken = np.empty((len(rows), features.shape[1], len(columns)), features.dtype)
    for index, row in enumerate(rows):  # row by row: a memory map is read once, in order
        taken[index] = features[row] if whole else features[row][:, columns]
    return taken

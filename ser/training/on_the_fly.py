"""Augmentation of feature batches during training: drawn anew for every batch, never stored.

Every function takes a batch ``(clips, frames, features)`` of float32 in which padding is 0, and a
``Generator``; each clip has its own draw.
"""

import numpy as np
from numpy.typing import NDArray

Batch = NDArray[np.float32]


def warp_time(batch: Batch, *, max_rate: float, max_shift: int, rng: np.random.Generator) -> Batch:
    """Play each clip at another speed and from another frame, by linear interpolation.

    Parameters
    ----------
    max_rate : the speed is 1 + a uniform draw in ``[-max_rate, max_rate]``
    max_shift : the start moves by a uniform draw in ``[-max_shift, max_shift]`` frames; frames that
        come in are padding
    """
    clips, frames, features = batch.shape
    rate = 1 + rng.uniform(-max_rate, max_rate, (clips, 1))
    start = rng.uniform(-max_shift, max_shift, (clips, 1))
    position = np.clip(start + rate * np.arange(frames), -1, frames)  # -1 and ``frames`` are padding
    left = np.floor(position).astype(np.intp)
    fraction = (position - left).astype(np.float32)[..., None]
    rows = np.pad(batch, [(0, 0), (1, 2), (0, 0)]).reshape(-1, features)
    row = left + 1 + (frames + 3) * np.arange(clips)[:, None]
    before = rows.take(row, axis=0)
    change = rows.take(row + 1, axis=0)
    change -= before
    change *= fraction
    return np.add(before, change, out=before)


def warp_frequency(batch: Batch, *, max_rate: float, rng: np.random.Generator) -> Batch:
    """Stretch the mel axis of each clip by a uniform draw in ``1 ± max_rate``, as another vocal tract would.

    Jaitly and Hinton (2013), Vocal Tract Length Perturbation, on the mel axis instead of hertz.
    """
    clips, _, mels = batch.shape
    position = (1 + rng.uniform(-max_rate, max_rate, (clips, 1))) * np.arange(mels)
    # Column j of a clip's matrix interpolates band position[j] between its two neighbours.
    weights = np.maximum(0, 1 - np.abs(np.minimum(position, mels - 1)[:, None, :] - np.arange(mels)[:, None]))
    return batch @ weights.astype(np.float32)


def change_level(batch: Batch, *, max_db: float, response: NDArray[np.float32], rng: np.random.Generator) -> Batch:
    """Make each clip louder or softer by a uniform draw in ``[-max_db, max_db]``; padding stays.

    Parameters
    ----------
    response : shape ``(features,)``; by how much each feature changes per decibel
    """
    gain_db = rng.uniform(-max_db, max_db, (len(batch), 1, 1)).astype(np.float32)
    sounding = np.any(batch != 0, axis=-1, keepdims=True)
    return batch + sounding * gain_db * response


def mask(
    batch: Batch, *, axis: int, masks: int, max_width: int, fill: NDArray[np.float32], rng: np.random.Generator
) -> Batch:
    """Hide stretches of frames (axis 1) or of neighbouring features (axis 2): SpecAugment, Park et al. 2019.

    Parameters
    ----------
    masks : stretches in each clip
    max_width : the width of each is a uniform draw from 0 to this
    fill : shape ``(features,)``; what stands in their place
    """
    hidden = np.zeros((len(batch), batch.shape[axis]), bool)
    for _ in range(masks):
        hidden |= _stretches(*hidden.shape, max_width, rng)
    return np.where(np.expand_dims(hidden, 3 - axis), fill, batch)


def _stretches(clips: int, length: int, max_width: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """One stretch of random width and place in each row of ``(clips, length)``."""
    width = rng.integers(0, min(max_width, length) + 1, (clips, 1))
    start = rng.integers(0, length - width + 1)
    index = np.arange(length)
    return (index >= start) & (index < start + width)


def mixup(
    batch: Batch, targets: NDArray[np.float32], *, alpha: float, rng: np.random.Generator
) -> tuple[Batch, NDArray[np.float32]]:
    """Mix each clip and its target with another's of the batch (Zhang et al. 2018).

    The share of the partner is ``min(b, 1 - b)`` for ``b`` from Beta(``alpha``, ``alpha``).
    """
    drawn = rng.beta(alpha, alpha, (len(batch), 1))
    share = np.minimum(drawn, 1 - drawn).astype(np.float32)
    partner = rng.permutation(len(batch))
    mixed = batch + share[:, :, None] * (batch[partner] - batch)
    return mixed, targets + share * (targets[partner] - targets)

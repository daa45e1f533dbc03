"""Augmentation of feature batches during training: drawn for every batch, never stored.

Every function takes a batch ``(clips, frames, features)`` of float32 in which padding is 0, and a
``Generator``; each clip has its own draw. Masks and mixing are the network's, see ``ser.networks.layers``
and ``ser.training.batches``: they come after a clip is measured against others.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ser.training.settings import OnTheFly

Batch = NDArray[np.float32]


@dataclass(frozen=True)
class Columns:
    """What a transform must know of a batch: its mel bands, first and behind the last, and the time of a frame."""

    mels: tuple[int, int]
    hop_seconds: float


Transform = Callable[[Batch, OnTheFly, Columns, np.random.Generator], Batch]


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


def change_speed(batch: Batch, settings: OnTheFly, columns: Columns, rng: np.random.Generator) -> Batch:
    """``warp_time``, unless it is switched off."""
    if not (settings.max_rate or settings.max_shift_seconds):
        return batch
    most = round(settings.max_shift_seconds / columns.hop_seconds)
    return warp_time(batch, max_rate=settings.max_rate, max_shift=most, rng=rng)


def change_vocal_tract(batch: Batch, settings: OnTheFly, columns: Columns, rng: np.random.Generator) -> Batch:
    """``warp_frequency`` of the mel bands, unless it is switched off or there are none."""
    mels = slice(*columns.mels)
    if settings.max_warp and mels.stop > mels.start:
        batch[..., mels] = warp_frequency(batch[..., mels], max_rate=settings.max_warp, rng=rng)
    return batch


# One entry each, applied in this order.
TRANSFORMS: tuple[Transform, ...] = (change_speed, change_vocal_tract)

"""Training batches: shuffled, augmented on the fly, and the same for the same seed, epoch and number."""

import numpy as np
from numpy.typing import NDArray

from ser.training.data import Statistics, sounding
from ser.training.on_the_fly import change_level, mask, mixup, warp_frequency, warp_time


class Batches:
    """The batches of every epoch.

    A batch depends on (seed, epoch, number) alone, so a resumed training sees what an uninterrupted
    one would. The last, partial batch of an epoch is left out.

    Parameters
    ----------
    features : shape ``(rows, frames, features)``
    targets : shape ``(rows, emotions)``
    statistics : of the training rows; masks and padding take their mean while clips are mixed
    mel_columns : the columns that are mel bands, which alone can be warped and masked
    level_response : shape ``(features,)``; how much each feature changes per decibel
    class_weights : shape ``(emotions,)``, or ``None``
    settings : the parameters ``training.on_the_fly``
    """

    def __init__(
        self,
        features: NDArray,
        targets: NDArray[np.float32],
        *,
        statistics: Statistics,
        mel_columns: slice,
        level_response: NDArray[np.float32],
        class_weights: NDArray[np.float32] | None,
        batch_size: int,
        seed: int,
        settings,
    ):
        self.features, self.targets, self.statistics = features, targets, statistics
        self.mel_columns, self.level_response, self.class_weights = mel_columns, level_response, class_weights
        self.batch_size, self.seed, self.settings = batch_size, seed, settings

    def __len__(self) -> int:
        return max(1, len(self.features) // self.batch_size)

    def batch(self, epoch: int, index: int) -> tuple:
        """Batch ``index`` of ``epoch``: features, targets, and weights where classes are weighted."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.features))
        rows = order[index * self.batch_size : (index + 1) * self.batch_size]
        rng = np.random.default_rng([self.seed, epoch, index])
        batch, targets = self.augment(self.features[rows].astype(np.float32), self.targets[rows], rng)
        if self.class_weights is None:
            return batch, targets
        return batch, targets, targets @ self.class_weights

    def augment(self, batch, targets, rng: np.random.Generator):
        """Draw and apply every transform that is on, in the order speed, tract, level, mixing, masks."""
        on = self.settings
        mels, mean = self.mel_columns, self.statistics.mean
        if on.max_rate or on.max_shift_frames:
            batch = warp_time(batch, max_rate=on.max_rate, max_shift=on.max_shift_frames, rng=rng)
        if on.max_warp and mels.stop > mels.start:
            batch[..., mels] = warp_frequency(batch[..., mels], max_rate=on.max_warp, rng=rng)
        if on.max_gain_db:
            batch = change_level(batch, max_db=on.max_gain_db, response=self.level_response, rng=rng)
        if on.mixup_alpha:
            # Padding at the training mean, where the network puts it: clips of unequal length mix evenly.
            batch = np.where(sounding(batch)[..., None], batch, mean)
            batch, targets = mixup(batch, targets, alpha=on.mixup_alpha, rng=rng)
        batch = mask(batch, axis=1, masks=on.time_masks, max_width=on.time_mask_frames, fill=mean, rng=rng)
        if mels.stop > mels.start:
            batch[..., mels] = mask(
                batch[..., mels], axis=2, masks=on.mel_masks, max_width=on.mel_mask_bands, fill=mean[mels], rng=rng
            )
        return batch, targets

"""Training batches: groups of one speaker's clips, the same for the same seed, epoch and number."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from ser.training.data import Pool
from ser.training.on_the_fly import TRANSFORMS, Columns
from ser.training.settings import Enrolment, Training

ENROLMENT_CLIPS = (1, 2, 4, 8, 16)  # a clip may have so many enrolment clips, or all others of its group
OTHER_SPEAKER_FRACTION = 0.25  # of an enrolment set, at most


class Batches:
    """The batches of every epoch.

    A group is some clips of one actor in one version: as they were recorded, or all through the same
    simulated device, or, seldom, each in a version of its own. The clips of a group are each other's enrolment,
    in sets of every size and composition, since nobody knows what a user will enrol with. A batch depends on
    (seed, epoch, number) only, so a resumed training sees what an uninterrupted one would. The last, partial batch of
    an epoch is left out.

    Parameters
    ----------
    pool : see ``ser.training.data.training_pool``
    columns : which of them are mel bands, and the time of a frame
    class_weights : shape ``(emotions,)``, or ``None``
    neutral : number of the ordinary voice among the emotions, or ``None``
    settings : the parameters ``training``
    """

    def __init__(
        self,
        pool: Pool,
        *,
        columns: Columns,
        class_weights: NDArray[np.float32] | None,
        neutral: int | None,
        seed: int,
        settings: Training,
    ):
        self.pool, self.columns, self.class_weights = pool, columns, class_weights
        self.neutral, self.seed, self.settings = neutral, seed, settings
        self.batch_size = min(settings.batch_size, len(pool.rows))
        self.order = lru_cache(maxsize=2)(self._order)  # every batch of an epoch asks for it

    def __len__(self) -> int:
        return max(1, len(self.pool.rows) // self.batch_size)

    def batch(self, epoch: int, index: int) -> tuple:
        """Batch ``index`` of ``epoch``: inputs, targets, and weights where classes are weighted.

        The inputs are those of ``ser.networks.speaker.SpeakerNetwork.training``.
        """
        clips, versions, groups = self.order(epoch)
        chosen = slice(index * self.batch_size, (index + 1) * self.batch_size)
        clips, groups = clips[chosen], groups[chosen]
        rng = np.random.default_rng([self.seed, epoch, index])
        features = self.pool.features[self.pool.rows[clips, versions[chosen]]].astype(np.float32)
        references = draw_enrolment(
            groups,
            self.pool.labels[clips],
            self.settings.enrolment,
            rng,
            emotions=self.pool.targets.shape[1],
            neutral=self.neutral,
        )
        mixing = draw_mixing(len(clips), self.settings.on_the_fly.mixup_alpha, rng)
        targets = mixing @ self.pool.targets[clips]
        inputs = (self.augment(features, rng), references, mixing)
        return (inputs, targets) if self.class_weights is None else (inputs, targets, targets @ self.class_weights)

    def _order(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Every training clip once, group by group: clip, version, and number of the group."""
        rng, pool = np.random.default_rng([self.seed, epoch]), self.pool
        found = []
        for actor in np.unique(pool.actors):
            own = rng.permutation(np.flatnonzero(pool.actors == actor))
            found += np.array_split(own, int(np.ceil(len(own) / self.settings.group_clips)))
        rng.shuffle(found)
        copies = pool.rows.shape[1] - 1
        as_recorded = rng.random(len(found)) < (self.settings.original_share if copies else 1)
        version = np.where(as_recorded, 0, rng.integers(1, max(copies, 1) + 1, len(found)))
        sizes = [len(group) for group in found]
        clips, groups = np.concatenate(found), np.repeat(np.arange(len(found)), sizes)
        mixed = rng.random(len(found)) < (self.settings.enrolment.p_mixed_channels if copies else 0)
        any_version = rng.integers(0, copies + 1, len(clips))
        return clips, np.where(mixed[groups], any_version, version[groups]), groups

    def augment(self, features: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
        """What is altered on the fly: another speed, another vocal tract."""
        for transform in TRANSFORMS:
            features = transform(features, self.settings.on_the_fly, self.columns, rng)
        return features


def draw_enrolment(
    groups: NDArray[np.int64],
    labels: NDArray[np.int64],
    settings: Enrolment,
    rng: np.random.Generator,
    *,
    emotions: int,
    neutral: int | None,
) -> NDArray[np.float32]:
    """Draw which clips of a batch are the enrolment clips of which, never a clip of itself.

    Parameters
    ----------
    groups, labels : of each clip, shape ``(batch,)``
    settings : the parameters ``training.enrolment``
    emotions : how many there are
    neutral : which of them is the neutral one; ``None`` if there is none: any clips then

    Returns
    -------
    shape ``(batch, batch)``, 1 where the clip of the column is an enrolment clip of the row's
    """
    enrolled = np.zeros((len(groups), len(groups)), np.float32)
    for clip in range(len(groups)):
        if rng.random() < settings.p_none:
            continue
        others = np.flatnonzero(groups == groups[clip])
        others = others[others != clip]
        wanted = _draw_emotions(settings, rng, emotions=emotions, neutral=neutral)
        others = others[np.isin(labels[others], wanted)]
        count = int(rng.choice([*ENROLMENT_CLIPS, len(groups)]))
        chosen = rng.permutation(others)[:count]
        if rng.random() < settings.p_other_speaker:
            most = int(np.ceil(OTHER_SPEAKER_FRACTION * len(chosen)))
            chosen = np.append(chosen, rng.permutation(np.flatnonzero(groups != groups[clip]))[:most])
        enrolled[clip, chosen] = 1
    return enrolled


def _draw_emotions(
    settings: Enrolment, rng: np.random.Generator, *, emotions: int, neutral: int | None
) -> NDArray[np.int64]:
    """Draw the emotions that an enrolment set has."""
    kind, order = rng.random(), rng.permutation(emotions)
    if kind < settings.p_neutral:
        return order if neutral is None else np.array([neutral])
    kind -= settings.p_neutral
    if kind < settings.p_one_emotion:
        return order[:1]
    return order[:2] if kind < settings.p_one_emotion + settings.p_two_emotions else order


def draw_mixing(clips: int, alpha: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Of which clips each example is made up: mixup (Zhang et al. 2018), as a matrix ``(clips, clips)``.

    The share of the partner is ``min(b, 1 - b)`` for ``b`` from Beta(``alpha``, ``alpha``); 0 mixes nothing.
    """
    mixing = np.eye(clips, dtype=np.float32)
    if not alpha:
        return mixing
    drawn = rng.beta(alpha, alpha, (clips, 1))
    share = np.minimum(drawn, 1 - drawn).astype(np.float32)
    return mixing + share * (mixing[rng.permutation(clips)] - mixing)

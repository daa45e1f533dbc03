"""The parameters ``training``: what all networks are trained with."""

from typing import Annotated

from pydantic import Field

from ser.settings import Block, Fraction, NonNegative, Positive, Rate


class OnTheFly(Block):
    """Augmentation drawn again for every training batch."""

    max_rate: Rate
    max_shift_seconds: NonNegative
    max_warp: Rate
    time_masks: Annotated[int, Field(ge=0)]
    time_mask_seconds: NonNegative
    mel_masks: Annotated[int, Field(ge=0)]
    mel_mask_share: Rate
    mixup_alpha: NonNegative


class References(Block):
    """How often a clip has which references in training."""

    none: Fraction
    neutral: Fraction
    two_emotions: Fraction


class Training(Block):
    """What both networks are trained with."""

    level: bool
    copies: list[str]  # of what the stage augment makes; see ``ser.params``
    original_share: Fraction
    group_clips: Annotated[int, Field(ge=2, le=1000)]
    references: References
    soft_labels: Fraction
    class_weights: bool
    label_smoothing: Rate
    batch_size: Annotated[int, Field(ge=2)]
    learning_rate: Positive
    warmup_fraction: Rate
    weight_decay: NonNegative
    on_the_fly: OnTheFly

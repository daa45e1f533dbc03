"""The parameters ``training``: what all networks are trained with."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

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


class Enrolment(Block):
    """Which other clips of the speaker a training clip is normalised by, in shares of the clips.

    In the field nobody knows what a user enrols with, so training sees poor sets as well as good ones.
    """

    p_none: Fraction
    p_neutral: Fraction
    p_one_emotion: Fraction
    p_two_emotions: Fraction
    p_other_speaker: Fraction
    p_mixed_channels: Fraction

    @model_validator(mode="after")
    def _together(self):
        together = self.p_neutral + self.p_one_emotion + self.p_two_emotions
        if together > 1:
            raise ValueError(f"p_neutral, p_one_emotion and p_two_emotions add up to {together:g}, expected at most 1")
        return self


class Training(Block):
    """What both networks are trained with."""

    precision: Literal["float32", "bfloat16"]
    copies: list[str]  # of what the stage augment makes; see ``ser.params``
    original_share: Fraction
    group_clips: Annotated[int, Field(ge=2, le=1000)]
    enrolment: Enrolment
    soft_labels: Fraction
    class_weights: bool
    label_smoothing: Rate
    batch_size: Annotated[int, Field(ge=2)]
    learning_rate: Positive
    warmup_fraction: Rate
    weight_decay: NonNegative
    on_the_fly: OnTheFly

"""Typed, validated parameters: ``params.yaml`` is the only place where a value lives.

A block of ``params.yaml`` carries the name of its stage. ``corpus`` is shared by the stages that read
the recordings, ``training`` by the two networks.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ser.errors import InputError

Fraction = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(gt=0, lt=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]


Family = Literal["log_mel", "energy", "entropy_of_energy", "zero_crossing_rate", "rmse", "mfcc", "pitch"]
Families = Annotated[list[Family], Field(min_length=1, max_length=7)]


class Block(BaseModel):
    """A block of parameters: every key required, unknown keys and wrong types refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Corpus(Block):
    """Where the recordings are, and which of them can be used."""

    dir: Annotated[str, Field(min_length=1)]
    format: Literal["crema-d", "ravdess", "tess", "emodb", "table"]
    min_duration_seconds: Positive
    max_duration_seconds: Positive
    max_rejected_fraction: Fraction

    @model_validator(mode="after")
    def _range(self):
        if self.min_duration_seconds >= self.max_duration_seconds:
            raise ValueError("min_duration_seconds must be below max_duration_seconds")
        return self


class DemoCorpus(Block):
    """The synthetic corpus."""

    actors: Annotated[int, Field(ge=3, le=91)]
    sentences_per_emotion: Annotated[int, Field(ge=1, le=12)]
    seed: Seed


class Split(Block):
    """Which clips train, validate and test."""

    protocol: Literal["speaker", "audeering", "tfds", "evar", "nkululeko", "emo-superb", "clip"]
    fold: Annotated[int, Field(ge=1, le=5)]
    train_fraction: Share
    validation_fraction: Share
    test_fraction: Share
    seed: Seed

    @model_validator(mode="after")
    def _sum(self):
        total = self.train_fraction + self.validation_fraction + self.test_fraction
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train_fraction, validation_fraction and test_fraction sum to {total:g}, not to 1")
        return self

    def fractions(self) -> dict[str, float]:
        """The share of each subset."""
        return {
            "train": self.train_fraction,
            "validation": self.validation_fraction,
            "test": self.test_fraction,
        }


class SpectralSubtraction(Block):
    """Off, or how much of the noise is taken away."""

    enabled: bool
    over_subtraction: NonNegative
    floor: Fraction
    noise_fraction: Annotated[float, Field(gt=0, le=1)]


class RemoveSilence(Block):
    """Where silence is cut, and what counts as silence."""

    where: Literal["nowhere", "edges", "everywhere"]
    top_db: Positive


class Preprocess(Block):
    """From a recording to a signal of fixed length."""

    sample_rate: Annotated[int, Field(ge=4000, le=192000)]
    duration_seconds: Annotated[float, Field(ge=0.1, le=60)]
    spectral_subtraction: SpectralSubtraction
    remove_silence: RemoveSilence
    preemphasis: Fraction
    normalize_audio: bool


class Augment(Block):
    """The offline copies of every clip."""

    noise_max_amplitude: Fraction
    shift_step_samples: Count
    shift_max_steps: Annotated[int, Field(ge=0)]
    pitch_max_semitones: Annotated[float, Field(ge=0, le=12)]
    seed: Seed


class Spectrograms(Block):
    """The log-mel spectrogram."""

    n_fft: Annotated[int, Field(ge=16, le=65536, multiple_of=2)]
    hop_length: Count
    n_mels: Annotated[int, Field(ge=1, le=1024)]
    fmin_hz: NonNegative
    fmax_hz: Positive


class Features1d(Spectrograms):
    """The frame features."""

    n_mfcc: Count
    sub_frames: Annotated[int, Field(ge=2, le=1024)]
    pitch_frame_length: Annotated[int, Field(ge=16, le=65536, multiple_of=2)]
    pitch_fmin_hz: Positive
    pitch_fmax_hz: Positive


class OnTheFly(Block):
    """Augmentation drawn anew for every training batch."""

    max_rate: Annotated[float, Field(ge=0, lt=1)]
    max_shift_frames: Annotated[int, Field(ge=0)]
    max_warp: Annotated[float, Field(ge=0, lt=1)]
    max_gain_db: NonNegative
    time_masks: Annotated[int, Field(ge=0)]
    time_mask_frames: Annotated[int, Field(ge=0)]
    mel_masks: Annotated[int, Field(ge=0)]
    mel_mask_bands: Annotated[int, Field(ge=0)]
    mixup_alpha: NonNegative


class Training(Block):
    """What both networks are trained with."""

    speaker_normalization: bool
    copies: list[Literal["noise", "shift", "pitch"]]
    soft_labels: Fraction
    class_weights: bool
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    batch_size: Annotated[int, Field(ge=2)]
    learning_rate: Positive
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)]
    weight_decay: NonNegative
    on_the_fly: OnTheFly


class Network(Block):
    """What each network has of its own."""

    width: Annotated[int, Field(ge=8)]
    spatial_dropout: Annotated[float, Field(ge=0, lt=1)]
    dropout: Annotated[float, Field(ge=0, lt=1)]
    epochs: Count
    patience_epochs: Count
    seed: Seed


class TrainCnn1d(Network):
    """The 1D network."""

    families: Families
    blocks: Count


class TrainCnn2d(Network):
    """The 2D network."""

    stages: Annotated[int, Field(ge=1, le=5)]
    time_stride: Annotated[int, Field(ge=1, le=8)]


class Evaluate(Block):
    """Intervals of the scores, and when an answer is 'not sure'."""

    bootstrap_samples: Annotated[int, Field(ge=100)]
    not_sure_below: Fraction
    seed: Seed


class Params(Block):
    """The whole of ``params.yaml``."""

    corpus: Corpus
    demo_corpus: DemoCorpus
    split: Split
    preprocess: Preprocess
    augment: Augment
    features_1d: Features1d
    spectrograms: Spectrograms
    training: Training
    train_cnn1d: TrainCnn1d
    train_cnn2d: TrainCnn2d
    evaluate: Evaluate


def load(path: str | Path = "params.yaml") -> Params:
    """Read and check a parameter file.

    Raises
    ------
    InputError : no such file, not YAML, or keys that are unknown, missing, of a wrong type or out of
        range; each is named with the value found and what is allowed
    """
    import yaml  # a bundle is checked with these models where no YAML is read

    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file. Run from the top of the project.") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML: {error}") from error
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        lines = [_explain(problem) for problem in error.errors()]
        raise InputError(f"{path}: " + f"\n{path}: ".join(lines)) from error


def _explain(problem: dict) -> str:
    key = ".".join(map(str, problem["loc"])) or "the file"
    found = problem["input"]
    match problem["type"]:
        case "extra_forbidden":
            return f"{key} is not a parameter; remove it or mend its name."
        case "missing":
            return f"{key} is missing."
        case "value_error":
            return f"{key}: {problem['ctx']['error']}."
        case "float_type" if isinstance(found, str) and "e" in found.lower():
            return f"{key} is the text {found!r}: YAML wants a number written out, as 0.001."
        case _:
            return f"{key} is {found!r}: {problem['msg'].replace('Input should', 'it should')}."

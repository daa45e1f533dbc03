"""Typed, validated parameters: ``params.yaml`` is the only place where a value lives.

A block of ``params.yaml`` carries the name of its stage. ``corpus`` is shared by the stages that read
the recordings, ``training`` by the two networks.
"""

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from ser.corpus.formats import FORMATS
from ser.emotions import EMOTIONS
from ser.errors import InputError
from ser.features.families import FrameFeatures
from ser.features.mel import Mel
from ser.settings import Block, Count, Fraction, Labels, NonNegative, Positive, Rate, Schedule, Seed, Share


class Corpus(Block):
    """Where the recordings are, and which of them can be used."""

    dir: Annotated[str, Field(min_length=1)]
    format: str
    labels: Labels | None
    min_duration_seconds: Positive
    max_duration_seconds: Positive
    max_rejected_fraction: Fraction

    @field_validator("format")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in FORMATS:
            raise ValueError(f"it is {name!r}; expected one of {', '.join(FORMATS)}")
        return name

    @field_validator("labels")
    @classmethod
    def _several(cls, labels: dict[str, str] | None) -> dict[str, str] | None:
        if labels is not None and len(set(labels.values())) < 2:
            raise ValueError("it names one emotion; expected two or more, as word: emotion")
        return labels

    @property
    def emotions(self) -> tuple[str, ...]:
        """What is told apart, in the order of every array and table."""
        return EMOTIONS if self.labels is None else tuple(sorted(set(self.labels.values())))

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
    over_subtraction: Annotated[float, Field(ge=0, le=100)]
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
    highpass_hz: NonNegative
    spectral_subtraction: SpectralSubtraction
    remove_silence: RemoveSilence
    preemphasis: Fraction
    normalize_audio: bool


class DeviceShares(Block):
    """How often a simulated device does what, and the range of its noise."""

    microphone: Fraction
    room: Fraction
    noise: Fraction
    babble: Fraction
    snr_db: Annotated[list[float], Field(min_length=2, max_length=2)]
    band_limit: Fraction
    telephone: Fraction
    clipping: Fraction

    @model_validator(mode="after")
    def _rising(self):
        if self.snr_db[0] > self.snr_db[1]:
            raise ValueError(f"snr_db is {self.snr_db}, expected the lower value first")
        return self


class Augment(Block):
    """The offline copies of every clip."""

    devices: Annotated[int, Field(ge=1, le=100)]
    device: DeviceShares
    noise_max_amplitude: Fraction
    shift_step_samples: Count
    shift_max_steps: Annotated[int, Field(ge=0)]
    pitch_max_semitones: Annotated[float, Field(ge=0, le=12)]
    seed: Seed


class OnTheFly(Block):
    """Augmentation drawn anew for every training batch."""

    max_rate: Rate
    max_shift_frames: Annotated[int, Field(ge=0)]
    max_warp: Rate
    time_masks: Annotated[int, Field(ge=0)]
    time_mask_frames: Annotated[int, Field(ge=0)]
    mel_masks: Annotated[int, Field(ge=0)]
    mel_mask_bands: Annotated[int, Field(ge=0)]
    mixup_alpha: NonNegative


class References(Block):
    """How often a clip has which references in training."""

    none: Fraction
    neutral: Fraction
    two_emotions: Fraction


class Training(Block):
    """What both networks are trained with."""

    level: bool
    copies: list[Literal["noise", "shift", "pitch", "device"]]
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


class Evaluate(Block):
    """Intervals of the scores, and when an answer is 'not sure'."""

    bootstrap_samples: Annotated[int, Field(ge=100)]
    not_sure_below: Fraction
    seed: Seed


class Conditions(Block):
    """Under which the bundle's answers are tried."""

    clips: Count
    microphones: str | None
    seed: Seed


class Params(Block):
    """The whole of ``params.yaml``."""

    corpus: Corpus
    demo_corpus: DemoCorpus
    split: Split
    preprocess: Preprocess
    augment: Augment
    features_1d: FrameFeatures
    spectrograms: Mel
    training: Training
    networks: dict[str, Schedule]  # blocks ``train_NAME``, by name
    evaluate: Evaluate
    conditions: Conditions

    @model_validator(mode="before")
    @classmethod
    def _gather(cls, content):
        """The blocks ``train_NAME`` under one key, whatever networks they are of."""
        if not isinstance(content, dict):
            return content
        trained = {key for key in content if str(key).startswith("train_")}
        networks = {key.removeprefix("train_"): content[key] for key in content if key in trained}
        return {"networks": networks} | {key: own for key, own in content.items() if key not in trained}

    def blocks(self) -> dict:
        """The parameters as ``params.yaml`` has them."""
        dumped = self.model_dump()
        return dumped | {f"train_{name}": own for name, own in dumped.pop("networks").items()}


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
        lines = [explain(problem) for problem in error.errors()]
        raise InputError(f"{path}: " + f"\n{path}: ".join(lines)) from error


def explain(problem: dict, block: str = "") -> str:
    """What is wrong with a parameter, in words.

    Parameters
    ----------
    problem : as Pydantic describes it
    block : in which it was found, where the description does not say
    """
    key = re.sub(r"^networks\.", "train_", ".".join(map(str, [block, *problem["loc"]])).lstrip(".")) or "the file"
    found = problem["input"]
    match problem["type"]:
        case "extra_forbidden":
            return f"{key} is not a parameter; remove it or correct its name."
        case "missing":
            return f"{key} is missing."
        case "value_error":
            return f"{key}: {problem['ctx']['error']}."
        case "float_type" if isinstance(found, str) and "e" in found.lower():
            return f"{key} is the text {found!r}: YAML wants a number written out, as 0.001."
        case _:
            return f"{key} is {found!r}: {problem['msg'].replace('Input should', 'it should')}."

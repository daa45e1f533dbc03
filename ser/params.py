"""Typed, validated parameters: ``params.yaml`` is the only place where a value lives.

A block of ``params.yaml`` carries the name of its stage. ``corpus`` is shared by the stages that read
the recordings, ``training`` by the two networks.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator, model_validator

from ser.audio.augmentation import DEVICE, TRANSFORMS, Augment
from ser.audio.preprocessing import Preprocess
from ser.corpus.formats import FORMATS
from ser.corpus.partitions import Split
from ser.emotions import EMOTIONS
from ser.errors import InputError
from ser.features.families import FrameFeatures, Spectrograms
from ser.settings import Block, Count, Fraction, Labels, Positive, Schedule, Seed, Share, Weight
from ser.training.settings import Training

# Parameters of earlier releases, and what became of them.
FORMER = {
    "training.level": "gone: the level of every recording is normalised by 'preprocess'",
    "training.references": "now training.enrolment, with p_none, p_neutral, p_one_emotion, p_two_emotions, "
    "p_other_speaker and p_mixed_channels",
}


class Corpus(Block):
    """Where the recordings are, and which of them can be used."""

    dir: Annotated[str, Field(min_length=1)]
    format: Annotated[str, Field(json_schema_extra={"enum": list(FORMATS)})]
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


class EnrolmentCheck(Block):
    """Warnings about profiles: how seldom one of a single voice on a single microphone is warned about."""

    false_alarms: Share
    seed: Seed


class Evaluate(Block):
    """The fusion, intervals of the scores, and when an answer is 'not sure'."""

    bootstrap_samples: Annotated[int, Field(ge=100)]
    fusion_weights: dict[str, Weight]
    not_sure_below: Fraction
    least_temperature: Positive
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
    spectrograms: Spectrograms
    training: Training
    networks: dict[str, Schedule]  # blocks ``train_NAME``, by name
    enrolment_check: EnrolmentCheck
    evaluate: Evaluate
    conditions: Conditions

    @field_validator("training")
    @classmethod
    def _known_copies(cls, training: Training) -> Training:
        known = (*TRANSFORMS, DEVICE)
        unknown = [name for name in training.copies if name not in known]
        if unknown:
            raise ValueError(f"copies names {', '.join(map(repr, unknown))}; expected some of {', '.join(known)}")
        return training

    @model_validator(mode="after")
    def _known_weights(self):
        unknown = set(self.evaluate.fusion_weights) - set(self.networks)
        if unknown:
            known = ", ".join(self.networks)
            raise ValueError(f"evaluate.fusion_weights names {', '.join(sorted(unknown))}; expected some of {known}")
        return self

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


def explain(problem: Mapping[str, Any], block: str = "") -> str:
    """What is wrong with a parameter, in words.

    Parameters
    ----------
    problem : as Pydantic describes it
    block : in which it was found, where the description does not say
    """
    key = re.sub(r"^networks\.", "train_", ".".join(map(str, [block, *problem["loc"]])).lstrip(".")) or "the file"
    found = problem["input"]
    match problem["type"]:
        case "extra_forbidden" if key in FORMER:
            return f"{key} is {FORMER[key]}."
        case "extra_forbidden":
            return f"{key} is not a parameter; remove it or correct its name."
        case "missing":
            return f"{key} is missing."
        case "value_error":
            return f"{key}: {problem['ctx']['error']}."
        case "float_type" if isinstance(found, str) and "e" in found.lower():
            return f"{key} is the text {found!r}: YAML wants a number written out, such as 0.001."
        case _:
            return f"{key} is {found!r}: {problem['msg'].replace('Input should', 'it should')}."

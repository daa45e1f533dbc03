"""What ``bundle.json`` must say, checked with the models that check ``params.yaml``.

A right hash shows that nothing was damaged on the way; whoever made the bundle can have written anything.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ser.answers.enrolment_check import EnrolmentCheck
from ser.audio.preprocessing import Preprocess
from ser.errors import InputError
from ser.features.families import FrameFeatures, Spectrograms
from ser.features.relative import MOST_FRAMES
from ser.settings import Emotion, Labels, Weight

MOST_VALUES = 2_000_000  # samples in all frames of a window, which overlap


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("has characters that a terminal would act on")
    return text


def _ordered(emotions: list[str]) -> list[str]:
    if emotions != sorted(set(emotions)):
        raise ValueError("are not in the order of the alphabet, each once")
    return emotions


Text = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(_printable)]
Name = Annotated[str, StringConstraints(pattern="^[a-z][a-z0-9_]{0,40}$")]
Hash = Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0, le=10**9)]


class Known(BaseModel):
    """A block of which every key is known."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Partly(BaseModel):
    """A block of which answers use some keys."""

    model_config = ConfigDict(extra="ignore", strict=True)


class Corpus(Known):
    """What the networks were trained on."""

    name: Text
    licence: Text
    clips: Count
    actors: Count


class Words(Partly):
    """The words of the corpus for the emotions."""

    labels: Labels | None


class Weights(Partly):
    """Of the networks in the fusion."""

    fusion_weights: dict[str, Weight]


class Params(Partly):
    """The parameters that an answer is computed with, and the words for the emotions."""

    corpus: Words
    evaluate: Weights
    preprocess: Preprocess
    features_1d: FrameFeatures
    spectrograms: Spectrograms


class Scores(Partly):
    """Scores of one subset, as ``ser info`` shows them."""

    actors: Count
    uar: Share
    accuracy: Share


class Listeners(Partly):
    """How well people recognise the same clips."""

    uar: Share
    accuracy: Share


class Tested(Scores):
    """Scores of the test clips, which have an interval."""

    uar_low: Share
    uar_high: Share
    listeners: Listeners | None = None


class NetworkMetrics(Partly):
    """Scores of one network."""

    train: Scores
    validation: Scores
    test: Tested


class Terms(Partly):
    """Of which split the scores are."""

    protocol: Text


class Answered(Partly):
    """What the threshold costs."""

    coverage: Share
    accuracy: Share | None


class Calibrated(Partly):
    """Calibration error of the test clips, and what the threshold costs."""

    before: Share
    after: Share
    answered: Answered


class Calibration(Partly):
    """Of the test clips."""

    test: Calibrated


class FusionMetrics(NetworkMetrics):
    """Scores of the answer."""

    terms: Terms
    calibration: Calibration


class Metrics(BaseModel):
    """Scores that ``ser info`` shows: of the fusion, and of every classifier."""

    model_config = ConfigDict(extra="allow", strict=True)
    __pydantic_extra__: dict[str, NetworkMetrics]

    fusion: FusionMetrics


class NetworkReads(Known):
    """What a network reads, and the hash of its file."""

    hash: Hash
    features: Literal["features_1d", "spectrograms"]
    columns: Annotated[list[Text], Field(min_length=1, max_length=5000)]


class Description(Known):
    """``bundle.json`` without its hash."""

    format: Literal["ser-bundle"]
    format_version: Literal[5]
    emotions: Annotated[list[Emotion], Field(min_length=2, max_length=100), AfterValidator(_ordered)]
    networks: Annotated[dict[Name, NetworkReads], Field(min_length=1, max_length=10)]
    params: dict[str, Any]
    temperature: Annotated[float, Field(ge=0.05, le=20)]
    threshold: Share
    corpus: Corpus
    metrics: dict[str, Any]
    enrolment_check: EnrolmentCheck
    versions: Annotated[dict[Text, Text], Field(max_length=50)]


def check_description(about: dict) -> None:
    """Refuse a description that answers cannot rest on.

    Raises
    ------
    InputError : the first key that is missing, unknown, of a wrong kind or out of range
    """
    try:
        Description.model_validate(about)
        params = Params.model_validate(about["params"])
        Metrics.model_validate(about["metrics"])
    except ValidationError as error:
        problem = error.errors()[0]
        found = "" if problem["type"] in ("missing", "extra_forbidden") else f" is {str(problem['input'])[:40]!r}"
        reason = problem["msg"].replace("Input should", "it should")
        where = ascii(".".join(map(str, problem["loc"])))[1:-1][:80]
        raise InputError(f"its description cannot be used: {where}{found}: {reason}") from error
    if not all(name in about["metrics"] for name in about["networks"]):
        raise InputError("its description cannot be used: networks: without metrics")
    check = about["enrolment_check"]
    columns = len(about["networks"].get(check["network"], {"columns": []})["columns"])
    if not columns or any(len(row) != 2 * columns for row in check["projection"]):
        raise InputError("its description cannot be used: enrolment_check: not of its networks")
    samples = params.preprocess.duration_seconds * params.preprocess.sample_rate
    for block in (params.features_1d, params.spectrograms):
        longest = max(block.n_fft, getattr(block, "pitch_frame_length", 0))
        if samples / block.hop_length > MOST_FRAMES or samples / block.hop_length * longest > MOST_VALUES:
            raise InputError("its description cannot be used: hop_length: more frames than memory bears")
    if "ser" not in about["versions"]:
        raise InputError("its description cannot be used: versions.ser: Field required")

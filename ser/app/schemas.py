"""What the interface answers, for its documentation at ``/docs``."""

from pydantic import BaseModel, Field


class Window(BaseModel):
    """A stretch of a recording over six seconds."""

    start_seconds: float
    end_seconds: float
    emotion: str | None = Field(description="null where there is no speech; then reason says why")
    reason: str | None = None
    probabilities: dict[str, float] | None = None


class Answer(BaseModel):
    """The emotion of a recording; what 'ser predict --json' prints."""

    file: str
    emotion: str
    probability: float = Field(description="calibrated")
    sure: bool = Field(
        description="whether the probability reaches the bundle's threshold, and it is not unlike anything in training"
    )
    certainty: str = Field(description="'sure', 'not sure', or 'unlike anything in training' where a doubt says so")
    doubts: list[str] = Field(description="why the answer should be doubted whatever its probability")
    second: str
    second_probability: float
    probabilities: dict[str, float]
    networks: dict[str, dict[str, float]] = Field(description="of each network by itself, as trained")
    duration_seconds: float
    timeline: list[Window] | None = None
    caution: str | None = Field(None, description="why no answer of this bundle means anything")


class Reason(BaseModel):
    """Why there is no answer."""

    kind: str
    message: str


class Failure(BaseModel):
    """An error; in a list of answers it also names its file."""

    file: str | None = None
    error: Reason


class Calibration(BaseModel):
    """What is known of a voice and a microphone."""

    clips: int = Field(description="recordings of up to six seconds, and windows of longer ones")
    profile: dict = Field(description="to send as the file 'profile' of a form; what 'ser calibrate' writes")
    left_out: list[Failure]
    warnings: list[str] = Field(description="why the profile may not help")


class Card(BaseModel):
    """The bundle that answers."""

    bundles: list[str] = Field(description="all that the server has; the first answers unless 'bundle' says otherwise")
    card: str
    caution: str | None
    emotions: list[str]
    public: bool = Field(description="whether others than the users of this machine may ask")
    about: dict
    known_clips: int = Field(description="of the profile that the server was started with; 0 without one")
    limits: dict[str, float]
    suffixes: list[str] = Field(description="of the files that are taken for recordings in a folder")


class Health(BaseModel):
    """Whether the server answers."""

    status: str

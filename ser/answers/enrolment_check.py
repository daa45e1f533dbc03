"""Whether clips are of one voice on one microphone: of a profile among each other, and of a recording and its profile.

The mean and the deviation of each frame feature over a clip's loud frames are projected to the directions in which
speakers and microphones differ most for how much one of them varies (linear discriminant analysis, Fisher 1936). How
far apart two clips of one voice lie there is known from the training corpus, and so is a limit that few pass.
"""

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Vector = Annotated[list[float], Field(min_length=2, max_length=10_000)]
SMALLEST_DEVIATION = 0.05
FEW_CLIPS, FEW_SECONDS = 4, 8.0
FEW_VOICED = 0.15  # of the frames with sound; of 1,859 clips of CREMA-D two have fewer, by themselves

MIXED = "its recordings do not seem to be of one voice on one microphone: enrol with recordings of one only"
FEW = f"it is made of few or short recordings: {FEW_CLIPS} sentences or more are better"
UNVOICED = "its recordings hold hardly any voiced sound: whispers, music or noise say little about a voice"
OTHER_VOICE = "it does not sound like the profile's voice or microphone: make a profile of this one"


class EnrolmentCheck(BaseModel):
    """What is known of how clips of one voice differ, as a bundle holds it.

    Attributes
    ----------
    network : whose sums over frames are compared
    projection : shape ``(dimensions, 2 * columns)``, scaled so that clips of one voice have variance 1 in each
    set_limit : of the mean distance of each clip of a set from the others
    clip_limit : of the distance of a clip from a profile
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    network: str
    projection: Annotated[list[Vector], Field(min_length=1, max_length=64)]
    set_limit: Annotated[float, Field(gt=0)]
    clip_limit: Annotated[float, Field(gt=0)]


def clip_statistics(sums: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean and log deviation of each column.

    Parameters
    ----------
    sums : count, sum and sum of squares of each column over loud frames, shape ``(clips, 3 * columns)``

    Returns
    -------
    shape ``(clips, 2 * columns)``
    """
    count, total, squares = np.split(sums.astype(np.float64), 3, axis=1)
    count = np.maximum(count, 1)
    mean = total / count
    deviation = np.sqrt(np.maximum(squares / count - mean**2, 0))
    return np.concatenate([mean, np.log(deviation + SMALLEST_DEVIATION)], axis=1)


def distance(
    sums: NDArray[np.float32], others: NDArray[np.float32], clips: NDArray | float, projection: NDArray
) -> NDArray[np.float64]:
    """Mean square distance of each clip from some other clips together, about 1 for one voice on one microphone.

    Parameters
    ----------
    sums, others : of each clip and of its others, shape ``(clips, 3 * columns)``; see ``clip_statistics``
    clips : how many the others are
    projection : shape ``(dimensions, 2 * columns)``

    Returns
    -------
    shape ``(clips,)``
    """
    apart = (clip_statistics(sums) - clip_statistics(others)) @ projection.T
    return np.mean(apart**2, axis=1) * clips / (clips + 1)


def set_distance(sums: NDArray[np.float32], projection: NDArray) -> float:
    """Mean distance of each clip of a set ``(clips, 3 * columns)`` from the others."""
    return float(distance(sums, sums.sum(axis=0) - sums, len(sums) - 1, projection).mean())


def enrolment_warnings(
    check: EnrolmentCheck | None, sums: NDArray[np.float32], *, seconds: float, voiced_fraction: float
) -> tuple[str, ...]:
    """Why a profile of some clips may not help.

    Parameters
    ----------
    sums : of the clips over their loud frames, shape ``(clips, 3 * columns)``
    seconds : of sound in all of them
    voiced_fraction : of the frames with sound
    """
    mixed = (
        check is not None
        and len(sums) >= FEW_CLIPS
        and set_distance(sums, np.asarray(check.projection)) > check.set_limit
    )
    found = {
        MIXED: mixed,
        FEW: len(sums) < FEW_CLIPS or seconds < FEW_SECONDS,
        UNVOICED: voiced_fraction < FEW_VOICED,
    }
    return tuple(warning for warning, holds in found.items() if holds)

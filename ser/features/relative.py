"""What a clip's features are measured against: the loud frames of the same voice on the same microphone."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A frame is loud when it lies within LOUD_DB of the clip's loudest and ABOVE_QUIET_DB above the mean of the quiet ones,
# those QUIET_DB or more below the loudest.
LOUD_DB, QUIET_DB, ABOVE_QUIET_DB = 20.0, 15.0, 4.0
LEAST_QUIET_FRAMES = 5  # fewer say nothing of the noise
FALL_DB = 30.0  # of the spectrum by which loudness is judged, from the lowest mel band to the highest
FLOOR = -1.0  # deviations: levels below say nothing, since there the room speaks
CEILING = 5.0  # deviations
VOICED_HARMONICITY = 0.5
MOST_FRAMES = 20_000  # of a clip


@dataclass(frozen=True)
class Scales:
    """How each column that a network reads is measured.

    Attributes
    ----------
    is_level : whether it is a level in dB
    least_deviation : in the column's unit
    is_pitch : whether it is the pitch, which voiced frames have
    pitch, harmonicity : places of these two columns, or ``None`` where the network does not read them
    mel_columns : first mel band, and the column behind the last
    """

    is_level: list[bool]
    least_deviation: list[float]
    is_pitch: list[bool]
    pitch: int | None
    harmonicity: int | None
    mel_columns: tuple[int, int]


def scales_of(table: Sequence[dict]) -> Scales:
    """The scales of some columns.

    Parameters
    ----------
    table : a row a column; see ``ser.features.families.column_table``
    """
    names, families = [row["name"] for row in table], [row["family"] for row in table]
    mels = [place for place, family in enumerate(families) if family == "log_mel"]
    read_pitch = "pitch_octaves" in names and "harmonicity" in names
    return Scales(
        is_level=[bool(int(row["is_level"])) for row in table],
        least_deviation=[float(row["least_deviation"]) for row in table],
        is_pitch=[name == "pitch_octaves" for name in names],
        pitch=names.index("pitch_octaves") if read_pitch else None,
        harmonicity=names.index("harmonicity") if read_pitch else None,
        mel_columns=(mels[0], mels[-1] + 1) if mels else (0, 0),
    )


# A network, in Keras or in ONNX: from features and reference sums to logits and each clip's own sums.
Answer = Callable[[NDArray, NDArray], tuple[NDArray, NDArray]]


def clip_sums(answer: Answer, features: NDArray, *, columns: int, width: int) -> NDArray[np.float32]:
    """What a network wants to know of some clips of one speaker: sums over the frames, and what it says of each.

    Their sum over the clips is what other clips of the speaker are measured against.

    Parameters
    ----------
    answer : the network
    features : shape ``(clips, frames, columns)``, one clip or more
    width : of the sums

    Returns
    -------
    shape ``(clips, width)``; see ``ser.networks.speaker.SpeakerNetwork``
    """
    none = np.zeros((len(features), width), np.float32)
    _, alone = answer(features, none)
    # What the network says of a clip depends on what it is measured against: on all clips, as an answer will be.
    together = none
    together[:, : 3 * columns] = (alone.sum(axis=0) - alone)[:, : 3 * columns]
    _, said = answer(features, together)
    return said


def are_sums(sums: NDArray[np.float32], frame_sums: int, clips: int) -> bool:
    """Whether numbers can be the sums of so many clips: counts, values and squares that go together.

    Parameters
    ----------
    sums : shape ``(sums,)``; see ``clip_sums``
    frame_sums : how many of them are over frames
    """
    counts, values, squares = sums[:frame_sums].reshape(3, -1).astype(np.float64)
    channels = (len(sums) - frame_sums - 1) // 2
    said, said_squares = sums[frame_sums + 1 :].reshape(2, channels).astype(np.float64)
    pairs = [(counts, values, squares), (np.full(channels, clips), said, said_squares)]
    return (
        sums[frame_sums] == clips
        and counts.max() <= MOST_FRAMES * clips
        and all(
            (count >= 0).all() and (square >= 0).all() and (value**2 <= 1.01 * count * square + 1).all()
            for count, value, square in pairs
        )
    )

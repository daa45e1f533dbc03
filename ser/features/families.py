"""The families of frame features, an entry each; their order is that of the columns of ``features_1d.npy``.

To add one: a function in ``ser.features.frame_features``, an entry here, and its name in ``train_cnn1d.families``.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from ser.audio.stft import sounding
from ser.features.frame_features import decibel, energy, entropy_of_energy, mfcc, zero_crossing_rate
from ser.features.mel import Mel, log_mel
from ser.features.pitch import fundamental_frequency
from ser.settings import Positive


class FrameFeatures(Mel):
    """The parameters ``features_1d``."""

    n_mfcc: Annotated[int, Field(ge=1, le=1024)]
    sub_frames: Annotated[int, Field(ge=2, le=1024)]
    pitch_frame_length: Annotated[int, Field(ge=16, le=65536, multiple_of=2)]
    pitch_fmin_hz: Positive
    pitch_fmax_hz: Positive


class Spectrograms(Mel):
    """The parameters ``spectrograms``: a log-mel spectrogram, and families that stand beside it as tracks over time.

    The tracks are computed as ``features_1d`` says, at the spectrogram's frames.
    """

    tracks: list[str]

    @field_validator("tracks")
    @classmethod
    def _known(cls, tracks: list[str]) -> list[str]:
        unknown = [family for family in tracks if family not in FAMILIES or family == "log_mel"]
        if unknown:
            others = ", ".join(family for family in FAMILIES if family != "log_mel")
            raise ValueError(f"it names {', '.join(unknown)}; expected some of {others}")
        return tracks

    @property
    def families(self) -> list[str]:
        """Of the columns of ``spectrograms.npy``, in their order."""
        return ["log_mel", *self.tracks]

    def at_its_frames(self, features_1d: FrameFeatures) -> FrameFeatures:
        """What the tracks are computed with."""
        return features_1d.model_copy(update=self.mel())


@dataclass(frozen=True)
class Signals:
    """Signals ``(..., samples)``, and what several families want of them, computed once."""

    samples: NDArray[np.float32]
    sample_rate: int
    settings: FrameFeatures

    @property
    def frames(self) -> dict[str, int]:
        """How the signals are cut into frames."""
        return {"frame_length": self.settings.n_fft, "hop_length": self.settings.hop_length}

    @cached_property
    def log_mel_db(self) -> NDArray[np.float32]:
        """Shape ``(..., frames, mels)``."""
        return log_mel(self.samples, sample_rate=self.sample_rate, **self.settings.mel())

    @cached_property
    def energy(self) -> NDArray[np.float32]:
        """Shape ``(..., frames)``."""
        return energy(self.samples, **self.frames)

    def pitch(self) -> NDArray[np.float32]:
        """Pitch and harmonicity, shape ``(..., frames, 2)``."""
        found = fundamental_frequency(
            self.samples,
            sample_rate=self.sample_rate,
            frame_length=self.settings.pitch_frame_length,
            hop_length=self.settings.hop_length,
            fmin_hz=self.settings.pitch_fmin_hz,
            fmax_hz=self.settings.pitch_fmax_hz,
        )
        return np.stack(found, axis=-1)


@dataclass(frozen=True)
class Family:
    """Columns that belong together.

    Attributes
    ----------
    compute : of signals ``(..., samples)``, columns ``(..., frames, columns)``, or one column ``(..., frames)``; 0
        where there is silence, since frames behind a clip's sound are not computed, and of no sample further away
        than half of the longer frame
    least_deviation : of each column, in its unit: a clip in which it hardly moves does not blow its noise up when it
        is measured against its own deviation; see ``ser.features.relative``
    is_level : whether the columns are levels in dB, which say nothing where only the room is heard
    width : the setting that says how many numbered columns there are
    columns : names of columns that are not numbered
    """

    compute: Callable[[Signals], NDArray[np.float32]]
    least_deviation: tuple[float, ...]
    is_level: bool = False
    width: str | None = None
    columns: tuple[str, ...] = ()


FAMILIES = {
    "log_mel": Family(lambda signals: signals.log_mel_db, (2.0,), is_level=True, width="n_mels"),
    "energy": Family(lambda signals: decibel(signals.energy), (2.0,), is_level=True),
    "entropy_of_energy": Family(
        lambda signals: entropy_of_energy(signals.samples, **signals.frames, sub_frames=signals.settings.sub_frames),
        (0.1,),
    ),
    "zero_crossing_rate": Family(lambda signals: zero_crossing_rate(signals.samples, **signals.frames), (0.02,)),
    # The square of rmse: its level is that of rmse.
    "rmse": Family(lambda signals: decibel(signals.energy / np.float32(signals.settings.n_fft)), (2.0,), is_level=True),
    "mfcc": Family(lambda signals: mfcc(signals.log_mel_db, n_mfcc=signals.settings.n_mfcc), (2.0,), width="n_mfcc"),
    "pitch": Family(Signals.pitch, (0.08, 0.05), columns=("pitch_octaves", "harmonicity")),
}
TABLE_COLUMNS = ["name", "family", "is_level", "least_deviation"]


def frame_features(
    signals: NDArray[np.float32],
    *,
    sample_rate: int,
    settings: FrameFeatures,
    families: Sequence[str] = tuple(FAMILIES),
    known: Mapping[str, NDArray[np.float32]] = MappingProxyType({}),
) -> NDArray[np.float32]:
    """Families side by side in the order given, one row a frame.

    ``energy`` and ``rmse`` enter in decibel, as loudness is heard; the rest as their functions give it. A frame of
    digital silence, which is what padding is, is 0 in every column.

    Parameters
    ----------
    signals : shape ``(..., samples)``
    sample_rate : Hz
    known : columns of families that need not be computed again

    Returns
    -------
    shape ``(..., frames, features)``; the columns are ``feature_names``
    """
    frames, columns = 1 + signals.shape[-1] // settings.hop_length, len(column_table(settings, families))
    rows = np.zeros((*signals.shape[:-1], frames, columns), np.float32)
    reach = max(settings.n_fft, settings.pitch_frame_length) // 2
    for place in np.ndindex(signals.shape[:-1]):  # one at a time: its frames stay in the processor's cache
        samples = signals[place][: sounding(signals[place]).stop + reach]  # frames behind it are padding
        given = Signals(samples, sample_rate, settings)
        own = rows[place][: 1 + len(samples) // settings.hop_length]
        first = 0
        for family in families:
            part = known[family][place][: len(own)] if family in known else FAMILIES[family].compute(given)
            part = part.reshape(len(own), -1)
            own[:, first : first + part.shape[1]] = part
            first += part.shape[1]
        assert first == columns
    return rows


def column_table(settings: Mel, families: Sequence[str] = tuple(FAMILIES)) -> list[dict]:
    """A row in ``TABLE_COLUMNS`` for each column of an array that holds some families in their order."""
    return [
        {"name": name, "family": family, "is_level": int(FAMILIES[family].is_level), "least_deviation": least}
        for family in families
        for name, least in _columns_of(family, settings)
    ]


def feature_names(settings: Mel, families: Sequence[str] = tuple(FAMILIES)) -> list[str]:
    """Names of the columns of some families, in their order."""
    return [row["name"] for row in column_table(settings, families)]


def _columns_of(name: str, settings: Mel) -> list[tuple[str, float]]:
    """Name and least deviation of each column of a family."""
    family = FAMILIES[name]
    if family.width is None:
        return list(zip(family.columns or (name,), family.least_deviation, strict=True))
    return [(f"{name}_{number}", family.least_deviation[0]) for number in range(getattr(settings, family.width))]

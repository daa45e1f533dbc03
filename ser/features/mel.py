"""Mel filter bank and log-mel spectrograms."""

from functools import lru_cache
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from ser.audio.stft import power_spectrogram
from ser.errors import InputError
from ser.settings import Block, Count, NonNegative, Positive

FLOOR_POWER = 1e-10  # librosa's amin; levels are in dB above it, so digital silence is 0


class Mel(Block):
    """The parameters of a log-mel spectrogram."""

    n_fft: Annotated[int, Field(ge=16, le=65536, multiple_of=2)]
    hop_length: Count
    n_mels: Annotated[int, Field(ge=1, le=1024)]
    fmin_hz: NonNegative
    fmax_hz: Positive

    def mel(self) -> dict:
        """What ``log_mel`` takes of them, also where a block holds more."""
        return {name: getattr(self, name) for name in Mel.model_fields}


def _hz_to_mel(frequency_hz: ArrayLike) -> NDArray:
    """Slaney's (1998) Auditory Toolbox scale: linear to 1 kHz, logarithmic above."""
    frequency_hz = np.asarray(frequency_hz, np.float64)
    logarithmic = 15.0 + 27.0 * np.log(np.maximum(frequency_hz, 1000.0) / 1000.0) / np.log(6.4)
    return np.where(frequency_hz < 1000.0, 3.0 * frequency_hz / 200.0, logarithmic)


def _mel_to_hz(mel: NDArray) -> NDArray:
    return np.where(mel < 15.0, 200.0 * mel / 3.0, 1000.0 * np.exp(np.log(6.4) * (mel - 15.0) / 27.0))


@lru_cache(maxsize=8)
def mel_filters(*, sample_rate: int, n_fft: int, n_mels: int, fmin_hz: float, fmax_hz: float) -> NDArray[np.float32]:
    """Triangular mel filters of unit area (Slaney 1998), equal to ``librosa.filters.mel``.

    Returns
    -------
    shape ``(1 + n_fft // 2, n_mels)``, read-only

    Raises
    ------
    InputError : the band is empty, above Nyquist, or holds a filter with no FFT bin in it
    """
    if not 0 <= fmin_hz < fmax_hz <= sample_rate / 2:
        raise InputError(
            f"Mel band {fmin_hz} to {fmax_hz} Hz: expected 0 <= fmin_hz < fmax_hz <= {sample_rate / 2} Hz, "
            f"half the sample rate."
        )
    edges_hz = _mel_to_hz(np.linspace(_hz_to_mel(fmin_hz), _hz_to_mel(fmax_hz), n_mels + 2))
    bins_hz = np.fft.rfftfreq(n_fft, 1 / sample_rate)[:, None]
    widths_hz = np.diff(edges_hz)
    rising = (bins_hz - edges_hz[:-2]) / widths_hz[:-1]
    falling = (edges_hz[2:] - bins_hz) / widths_hz[1:]
    filters = np.maximum(0, np.minimum(rising, falling)) * (2.0 / (edges_hz[2:] - edges_hz[:-2]))
    if not filters.any(axis=0).all():
        raise InputError(
            f"{n_mels} mel bands over {n_fft} FFT points leave a band without a bin: lower n_mels or raise n_fft."
        )
    filters = filters.astype(np.float32)
    filters.flags.writeable = False
    return filters


def log_mel(
    signals: NDArray[np.float32],
    *,
    sample_rate: int,
    n_fft: int,
    hop_length: int,
    n_mels: int,
    fmin_hz: float,
    fmax_hz: float,
) -> NDArray[np.float32]:
    """Log-mel spectrogram in decibel above a floor, so that digital silence is 0.

    Equal to ``librosa.power_to_db(librosa.feature.melspectrogram(...), ref=1e-10, top_db=None)``: no
    level is taken relative to the clip's own maximum, so loudness stays in.

    Parameters
    ----------
    signals : shape ``(..., samples)``

    Returns
    -------
    shape ``(..., frames, n_mels)``, dB above ``FLOOR_POWER``
    """
    power = power_spectrogram(signals, n_fft=n_fft, hop_length=hop_length)
    filters = mel_filters(sample_rate=sample_rate, n_fft=n_fft, n_mels=n_mels, fmin_hz=fmin_hz, fmax_hz=fmax_hz)
    return 10.0 * np.log10(np.maximum(power @ filters / FLOOR_POWER, 1.0))

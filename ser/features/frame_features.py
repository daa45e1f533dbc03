"""What is computed of each frame of a signal; ``ser.features.families`` puts it side by side."""

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ser.audio.stft import frame
from ser.errors import InputError
from ser.features.mel import FLOOR_POWER


def energy(signals: NDArray[np.float32], *, frame_length: int, hop_length: int) -> NDArray[np.float32]:
    """Sum of squared sample magnitudes in each frame, shape ``(..., frames)``."""
    frames = frame(signals, frame_length=frame_length, hop_length=hop_length)
    return np.einsum("...t,...t->...", frames, frames)


def rmse(signals: NDArray[np.float32], *, frame_length: int, hop_length: int) -> NDArray[np.float32]:
    """Root mean square of each frame, shape ``(..., frames)``; equal to ``librosa.feature.rms``."""
    return np.sqrt(energy(signals, frame_length=frame_length, hop_length=hop_length) / frame_length)


def entropy_of_energy(
    signals: NDArray[np.float32], *, frame_length: int, hop_length: int, sub_frames: int
) -> NDArray[np.float32]:
    """Shannon entropy, in bit, of how a frame's energy is spread over its sub-frames.

    0 for an impulse, ``log2(sub_frames)`` for a constant. A silent frame, whose spread is undefined,
    is given 0. Giannakopoulos and Pikrakis (2014), Introduction to Audio Analysis, section 4.3.3.

    Parameters
    ----------
    signals : shape ``(..., samples)``
    sub_frames : equal parts of a frame; samples left over at its end are not counted

    Returns
    -------
    shape ``(..., frames)``, bit
    """
    if not 1 < sub_frames <= frame_length:
        raise InputError(f"sub_frames is {sub_frames}: expected 2 to frame_length, {frame_length}.")
    frames = frame(signals, frame_length=frame_length, hop_length=hop_length)
    part = frame_length // sub_frames
    parts = frames[..., : part * sub_frames].reshape(*frames.shape[:-1], sub_frames, part)
    part_energy = np.einsum("...t,...t->...", parts, parts)
    total = part_energy.sum(axis=-1, keepdims=True)
    share = np.divide(part_energy, total, out=np.zeros_like(part_energy), where=total > 0)
    return -np.sum(share * np.log2(np.where(share > 0, share, 1)), axis=-1)


def zero_crossing_rate(signals: NDArray[np.float32], *, frame_length: int, hop_length: int) -> NDArray[np.float32]:
    """Share of sample steps in each frame at which the sign changes, shape ``(..., frames)``.

    Equal to ``librosa.feature.zero_crossing_rate``: magnitudes up to 1e-10 count as zero, zero
    counts as positive, and the ends repeat the edge sample.
    """
    negative = signals < -1e-10
    crossings = negative[..., 1:] != negative[..., :-1]
    # A running count: the crossings inside a frame are a difference of two of its values.
    count = np.zeros((*signals.shape[:-1], max(1, signals.shape[-1])), np.int32)
    np.cumsum(crossings, axis=-1, out=count[..., 1:])
    starts = np.arange(1 + signals.shape[-1] // hop_length) * hop_length - frame_length // 2
    first, last = (np.clip(sample, 0, count.shape[-1] - 1) for sample in (starts, starts + frame_length - 1))
    return ((count[..., last] - count[..., first]) / frame_length).astype(np.float32)


def mfcc(log_mel_db: NDArray[np.float32], *, n_mfcc: int) -> NDArray[np.float32]:
    """Mel-frequency cepstral coefficients: orthonormal DCT-II of log-mel bands.

    Davis and Mermelstein (1980); equal to ``librosa.feature.mfcc(S=...)``.

    Parameters
    ----------
    log_mel_db : shape ``(..., mels)``, dB

    Returns
    -------
    shape ``(..., n_mfcc)``
    """
    if not 1 <= n_mfcc <= log_mel_db.shape[-1]:
        raise InputError(f"n_mfcc is {n_mfcc}: expected 1 to n_mels, {log_mel_db.shape[-1]}.")
    return scipy.fft.dct(log_mel_db, type=2, norm="ortho", axis=-1)[..., :n_mfcc]


def decibel(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Level of a power in decibel above ``FLOOR_POWER``, not below 0."""
    return 10.0 * np.log10(np.maximum(power / FLOOR_POWER, 1.0))

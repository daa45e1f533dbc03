"""Frame features: what the 1D network reads of each frame of a signal."""

from collections.abc import Sequence

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ser.audio.stft import frame, squared_magnitude
from ser.errors import InputError
from ser.features.mel import FLOOR_POWER, log_mel


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
    parts = np.stack([frames[..., i * part : (i + 1) * part] for i in range(sub_frames)], axis=-2)
    part_energy = np.einsum("...t,...t->...", parts, parts)
    total = part_energy.sum(axis=-1, keepdims=True)
    share = np.divide(part_energy, total, out=np.zeros_like(part_energy), where=total > 0)
    return -np.sum(share * np.log2(np.where(share > 0, share, 1)), axis=-1)


def zero_crossing_rate(signals: NDArray[np.float32], *, frame_length: int, hop_length: int) -> NDArray[np.float32]:
    """Share of sample steps in each frame at which the sign changes, shape ``(..., frames)``.

    Equal to ``librosa.feature.zero_crossing_rate``: magnitudes up to 1e-10 count as zero, zero
    counts as positive, and the ends repeat the edge sample.
    """
    half = frame_length // 2
    widths = [(0, 0)] * (signals.ndim - 1) + [(half, half)]
    negative = np.pad(signals < -1e-10, widths, mode="edge")
    crossings = negative[..., 1:] != negative[..., :-1]
    # A running count: the crossings inside a frame are a difference of two of its values.
    count = np.cumsum(crossings, axis=-1, dtype=np.int32)
    count = np.concatenate([np.zeros_like(count[..., :1]), count], axis=-1)
    starts = np.arange(1 + signals.shape[-1] // hop_length) * hop_length
    return ((count[..., starts + frame_length - 1] - count[..., starts]) / frame_length).astype(np.float32)


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


def fundamental_frequency(
    signals: NDArray[np.float32],
    *,
    sample_rate: int,
    frame_length: int,
    hop_length: int,
    fmin_hz: float,
    fmax_hz: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pitch and harmonicity of each frame by windowed autocorrelation.

    The autocorrelation of a Hann-windowed frame, divided by that of the window, has its largest
    peak in the search range at the pitch period. Boersma (1993), IFA Proceedings 17.

    Parameters
    ----------
    signals : shape ``(..., samples)``
    fmin_hz, fmax_hz : search range; two periods of ``fmin_hz`` must fit into a frame

    Returns
    -------
    Pitch in octaves above ``fmin_hz``, and the normalised autocorrelation there (0 to 1; near 1 is
    voiced), each of shape ``(..., frames)``. Both are 0 in a silent frame.
    """
    shortest, longest = int(sample_rate / fmax_hz), int(np.ceil(sample_rate / fmin_hz))
    if not 0 < fmin_hz < fmax_hz <= sample_rate / 2:
        raise InputError(f"Pitch range {fmin_hz} to {fmax_hz} Hz: expected pitch_fmin_hz < pitch_fmax_hz.")
    if not 1 <= shortest < longest <= frame_length // 2:
        raise InputError(
            f"Pitch range {fmin_hz} to {fmax_hz} Hz needs a pitch_frame_length of at least {2 * longest} samples; "
            f"got {frame_length}."
        )
    window = np.hanning(frame_length).astype(np.float32)
    lags = slice(shortest, longest + 1)
    window_correlation = _autocorrelation(np.ones_like(window), window, longest=longest)
    frames = frame(signals, frame_length=frame_length, hop_length=hop_length)
    correlation = _autocorrelation(frames, window, longest=longest)
    power = correlation[..., :1]
    silent = power[..., 0] <= 1e-8
    normalised = correlation[..., lags] / np.where(silent[..., None], np.float32(np.inf), power)
    normalised /= window_correlation[lags] / window_correlation[0]
    # Ties between a period and its multiples go to the shortest.
    octaves = np.log2(np.arange(shortest, longest + 1, dtype=np.float32) / shortest)
    best = np.argmax(normalised - np.float32(0.02) * octaves, axis=-1)
    harmonicity = np.where(silent, 0, np.take_along_axis(normalised, best[..., None], axis=-1)[..., 0])
    pitch_hz = np.where(silent, fmin_hz, sample_rate / (best + shortest))
    return np.log2(pitch_hz / fmin_hz).astype(np.float32), np.clip(harmonicity, 0, 1)


def _autocorrelation(frames: NDArray[np.float32], window: NDArray[np.float32], *, longest: int) -> NDArray[np.float32]:
    """Autocorrelation of windowed frames ``(..., samples)`` from lag 0 on, right up to ``longest``.

    The power spectrum is real and even, so its inverse transform is a cosine transform of half the length.
    """
    length = frames.shape[-1]
    half = scipy.fft.next_fast_len((length + longest + 1) // 2, real=True)
    padded = np.zeros((*frames.shape[-2:-1], 2 * half), np.float32)
    correlation = np.empty((*frames.shape[:-1], longest + 1), np.float32)
    for signal in np.ndindex(frames.shape[:-2]):  # one at a time: its spectra stay in the processor's cache
        np.multiply(frames[signal], window, out=padded[..., :length])
        power = squared_magnitude(scipy.fft.rfft(padded))
        correlation[signal] = scipy.fft.dct(power, type=1, norm="forward", overwrite_x=True)[..., : longest + 1]
    return correlation


def decibel(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Level of a power in decibel above ``FLOOR_POWER``, not below 0."""
    return 10.0 * np.log10(np.maximum(power / FLOOR_POWER, 1.0))


FAMILIES = ("log_mel", "energy", "entropy_of_energy", "zero_crossing_rate", "rmse", "mfcc", "pitch")


def feature_names(families: Sequence[str] = FAMILIES, *, n_mels: int, n_mfcc: int) -> list[str]:
    """Names of the columns of ``frame_features``, or of some families of them, in their order."""
    wide = {
        "log_mel": [f"log_mel_{band}" for band in range(n_mels)],
        "mfcc": [f"mfcc_{index}" for index in range(n_mfcc)],
        "pitch": ["pitch_octaves", "harmonicity"],
    }
    return [name for family in families for name in wide.get(family, [family])]


def level_response(names: Sequence[str], *, n_mels: int) -> NDArray[np.float32]:
    """By how much each named feature rises when the signal gets 1 dB louder."""
    levels = {"energy": 1.0, "rmse": 1.0, "mfcc_0": np.sqrt(n_mels)}
    return np.array([1.0 if name.startswith("log_mel") else levels.get(name, 0.0) for name in names], np.float32)


def frame_features(
    signals: NDArray[np.float32],
    *,
    sample_rate: int,
    n_fft: int,
    hop_length: int,
    n_mels: int,
    n_mfcc: int,
    fmin_hz: float,
    fmax_hz: float,
    sub_frames: int,
    pitch_frame_length: int,
    pitch_fmin_hz: float,
    pitch_fmax_hz: float,
) -> NDArray[np.float32]:
    """All families side by side in the order of ``FAMILIES``, one row a frame.

    ``energy`` and ``rmse`` enter in decibel, as loudness is heard; the rest as their functions give
    it. A frame of digital silence, which is what padding is, is 0 in every column.

    Parameters
    ----------
    signals : shape ``(..., samples)``

    Returns
    -------
    shape ``(..., frames, features)``; the columns are ``feature_names``
    """
    frames = {"frame_length": n_fft, "hop_length": hop_length}
    mels_db = log_mel(
        signals,
        sample_rate=sample_rate,
        n_fft=n_fft,
        hop_length=hop_length,
        n_mels=n_mels,
        fmin_hz=fmin_hz,
        fmax_hz=fmax_hz,
    )
    frame_energy = energy(signals, **frames)
    pitch_octaves, harmonicity = fundamental_frequency(
        signals,
        sample_rate=sample_rate,
        frame_length=pitch_frame_length,
        hop_length=hop_length,
        fmin_hz=pitch_fmin_hz,
        fmax_hz=pitch_fmax_hz,
    )
    single = [
        decibel(frame_energy),
        entropy_of_energy(signals, **frames, sub_frames=sub_frames),
        zero_crossing_rate(signals, **frames),
        decibel(frame_energy / n_fft),  # the square of rmse
    ]
    pitch = np.stack([pitch_octaves, harmonicity], axis=-1)
    return np.concatenate([mels_db, np.stack(single, axis=-1), mfcc(mels_db, n_mfcc=n_mfcc), pitch], axis=-1)

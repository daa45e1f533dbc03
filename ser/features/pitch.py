"""The pitch of each frame of a signal, and how voiced it is."""

from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from ser.audio.stft import frame, squared_magnitude
from ser.errors import InputError

SILENT_POWER = 1e-8  # of a windowed frame: below it there is nothing whose period could be found
# Of a period and its multiples, whose peaks are about as high, the shortest wins: a lag gives up this much of its
# correlation for each octave that it is longer (Boersma's octave cost; his default is 0.01).
OCTAVE_COST = np.float32(0.02)


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
    window, window_correlation, octave_cost = _constants(frame_length, shortest, longest)
    lags = slice(shortest, longest + 1)
    frames = frame(signals, frame_length=frame_length, hop_length=hop_length)
    correlation = _autocorrelation(frames, window, longest=longest)
    power = correlation[..., :1]
    silent = power[..., 0] <= SILENT_POWER
    normalised = correlation[..., lags] / np.where(silent[..., None], np.float32(np.inf), power)
    normalised /= window_correlation
    best = np.argmax(normalised - octave_cost, axis=-1)
    harmonicity = np.where(silent, 0, np.take_along_axis(normalised, best[..., None], axis=-1)[..., 0])
    pitch_hz = np.where(silent, fmin_hz, sample_rate / (best + shortest))
    return np.log2(pitch_hz / fmin_hz).astype(np.float32), np.clip(harmonicity, 0, 1)


@lru_cache(maxsize=8)
def _constants(frame_length: int, shortest: int, longest: int) -> tuple[NDArray[np.float32], ...]:
    """The window of frames; and of each lag the window's normalised autocorrelation, and what its octave costs."""
    window = np.hanning(frame_length).astype(np.float32)
    correlation = _autocorrelation(np.ones_like(window), window, longest=longest)
    octaves = np.log2(np.arange(shortest, longest + 1, dtype=np.float32) / shortest)
    made = window, correlation[shortest : longest + 1] / correlation[0], OCTAVE_COST * octaves
    for values in made:
        values.flags.writeable = False
    return made


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

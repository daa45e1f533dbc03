"""Offline augmentation: one altered copy of a signal for a drawn value."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import soxr
from numpy.typing import NDArray

from ser.audio.stft import istft, stft
from ser.errors import InputError

PITCH_N_FFT = 2048  # samples; librosa's default for time stretching
PITCH_HOP_LENGTH = 512  # samples


def noise(signal: NDArray[np.float32], *, amplitude: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Add Gaussian noise whose standard deviation is ``amplitude`` times the clip's peak.

    Parameters
    ----------
    signal : shape ``(samples,)``
    amplitude : fraction of the peak, 0 or more
    """
    if amplitude < 0:
        raise InputError(f"Noise amplitude is {amplitude}: expected 0 or more.")
    deviation = np.float32(amplitude * np.abs(signal).max(initial=0))
    return signal + deviation * rng.standard_normal(signal.shape, dtype=np.float32)


def shift(signal: NDArray[np.float32], *, samples: int) -> NDArray[np.float32]:
    """Move the signal later (positive) or earlier by ``samples``, filling with zeros.

    Nothing wraps around: the end of an utterance never comes to stand before its beginning.
    """
    moved = np.zeros_like(signal)
    length = signal.shape[-1]
    if abs(samples) < length:
        moved[..., max(0, samples) : length + min(0, samples)] = signal[
            ..., max(0, -samples) : length - max(0, samples)
        ]
    return moved


def pitch(signal: NDArray[np.float32], *, sample_rate: int, semitones: float) -> NDArray[np.float32]:
    """Shift the pitch by ``semitones``, duration unchanged.

    A phase vocoder stretches the time by 2^(semitones / 12), and resampling takes the stretch back
    (Flanagan and Golden 1966; Laroche and Dolson 1999). Equal to ``librosa.effects.pitch_shift`` for
    seconds; its running sums of phases, products of unit vectors here, drift over minutes.

    Parameters
    ----------
    signal : shape ``(samples,)``
    sample_rate : Hz

    Returns
    -------
    shape ``(samples,)``
    """
    if not np.isfinite(semitones):
        raise InputError(f"semitones is {semitones}: expected a finite number.")
    if len(signal) == 0:
        return signal
    rate = 2.0 ** (-semitones / 12)
    spectrum = stft(signal, n_fft=PITCH_N_FFT, hop_length=PITCH_HOP_LENGTH)
    stretched = istft(
        _stretch_phases(spectrum, rate=rate), hop_length=PITCH_HOP_LENGTH, length=round(len(signal) / rate)
    )
    resampled = soxr.resample(stretched, sample_rate / rate, sample_rate, quality="HQ")
    fitted = resampled[: len(signal)]
    return np.pad(fitted, (0, len(signal) - len(fitted)))


def _stretch_phases(spectrum: NDArray[np.complex64], *, rate: float) -> NDArray[np.complex64]:
    """Resample a spectrum ``(frames, bins)`` in time by ``rate``, keeping each bin's phase advance."""
    steps = np.arange(0, len(spectrum), rate)
    left = steps.astype(int)
    fraction = (steps - left).astype(np.float32)[:, None]
    padded = np.pad(spectrum, [(0, 2), (0, 0)])
    magnitude = np.abs(padded)
    silent = magnitude < np.finfo(np.float32).tiny
    direction = padded * (1 / np.where(silent, np.float32(1), magnitude))
    direction[silent] = 1  # phase 0
    # What a phase advances by between neighbouring frames is defined up to full turns, and a running product
    # of unit vectors needs no more: neither an arc tangent nor a sine.
    turned = np.empty((len(left), spectrum.shape[1]), np.complex64)
    turned[0] = direction[0]
    np.conj(direction[left[:-1]], out=turned[1:])
    turned[1:] *= direction[left[:-1] + 1]
    for before, after in pairwise(turned):
        after *= before
    interpolated = magnitude[left]
    interpolated += fraction * (magnitude[left + 1] - interpolated)
    turned *= interpolated
    return turned


TRANSFORMS = ("noise", "shift", "pitch")


def draw_values(settings, rng: np.random.Generator) -> dict[str, float]:
    """Draw one value for each transform, so that a copy can be told and made again.

    Parameters
    ----------
    settings : the parameters ``augment``

    Returns
    -------
    the amplitude of ``noise``, the samples of ``shift``, the semitones of ``pitch``
    """
    steps = int(rng.integers(-settings.shift_max_steps, settings.shift_max_steps, endpoint=True))
    return {
        "noise": float(settings.noise_max_amplitude * rng.uniform()),
        "shift": float(settings.shift_step_samples * steps),
        "pitch": float(rng.uniform(-settings.pitch_max_semitones, settings.pitch_max_semitones)),
    }


def altered_copies(
    signal: NDArray[np.float32],
    values: dict[str, float],
    transforms: Sequence[str],
    *,
    sample_rate: int,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """One copy for each of some ``TRANSFORMS``, in their order: shape ``(transforms, samples)``."""
    if not transforms:
        return np.empty((0, len(signal)), np.float32)
    made = {
        "noise": lambda: noise(signal, amplitude=values["noise"], rng=rng),
        "shift": lambda: shift(signal, samples=int(values["shift"])),
        "pitch": lambda: pitch(signal, sample_rate=sample_rate, semitones=values["pitch"]),
    }
    return np.stack([made[transform]() for transform in transforms])

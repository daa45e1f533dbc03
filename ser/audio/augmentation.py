"""Offline augmentation: one altered copy of a signal for a drawn value."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated

import numpy as np
import soxr
from numpy.typing import NDArray
from pydantic import Field

from ser.audio.devices import DeviceShares
from ser.audio.stft import istft, stft
from ser.errors import InputError
from ser.settings import Block, Count, Fraction, Seed

DEVICE = "device"  # copies that another device would have made; see ``ser.audio.devices``
PITCH_N_FFT = 2048  # samples; librosa's default for time stretching
PITCH_HOP_LENGTH = 512  # samples


class Augment(Block):
    """The parameters ``augment``: the offline copies of every clip."""

    devices: Annotated[int, Field(ge=1, le=100)]
    device: DeviceShares
    noise_max_amplitude: Fraction
    shift_step_samples: Count
    shift_max_steps: Annotated[int, Field(ge=0)]
    pitch_max_semitones: Annotated[float, Field(ge=0, le=12)]
    seed: Seed


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


@dataclass(frozen=True)
class Transform:
    """An offline transform: draw a value first, so that a copy can be told and made again, then apply it.

    Attributes
    ----------
    draw : a value, under the parameters ``augment``
    apply : the altered signal, from signal, value, sample rate in Hz, and a generator for what is drawn for each sample
    """

    draw: Callable[[Augment, np.random.Generator], float]
    apply: Callable[[NDArray[np.float32], float, int, np.random.Generator], NDArray[np.float32]]


# In the order in which their values are drawn: a new one goes last, and leaves the copies of the others as they were.
TRANSFORMS = {
    "shift": Transform(
        lambda settings, rng: float(
            settings.shift_step_samples
            * int(rng.integers(-settings.shift_max_steps, settings.shift_max_steps, endpoint=True))
        ),
        lambda signal, samples, sample_rate, rng: shift(signal, samples=int(samples)),
    ),
    "noise": Transform(
        lambda settings, rng: float(settings.noise_max_amplitude * rng.uniform()),
        lambda signal, amplitude, sample_rate, rng: noise(signal, amplitude=amplitude, rng=rng),
    ),
    "pitch": Transform(
        lambda settings, rng: float(rng.uniform(-settings.pitch_max_semitones, settings.pitch_max_semitones)),
        lambda signal, semitones, sample_rate, rng: pitch(signal, sample_rate=sample_rate, semitones=semitones),
    ),
}


def draw_values(settings: Augment, rng: np.random.Generator) -> dict[str, float]:
    """One value for each transform: samples of ``shift``, amplitude of ``noise``, semitones of ``pitch``."""
    return {name: transform.draw(settings, rng) for name, transform in TRANSFORMS.items()}


def altered_copies(
    signal: NDArray[np.float32],
    values: dict[str, float],
    transforms: Sequence[str],
    *,
    sample_rate: int,
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """One copy for each of some ``TRANSFORMS``, in the order given: shape ``(transforms, samples)``."""
    copies = [TRANSFORMS[name].apply(signal, values[name], sample_rate, rng) for name in transforms]
    return np.stack(copies) if copies else np.empty((0, len(signal)), np.float32)

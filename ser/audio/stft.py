"""Framing and short-time Fourier transforms, with librosa's conventions."""

from functools import lru_cache

import numpy as np
import scipy.fft
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from ser.errors import InputError


def frame(signals: NDArray[np.float32], *, frame_length: int, hop_length: int) -> NDArray[np.float32]:
    """Cut signals into overlapping frames centred on multiples of the hop.

    Both ends are padded by half a frame of zeros, as librosa does with ``center=True``.

    Parameters
    ----------
    signals : shape ``(..., samples)``
    frame_length, hop_length : in samples

    Returns
    -------
    A read-only view of shape ``(..., 1 + samples // hop_length, frame_length)``
    """
    if hop_length < 1 or frame_length < 1:
        raise InputError(f"frame_length {frame_length} and hop_length {hop_length} must be 1 or more samples.")
    half = frame_length // 2
    # NumPy's own pad and sliding_window_view would take longer than most of what is computed of the frames.
    padded = np.zeros((*signals.shape[:-1], signals.shape[-1] + frame_length), signals.dtype)
    padded[..., half : half + signals.shape[-1]] = signals
    shape = (*signals.shape[:-1], 1 + signals.shape[-1] // hop_length, frame_length)
    step = padded.strides[-1]
    return as_strided(padded, shape, (*padded.strides[:-1], hop_length * step, step), writeable=False)


def sounding(signal: NDArray[np.float32]) -> slice:
    """From the first sample of a signal ``(samples,)`` that is not 0 to the last; empty where there is none."""
    sounds = signal != 0  # np.trim_zeros would make a list of all samples that are not 0
    first = int(sounds.argmax()) if len(signal) else 0
    return slice(first, len(signal) - int(sounds[::-1].argmax()) if sounds[first : first + 1].any() else first)


@lru_cache(maxsize=8)
def hann(length: int) -> NDArray[np.float32]:
    """Periodic Hann window of ``length`` samples, float32, read-only."""
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)
    window.flags.writeable = False
    return window


def stft(signals: NDArray[np.float32], *, n_fft: int, hop_length: int) -> NDArray[np.complex64]:
    """Short-time Fourier transform with a Hann window of ``n_fft`` samples.

    Equal to ``librosa.stft`` with its defaults, frames before frequencies.

    Returns
    -------
    shape ``(..., frames, 1 + n_fft // 2)``
    """
    windowed = frame(signals, frame_length=n_fft, hop_length=hop_length) * hann(n_fft)
    return scipy.fft.rfft(windowed, overwrite_x=True)


def istft(spectrum: NDArray[np.complex64], *, hop_length: int, length: int) -> NDArray[np.float32]:
    """Invert ``stft`` by windowed overlap-add, divided by the summed squared windows.

    Griffin and Lim (1984), equation 6; equal to ``librosa.istft``.

    Parameters
    ----------
    spectrum : shape ``(frames, 1 + n_fft // 2)``
    length : samples to return

    Returns
    -------
    shape ``(length,)``
    """
    n_fft = 2 * (spectrum.shape[-1] - 1)
    window = hann(n_fft)
    frames = scipy.fft.irfft(spectrum, n=n_fft)
    frames *= window
    # Cut into parts of one hop, part p of frame i falls on hop i + p: one addition for each part.
    parts = -(-n_fft // hop_length)
    signal, weight = np.zeros((2, len(frames) + parts - 1, hop_length), np.float32)
    for part in reversed(range(parts)):
        span, samples = slice(part, part + len(frames)), slice(part * hop_length, (part + 1) * hop_length)
        width = min(hop_length, n_fft - samples.start)  # the last part may be shorter than a hop
        signal[span, :width] += frames[:, samples]
        weight[span, :width] += window[samples] ** 2
    signal, weight = signal.ravel(), weight.ravel()
    np.divide(signal, weight, out=signal, where=weight > np.finfo(np.float32).tiny)
    signal = signal[n_fft // 2 :][:length]
    return np.pad(signal, (0, length - len(signal)))


def power_spectrogram(signals: NDArray[np.float32], *, n_fft: int, hop_length: int) -> NDArray[np.float32]:
    """Squared magnitudes of ``stft``, shape ``(..., frames, 1 + n_fft // 2)``."""
    return squared_magnitude(stft(signals, n_fft=n_fft, hop_length=hop_length))


def squared_magnitude(spectrum: NDArray[np.complex64]) -> NDArray[np.float32]:
    """``|z|^2`` of each value of a contiguous array, which is overwritten: a copy costs as much as the arithmetic."""
    parts = spectrum.view(spectrum.real.dtype)
    np.square(parts, out=parts)
    return parts[..., 0::2] + parts[..., 1::2]

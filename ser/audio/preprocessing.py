"""From a recorded signal to one of fixed length: the steps of ``preprocess``, in their order."""

from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
import scipy.fft
import soxr
from numpy.typing import NDArray
from pydantic import Field

from ser.audio.level import FRAME_LENGTH, HOP_LENGTH, frame_power, normalize_level, without_clicks
from ser.audio.stft import istft, stft
from ser.errors import InputError
from ser.settings import Block, Fraction, NonNegative, Positive

INAUDIBLE = 1e-8  # of an impulse, below float32's own rounding
LONGEST_RINGING = 1_000_000  # samples: what rings longer, next to 0 Hz and to half the sample rate, is small throughout
LENGTH_STEP = 4096  # of spectra: few lengths, whose filters are kept


class SpectralSubtraction(Block):
    """Off, or how much of the noise is taken away."""

    enabled: bool
    over_subtraction: Annotated[float, Field(ge=0, le=100)]
    floor: Fraction
    noise_fraction: Annotated[float, Field(gt=0, le=1)]


class RemoveSilence(Block):
    """Where silence is cut, and what counts as silence."""

    where: Literal["nowhere", "edges", "everywhere"]
    top_db: Positive


class Preprocess(Block):
    """From a recording to a signal of fixed length."""

    sample_rate: Annotated[int, Field(ge=4000, le=192000)]
    duration_seconds: Annotated[float, Field(ge=0.1, le=60)]
    highpass_hz: NonNegative
    spectral_subtraction: SpectralSubtraction
    remove_silence: RemoveSilence
    preemphasis: Fraction
    normalize_audio: bool


def highpass(signal: NDArray[np.float32], *, sample_rate: int, cutoff_hz: float) -> NDArray[np.float32]:
    """Take out a constant offset and rumble: a Butterworth filter of second order, which starts settled.

    Equal to ``scipy.signal.sosfilt`` whose state is that after a long constant of the signal's mean. It is applied to
    the spectrum, since the import of ``scipy.signal`` takes longer than a command's first answer.

    Parameters
    ----------
    signal : shape ``(samples,)``
    cutoff_hz : where it takes 3 dB; 0 leaves the signal as it is
    """
    if not 0 <= cutoff_hz < sample_rate / 2:
        raise InputError(f"highpass_hz is {cutoff_hz}: expected 0 to below {sample_rate / 2} Hz, half the sample rate.")
    if not cutoff_hz or len(signal) == 0:
        return signal
    warped = np.tan(np.pi * cutoff_hz / sample_rate)
    pole = np.sqrt((1 - np.sqrt(2) * warped + warped**2) / (1 + np.sqrt(2) * warped + warped**2))
    ringing = int(min(-np.log(INAUDIBLE) / max(1 - pole, 1e-9), LONGEST_RINGING))  # behind it nothing wraps round
    length = -(-(len(signal) + ringing) // LENGTH_STEP) * LENGTH_STEP
    spectrum = scipy.fft.rfft(signal - signal.mean(dtype=np.float64).astype(np.float32), n=length)
    spectrum *= _highpass_response(warped, length)
    return scipy.fft.irfft(spectrum, n=length, overwrite_x=True)[: len(signal)]


@lru_cache(maxsize=16)
def _highpass_response(warped: float, length: int) -> NDArray[np.complex64]:
    """What a high-pass filter by the bilinear transform, with its cutoff warped, makes of each frequency."""
    delay = np.exp(-2j * np.pi * np.fft.rfftfreq(length))
    passed = (1 - delay) ** 2
    response = passed / (passed + np.sqrt(2) * warped * (1 - delay**2) + (warped * (1 + delay)) ** 2)
    response = response.astype(np.complex64)
    response.flags.writeable = False
    return response


def spectral_subtraction(
    signal: NDArray[np.float32], *, over_subtraction: float, floor: float, noise_fraction: float
) -> NDArray[np.float32]:
    """Subtract the clip's own noise magnitude spectrum, keeping the phase.

    The noise is the mean magnitude of the quietest frames. What would fall below ``floor`` times
    the noise is set to that. Boll (1979), IEEE TASSP 27(2); over-subtraction and floor after
    Berouti, Schwartz and Makhoul (1979), ICASSP.

    Parameters
    ----------
    signal : shape ``(samples,)``
    over_subtraction : multiple of the noise that is subtracted, 0 or more
    floor : smallest magnitude left, as a fraction of the noise
    noise_fraction : share of frames, the quietest, that the noise is estimated from, above 0 to 1

    Returns
    -------
    shape ``(samples,)``
    """
    if not 0 < noise_fraction <= 1:
        raise InputError(f"noise_fraction is {noise_fraction}: expected above 0 and at most 1.")
    if len(signal) == 0:
        return signal
    spectrum = stft(signal, n_fft=FRAME_LENGTH, hop_length=HOP_LENGTH)
    magnitude = np.abs(spectrum)
    quietest = np.argsort(np.sum(magnitude**2, axis=-1), kind="stable")
    noise = magnitude[quietest[: max(1, round(noise_fraction * len(magnitude)))]].mean(axis=0)
    kept = np.maximum(magnitude - over_subtraction * noise, np.minimum(magnitude, floor * noise))
    gain = np.divide(kept, magnitude, out=np.zeros_like(kept), where=magnitude > 0)
    return istft(spectrum * gain, hop_length=HOP_LENGTH, length=len(signal))


def remove_silence(signal: NDArray[np.float32], *, top_db: float, where: str) -> NDArray[np.float32]:
    """Drop what is more than ``top_db`` below the loudest frames, of which a click is none.

    At the edges this is ``librosa.effects.trim`` of a signal without clicks; everywhere, the joined intervals of
    ``librosa.effects.split``. Pauses inside a clip carry emotion, so the two are kept apart.

    Parameters
    ----------
    signal : shape ``(samples,)``
    where : ``"nowhere"``, ``"edges"`` or ``"everywhere"``

    Returns
    -------
    shape ``(samples_kept,)``; digital silence comes back empty, except with ``"nowhere"``
    """
    if where not in ("nowhere", "edges", "everywhere"):
        raise InputError(f"where is {where!r}: expected 'nowhere', 'edges' or 'everywhere'.")
    if where == "nowhere" or len(signal) == 0:
        return signal
    power = frame_power(signal)
    lasting = without_clicks(power)
    if where == "edges":
        power = lasting
    loud = (power > lasting.max() * 10 ** (-top_db / 10)) & (power > 0)
    if where == "edges" and loud.any():
        first, last = np.flatnonzero(loud)[[0, -1]]
        loud[first : last + 1] = True
    # Frame i speaks for the samples from i to i + 1 hops; the last may reach past the end.
    return signal[np.repeat(loud, HOP_LENGTH)[: len(signal)]]


def preemphasis(signal: NDArray[np.float32], *, coefficient: float) -> NDArray[np.float32]:
    """First-order high-pass ``y[t] = x[t] - a x[t-1]``, with ``y[0] = x[0]``.

    Parameters
    ----------
    signal : shape ``(..., samples)``
    coefficient : ``a``, 0 (off) to 1; 0.97 is usual for speech
    """
    if not 0 <= coefficient <= 1:
        raise InputError(f"Pre-emphasis coefficient is {coefficient}: expected 0 to 1.")
    emphasised = signal.copy()
    emphasised[..., 1:] -= np.float32(coefficient) * signal[..., :-1]
    return emphasised


def normalize_audio(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Subtract the mean and divide by the standard deviation over ``(..., samples)``.

    In the pipeline ``normalize_level`` follows, so that of this only the subtracted mean remains. A constant signal,
    which has no deviation, becomes zeros.
    """
    if signal.shape[-1] == 0:
        return signal
    centred = signal - signal.mean(axis=-1, keepdims=True, dtype=np.float64)
    deviation = centred.std(axis=-1, keepdims=True)
    # A constant leaves rounding noise of its own size times the machine epsilon, and no signal.
    constant = deviation <= 1e-7 * np.abs(signal).max(axis=-1, keepdims=True)
    return np.divide(centred, deviation, out=np.zeros_like(centred), where=~constant).astype(np.float32)


def truncate_pad(signal: NDArray[np.float32], *, samples: int) -> NDArray[np.float32]:
    """Cut at ``samples``, or pad with zeros at the end, to shape ``(..., samples)``."""
    if samples < 1:
        raise InputError(f"samples is {samples}: expected 1 or more.")
    kept = signal[..., :samples]
    return np.pad(kept, [(0, 0)] * (signal.ndim - 1) + [(0, samples - kept.shape[-1])])


def mix_down(samples: NDArray[np.float32], source_rate: int, *, sample_rate: int) -> NDArray[np.float32]:
    """One channel at the project's sample rate: the mean of the channels, resampled by soxr.

    Parameters
    ----------
    samples : shape ``(samples, channels)``
    source_rate, sample_rate : Hz

    Returns
    -------
    shape ``(samples_resampled,)``
    """
    mono = samples.mean(axis=1, dtype=np.float32) if samples.shape[1] > 1 else samples[:, 0]
    return mono if source_rate == sample_rate else soxr.resample(mono, source_rate, sample_rate, quality="HQ")


def preprocess(samples: NDArray[np.float32], source_rate: int, settings: Preprocess) -> NDArray[np.float32]:
    """All steps in their order, from a recording to a signal of fixed length.

    Parameters
    ----------
    samples : shape ``(samples, channels)``
    source_rate : Hz
    settings : the parameters ``preprocess``

    Returns
    -------
    shape ``(round(duration_seconds * sample_rate),)``
    """
    signal = mix_down(samples, source_rate, sample_rate=settings.sample_rate)
    signal = highpass(signal, sample_rate=settings.sample_rate, cutoff_hz=settings.highpass_hz)
    subtraction = settings.spectral_subtraction
    if subtraction.enabled:
        signal = spectral_subtraction(
            signal,
            over_subtraction=subtraction.over_subtraction,
            floor=subtraction.floor,
            noise_fraction=subtraction.noise_fraction,
        )
    silence = settings.remove_silence
    signal = remove_silence(signal, top_db=silence.top_db, where=silence.where)
    if settings.preemphasis:
        signal = preemphasis(signal, coefficient=settings.preemphasis)
    if settings.normalize_audio:
        signal = normalize_audio(signal)
    length = round(settings.duration_seconds * settings.sample_rate)
    return truncate_pad(normalize_level(signal[:length]), samples=length)

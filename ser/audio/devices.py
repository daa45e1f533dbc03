"""Simulated rooms, microphones, noises and lines: the same recording as another device would have made it.

A device is drawn once for each actor and copy, as a person's recordings come from one microphone in one room.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Annotated

import numpy as np
import scipy  # scipy.signal where it is first used: every stage reads this file's parameters, and few filter
import soundfile
import soxr
from numpy.typing import NDArray
from pydantic import Field, model_validator

from ser.audio.dynamics import GainControl, control_gain, draw_gain_control
from ser.settings import Block, Fraction

Signal = NDArray[np.float32]

RESPONSE_TAPS = 512
RESPONSE_NODES_HZ = np.geomspace(60, 8000, 9)
TILT_FROM_HZ, TILT_ABOUT_HZ = 60.0, 1000.0
DIRECT_SECONDS = 0.002  # before the first reflection
LATE_SECONDS = 0.3  # of the reverberation behind the end of a recording
LEVEL_FRAME = 512  # samples
OTHER_NOISE_DB = 10.0
TELEPHONE_HZ = (300.0, 3400.0)
MP3_RATES_HZ = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
MU = 255.0


class DeviceShares(Block):
    """The parameters ``augment.device``: how often a simulated device does what, and the range of its noise."""

    microphone: Fraction
    room: Fraction
    noise: Fraction
    babble: Fraction
    snr_db: Annotated[list[float], Field(min_length=2, max_length=2)]
    band_limit: Fraction
    telephone: Fraction
    clipping: Fraction
    gain_control: Fraction

    @model_validator(mode="after")
    def _rising(self):
        if self.snr_db[0] > self.snr_db[1]:
            raise ValueError(f"snr_db is {self.snr_db}, expected the lower value first")
        return self


@dataclass(frozen=True)
class Device:
    """What a recording goes through, in this order; ``None`` where it is left out.

    Attributes
    ----------
    response_db : standard deviation of the microphone's smooth random response
    tilt_db : per octave
    reverberation_seconds : until the room's sound has fallen by 60 dB
    direct_db : level of the direct sound above the reverberation
    snr_db : of noise or babble, by the louder half of the frames
    constant_noise : whether the noise keeps its level when the voice rises, as a room's does; otherwise it is
        up to ``OTHER_NOISE_DB`` more or less in each recording
    noise_slope : the noise's power falls with frequency to this power: 0 is white, 1 pink, 2 brown
    talkers : other voices that babble instead of the noise
    lowpass_hz : limit of the band
    telephone : band of 300 to 3,400 Hz and mu-law
    clipped : share of the samples that are clipped
    gain_kind, gain_strength_db, gain_attack_seconds, gain_release_seconds : see ``ser.audio.dynamics.GainControl``
    seed : of what else is random about the device
    """

    response_db: float | None
    tilt_db: float | None
    reverberation_seconds: float | None
    direct_db: float | None
    snr_db: float | None
    constant_noise: bool
    noise_slope: float | None
    talkers: int | None
    lowpass_hz: float | None
    telephone: bool
    clipped: float | None
    gain_kind: str | None
    gain_strength_db: float | None
    gain_attack_seconds: float | None
    gain_release_seconds: float | None
    seed: int

    @property
    def gain_control(self) -> GainControl | None:
        """What moves the gain inside a recording."""
        values = (self.gain_strength_db, self.gain_attack_seconds, self.gain_release_seconds)
        return GainControl(self.gain_kind, *(value or 0.0 for value in values)) if self.gain_kind else None


DEVICE_COLUMNS = [field.name for field in fields(Device)]


def draw_device(settings: DeviceShares, rng: np.random.Generator) -> Device:
    """Draw a device."""
    uniform = rng.uniform

    def happens(share: float) -> bool:
        return bool(rng.random() < share)

    microphone, room, noisy, babble = (
        happens(share) for share in (settings.microphone, settings.room, settings.noise, settings.babble)
    )
    limited, telephone = happens(settings.band_limit), happens(settings.telephone)
    moving = draw_gain_control(rng) if happens(settings.gain_control) else None
    return Device(
        response_db=uniform(1, 5) if microphone else None,
        tilt_db=uniform(-5, 5) if microphone else None,
        reverberation_seconds=uniform(0.15, 0.9) if room else None,
        direct_db=uniform(-3, 12) if room else None,
        snr_db=uniform(settings.snr_db[0], settings.snr_db[1]) if noisy else None,
        constant_noise=happens(0.5),
        noise_slope=uniform(0, 2.5) if noisy and not babble else None,
        talkers=int(rng.integers(2, 8)) if noisy and babble else None,
        lowpass_hz=uniform(2800, 7500) if limited and not telephone else None,
        telephone=telephone,
        clipped=uniform(0.0005, 0.01) if happens(settings.clipping) else None,
        gain_kind=moving.kind if moving else None,
        gain_strength_db=moving.strength_db if moving else None,
        gain_attack_seconds=moving.attack_seconds if moving else None,
        gain_release_seconds=moving.release_seconds if moving else None,
        seed=int(rng.integers(2**31)),
    )


def through_device(
    signal: Signal,
    device: Device,
    *,
    sample_rate: int,
    above_usual_db: float,
    other_voice: Callable[[int], Signal],
    rng: np.random.Generator,
) -> Signal:
    """The recording that a device would have made of a signal.

    Parameters
    ----------
    signal : shape ``(samples,)``
    above_usual_db : by how much the signal is louder than the speaker's other recordings
    other_voice : from a number of samples to that much of somebody's speech, for babble
    rng : of what differs from recording to recording

    Returns
    -------
    shape ``(samples,)``, or longer by ``LATE_SECONDS`` in a room
    """
    own = np.random.default_rng(device.seed)
    if device.response_db is not None:
        signal = respond(
            signal, sample_rate=sample_rate, deviation_db=device.response_db, tilt_db=device.tilt_db or 0.0, rng=own
        )
    if device.reverberation_seconds is not None:
        signal = reverberate(
            signal,
            sample_rate=sample_rate,
            seconds=device.reverberation_seconds,
            direct_db=device.direct_db or 0.0,
            rng=own,
        )
    if device.snr_db is not None:
        if device.talkers is None:
            noise = coloured_noise(len(signal), sample_rate=sample_rate, slope=device.noise_slope or 0.0, rng=rng)
        else:
            noise = babble([other_voice(len(signal)) for _ in range(device.talkers)])
        change_db = above_usual_db if device.constant_noise else rng.uniform(-OTHER_NOISE_DB, OTHER_NOISE_DB)
        snr_db = device.snr_db + change_db
        signal = add_noise(signal, noise, snr_db=max(snr_db, 0.0))
    if device.gain_control is not None:
        signal = control_gain(signal, device.gain_control, sample_rate=sample_rate)
    if device.telephone:
        signal = telephone(signal, sample_rate=sample_rate)
    elif device.lowpass_hz is not None and device.lowpass_hz < sample_rate / 2:
        low = scipy.signal.butter(4, device.lowpass_hz, "low", fs=sample_rate, output="sos")
        signal = scipy.signal.sosfilt(low, signal).astype(np.float32)
    return signal if device.clipped is None else clip(signal, share=device.clipped)


def respond(
    signal: Signal, *, sample_rate: int, deviation_db: float, tilt_db: float, rng: np.random.Generator
) -> Signal:
    """Filter with a smooth random response of linear phase, and a tilt in dB per octave about 1 kHz."""
    gains_db = rng.standard_normal(len(RESPONSE_NODES_HZ)) * deviation_db
    frequency_hz = np.maximum(np.fft.rfftfreq(RESPONSE_TAPS, 1 / sample_rate), TILT_FROM_HZ)
    gain_db = np.interp(np.log(frequency_hz), np.log(RESPONSE_NODES_HZ), gains_db)
    gain_db += tilt_db * np.log2(frequency_hz / TILT_ABOUT_HZ)
    middle = RESPONSE_TAPS // 2
    taps = np.roll(np.fft.irfft(10 ** (gain_db / 20), RESPONSE_TAPS), middle) * np.hanning(RESPONSE_TAPS + 1)[:-1]
    return scipy.signal.fftconvolve(signal, taps)[middle : middle + len(signal)].astype(np.float32)


def reverberate(
    signal: Signal, *, sample_rate: int, seconds: float, direct_db: float, rng: np.random.Generator
) -> Signal:
    """Add a room's diffuse reverberation: noise that decays exponentially (Moorer 1979, Computer Music Journal 3(2)).

    Parameters
    ----------
    seconds : until it has fallen by 60 dB
    direct_db : energy of the direct sound above that of the reverberation
    """
    time_seconds = np.arange(int(1.2 * seconds * sample_rate)) / sample_rate
    response = rng.standard_normal(len(time_seconds)) * 10 ** (-3 * time_seconds / seconds)
    response[: int(DIRECT_SECONDS * sample_rate)] = 0
    response *= 10 ** (-direct_db / 20) / np.sqrt(np.sum(response**2))
    response[0] = 1
    heard = scipy.signal.fftconvolve(signal, response)
    return heard[: len(signal) + int(LATE_SECONDS * sample_rate)].astype(np.float32)


def coloured_noise(samples: int, *, sample_rate: int, slope: float, rng: np.random.Generator) -> Signal:
    """Noise whose power falls with frequency to the power of ``slope``, level below 50 Hz."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency_hz = np.maximum(np.fft.rfftfreq(samples, 1 / sample_rate), 50.0)
    return np.fft.irfft(spectrum * (frequency_hz / 1000) ** (-slope / 2), samples).astype(np.float32)


def babble(voices: list[Signal]) -> Signal:
    """Several voices of equal level at once."""
    return np.sum([voice / max(rms(voice), 1e-9) for voice in voices], axis=0, dtype=np.float32)


def add_noise(signal: Signal, noise: Signal, *, snr_db: float) -> Signal:
    """Add noise at a distance from the signal's speech level; see ``speech_level``."""
    return signal + noise * np.float32(speech_level(signal) / max(rms(noise), 1e-12) * 10 ** (-snr_db / 20))


def telephone(signal: Signal, *, sample_rate: int) -> Signal:
    """A telephone's band and its eight bits (ITU-T G.711, mu-law), at full scale."""
    low_hz, high_hz = TELEPHONE_HZ
    band = scipy.signal.butter(4, (low_hz, min(high_hz, 0.45 * sample_rate)), "band", fs=sample_rate, output="sos")
    heard = scipy.signal.sosfilt(band, signal)
    peak = np.abs(heard).max(initial=0) + 1e-9
    coded = np.round(127 * np.sign(heard) * np.log1p(MU * np.abs(heard) / peak) / np.log1p(MU)) / 127
    return (peak * np.sign(coded) * np.expm1(np.abs(coded) * np.log1p(MU)) / MU).astype(np.float32)


def mp3(signal: Signal, *, sample_rate: int, compression: float) -> Signal:
    """Coded as MP3 at a constant rate and decoded; some ten milliseconds longer at the lowest rates, as such files are.

    Parameters
    ----------
    compression : 0 for the highest bit rate, 1 for the lowest
    """
    written, peak = io.BytesIO(), max(float(np.abs(signal).max(initial=0)), 1e-9)
    rate = min((rate for rate in MP3_RATES_HZ if rate >= sample_rate), default=MP3_RATES_HZ[-1])
    coded = resampled(signal / peak, sample_rate, rate)
    how = {"format": "MP3", "subtype": "MPEG_LAYER_III", "bitrate_mode": "CONSTANT", "compression_level": compression}
    soundfile.write(written, np.clip(coded, -1, 1), rate, **how)
    written.seek(0)
    heard = resampled(soundfile.read(written, dtype="float32")[0], rate, sample_rate)
    return (peak * heard).astype(np.float32)


def resampled(signal: Signal, source_rate: int, sample_rate: int) -> Signal:
    """The same sound at another sample rate."""
    return signal if source_rate == sample_rate else soxr.resample(signal, source_rate, sample_rate, quality="HQ")


def clip(signal: Signal, *, share: float) -> Signal:
    """Clip a share of the samples."""
    limit = np.quantile(np.abs(signal), 1 - share)
    return np.clip(signal, -limit, limit).astype(np.float32)


def rms(signal: Signal) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(signal, dtype=np.float64)))) if len(signal) else 0.0


def speech_level(signal: Signal) -> float:
    """Root mean square of the louder half of the frames, which is where somebody speaks."""
    frames = signal[: max(1, len(signal) // LEVEL_FRAME) * LEVEL_FRAME]
    if len(frames) < LEVEL_FRAME:
        return rms(signal)
    power = np.sort(np.mean(frames.reshape(-1, LEVEL_FRAME).astype(np.float64) ** 2, axis=1))
    return float(np.sqrt(power[len(power) // 2 :].mean()))

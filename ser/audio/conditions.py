"""The same recording under other conditions: other gains, noises, rooms, lines, files and microphones.

A fixed list, so that two networks can be compared. With ``ser-tests`` are the tests of audEERING's public test
suite (https://github.com/audeering/ser-tests) as far as they can be made from the recording itself, with their limits.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.signal
import soundfile
from numpy.typing import NDArray

from ser.audio.devices import (
    add_noise,
    babble,
    clip,
    coloured_noise,
    mp3,
    resampled,
    respond,
    reverberate,
    rms,
    telephone,
)
from ser.audio.dynamics import GainControl, control_gain

Signal = NDArray[np.float32]
MICROPHONE = "microphone"
SER_TESTS = "ser-tests"


@dataclass(frozen=True)
class Recording:
    """What a condition is made from.

    Attributes
    ----------
    signal : shape ``(samples,)``
    sample_rate : Hz
    rng : the same for the same clip and condition
    other_voice : from a number of samples to that much speech of somebody else
    """

    signal: Signal
    sample_rate: int
    rng: np.random.Generator
    other_voice: Callable[[int], Signal]


@dataclass(frozen=True)
class Condition:
    """A way in which a recording can be other than those of the corpus.

    Attributes
    ----------
    name : as in ``metrics/conditions.csv``
    family : what it belongs to, such as ``"gain"``, or ``"ser-tests"``
    apply : from a recording to samples and their rate in Hz; ``None`` where the recording's rate cannot bear it
    least_change : by how much the UAR may change at the most, below 0; ``None`` where there is no limit
    least_unchanged : share of answers that must stay as they are
    """

    name: str
    family: str
    apply: Callable[[Recording], tuple[Signal, int] | None]
    least_change: float | None = None
    least_unchanged: float | None = None


def _same_rate(change: Callable[[Recording], Signal]) -> Callable[[Recording], tuple[Signal, int]]:
    return lambda given: (change(given).astype(np.float32), given.sample_rate)


def _gain(decibel: float) -> Callable:
    return _same_rate(lambda given: np.clip(given.signal * 10 ** (decibel / 20), -1, 1))


def _louder_or_softer(decibel: float) -> Callable:
    return lambda given: _gain(decibel * given.rng.choice((-1, 1)))(given)


def _any_gain(given: Recording) -> tuple[Signal, int]:
    """A gain of this recording's own, within 20 dB; nothing clips, as in a file of floats."""
    return given.signal * np.float32(10 ** (given.rng.uniform(-20, 20) / 20)), given.sample_rate


def _gain_control(kind: str, strength_db: float, attack_seconds: float, release_seconds: float) -> Callable:
    control = GainControl(kind, strength_db, attack_seconds, release_seconds)
    return _same_rate(lambda given: control_gain(given.signal, control, sample_rate=given.sample_rate))


def _level(level_of: Callable[[Signal], float], target: float) -> Callable:
    return _same_rate(lambda given: np.clip(given.signal * target / max(level_of(given.signal), 1e-9), -1, 1))


def _noise(slope: float, snr_db: float) -> Callable:
    def change(given: Recording) -> Signal:
        noise = coloured_noise(len(given.signal), sample_rate=given.sample_rate, slope=slope, rng=given.rng)
        return add_noise(given.signal, noise, snr_db=snr_db)

    return _same_rate(change)


def _babble(voices: int, snr_db: float) -> Callable:
    def change(given: Recording) -> Signal:
        return add_noise(
            given.signal, babble([given.other_voice(len(given.signal)) for _ in range(voices)]), snr_db=snr_db
        )

    return _same_rate(change)


def _tone(low_hz: float, high_hz: float, snr_db: float, harmonics: int = 1) -> Callable:
    def change(given: Recording) -> Signal:
        time_seconds = np.arange(len(given.signal)) / given.sample_rate
        frequency_hz = given.rng.uniform(low_hz, high_hz)
        tones = [np.sin(2 * np.pi * k * frequency_hz * time_seconds) / k for k in range(1, harmonics + 1)]
        return add_noise(given.signal, np.sum(tones, axis=0).astype(np.float32), snr_db=snr_db)

    return _same_rate(change)


def _room(seconds: float, direct_db: float) -> Callable:
    return _same_rate(
        lambda given: reverberate(
            given.signal, sample_rate=given.sample_rate, seconds=seconds, direct_db=direct_db, rng=given.rng
        )
    )


def _tilt(decibel: float) -> Callable:
    return _same_rate(
        lambda given: respond(
            given.signal, sample_rate=given.sample_rate, deviation_db=0.0, tilt_db=decibel, rng=given.rng
        )
    )


def _file(name: str, subtype: str, sample_rate: int) -> Callable:
    """Written to a file at a sample rate in Hz, and read again."""

    def change(given: Recording) -> tuple[Signal, int]:
        written, samples = io.BytesIO(), resampled(given.signal, given.sample_rate, sample_rate)
        soundfile.write(written, np.clip(samples, -1, 1), sample_rate, format=name, subtype=subtype)
        written.seek(0)
        return soundfile.read(written, dtype="float32")

    return change


def _silence(before_seconds: float, after_seconds: float) -> Callable:
    def change(given: Recording) -> Signal:
        widths = [round(seconds * given.sample_rate) for seconds in (before_seconds, after_seconds)]
        return np.pad(given.signal, widths)

    return _same_rate(change)


def _zeros(before: bool) -> Callable:
    def change(given: Recording) -> Signal:
        count = int(given.rng.integers(100, 1001))
        return np.pad(given.signal, (count, 0) if before else (0, count))

    return _same_rate(change)


def _restored(change: Callable[[Recording], NDArray]) -> Callable:
    """With the root mean square of before, as audEERING's tests have it."""

    def restored(given: Recording) -> NDArray:
        changed = change(given)
        return changed * rms(given.signal) / max(rms(changed), 1e-9)

    return _same_rate(restored)


def _filter(kind: str, low_hz: float, high_hz: float) -> Callable:
    def change(given: Recording) -> Signal:
        cutoff_hz = given.rng.uniform(low_hz, high_hz)
        sections = scipy.signal.butter(1, cutoff_hz, kind, fs=given.sample_rate, output="sos")
        return scipy.signal.sosfilt(sections, given.signal)

    return lambda given: _restored(change)(given) if high_hz < given.sample_rate / 2 else None


def _spectral(gain: Callable[[NDArray], NDArray]) -> Callable:
    """Each frequency with a gain, given the frequency in Hz."""

    def change(given: Recording) -> NDArray[np.float64]:
        frequency_hz = np.fft.rfftfreq(len(given.signal), 1 / given.sample_rate)
        return np.fft.irfft(np.fft.rfft(given.signal) * np.maximum(gain(frequency_hz), 0), len(given.signal))

    return _restored(change)


def _drawn(make: Callable[[float], Callable], low: float, high: float) -> Callable:
    """A condition whose strength is drawn for each clip."""
    return lambda given: make(float(given.rng.uniform(low, high)))(given)


CONDITIONS = [
    Condition("gain -20 dB", "gain", _gain(-20), -0.01, 0.95),
    Condition("gain -10 dB", "gain", _gain(-10), -0.01, 0.95),
    Condition("gain +10 dB", "gain", _gain(10), -0.01),
    Condition("gain +20 dB, clipped", "gain", _gain(20)),
    Condition("peak at full scale", "gain", _level(lambda x: float(np.abs(x).max(initial=0)), 1.0), -0.01, 0.95),
    Condition("-20 dB RMS", "gain", _level(rms, 0.1), -0.01),
    Condition("a gain of its own, within 20 dB", "gain", _any_gain, -0.01, 0.95),
    Condition("automatic gain control", "gain", _gain_control("agc", 20, 0.01, 0.3)),
    Condition("limiter", "gain", _gain_control("limiter", 20, 0.005, 0.1)),
    Condition("noise gate", "gain", _gain_control("gate", 20, 0.005, 0.1)),
    Condition("offset of 0.05", "gain", _same_rate(lambda given: np.clip(given.signal + 0.05, -1, 1)), -0.01, 0.95),
    Condition("white noise, 20 dB", "noise", _noise(0, 20), -0.07),
    Condition("white noise, 10 dB", "noise", _noise(0, 10)),
    Condition("pink noise, 20 dB", "noise", _noise(1, 20)),
    Condition("pink noise, 10 dB", "noise", _noise(1, 10), -0.12),
    Condition("babble, 20 dB", "noise", _babble(5, 20)),
    Condition("babble, 10 dB", "noise", _babble(5, 10), -0.12),
    Condition("hum of 50 Hz, 20 dB", "noise", _tone(49.9, 50.1, 20, harmonics=7)),
    Condition("room, 0.3 s", "room", _room(0.3, 3.0)),
    Condition("room, 0.8 s", "room", _room(0.8, 0.0)),
    Condition(
        "telephone",
        "line",
        _same_rate(lambda given: telephone(given.signal, sample_rate=given.sample_rate)),
        -0.10,
    ),
    Condition(
        "MP3, lowest rate",
        "line",
        _same_rate(lambda given: mp3(given.signal, sample_rate=given.sample_rate, compression=0.99)),
        -0.05,
    ),
    Condition("Opus", "line", _file("OGG", "OPUS", 48000)),
    Condition("8 kHz", "line", _file("WAV", "PCM_16", 8000)),
    Condition("44.1 kHz, 24 bit", "line", _file("WAV", "PCM_24", 44100), -0.01),
    Condition("tilt of +3 dB an octave", "spectrum", _tilt(3), -0.04),
    Condition("tilt of -3 dB an octave", "spectrum", _tilt(-3), -0.04),
    Condition("silence of 1 s before", "length", _silence(1, 0), -0.01),
    Condition("silence of 1 s behind", "length", _silence(0, 1), -0.01),
    Condition("first 1.5 s only", "length", _same_rate(lambda given: given.signal[: round(1.5 * given.sample_rate)])),
    Condition("gain of 1 to 2 dB", SER_TESTS, _drawn(_louder_or_softer, 1, 2), None, 0.95),
    Condition("white noise, 35 to 45 dB", SER_TESTS, _drawn(lambda db: _noise(0, db), 35, 45), None, 0.95),
    Condition("zeros before", SER_TESTS, _zeros(before=True), None, 0.95),
    Condition("zeros behind", SER_TESTS, _zeros(before=False), None, 0.95),
    Condition(
        "0.1 to 0.3 % clipped",
        SER_TESTS,
        _drawn(lambda share: _restored(lambda given: clip(given.signal, share=share)), 0.001, 0.003),
        None,
        0.95,
    ),
    Condition("high pass, 50 to 150 Hz", SER_TESTS, _filter("high", 50, 150), None, 0.95),
    Condition("low pass, 6.5 to 7.5 kHz", SER_TESTS, _filter("low", 6500, 7500), None, 0.95),
    Condition("tone, 40 to 50 dB", SER_TESTS, _drawn(lambda db: _tone(5000, 7000, db), 40, 50), None, 0.95),
    Condition("white noise at 20 dB", SER_TESTS, _noise(0, 20), -0.05, 0.90),
    Condition(
        "babble of 4 to 7 at 20 dB", SER_TESTS, _drawn(lambda voices: _babble(round(voices), 20), 4, 7), -0.05, 0.90
    ),
    Condition("spectrum rising with frequency", SER_TESTS, _spectral(lambda hz: hz), -0.02, 0.80),
    Condition("spectrum falling to 8 kHz", SER_TESTS, _spectral(lambda hz: 1 - hz / 8000), -0.02, 0.80),
]


def microphone_conditions(responses: Iterator[tuple[str, Signal, int]]) -> list[Condition]:
    """A condition for each impulse response: name, samples and sample rate; the level is restored."""

    def through(response: Signal, rate: int) -> Callable:
        def change(given: Recording) -> Signal:
            own = resampled(response, rate, given.sample_rate)
            return scipy.signal.fftconvolve(given.signal, own)[: len(given.signal)]

        return _restored(change)

    return [Condition(name, MICROPHONE, through(response, rate), -0.04) for name, response, rate in responses]


@dataclass(frozen=True)
class Enrolment:
    """Clips of a speaker that a profile is made of, other than four clips as the asked one is.

    Attributes
    ----------
    name : as in ``metrics/conditions.csv``
    clips : how many
    emotions : how many emotions they have, drawn for each speaker, or which one; ``None`` for any
    of_another : how many of them are another speaker's
    apply : what the clips go through, with draws that they share; the asked clip stays as it was recorded
    joined : one recording of about ``JOINED_SECONDS`` in place of clips, with the asked ones among it
    """

    name: str
    clips: int = 4
    emotions: int | str | None = None
    of_another: int = 0
    apply: Callable[[Recording], tuple[Signal, int] | None] = lambda given: (given.signal, given.sample_rate)
    joined: bool = False


ENROLMENT, JOINED_SECONDS, PAUSE_SECONDS = "enrolment", 60.0, 0.4


def _other_microphone(given: Recording) -> Signal:
    return respond(given.signal, sample_rate=given.sample_rate, deviation_db=3.0, tilt_db=2.0, rng=given.rng)


def enrolments(emotions: Sequence[str]) -> list[Enrolment]:
    """The enrolments that a profile is tried with."""
    return [
        Enrolment("profile of 1 clip", clips=1),
        *(Enrolment(f"profile of {emotion} only", emotions=emotion) for emotion in emotions),
        Enrolment("profile of two emotions", emotions=2),
        Enrolment("profile by another microphone", apply=_same_rate(_other_microphone)),
        Enrolment("profile with a quarter of another speaker", of_another=1),
        Enrolment("a recording of 60 s as its own profile", joined=True),
    ]

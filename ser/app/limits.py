"""How much of a recording the server decodes before it refuses."""

import threading
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from ser.audio.reading import Recording
from ser.errors import NoAnswer

LONGEST_SECONDS = 600.0
MOST_VALUES = 120_000_000  # samples times channels: ten minutes of stereo at 96 kHz
RECOGNITION_SECONDS = 60.0  # of all recordings of a request, from when it has come, waiting for its turn included


def limited_blocks(recording: Recording, *, until: float, stopping: threading.Event) -> Iterator[NDArray[np.float32]]:
    """The blocks of a recording, as long as they stay within the limits.

    Parameters
    ----------
    until : when the request must be answered, by ``time.monotonic()``
    stopping : set when the server ends

    Raises
    ------
    NoAnswer : kind ``"large"`` for one that is too long, by its header or by what came; ``"slow"`` for one
        that takes too long, or when the server ends
    """
    _refuse_long(recording, recording.announced_samples or 0)
    samples = 0
    for block in recording.blocks():
        samples += len(block)
        _refuse_long(recording, samples)
        if time.monotonic() > until:
            raise NoAnswer("slow", f"not answered within {RECOGNITION_SECONDS:.0f} s of the request")
        if stopping.is_set():
            raise NoAnswer("slow", "the server is ending")
        yield block


def _refuse_long(recording: Recording, samples: int) -> None:
    seconds = samples / recording.sample_rate
    if seconds > LONGEST_SECONDS:
        raise NoAnswer("large", f"{seconds:.0f} s long or more; here at most {LONGEST_SECONDS:.0f} s. Use ser predict.")
    if samples * recording.channels > MOST_VALUES:
        raise NoAnswer(
            "large",
            f"{samples} samples of {recording.channels} channels; at most {MOST_VALUES:,} in all. Use ser predict.",
        )

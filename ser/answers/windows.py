"""A recording in windows: as one if it is short, in overlapping ones if it is long, read as memory bears."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np
from numpy.typing import NDArray

from ser.answers.recognition import Window
from ser.corpus.checks import check_values
from ser.errors import NoAnswer

SHORTEST_SECONDS = 0.3
LONGEST_WHOLE_SECONDS = 6.0  # up to here a recording is one clip, as in training; the corpus's longest has 5.0
WINDOWS_OVERLAP = 2  # every moment of a long recording is seen by this many windows
MOST_WINDOWS = 32  # answered at once
SEARCHED_WINDOWS = 8  # for speech at most, of those that are voiced: evenly over the recording
MOST_SAMPLES = 2**22  # held for them: 16 MB, whatever the sample rate


@dataclass(frozen=True)
class Stretch:
    """A part of a recording that becomes one window: where it lies, and its samples ``(samples, 1)``."""

    start_seconds: float
    end_seconds: float
    samples: NDArray[np.float32]
    sample_rate: int


class Asked:
    """A recording on the way to its answer, which is read as memory bears: what is answered next, and what was.

    Attributes
    ----------
    batch : the windows that were read last
    ended : whether nothing comes behind them
    windows : those that were answered
    signals : of some of them in which somebody may speak
    """

    def __init__(self, blocks: Iterable[NDArray[np.float32]], sample_rate: int, window_seconds: float):
        self.counted, self.sample_rate = Counted(blocks), sample_rate
        self._stretches = _stretches(self.counted, sample_rate, window_seconds)
        self._most = max(1, min(MOST_WINDOWS, MOST_SAMPLES // round(window_seconds * sample_rate)))
        self.batch: list[Stretch] = []
        self.ended = False
        self.windows: list[Window] = []
        self.signals: list[NDArray[np.float32]] = []
        self._voiced, self._step = 0, 1  # every so many voiced windows one is kept

    @property
    def is_short(self) -> bool:
        """Whether all of it was read and is one window."""
        return self.ended and len(self.batch) == 1

    def read_on(self) -> None:
        """Read the next windows."""
        self.batch = list(islice(self._stretches, self._most))
        self.ended = len(self.batch) < self._most

    def take(self, answered: list[tuple[Window, NDArray[np.float32] | None]]) -> None:
        """Keep the answers of windows in their order, and forget the samples of those that were read last."""
        self.windows += [window for window, _ in answered]
        for _, signal in answered:
            if signal is None:
                continue
            if self._voiced % self._step == 0:
                self.signals.append(signal)
            self._voiced += 1
            if len(self.signals) > SEARCHED_WINDOWS:
                self.signals, self._step = self.signals[::2], 2 * self._step
        self.batch = []


def _stretches(blocks: Iterable[NDArray[np.float32]], sample_rate: int, window_seconds: float) -> Iterator[Stretch]:
    """A short recording as one stretch, a long one in overlapping windows; the last one ends with the recording.

    Raises
    ------
    NoAnswer : too short
    """
    arriving, kept = iter(blocks), np.zeros((0, 1), np.float32)
    for block in arriving:
        kept = np.concatenate([kept, block])
        if len(kept) > LONGEST_WHOLE_SECONDS * sample_rate:
            yield from _cut(chain([kept], arriving), sample_rate, window_seconds)
            return
    seconds = len(kept) / sample_rate
    if seconds < SHORTEST_SECONDS:
        raise NoAnswer("short", f"too short: {seconds:.3f} s; at least {SHORTEST_SECONDS} s are needed")
    yield Stretch(0.0, seconds, kept, sample_rate)


def _cut(blocks: Iterable[NDArray[np.float32]], sample_rate: int, window_seconds: float) -> Iterator[Stretch]:
    """Overlapping windows; see ``_stretches``."""
    length = round(window_seconds * sample_rate)
    hop = length // WINDOWS_OVERLAP
    start, kept = 0, np.zeros((0, 1), np.float32)
    for block in blocks:
        kept, first = np.concatenate([kept, block]), 0
        while len(kept) - first >= length:
            end = (start + length) / sample_rate
            yield Stretch(start / sample_rate, end, kept[first : first + length].copy(), sample_rate)
            start, first = start + hop, first + hop
        kept = kept[first:].copy()  # a view would keep the whole block in memory
    if len(kept) > length - hop:  # something that no window has covered
        yield Stretch(start / sample_rate, (start + len(kept)) / sample_rate, kept, sample_rate)


class Counted:
    """Blocks of one channel, checked and counted as they pass."""

    def __init__(self, blocks: Iterable[NDArray[np.float32]]):
        self.blocks, self.samples = blocks, 0

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        for block in self.blocks:
            check_values(block)
            self.samples += len(block)
            yield block.mean(axis=1, dtype=np.float32, keepdims=True) if block.shape[1] > 1 else block

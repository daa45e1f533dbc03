"""The answer for a recording, and those of its windows."""

from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np
from numpy.typing import NDArray

from ser.answers.doubts import NOT_SURE, SURE, UNLIKE_TRAINING
from ser.answers.enrolment_check import OTHER_VOICE
from ser.errors import NoAnswer

SILENT_DB = -70.0  # of the loudest 32 ms, relative to full scale


@dataclass(frozen=True)
class Window:
    """A stretch of a recording: its answer, or why it has none."""

    start_seconds: float
    end_seconds: float
    probabilities: NDArray[np.float32] | None  # (emotions,), of the fusion, calibrated
    networks: dict[str, NDArray[np.float32]]
    reason: str = ""
    doubts: tuple[str, ...] = ()  # see ``ser.answers.doubts``

    @property
    def spoken(self) -> NDArray[np.float32]:
        """The probabilities of a window that has an answer."""
        if self.probabilities is None:
            raise ValueError(f"no answer: {self.reason}")
        return self.probabilities


@dataclass(frozen=True)
class Recognition:
    """The answer for a recording."""

    duration_seconds: float
    probabilities: NDArray[np.float32]  # (emotions,), of the fusion, calibrated
    networks: dict[str, NDArray[np.float32]]  # (emotions,) of each network, as trained
    windows: list[Window]
    threshold: float
    emotions: tuple[str, ...]  # in the order of all probabilities
    doubts: tuple[str, ...] = ()  # why it should be doubted whatever its probability; see ``ser.answers.doubts``

    @property
    def order(self) -> list[int]:
        """Emotion numbers, the most probable first."""
        return np.argsort(-self.probabilities, kind="stable").tolist()

    @property
    def emotion(self) -> str:
        return self.emotions[self.order[0]]

    @property
    def timeline(self) -> list["Window"]:
        """The windows of a long recording without their overlap: each up to the middle of what it shares."""
        edges = [(before.end_seconds + after.start_seconds) / 2 for before, after in pairwise(self.windows)]
        starts, ends = [0.0, *edges], [*edges, self.duration_seconds]
        return [
            replace(window, start_seconds=start, end_seconds=end)
            for window, start, end in zip(self.windows, starts, ends, strict=True)
        ]

    def label_of(self, window: Window) -> str:
        """The emotion of a window, or why it has none."""
        return window.reason if window.probabilities is None else self.emotions[int(window.probabilities.argmax())]

    @property
    def stretches(self) -> list[tuple[str, list[Window]]]:
        """The timeline with neighbours of one label together: the label, and its windows."""
        return [(label, list(windows)) for label, windows in groupby(self.timeline, key=self.label_of)]

    @property
    def sure(self) -> bool:
        """Whether the best probability reaches the bundle's threshold, and nothing speaks against it."""
        return self.certainty == SURE

    @property
    def certainty(self) -> str:
        """How far the answer can be relied on: ``SURE``, ``NOT_SURE`` or ``UNLIKE_TRAINING``.

        That it is far from the profile decides nothing: so is a voice in an emotion that its profile lacks.
        """
        if set(self.doubts) - {OTHER_VOICE}:
            return UNLIKE_TRAINING
        return SURE if self.probabilities.max() >= self.threshold else NOT_SURE


def no_speech(reasons: list[str]) -> NoAnswer:
    """Why a recording has no answer, from the reason of each of its windows."""
    kind = "silent" if all(reason == "silent" for reason in reasons) else "no speech"
    found = "silent: nothing above" if kind == "silent" else "no speech found: no voiced sound above"
    return NoAnswer(kind, f"{found} {SILENT_DB:.0f} dB of full scale")

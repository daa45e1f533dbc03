"""From a recording to its emotion: the pipeline's own preprocessing and features, then ONNX Runtime."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from ser.bundle import NETWORKS, Bundle
from ser.calibration import temper
from ser.corpus import check_values
from ser.emotions import EMOTIONS
from ser.errors import InputError
from ser.frame_features import feature_names, frame_features
from ser.mel import log_mel
from ser.preprocessing import preprocess

SHORTEST_SECONDS = 0.3
LONGEST_WHOLE_SECONDS = 6.0  # up to here a recording is one clip, as in training; the corpus's longest has 5.0
WINDOWS_OVERLAP = 2  # every moment of a long recording is seen by this many windows
SILENT_DB = -70.0  # of the loudest 32 ms, relative to full scale
VOICED_HARMONICITY = 0.5  # refuses none of CREMA-D's clips, and white noise
VOICED_FRAMES = 5  # 80 ms
BATCH = 32  # windows


class NoAnswer(InputError):
    """A recording that holds no answer; ``kind`` is ``"short"``, ``"silent"`` or ``"no speech"``."""

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Window:
    """A stretch of a recording: its answer, or why it has none."""

    start_seconds: float
    end_seconds: float
    probabilities: NDArray[np.float32] | None  # (emotions,), of the fusion, calibrated
    networks: dict[str, NDArray[np.float32]]
    reason: str = ""


@dataclass(frozen=True)
class Recognition:
    """The answer for a recording."""

    duration_seconds: float
    probabilities: NDArray[np.float32]  # (emotions,), of the fusion, calibrated
    networks: dict[str, NDArray[np.float32]]  # (emotions,) of each network, as trained
    windows: list[Window]
    threshold: float

    @property
    def order(self) -> list[int]:
        """Emotion numbers, the most probable first."""
        return np.argsort(-self.probabilities, kind="stable").tolist()

    @property
    def emotion(self) -> str:
        return EMOTIONS[self.order[0]]

    @property
    def sure(self) -> bool:
        """Whether the best probability reaches the bundle's threshold."""
        return bool(self.probabilities.max() >= self.threshold)


class Recognizer:
    """Answers for recordings with a bundle's networks.

    Parameters
    ----------
    bundle : see ``ser.bundle``
    threads : of ONNX Runtime for one batch
    """

    def __init__(self, bundle: Bundle, *, threads: int = 1):
        import onnxruntime

        if bundle.about["params"]["training"]["speaker_normalization"]:
            raise InputError(
                "The bundle's networks want every speaker's own statistics (training.speaker_normalization: true), "
                "which a single recording does not have. Train with false."
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self.about = bundle.about
        # A dict as an object with attributes, as the functions of the pipeline take their settings.
        self.params = json.loads(json.dumps(bundle.about["params"]), object_hook=lambda d: SimpleNamespace(**d))
        try:
            self.sessions = {
                name: onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
                for name, model in bundle.networks.items()
            }
        except Exception as error:  # ONNX Runtime's own exceptions have no common ancestor
            raise InputError(f"The bundle's networks cannot be opened: {error}") from error
        families = bundle.about["params"]["train_cnn1d"]["families"]
        features = bundle.about["params"]["features_1d"]
        sizes = {"n_mels": features["n_mels"], "n_mfcc": features["n_mfcc"]}
        self.names = feature_names(**sizes)
        self.columns = [self.names.index(name) for name in feature_names(families, **sizes)]
        for name, wanted in (("cnn1d", len(self.columns)), ("cnn2d", self.params.spectrograms.n_mels)):
            columns = self.sessions[name].get_inputs()[0].shape[-1]
            if columns != wanted:
                raise InputError(f"The bundle's {name} reads {columns} features a frame, its parameters give {wanted}.")

    @property
    def window_seconds(self) -> float:
        """Length of what the networks see at once."""
        return self.params.preprocess.duration_seconds

    def features(self, signals: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Frame features, all columns, and spectrograms, rounded as the pipeline's arrays are.

        Parameters
        ----------
        signals : preprocessed, shape ``(clips, samples)``

        Returns
        -------
        shapes ``(clips, frames, features)`` and ``(clips, frames, mels)``
        """
        about = self.about["params"]
        rate = about["preprocess"]["sample_rate"]
        signals = _as_stored(signals)
        frames = _as_stored(frame_features(signals, sample_rate=rate, **about["features_1d"]))
        settings = about["spectrograms"]
        if all(about["features_1d"][key] == value for key, value in settings.items()):
            return frames, frames[..., : settings["n_mels"]]
        return frames, _as_stored(log_mel(signals, sample_rate=rate, **settings))

    def network_probabilities(self, frames: NDArray[np.float32], mels: NDArray[np.float32]) -> dict[str, NDArray]:
        """Probabilities ``(clips, emotions)`` of each network, from what ``features`` gives."""
        inputs = {"cnn1d": frames[..., self.columns], "cnn2d": mels}
        return {name: self.probabilities_of(name, given) for name, given in inputs.items()}

    def probabilities_of(self, name: str, given: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities ``(clips, emotions)`` of one network from its own input ``(clips, frames, columns)``."""
        session = self.sessions[name]
        logits = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(given)})[0]
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        return exponentials / exponentials.sum(axis=1, keepdims=True)

    def calibrated(self, networks: dict[str, NDArray]) -> NDArray[np.float32]:
        """The mean of the networks' probabilities, tempered."""
        return temper(np.mean([networks[name] for name in NETWORKS], axis=0), self.about["temperature"])

    def recognize(self, samples: NDArray[np.float32], sample_rate: int) -> Recognition:
        """The answer for a recording that is in memory.

        Parameters
        ----------
        samples : shape ``(samples, channels)``, full scale 1
        sample_rate : Hz

        Raises
        ------
        NoAnswer : too short, silent, or without speech
        """
        return self.recognize_stream([samples], sample_rate, total_samples=len(samples))

    def recognize_stream(
        self, blocks: Iterable[NDArray[np.float32]], sample_rate: int, *, total_samples: int
    ) -> Recognition:
        """The answer for a recording that arrives in blocks, so that memory does not grow with it.

        Parameters
        ----------
        blocks : consecutive parts, each ``(samples, channels)``
        total_samples : of all blocks together
        """
        duration_seconds = total_samples / sample_rate
        if duration_seconds < SHORTEST_SECONDS:
            raise NoAnswer("short", f"too short: {duration_seconds:.3f} s; at least {SHORTEST_SECONDS} s are needed")
        if duration_seconds <= LONGEST_WHOLE_SECONDS:
            stretches: Iterator = iter([(0.0, duration_seconds, np.concatenate(list(blocks)))])
        else:
            stretches = _cut(blocks, sample_rate, self.window_seconds)
        windows: list[Window] = []
        while batch := list(islice(stretches, BATCH)):
            windows += self._answer_windows(batch, sample_rate)
        spoken = [window for window in windows if window.probabilities is not None]
        if not spoken:
            kind = "silent" if all(window.reason == "silent" for window in windows) else "no speech"
            found = "silent: nothing above" if kind == "silent" else "no speech found: nothing voiced above"
            raise NoAnswer(kind, f"{found} {SILENT_DB:.0f} dB of full scale")
        return Recognition(
            duration_seconds,
            np.mean([window.probabilities for window in spoken], axis=0),
            {name: np.mean([window.networks[name] for window in spoken], axis=0) for name in NETWORKS},
            windows,
            self.about["threshold"],
        )

    def _answer_windows(self, batch: list[tuple[float, float, NDArray]], sample_rate: int) -> list[Window]:
        """Answer a batch of windows at once; those that are silent or without speech get none."""
        settings = self.params.preprocess
        for _, _, samples in batch:
            check_values(samples)
        loud = [_peak_db(samples, sample_rate) >= SILENT_DB for _, _, samples in batch]
        heard = [window for window, audible in zip(batch, loud, strict=True) if audible]
        reasons = ["" if audible else "silent" for audible in loud]
        if heard:
            signals = np.stack([preprocess(samples, sample_rate, settings) for _, _, samples in heard])
            frames, mels = self.features(signals)
            networks = self.network_probabilities(frames, mels)
            probabilities, voiced = self.calibrated(networks), self._voiced(frames)
        answers, row = [], 0
        for (start, end, _), reason in zip(batch, reasons, strict=True):
            if reason:
                answers.append(Window(start, end, None, {}, reason))
                continue
            if voiced[row]:
                own = {name: given[row] for name, given in networks.items()}
                answers.append(Window(start, end, probabilities[row], own))
            else:
                answers.append(Window(start, end, None, {}, "no speech"))
            row += 1
        return answers

    def _voiced(self, frames: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether each clip has enough frames with a pitch, as every spoken syllable has: ``(clips,)``."""
        harmonicity = frames[..., self.names.index("harmonicity")]
        return np.count_nonzero(harmonicity > VOICED_HARMONICITY, axis=1) >= VOICED_FRAMES


def _as_stored(values: NDArray) -> NDArray[np.float32]:
    """What the pipeline's float16 arrays keep of values."""
    return values.astype(np.float16).astype(np.float32)


def _peak_db(samples: NDArray[np.float32], sample_rate: int) -> float:
    """Level of the loudest 32 ms, in dB of full scale."""
    mono = samples.mean(axis=1)
    mono = mono - mono.mean()  # a constant makes no sound
    size = max(1, round(0.032 * sample_rate))
    power = np.add.reduceat(mono.astype(np.float64) ** 2, np.arange(0, len(mono), size)) / size
    return 10 * np.log10(max(float(power.max()), 1e-20))


def _cut(
    blocks: Iterable[NDArray[np.float32]], sample_rate: int, window_seconds: float
) -> Iterator[tuple[float, float, NDArray[np.float32]]]:
    """Overlapping windows of a recording that arrives in blocks; the last one ends with the recording.

    Yields
    ------
    start and end in seconds, and samples ``(samples, channels)``
    """
    length = round(window_seconds * sample_rate)
    hop = length // WINDOWS_OVERLAP
    start, kept = 0, None
    for block in blocks:
        kept = block if kept is None else np.concatenate([kept, block])
        while len(kept) >= length:
            yield start / sample_rate, (start + length) / sample_rate, kept[:length]
            start, kept = start + hop, kept[hop:]
    rest = 0 if kept is None else len(kept)
    if rest > length - hop:  # something that no window has covered
        yield start / sample_rate, (start + rest) / sample_rate, kept

"""The library: ``ser.load()`` gives a model, which answers for files and arrays."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from html import escape
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ser.answers.bundle import Bundle
from ser.answers.card import card, caution
from ser.answers.files import answer_of, find_recordings, listen_source, recognize_files, recognize_source
from ser.answers.formats import as_record
from ser.answers.opening import open_bundle
from ser.answers.profile import Profile, read_profile
from ser.answers.recognition import Recognition
from ser.answers.recognizer import Heard, Recognizer
from ser.answers.windows import Asked
from ser.audio.preprocessing import preprocess
from ser.audio.reading import HIGHEST_RATE_HZ, LOWEST_RATE_HZ, MOST_CHANNELS, open_recording, read_audio
from ser.audio.stft import sounding
from ser.corpus.checks import check_values
from ser.errors import InputError, NoAnswer
from ser.features.families import feature_names, frame_features

Found = TypeVar("Found")
AT_ONCE = 16  # recordings of a list
LONGEST_SECONDS = 600  # of a recording whose features are held in memory


@dataclass(frozen=True)
class Stretch:
    """A part of a recording over six seconds; without speech its ``emotion`` is ``None``, and ``reason`` says why.

    Examples
    --------
    >>> import numpy as np, ser
    >>> time = np.arange(64000) / 16000
    >>> voiced = sum(np.sin(2 * np.pi * 200 * k * time) / k for k in range(1, 6)) / 5
    >>> timeline = ser.load().predict(np.concatenate([voiced, np.zeros(64000)]), 16000).timeline
    >>> timeline[-1].emotion, timeline[-1].reason, timeline[-1].end_seconds
    (None, 'silent', 8.0)
    """

    start_seconds: float
    end_seconds: float
    emotion: str | None
    probabilities: dict[str, float] = field(default_factory=dict)
    reason: str = ""


@dataclass(frozen=True)
class Answer:
    """The emotion of a recording.

    Attributes
    ----------
    emotion : the most probable one
    probability : its calibrated probability, 0 to 1
    probabilities : of every emotion
    sure : whether the probability reaches the bundle's threshold, and nothing speaks against the answer
    certainty : ``"sure"``, ``"not sure"``, or ``"unlike anything in training"`` where there is a doubt
    doubts : why the answer should be doubted whatever its probability, such as a recording that is clipped
    networks : probabilities by each network by itself, as trained
    duration_seconds : length of the recording
    timeline : of a recording over six seconds; empty for a shorter one
    caution : why no answer of this bundle means anything, or ``None``

    Examples
    --------
    >>> import numpy as np, ser
    >>> time = np.arange(32000) / 16000
    >>> voiced = sum(np.sin(2 * np.pi * 200 * k * time) / k for k in range(1, 6)) / 5
    >>> answer = ser.load().predict(voiced, 16000)
    >>> answer.probability == answer.probabilities[answer.emotion] == max(answer.probabilities.values())
    True
    >>> sorted(answer.networks)
    ['cnn1d', 'cnn2d']
    """

    emotion: str
    probability: float
    probabilities: dict[str, float]
    sure: bool
    certainty: str
    doubts: tuple[str, ...]
    networks: dict[str, dict[str, float]]
    duration_seconds: float
    timeline: list[Stretch]
    caution: str | None = None

    def _repr_html_(self) -> str:
        """A table with bars, for notebooks."""
        rows = "".join(
            f'<tr><th scope="row" style="text-align:left">{escape(name)}</th><td>{value:.2f}</td>'
            f'<td style="text-align:left"><div style="width:{round(160 * value)}px;height:.8em;background:#5b7bd0">'
            "</div></td></tr>"
            for name, value in sorted(self.probabilities.items(), key=lambda item: -item[1])
        )
        certain = "" if self.sure else escape(f" ({'; '.join([self.certainty, *self.doubts])})")
        warning = f"<p>Caution: {escape(self.caution)}.</p>" if self.caution else ""
        return f"<p><b>{escape(self.emotion)}</b>{certain}</p>{warning}<table>{rows}</table>"


class Model:
    """A bundle's networks, ready to answer; safe to share between threads, and to send to other processes.

    Examples
    --------
    >>> import ser
    >>> model = ser.load()
    >>> model.emotions
    ('anger', 'disgust', 'fear', 'happiness', 'neutral', 'sadness')
    """

    def __init__(self, bundle: Bundle):
        self._recognizer = Recognizer(bundle)

    def __repr__(self) -> str:
        about = self._recognizer.about
        return f"<ser.Model {about['hash'][:16]}: {', '.join(self._recognizer.networks)}, {about['corpus']['name']}>"

    @property
    def emotions(self) -> tuple[str, ...]:
        """The emotions that it tells apart.

        Examples
        --------
        >>> import ser
        >>> len(ser.load().emotions)
        6
        """
        return self._recognizer.emotions

    @property
    def card(self) -> str:
        """What networks these are, how well they do, on whom, and what they must not be used for.

        Examples
        --------
        >>> import ser
        >>> print(ser.load().card)  # doctest: +ELLIPSIS
        Bundle ...
        ...
        """
        return card(self._recognizer.about)

    def predict(
        self, recording, sample_rate: float | None = None, *, profile: "Profile | str | Path | None" = None
    ) -> "Answer | list[Answer]":
        """The emotion of a recording, or of each of several.

        Parameters
        ----------
        recording : a path; an array ``(samples,)``, ``(samples, channels)`` or ``(channels, samples)``, floats of full
            scale 1 or integers of their type's full scale, or what ``numpy.asarray`` makes one; or a list of these
        sample_rate : Hz, of arrays; a file says its own
        profile : of the voice and the microphone, from ``calibrate``, or the path of one; without one a recording
            is measured against itself

        Returns
        -------
        an answer, or a list of answers for a list, in which short recordings are answered together

        Raises
        ------
        InputError : unreadable, of an unclear shape, without a sample rate; of a list the first such recording is named
        NoAnswer : an ``InputError`` too: too short, silent, or without speech

        Examples
        --------
        >>> import numpy as np, ser
        >>> time = np.arange(32000) / 16000
        >>> voiced = sum(np.sin(2 * np.pi * 200 * k * time) / k for k in range(1, 6)) / 5
        >>> answer = ser.load().predict(voiced, 16000)
        >>> round(sum(answer.probabilities.values()), 3)
        1.0
        """
        recognizer = self._with(profile)
        if not isinstance(recording, list | tuple) or _is_signal(recording):
            return self._answer(_ask(recognizer, recording, sample_rate))
        _refuse_pair(recording)
        answers: list[Answer] = []
        arriving = iter(recording)
        while some := list(islice(arriving, AT_ONCE)):
            with ExitStack() as files:
                begun = [
                    _named(_place(place), partial(_begin, recognizer, one, sample_rate, files))
                    for place, one in enumerate(some, start=len(answers))
                ]
                for found in recognizer.finish(begun):
                    answers.append(self._answer(_named(_place(len(answers)), partial(answer_of, found))))
        return answers

    def calibrate(self, recordings: Sequence, sample_rate: float | None = None) -> Profile:
        """Learn a voice and a microphone from some recordings, which nobody needs to label.

        Parameters
        ----------
        recordings : paths, folders or arrays, as ``predict`` takes them, or one of these, all of one voice on one
            microphone; 4 to 20 sentences are good
        sample_rate : Hz, of arrays

        Returns
        -------
        a profile for ``predict``; ``profile.save("me.profile")`` keeps it

        Raises
        ------
        InputError : no recording, or one that cannot be read; ``NoAnswer`` for one without speech

        Examples
        --------
        >>> import numpy as np, ser
        >>> time = np.arange(32000) / 16000
        >>> voiced = sum(np.sin(2 * np.pi * 200 * k * time) / k for k in range(1, 6)) / 5
        >>> ser.load().calibrate([voiced, 0.5 * voiced], 16000).clips
        2
        """
        single = isinstance(recordings, str | Path) or hasattr(recordings, "__array__") or _is_signal(recordings)
        heard: list[Heard] = []
        for place, one in enumerate([recordings] if single else recordings):
            if isinstance(one, str | Path):
                for path in find_recordings([str(_without_rate(one, sample_rate))]):
                    heard.append(_named(path, partial(listen_source, self._recognizer, path)))
            else:
                listen = partial(_listen, self._recognizer, one, sample_rate)
                heard.append(listen() if single else _named(_place(place), listen))
        if not heard:
            raise InputError("No recordings to calibrate with: give some of one voice on one microphone.")
        return self._recognizer.profile_of(heard)

    def _with(self, profile: "Profile | str | Path | None") -> Recognizer:
        if isinstance(profile, str | Path):
            profile = read_profile(profile)
        if profile is not None and not isinstance(profile, Profile):
            raise InputError(f"A profile of type {type(profile).__name__}: give what 'calibrate' gave, or its path.")
        return self._recognizer.with_profile(profile)

    def predict_folder(self, folder: str | Path, *, profile: "Profile | str | Path | None" = None):
        """A row for each recording in a folder and the folders below it.

        Parameters
        ----------
        profile : see ``predict``

        Returns
        -------
        a pandas ``DataFrame`` where pandas is installed, else a list of dicts: ``file``, ``emotion``, ``probability``,
        ``sure``, a column for each emotion, ``duration_seconds``, ``error``, which says why a file has no answer

        Raises
        ------
        InputError : no such folder, or no recording in it

        Examples
        --------
        >>> import ser
        >>> ser.load().predict_folder("no such folder")
        Traceback (most recent call last):
        ser.errors.InputError: no such folder: no such folder.
        """
        if not Path(folder).is_dir():
            raise InputError(f"{folder}: no such folder.")
        columns = ["file", "emotion", "probability", "sure", *self.emotions, "duration_seconds", "error"]
        rows = []
        for outcome in recognize_files(self._with(profile), find_recordings([str(folder)])):
            record = as_record(outcome, timeline=False)
            said = {"error": outcome.message} if "error" in record else record | record["probabilities"]
            rows.append({column: said.get(column) for column in columns} | {"file": outcome.file})
        try:
            import pandas
        except ImportError:
            return rows
        return pandas.DataFrame(rows, columns=columns)

    def features(self, recording, sample_rate: float | None = None):
        """Frame features of a recording, as the pipeline computes them: named columns, a row every 16 ms.

        The recording is prepared as a clip is (one channel, offset and rumble taken out, silence cut at the edges),
        but not cut or padded to a length.

        Parameters
        ----------
        recording : a path or an array, as ``predict`` takes them, of at most ten minutes
        sample_rate : Hz, of an array

        Returns
        -------
        a pandas ``DataFrame`` where pandas is installed, indexed by the seconds of each frame's middle after the first
        sound; else a dict of arrays ``(frames,)`` with the column ``seconds``

        Raises
        ------
        InputError : unreadable, of an unclear shape, too long, without a sample rate, or silent

        Examples
        --------
        >>> import numpy as np, ser
        >>> tone = np.sin(2 * np.pi * 200 * np.arange(16000) / 16000)
        >>> table = ser.load().features(tone, 16000)
        >>> round(float(60 * 2 ** np.median(table["pitch_octaves"])))  # octaves above 60 Hz
        200
        """
        samples, rate = _samples_of(recording, sample_rate)
        check_values(samples)
        if len(samples) > LONGEST_SECONDS * rate:
            raise InputError(
                f"A recording of {len(samples) / rate:.0f} s: features are of at most {LONGEST_SECONDS} s."
            )
        params = self._recognizer.params
        own_length = {"duration_seconds": max(0.1, len(samples) / rate)}
        signal = preprocess(samples, rate, params.preprocess.model_copy(update=own_length))
        signal = signal[: sounding(signal).stop]
        if len(signal) == 0:
            raise InputError("A silent recording has no features.")
        settings = params.features_1d
        rows = frame_features(signal, sample_rate=params.preprocess.sample_rate, settings=settings)
        seconds = np.arange(len(rows)) * settings.hop_length / params.preprocess.sample_rate
        names = feature_names(settings)
        try:
            import pandas
        except ImportError:
            return {"seconds": seconds} | dict(zip(names, rows.T, strict=True))
        return pandas.DataFrame(rows, columns=names, index=pandas.Index(seconds, name="seconds"))

    def _answer(self, found: Recognition) -> Answer:
        probabilities = _by_emotion(found, found.probabilities)
        stretches = found.timeline if len(found.windows) > 1 else []
        return Answer(
            emotion=found.emotion,
            probability=probabilities[found.emotion],
            probabilities=probabilities,
            sure=found.sure,
            certainty=found.certainty,
            doubts=found.doubts,
            networks={name: _by_emotion(found, own) for name, own in found.networks.items()},
            duration_seconds=found.duration_seconds,
            timeline=[
                Stretch(
                    window.start_seconds,
                    window.end_seconds,
                    None if window.probabilities is None else found.label_of(window),
                    {} if window.probabilities is None else _by_emotion(found, window.probabilities),
                    window.reason,
                )
                for window in stretches
            ],
            caution=caution(self._recognizer.about),
        )


def load(bundle: str | Path | None = None) -> Model:
    """The model of a bundle: a path, such as ``models/bundle.zip``, or the bundle of this package.

    Raises
    ------
    InputError : no such file, or no bundle that can be used

    Examples
    --------
    >>> import ser
    >>> ser.load()  # doctest: +ELLIPSIS
    <ser.Model ...>
    """
    return Model(open_bundle(None if bundle is None else str(bundle)))


def as_samples(recording: ArrayLike) -> NDArray[np.float32]:
    """An array as people have it, as float32 samples ``(samples, channels)`` of full scale 1.

    Raises
    ------
    InputError : not one or two axes, numbers that are no samples, or channels that cannot be told from samples
    """
    samples = np.asarray(recording)
    if samples.dtype.kind in "OUS":
        raise InputError(
            f"A {type(recording).__name__} that is neither a path nor an array of numbers. Give a path, an array, or a "
            f"list of these; of a Series or an array of paths, its tolist()."
        )
    if samples.dtype.kind in "iu":
        limits = np.iinfo(samples.dtype)
        middle = 0 if limits.min < 0 else (limits.max + 1) / 2
        samples = (samples - np.float64(middle)) / (limits.max + 1 - middle)
    if samples.dtype.kind != "f":
        raise InputError(f"An array of {samples.dtype}: expected floats or integers.")
    if samples.ndim == 1:
        samples = samples[:, None]
    if samples.ndim != 2:
        raise InputError(
            f"An array of shape {samples.shape}: expected (samples,), (samples, channels) or (channels, samples)."
        )
    few = [size <= MOST_CHANNELS for size in samples.shape]
    if few[0] == few[1]:
        raise InputError(
            f"An array of shape {samples.shape}: which axis are the channels? Expected 1 to {MOST_CHANNELS} of them, "
            f"and more samples."
        )
    return np.ascontiguousarray(samples.T if few[0] else samples, dtype=np.float32)


def _samples_of(recording, sample_rate: float | None) -> tuple[NDArray[np.float32], int]:
    """Samples ``(samples, channels)`` and sample rate of a path or an array."""
    if not isinstance(recording, str | Path):
        return as_samples(recording), _checked_rate(sample_rate)
    return read_audio(_without_rate(recording, sample_rate))


def _ask(recognizer: Recognizer, recording, sample_rate: float | None) -> Recognition:
    """The recognition of a path or an array."""
    if not isinstance(recording, str | Path):
        return recognizer.recognize(as_samples(recording), _checked_rate(sample_rate))
    return recognize_source(recognizer, _without_rate(recording, sample_rate))


def _begin(recognizer: Recognizer, recording, sample_rate: float | None, files: ExitStack) -> Asked:
    """A path or an array of several, on the way to its answer; ``files`` keeps the file open."""
    if not isinstance(recording, str | Path):
        return recognizer.begin([as_samples(recording)], _checked_rate(sample_rate))
    opened = files.enter_context(open_recording(_without_rate(recording, sample_rate)))
    return recognizer.begin(opened.blocks(), opened.sample_rate)


def _listen(recognizer: Recognizer, recording, sample_rate: float | None) -> Heard:
    """What a profile is made of, from an array."""
    return recognizer.listen([as_samples(recording)], _checked_rate(sample_rate))


def _place(number: int) -> str:
    """What a message calls a recording of a list."""
    return f"recording {number} of the list"


def _named(name: str, ask: Callable[[], Found]) -> Found:
    """What ``ask`` gives for one of several recordings, or its error, which then says of which."""
    try:
        return ask()
    except NoAnswer as error:
        raise NoAnswer(error.kind, f"{name}: {error}") from error
    except InputError as error:
        raise InputError(f"{name}: {str(error).removeprefix(f'{name}: ')}") from error


def _refuse_pair(recording: Sequence[Any]) -> None:
    """Refuse an array with its sample rate as one argument, as soundfile and scipy return them."""
    if len(recording) == 2 and any(isinstance(value, int | float | np.number) for value in recording):
        raise InputError(
            "An array and its sample rate are two arguments: model.predict(samples, sample_rate), such as "
            "model.predict(*soundfile.read(path))."
        )


def _without_rate(path: str | Path, sample_rate: float | None) -> str | Path:
    if sample_rate is not None:
        raise InputError(f"{path}: a file says its own sample rate; give none.")
    return path


def _checked_rate(sample_rate: float | None) -> int:
    if sample_rate is None:
        raise InputError("An array needs its sample rate, in Hz, as the second argument.")
    if not isinstance(sample_rate, int | float | np.number) or isinstance(sample_rate, bool):
        raise InputError(f"A sample rate of {sample_rate!r}: expected a number, in Hz.")
    if not LOWEST_RATE_HZ <= sample_rate <= HIGHEST_RATE_HZ:
        raise InputError(f"A sample rate of {sample_rate} Hz; expected {LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}.")
    return round(sample_rate)


def _is_signal(values: Sequence[Any]) -> bool:
    """Whether a list is itself a recording: numbers, and not recordings."""
    return len(values) > 0 and all(isinstance(value, int | float | np.number) for value in values[:10])


def _by_emotion(found: Recognition, probabilities: NDArray[np.float32]) -> dict[str, float]:
    return {emotion: float(value) for emotion, value in zip(found.emotions, probabilities, strict=True)}

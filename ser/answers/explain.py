"""The picture of one recording's answer."""

from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ser.answers.occlusion import occlusion_map
from ser.answers.recognition import Recognition, Window
from ser.answers.recognizer import Recognizer
from ser.audio.preprocessing import preprocess
from ser.audio.reading import Source, name_of, read_audio_part
from ser.errors import InputError
from ser.scoring.tables import title_of


def explain_recording(
    recognizer: Recognizer, source: Source, found: Recognition, *, title: str = "", at_seconds: float | None = None
) -> tuple[bytes, str]:
    """A PNG and a line about a recording; of a long one, its window with the most certain answer.

    Parameters
    ----------
    source : the recording
    found : the answer for it
    title : what the picture calls the recording; its file name by default
    at_seconds : draw the window that is heard at this moment instead

    Raises
    ------
    InputError : nothing is said at that moment
    """
    window = _window_at(found, at_seconds)
    samples, sample_rate = read_audio_part(source, window.start_seconds, window.end_seconds)
    name = name_of(source)
    settings = recognizer.params.preprocess
    signal = preprocess(samples, sample_rate, settings)
    _, mels = recognizer.features(signal[None])
    (looking, *_) = recognizer.reading("spectrograms") or [""]
    if not looking:
        raise InputError("No network of this bundle reads spectrograms, so there is nothing to draw.")
    best = int(window.networks[looking].argmax())
    answer = int(window.spoken.argmax())
    stretch = f", {window.start_seconds:.1f} to {window.end_seconds:.1f} s" if len(found.windows) > 1 else ""
    about = f"{stretch}: {found.emotions[answer]} ({window.spoken[answer]:.2f})"
    shown = {title_of(network): given for network, given in window.networks.items()} | {"answer": window.spoken}
    explanation = Explanation(
        title=f"{title or PurePath(name).name}{about}",
        signal=signal[: np.flatnonzero(signal)[-1] + 1],
        mels_db=mels[0, :, : recognizer.params.spectrograms.n_mels],
        importance=occlusion_map(recognizer, looking, mels[0], best),
        explained=found.emotions[best],
        answers={title: dict(zip(found.emotions, given, strict=True)) for title, given in shown.items()},
    )
    hop_seconds = recognizer.params.spectrograms.hop_length / settings.sample_rate
    picture = draw_explanation(explanation, sample_rate=settings.sample_rate, hop_seconds=hop_seconds)
    return picture, f"{name}{about}"


def _window_at(found: Recognition, at_seconds: float | None) -> Window:
    spoken = [window for window in found.windows if window.probabilities is not None]
    if at_seconds is None:
        return max(spoken, key=lambda window: float(window.spoken.max()))
    if not 0 <= at_seconds <= found.duration_seconds:
        raise InputError(f"{at_seconds:g} s: expected 0 to {found.duration_seconds:.1f}, the recording's length.")
    for window, stretch in zip(found.windows, found.timeline, strict=True):
        if stretch.start_seconds <= at_seconds <= stretch.end_seconds and window.probabilities is not None:
            return window
    raise InputError(f"{at_seconds:g} s: no speech at that time.")


@dataclass(frozen=True)
class Explanation:
    """What a picture of an answer shows.

    Attributes
    ----------
    signal : shape ``(samples,)``
    mels_db, importance : shape ``(frames, mels)``
    explained : the emotion that ``importance`` is about
    answers : probability of each emotion, by the name of who answers
    """

    title: str
    signal: NDArray[np.float32]
    mels_db: NDArray[np.float32]
    importance: NDArray[np.float32]
    explained: str
    answers: dict[str, dict[str, float]]


def draw_explanation(explanation: Explanation, *, sample_rate: int, hop_seconds: float) -> bytes:
    """A PNG of a recording: waveform, spectrogram, what the 2D network looked at, every network's answer.

    Raises
    ------
    InputError : matplotlib is not installed
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        from ser.features.pictures import png
    except ImportError as error:
        raise InputError("Pictures need matplotlib: pip install '.[app]' in the project's folder") from error
    signal, mels_db, importance = explanation.signal, explanation.mels_db, explanation.importance
    figure = Figure(figsize=(9, 9), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplot_mosaic([["wave"], ["mel"], ["map"], ["answer"]], height_ratios=[1, 2, 2, 1.8])
    seconds = len(signal) / sample_rate
    grid["wave"].plot(np.arange(len(signal)) / sample_rate, signal, linewidth=0.4, color="#345")
    grid["wave"].set(ylabel="amplitude", xlim=(0, seconds))
    # A name is no formula, and need not be text.
    grid["wave"].set_title(explanation.title.encode(errors="replace").decode(), parse_math=False)
    extent = (0, len(mels_db) * hop_seconds, 0, mels_db.shape[1])
    shown: dict[str, Any] = {"aspect": "auto", "origin": "lower", "extent": extent}
    sound = np.where(np.any(mels_db != 0, axis=1, keepdims=True), mels_db, np.nan)
    grid["mel"].imshow(sound.T, cmap="magma", **shown)
    grid["mel"].set(ylabel="mel band", title="log-mel spectrogram")
    limit = max(float(np.abs(importance).max()), 1e-6)
    picture = grid["map"].imshow(importance.T, cmap="RdBu_r", vmin=-limit, vmax=limit, **shown)
    grid["map"].set(
        ylabel="mel band",
        xlabel="seconds after the first sound",
        title=f"how far '{explanation.explained}' falls where this is hidden",
    )
    figure.colorbar(picture, ax=grid["map"], label="probability")
    for axes in (grid["mel"], grid["map"]):
        axes.set_xlim(0, seconds)
    height = 0.8 / len(explanation.answers)
    for number, (name, probabilities) in enumerate(explanation.answers.items()):
        places = np.arange(len(probabilities)) + (number - (len(explanation.answers) - 1) / 2) * height
        grid["answer"].barh(places, list(probabilities.values()), height=height, label=name)
    emotions = list(next(iter(explanation.answers.values())))
    grid["answer"].set(xlim=(0, 1), xlabel="probability", yticks=np.arange(len(emotions)), yticklabels=emotions)
    grid["answer"].invert_yaxis()
    grid["answer"].legend(loc="lower right")
    return png(figure)

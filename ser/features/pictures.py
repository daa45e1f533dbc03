"""Pictures of what the networks read."""

import io

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray


def draw_spectrogram(spectrogram: NDArray[np.float32], *, title: str, hop_seconds: float) -> bytes:
    """Draw a log-mel spectrogram as a PNG image; equal input gives equal bytes.

    Parameters
    ----------
    spectrogram : shape ``(frames, mels)``, dB above the floor
    hop_seconds : from one frame to the next
    """
    figure = Figure(figsize=(6, 3), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    image = axes.imshow(
        spectrogram.T,
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=(0, len(spectrogram) * hop_seconds, 0, spectrogram.shape[1]),
    )
    axes.set(title=title, xlabel="seconds", ylabel="mel band")
    figure.colorbar(image, label="dB above the floor")
    return png(figure)


def png(figure: Figure) -> bytes:
    """A figure as a PNG image; equal figures give equal bytes."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", metadata={"Software": None})
    return picture.getvalue()

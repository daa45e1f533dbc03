import numpy as np
import pytest
import yaml

from ser import artifacts
from ser.features.families import FrameFeatures, frame_features
from ser.features.mel import log_mel
from ser.features.pictures import draw_spectrogram


def test_a_picture_is_a_png_with_equal_bytes_each_time(rng):
    spectrogram = rng.uniform(0, 80, (50, 24)).astype(np.float32)
    first, again = (draw_spectrogram(spectrogram, title="fear", hop_seconds=0.016) for _ in range(2))
    assert first.startswith(b"\x89PNG")
    assert first == again


def all_families(signal: np.ndarray, *, sample_rate: int, **settings) -> np.ndarray:
    return frame_features(signal, sample_rate=sample_rate, settings=FrameFeatures(**settings))


@pytest.mark.pipeline
@pytest.mark.parametrize(
    ("artifact", "block", "compute"),
    [("spectrograms.npy", "spectrograms", log_mel), ("features_1d.npy", "features_1d", all_families)],
)
def test_rows_are_the_signals_then_the_copies_in_their_order(finished, artifact, block, compute):
    data = finished.folder / "data"
    rows, signals, copies = (artifacts.open_array(data / name) for name in (artifact, "signals.npy", "augmented.npy"))
    assert len(rows) == len(signals) + len(copies)
    settings = yaml.safe_load((finished.folder / "params.yaml").read_text())[block]
    for row in (0, len(signals) - 1, len(signals), len(rows) - 1):
        signal = signals[row] if row < len(signals) else copies[row - len(signals)]
        expected = compute(signal.astype(np.float32), sample_rate=16000, **settings)
        np.testing.assert_allclose(rows[row], expected, rtol=1e-3, atol=1e-2)


@pytest.mark.pipeline
def test_there_is_a_picture_for_each_emotion(finished):
    assert len(list((finished.folder / "metrics" / "spectrograms").glob("*.png"))) == 6

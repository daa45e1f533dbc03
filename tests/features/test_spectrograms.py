import numpy as np
import pytest
from helpers import ROOT, set_params

from ser import artifacts
from ser.errors import InputError
from ser.features.families import FAMILIES, feature_names, frame_features
from ser.features.frame_features import zero_crossing_rate
from ser.features.mel import log_mel
from ser.features.pictures import draw_spectrogram
from ser.params import load


def test_a_picture_is_a_png_with_equal_bytes_each_time(rng):
    spectrogram = rng.uniform(0, 80, (50, 24)).astype(np.float32)
    first, again = (draw_spectrogram(spectrogram, title="fear", hop_seconds=0.016) for _ in range(2))
    assert first.startswith(b"\x89PNG")
    assert first == again


@pytest.mark.pipeline
@pytest.mark.parametrize("artifact", ["spectrograms", "features_1d"])
def test_rows_are_the_signals_then_the_copies_in_their_order(finished, artifact):
    data, params = finished.folder / "data", load(finished.folder / "params.yaml")
    names = (f"{artifact}.npy", "signals.npy", "augmented.npy")
    rows, signals, copies = (artifacts.open_array(data / name) for name in names)
    assert len(rows) == len(signals) + len(copies)
    settings, families = params.features_1d, tuple(FAMILIES)
    if artifact == "spectrograms":
        settings, families = params.spectrograms.at_its_frames(settings), params.spectrograms.families
    for row in (0, len(signals) - 1, len(signals), len(rows) - 1):
        signal = (signals[row] if row < len(signals) else copies[row - len(signals)]).astype(np.float32)
        expected = frame_features(signal, sample_rate=16000, settings=settings, families=families)
        np.testing.assert_allclose(rows[row], expected, rtol=1e-3, atol=1e-2)


def test_a_spectrogram_and_its_tracks_are_those_of_their_own_functions(rng):
    params, signal = load(ROOT / "params.yaml"), rng.standard_normal(16000).astype(np.float32)
    settings = params.spectrograms.at_its_frames(params.features_1d)
    found = frame_features(signal, sample_rate=16000, settings=settings, families=params.spectrograms.families)
    names = feature_names(settings, params.spectrograms.families)
    mels = log_mel(signal, sample_rate=16000, **params.spectrograms.mel())
    np.testing.assert_array_equal(found[:, : params.spectrograms.n_mels], mels)
    crossings = zero_crossing_rate(signal, frame_length=settings.n_fft, hop_length=settings.hop_length)
    np.testing.assert_array_equal(found[:, names.index("zero_crossing_rate")], crossings)


def test_tracks_that_are_no_families_are_refused(tmp_path):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    set_params(tmp_path, {"spectrograms.tracks": ["pitch", "loudness"]})
    with pytest.raises(InputError, match=r"spectrograms.tracks: it names loudness; expected some of energy"):
        load(tmp_path / "params.yaml")


@pytest.mark.pipeline
def test_there_is_a_picture_for_each_emotion(finished):
    assert len(list((finished.folder / "metrics" / "spectrograms").glob("*.png"))) == 6

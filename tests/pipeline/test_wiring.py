"""Faults that were planted in a review and passed unseen: each is caught here."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers import sine, tiny_params

from ser.audio.stft import istft, stft
from ser.features.families import feature_names, frame_features
from ser.features.frame_features import rmse
from ser.features.mel import FLOOR_POWER
from ser.scoring.calibration import fit_temperature, temper
from ser.scoring.metrics import group_rows
from ser.scoring.scores import paired_difference
from ser.training.batches import Batches
from ser.training.data import Pool
from ser.training.on_the_fly import Columns

OFF = {
    "max_rate": 0.0,
    "max_shift_seconds": 0,
    "max_warp": 0.0,
    "mixup_alpha": 0.0,
}


def test_equal_classifiers_rarely_differ_significantly():
    """Under the null hypothesis a p-value below 0.05 comes about once in twenty."""
    rng = np.random.default_rng(0)
    actors, actual = np.repeat(np.arange(12), 20), rng.integers(0, 6, 240)
    found = []
    for _ in range(60):
        one, two = (np.where(rng.random(240) < 0.5, actual, rng.integers(0, 6, 240)) for _ in range(2))
        difference = paired_difference(actual, one, two, actors, samples=200, rng=rng)
        found.append(difference["p"])
    assert 0 <= np.mean(np.array(found) < 0.05) < 0.15
    assert np.quantile(found, 0.9) > 0.5


def test_groups_count_the_most_probable_emotion():
    actual = np.array([0, 0, 1, 1])
    probabilities = np.eye(6, dtype=np.float32)[[0, 0, 1, 2]] * 0.5 + 0.08
    rows = group_rows("x", probabilities, actual, {"sex": np.array(["f", "f", "m", "m"])}, np.array([1, 1, 2, 3]))
    found = {row["value"]: (row["accuracy"], row["uar"], row["clips"], row["actors"]) for row in rows}
    assert found == {"f": (1.0, 1.0, 2, 1), "m": (0.5, 0.5, 2, 2)}


def changed_by(**on) -> tuple[np.ndarray, np.ndarray]:
    """A batch with every transform off, and with some on."""
    rng = np.random.default_rng(1)
    features = rng.uniform(20, 60, (8, 50, 20)).astype(np.float32)
    features[:, 40:] = 0
    labels = np.arange(8) % 6
    pool = Pool(features, np.arange(8)[:, None], np.eye(6, dtype=np.float32)[labels], np.zeros(8, int), labels)
    pair = []
    for settings in (OFF, OFF | on):
        batches = Batches(
            pool,
            columns=Columns((0, 16), 0.016),
            class_weights=None,
            neutral=4,
            seed=0,
            settings=SimpleNamespace(
                batch_size=8,
                group_clips=8,
                original_share=1.0,
                enrolment=SimpleNamespace(
                    p_none=0.0,
                    p_neutral=0.0,
                    p_one_emotion=0.0,
                    p_two_emotions=0.0,
                    p_other_speaker=0.0,
                    p_mixed_channels=0.0,
                ),
                on_the_fly=SimpleNamespace(**settings),
            ),
        )
        pair.append(batches.batch(0, 0)[0][0])
    return pair[0], pair[1]


def test_a_change_of_speed_moves_the_frames_and_all_columns_alike():
    plain, played = changed_by(max_rate=0.2)
    assert np.mean(np.abs(plain - played)[:, 5:30] > 1e-3) > 0.5
    np.testing.assert_allclose(plain[:, 0], played[:, 0], atol=1e-4)  # all begin where they began


def test_a_warp_stretches_the_bands_and_no_other_column():
    plain, warped = changed_by(max_warp=0.2)
    assert np.mean(np.abs(plain - warped)[:, :40, 1:16] > 1e-3) > 0.5
    np.testing.assert_allclose(plain[:, :40, 0], warped[:, :40, 0], atol=1e-4)
    np.testing.assert_array_equal(plain[..., 16:], warped[..., 16:])


def test_the_column_rmse_is_the_level_of_rmse():
    signal = sine(300.0) * np.linspace(0.1, 1, 16000, dtype=np.float32)
    settings = tiny_params({}).features_1d
    features = frame_features(signal, sample_rate=16000, settings=settings)
    column = features[:, feature_names(settings).index("rmse")]
    level = 20 * np.log10(rmse(signal, frame_length=512, hop_length=256)) - 10 * np.log10(FLOOR_POWER)
    np.testing.assert_allclose(column, level, atol=1e-3)


@pytest.mark.parametrize(("flattened_by", "lowest", "highest"), [(3.0, 0.2, 0.6), (1.0, 0.7, 1.4), (0.4, 1.8, 4.0)])
def test_the_temperature_undoes_what_was_done(flattened_by, lowest, highest):
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.full(6, 0.5), 4000).astype(np.float32)
    actual = (probabilities.cumsum(axis=1) > rng.random((4000, 1))).argmax(axis=1)
    assert lowest < fit_temperature(temper(probabilities, flattened_by), actual) < highest


def test_the_temperature_stays_in_its_bounds():
    certain = np.eye(6, dtype=np.float32)[np.arange(60) % 6] * 0.9 + 0.1 / 6
    assert 0.1 <= fit_temperature(certain, np.arange(60) % 6) < 0.3
    assert fit_temperature(certain, (np.arange(60) + 1) % 6) == pytest.approx(10, abs=0.1)


def test_a_signal_that_no_window_covers_comes_back_finite():
    """At its edges the sum of the windows is nearly 0; dividing by it would make noise of rounding."""
    signal = np.random.default_rng(0).uniform(-1, 1, 5000).astype(np.float32)
    back = istft(stft(signal, n_fft=512, hop_length=512), hop_length=512, length=5000)
    assert np.isfinite(back).all()
    assert np.abs(back).max() < 50


def test_a_syllable_is_enough_speech_and_a_click_is_not():
    from ser.answers.recognizer import NoAnswer
    from ser.cli import open_recognizer

    recognizer = open_recognizer(None)
    noise = 0.002 * np.random.default_rng(0).standard_normal(32000).astype(np.float32)
    for seconds, answered in ((0.25, True), (0.02, False)):
        sound = noise.copy()
        tone = sum(sine(180.0 * k, seconds=seconds, amplitude=0.3 / k) for k in (1, 2, 3, 4))
        sound[8000 : 8000 + len(tone)] += tone
        if answered:
            assert recognizer.recognize(sound[:, None], 16000).emotion
        else:
            with pytest.raises(NoAnswer, match="no speech"):
                recognizer.recognize(sound[:, None], 16000)


@pytest.mark.network
def test_the_1d_network_halves_its_frames_twice():
    from ser.networks.cnn1d import cnn1d

    model = cnn1d(frames=64, columns=10, width=16, blocks=4, spatial_dropout=0.0)
    assert model.get_layer("stem_relu").output.shape == (None, 32, 16)
    assert model.get_layer("statistics").input.shape == (None, 16, 16)

import numpy as np
import pytest
from scipy import special
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score

from ser.emotions import EMOTIONS
from ser.networks.baseline import build_baseline, functionals
from ser.scoring.fusion import fuse
from ser.scoring.metrics import age_band
from ser.scoring.scores import (
    accuracy,
    actor_confusions,
    bootstrap,
    calibration_error,
    confusion,
    macro_f1,
    paired_difference,
    recalls,
    score,
    score_listeners,
    unweighted_average_recall,
)


@pytest.fixture
def answers(rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Actual emotions, probabilities that are right more often than not, actors."""
    actual = rng.integers(0, 6, 600)
    logits = rng.standard_normal((600, 6)) + 1.5 * np.eye(6)[actual]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return actual, probabilities.astype(np.float32), rng.integers(1001, 1021, 600)


def test_scores_equal_scikit_learn(answers):
    actual, probabilities, _ = answers
    predicted = probabilities.argmax(axis=1)
    counts = confusion(actual, predicted, 6)
    assert accuracy(counts) == pytest.approx(accuracy_score(actual, predicted))
    assert unweighted_average_recall(counts) == pytest.approx(balanced_accuracy_score(actual, predicted))
    assert macro_f1(counts) == pytest.approx(f1_score(actual, predicted, average="macro"))
    np.testing.assert_allclose(recalls(counts), recall_score(actual, predicted, average=None))


def test_fusion_is_the_softmax_of_the_weighted_mean_of_logits(rng):
    first, second = rng.normal(0, 3, (2, 50, 6)).astype(np.float32)
    networks = {"cnn1d": special.softmax(first, axis=1), "cnn2d": special.softmax(second, axis=1)}
    np.testing.assert_allclose(
        fuse(networks, {"cnn1d": 3.0}), special.softmax((3 * first + second) / 4, axis=1), rtol=1e-4
    )
    np.testing.assert_allclose(fuse(networks, {}), fuse(networks, {"cnn1d": 2.0, "cnn2d": 2.0}), rtol=1e-6)
    np.testing.assert_allclose(fuse({"cnn1d": networks["cnn1d"]}, {}), networks["cnn1d"], rtol=1e-4)
    sure = np.eye(6, dtype=np.float32)[:2]
    assert np.isfinite(fuse({"cnn1d": sure, "cnn2d": sure[::-1]}, {})).all()


def test_an_emotion_that_does_not_occur_does_not_count():
    counts = confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 6)
    assert unweighted_average_recall(counts) == pytest.approx(0.75)


def test_calibration_error_of_known_answers():
    probabilities = np.zeros((10, 6), np.float32)
    probabilities[:, 0], probabilities[:, 1] = 0.8, 0.2
    actual = np.array([0] * 8 + [1] * 2)
    assert calibration_error(probabilities, actual) == pytest.approx(0, abs=1e-6)
    assert calibration_error(probabilities, np.ones(10, int)) == pytest.approx(0.8, abs=1e-6)


def test_bootstrap_draws_actors_not_clips(rng):
    """One actor is always right and one always wrong: resampled accuracies are 0, a half or 1."""
    actual = np.zeros(200, int)
    predicted = np.repeat([0, 1], 100)
    actors = np.repeat([1001, 1002], 100)
    resampled = accuracy(bootstrap(actor_confusions(actual, predicted, actors, 6), samples=500, rng=rng))
    assert set(resampled.round(6)) == {0.0, 0.5, 1.0}


def test_score_has_an_interval_around_its_value(answers, rng):
    actual, probabilities, actors = answers
    given = score(probabilities, actual, actors, bootstrap_samples=500, rng=rng, emotions=EMOTIONS)
    assert given["uar_low"] < given["uar"] < given["uar_high"]
    assert given["accuracy_low"] < given["accuracy"] < given["accuracy_high"]
    assert list(given["recall"]) == list(EMOTIONS)
    assert (given["clips"], given["actors"]) == (600, 20)


def test_paired_difference_finds_a_better_classifier_and_no_difference_between_equals(answers, rng):
    actual, probabilities, actors = answers
    predicted = probabilities.argmax(axis=1)
    worse = np.where(rng.uniform(size=600) < 0.3, rng.integers(0, 6, 600), predicted)
    better = paired_difference(actual, predicted, worse, actors, samples=500, rng=rng)
    assert better["low"] > 0
    assert better["p"] < 0.01
    equal = paired_difference(actual, predicted, predicted, actors, samples=500, rng=rng)
    assert equal == {"uar_difference": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}


def test_listeners_share_a_tied_vote():
    votes = np.array([[5, 1, 0, 0, 0, 0], [3, 3, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]])
    given = score_listeners(votes, np.array([0, 1, 2]))
    assert given == {"accuracy": 0.75, "uar": 0.75, "clips": 2}
    assert score_listeners(np.zeros((2, 6), int), np.array([0, 1])) is None


def test_functionals_of_known_frames():
    features = np.zeros((2, 5, 1), np.float32)
    features[0, :4, 0] = [1, 3, 1, 3]  # the fifth frame is padding
    rows = functionals(features)
    mean, deviation, low, median, high, step = rows[0]
    assert (mean, deviation, median, step) == (2, 1, 2, 2)
    assert low < median < high
    assert not rows[1].any()


def test_the_baseline_learns_what_can_be_learnt(rng):
    labels = rng.integers(0, 6, 300)
    rows = rng.standard_normal((300, 8)) + 3 * np.eye(6, 8)[labels]
    classifier = build_baseline().fit(rows[:200], labels[:200])
    assert (classifier.predict(rows[200:]) == labels[200:]).mean() > 0.9


@pytest.mark.parametrize(("age", "band"), [(20, "20-29"), (39, "30-39"), (74, "50 and over"), (None, "unknown")])
def test_age_bands(age, band):
    assert age_band(age) == band

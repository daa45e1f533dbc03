"""Temperature, coverage."""

import itertools

import numpy as np
import pytest

from ser.scoring.calibration import answered, coverage_curve, fit_temperature, temper
from ser.scoring.scores import calibration_error


@pytest.fixture
def overconfident(rng) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from known probabilities, and these probabilities sharpened by a temperature of 0.5."""
    probabilities = rng.dirichlet(np.ones(6), 20000)
    labels = np.array([rng.choice(6, p=row) for row in probabilities])
    return temper(probabilities, 0.5), labels


def test_the_temperature_that_was_applied_is_found(overconfident):
    probabilities, labels = overconfident
    temperature = fit_temperature(probabilities, labels)
    assert temperature == pytest.approx(2, rel=0.05)
    tempered = temper(probabilities, temperature)
    assert calibration_error(tempered, labels) < 0.02 < calibration_error(probabilities, labels)
    np.testing.assert_array_equal(tempered.argmax(axis=1), probabilities.argmax(axis=1))


def test_temper_by_one_changes_nothing_and_keeps_sums(rng):
    probabilities = rng.dirichlet(np.ones(6), 50).astype(np.float32)
    np.testing.assert_allclose(temper(probabilities, 1.0), probabilities, atol=1e-6)
    np.testing.assert_allclose(temper(probabilities, 3.0).sum(axis=1), 1, rtol=1e-6)
    assert np.isfinite(temper(np.eye(6, dtype=np.float32), 0.1)).all()


def test_coverage_falls_as_the_threshold_rises(overconfident):
    rows = coverage_curve(*overconfident)
    assert rows[0]["coverage"] == 1
    assert all(a["coverage"] > b["coverage"] for a, b in itertools.pairwise(rows))
    assert rows[-1]["accuracy"] > rows[0]["accuracy"]


def test_answers_below_the_threshold_are_withheld():
    probabilities = np.full((4, 6), 0.02)
    probabilities[:, 0] = [0.9, 0.7, 0.5, 0.3]
    labels = np.array([0, 1, 0, 0])
    assert answered(probabilities, labels, threshold=0.6) == {"coverage": 0.5, "accuracy": 0.5}
    assert answered(probabilities, labels, threshold=0.95) == {"coverage": 0.0, "accuracy": None}

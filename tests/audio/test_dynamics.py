"""Gain that moves inside a recording."""

import numpy as np
import pytest

from ser.audio.dynamics import KINDS, GainControl, control_gain, draw_gain_control

RATE = 16_000


def two_levels(first: float, second: float) -> np.ndarray:
    """A second of a tone at one amplitude, and one at another."""
    tone = np.sin(2 * np.pi * 300 * np.arange(2 * RATE) / RATE)
    return (tone * np.repeat([first, second], RATE)).astype(np.float32)


def change_db(before: np.ndarray, after: np.ndarray, start_seconds: float, end_seconds: float) -> float:
    span = slice(round(start_seconds * RATE), round(end_seconds * RATE))
    return 10 * np.log10(np.mean(after[span] ** 2) / np.mean(before[span] ** 2))


def test_automatic_gain_control_raises_what_is_soft_by_its_strength_at_most():
    signal, agc = two_levels(0.5, 0.005), GainControl("agc", 15.0, 0.005, 0.1)
    raised = control_gain(signal, agc, sample_rate=RATE)
    assert change_db(signal, raised, 0.2, 0.9) == pytest.approx(0, abs=0.3)
    assert change_db(signal, raised, 1.8, 2.0) == pytest.approx(15, abs=0.3)


def test_it_is_slow_to_rise_and_quick_to_fall():
    agc = GainControl("agc", 20.0, 0.005, 0.5)
    falling, rising = two_levels(0.5, 0.05), two_levels(0.05, 0.5)
    slow = control_gain(falling, agc, sample_rate=RATE)
    assert change_db(falling, slow, 1.05, 1.1) < 5
    quick = control_gain(rising, agc, sample_rate=RATE)
    assert change_db(rising, quick, 0.5, 0.9) == pytest.approx(20, abs=0.5)
    assert change_db(rising, quick, 1.05, 1.1) == pytest.approx(0, abs=0.5)


def test_a_limiter_lowers_what_is_loud_and_nothing_else():
    signal, limiter = two_levels(0.5, 0.05), GainControl("limiter", 20.0, 0.005, 0.05)
    limited = control_gain(signal, limiter, sample_rate=RATE)
    assert change_db(signal, limited, 0.2, 0.9) == pytest.approx(-10, abs=0.3)
    assert change_db(signal, limited, 1.6, 2.0) == pytest.approx(0, abs=0.3)


def test_a_gate_closes_on_what_is_soft():
    signal, gate = two_levels(0.5, 0.005), GainControl("gate", 12.0, 0.005, 0.05)
    gated = control_gain(signal, gate, sample_rate=RATE)
    assert change_db(signal, gated, 0.2, 0.9) == pytest.approx(0, abs=0.1)
    assert change_db(signal, gated, 1.6, 2.0) == pytest.approx(-12, abs=0.3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_gain_before_it_stays_a_gain_after_it(kind, rng):
    signal = two_levels(0.5, 0.01) + 0.001 * rng.standard_normal(2 * RATE).astype(np.float32)
    control = GainControl(kind, 15.0, 0.01, 0.2)
    np.testing.assert_allclose(
        control_gain(0.1 * signal, control, sample_rate=RATE),
        0.1 * control_gain(signal, control, sample_rate=RATE),
        atol=1e-6,
    )
    assert not control_gain(np.zeros(100, np.float32), control, sample_rate=RATE).any()


def test_draws_are_of_all_kinds_and_within_their_ranges(rng):
    drawn = [draw_gain_control(rng) for _ in range(300)]
    assert {one.kind for one in drawn} == set(KINDS)
    assert all(5 <= one.strength_db <= 25 for one in drawn)
    assert all(0.002 <= one.attack_seconds <= 0.05 and 0.05 <= one.release_seconds <= 1.5 for one in drawn)

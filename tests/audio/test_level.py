"""The level of a recording, and that it is gone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ser.audio.level import LOUDEST_RMS, loudest_power, normalize_level

RATE = 16_000


def speech_like(rng: np.random.Generator, seconds: float = 2.0) -> np.ndarray:
    """A tone that comes and goes over a noise 50 dB below."""
    time = np.arange(round(seconds * RATE)) / RATE
    swell = np.maximum(0, np.sin(2 * np.pi * 2 * time))
    return (0.1 * swell * np.sin(2 * np.pi * 200 * time) + 3e-4 * rng.standard_normal(len(time))).astype(np.float32)


def test_a_constant_tone_has_its_own_power():
    tone = np.sin(2 * np.pi * 500 * np.arange(RATE) / RATE).astype(np.float32)
    assert loudest_power(tone) == pytest.approx(0.5, rel=1e-3)
    assert np.sqrt(np.mean(normalize_level(tone) ** 2)) == pytest.approx(LOUDEST_RMS, rel=1e-3)


@settings(max_examples=30, deadline=None)
@given(gain_db=st.floats(-60, 20))
def test_a_gain_changes_nothing(gain_db):
    signal = speech_like(np.random.default_rng(0))
    louder = signal * np.float32(10 ** (gain_db / 20))
    np.testing.assert_allclose(normalize_level(louder), normalize_level(signal), atol=1e-6)


def test_a_click_is_no_level(rng):
    signal = speech_like(rng)
    clicked = signal.copy()
    clicked[100:180] = 0.99
    assert loudest_power(clicked) == pytest.approx(loudest_power(signal), rel=1e-3)


def test_silence_stays():
    assert not normalize_level(np.zeros(1000, np.float32)).any()
    assert len(normalize_level(np.zeros(0, np.float32))) == 0

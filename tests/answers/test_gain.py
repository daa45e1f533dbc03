"""A gain says nothing: with and without a profile, whatever the gain of each recording."""

import numpy as np
import pytest
import soundfile
from helpers import ROOT, SAMPLE_RATE
from hypothesis import given, settings
from hypothesis import strategies as st

import ser

CLIPS = ROOT.parent / "shared" / "crema-d" / "AudioWAV"
NAMES = ["1002_DFA_ANG_XX", "1002_IEO_SAD_HI", "1002_ITS_NEU_XX", "1002_TAI_HAP_XX", "1002_IWW_FEA_XX"]
ENROLLED = 4  # of them; the last is asked about
GAINS_DB = st.lists(st.floats(-20, 20), min_size=len(NAMES), max_size=len(NAMES))

pytestmark = pytest.mark.real_speech


@pytest.fixture(scope="module")
def recordings() -> list[np.ndarray]:
    if not CLIPS.is_dir():
        pytest.skip("no real speech in ../shared/crema-d")
    return [soundfile.read(CLIPS / f"{name}.flac", dtype="float32")[0] for name in NAMES]


@settings(max_examples=15, deadline=None)
@given(gains_db=GAINS_DB)
def test_answers_stay_whatever_the_gain_of_each_recording(recordings, gains_db):
    model = ser.load()
    louder = [clip * np.float32(10 ** (gain / 20)) for clip, gain in zip(recordings, gains_db, strict=True)]

    def answers(clips: list[np.ndarray]) -> np.ndarray:
        profile = model.calibrate(clips[:ENROLLED], SAMPLE_RATE)
        asked = [model.predict(clips[-1], SAMPLE_RATE, profile=known) for known in (None, profile)]
        return np.array([[*answer.probabilities.values()] for answer in asked])

    np.testing.assert_allclose(answers(louder), answers(recordings), atol=1e-3)

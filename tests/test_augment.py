import librosa
import numpy as np
import pytest
from conftest import ROOT, SAMPLE_RATE, real_clips, sine

from ser.audio.augmentation import TRANSFORMS, altered_copies, draw_values, noise, pitch, shift
from ser.audio.reading import read_audio
from ser.params import load
from ser.randomness import clip_rng


def test_noise_has_the_asked_deviation(rng):
    signal = sine(200.0, amplitude=0.8)
    added = noise(signal, amplitude=0.1, rng=rng) - signal
    assert added.std() == pytest.approx(0.1 * np.abs(signal).max(), rel=0.05)
    assert added.mean() == pytest.approx(0, abs=0.005)


def test_shift_moves_and_fills_with_zeros():
    signal = np.arange(1, 6, dtype=np.float32)
    np.testing.assert_array_equal(shift(signal, samples=2), [0, 0, 1, 2, 3])
    np.testing.assert_array_equal(shift(signal, samples=-2), [3, 4, 5, 0, 0])
    np.testing.assert_array_equal(shift(signal, samples=0), signal)
    assert not shift(signal, samples=5).any()
    assert not shift(signal, samples=-9).any()


@pytest.mark.parametrize("semitones", [-4.0, -1.3, 0.5, 2.0, 7.0])
def test_pitch_moves_a_tone_and_keeps_its_length(semitones):
    moved = pitch(sine(440.0, seconds=2.0), sample_rate=SAMPLE_RATE, semitones=semitones)
    assert moved.shape == (2 * SAMPLE_RATE,)
    assert moved.dtype == np.float32
    peak_hz = np.abs(np.fft.rfft(moved * np.hanning(len(moved)))).argmax() / 2
    assert peak_hz == pytest.approx(440 * 2 ** (semitones / 12), rel=0.005)


@pytest.mark.real_speech
@pytest.mark.parametrize("semitones", [-1.3, 2.0])
def test_pitch_equals_librosa_on_real_speech(semitones):
    for path in real_clips(3):
        signal = read_audio(path)[0][:, 0]
        expected = librosa.effects.pitch_shift(signal, sr=SAMPLE_RATE, n_steps=semitones)
        given = pitch(signal, sample_rate=SAMPLE_RATE, semitones=semitones)
        # Phases add up over frames, by products here and by sums there, both in single precision.
        np.testing.assert_allclose(given, expected, atol=0.01 * np.abs(expected).max())


def test_draws_depend_on_the_clip_and_the_seed_alone():
    settings = load(ROOT / "params.yaml").augment
    draws = [draw_values(settings, clip_rng(seed, clip)) for seed, clip in ((0, "a"), (0, "a"), (0, "b"), (1, "a"))]
    assert draws[0] == draws[1]
    assert len({str(draw) for draw in draws}) == 3


def test_draws_stay_in_their_ranges():
    settings = load(ROOT / "params.yaml").augment
    draws = [draw_values(settings, clip_rng(0, str(i))) for i in range(300)]
    assert all(0 <= draw["noise"] <= settings.noise_max_amplitude for draw in draws)
    assert {draw["shift"] for draw in draws} == {2000.0 * step for step in range(-5, 6)}
    assert all(abs(draw["pitch"]) <= settings.pitch_max_semitones for draw in draws)


def test_copies_are_one_for_each_transform(rng):
    signal = sine(300.0)
    copies = altered_copies(
        signal, {"noise": 0.0, "shift": 2000.0, "pitch": 0.0}, TRANSFORMS, sample_rate=SAMPLE_RATE, rng=rng
    )
    assert copies.shape == (3, SAMPLE_RATE)
    np.testing.assert_array_equal(copies[0], signal)
    np.testing.assert_array_equal(copies[1], shift(signal, samples=2000))

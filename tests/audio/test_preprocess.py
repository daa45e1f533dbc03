import librosa
import numpy as np
import pytest
import scipy.signal
from helpers import ROOT, SAMPLE_RATE, sine
from hypothesis import given
from hypothesis import strategies as st

from ser.audio.preprocessing import (
    highpass,
    mix_down,
    normalize_audio,
    preemphasis,
    preprocess,
    remove_silence,
    spectral_subtraction,
    truncate_pad,
)
from ser.errors import InputError
from ser.params import load

SUBTRACTION = {"over_subtraction": 2.0, "floor": 0.02, "noise_fraction": 0.2}


def level_db(signal: np.ndarray) -> float:
    return 10 * np.log10(np.mean(signal**2) + 1e-20)


def test_spectral_subtraction_lowers_noise_and_keeps_the_tone(rng):
    noise = 0.01 * rng.standard_normal(32000).astype(np.float32)
    signal = noise.copy()
    signal[8000:24000] += sine(1000.0, seconds=1.0)
    cleaned = spectral_subtraction(signal, **SUBTRACTION)
    assert level_db(cleaned[:7000]) < level_db(signal[:7000]) - 8
    assert level_db(cleaned[9000:23000]) == pytest.approx(level_db(signal[9000:23000]), abs=0.2)
    assert cleaned.shape == signal.shape
    assert cleaned.dtype == np.float32


def test_spectral_subtraction_of_nothing_changes_nothing(rng):
    signal = rng.standard_normal(8000).astype(np.float32)
    kept = spectral_subtraction(signal, over_subtraction=0.0, floor=0.0, noise_fraction=0.1)
    np.testing.assert_allclose(kept[:-128], signal[:-128], atol=1e-4)


def with_silence() -> np.ndarray:
    silence = np.full(8000, 1e-5, np.float32)
    return np.concatenate([silence, sine(300.0), silence, sine(300.0), silence])


def test_remove_silence_at_the_edges_equals_librosa():
    signal = with_silence()
    expected, _ = librosa.effects.trim(signal, top_db=30, frame_length=512, hop_length=128)
    np.testing.assert_array_equal(remove_silence(signal, top_db=30, where="edges"), expected)


def test_remove_silence_everywhere_equals_librosa():
    signal = with_silence()
    intervals = librosa.effects.split(signal, top_db=30, frame_length=512, hop_length=128)
    expected = np.concatenate([signal[first:last] for first, last in intervals])
    np.testing.assert_array_equal(remove_silence(signal, top_db=30, where="everywhere"), expected)


def test_remove_silence_nowhere_and_of_silence():
    signal = with_silence()
    np.testing.assert_array_equal(remove_silence(signal, top_db=30, where="nowhere"), signal)
    assert len(remove_silence(np.zeros(4000, np.float32), top_db=30, where="edges")) == 0
    with pytest.raises(InputError, match="'middle'"):
        remove_silence(signal, top_db=30, where="middle")


def test_preemphasis_of_a_constant_and_of_an_impulse():
    np.testing.assert_allclose(preemphasis(np.ones(4, np.float32), coefficient=0.97), [1, 0.03, 0.03, 0.03], atol=1e-6)
    np.testing.assert_allclose(preemphasis(np.array([0, 1, 0], np.float32), coefficient=0.97), [0, 1, -0.97], atol=1e-6)
    with pytest.raises(InputError, match="2"):
        preemphasis(np.ones(4, np.float32), coefficient=2)


@given(st.floats(-10, 10), st.floats(0.01, 10), st.integers(0, 2**31))
def test_normalize_audio_has_mean_zero_and_deviation_one(offset, scale, seed):
    signal = (offset + scale * np.random.default_rng(seed).standard_normal(1000)).astype(np.float32)
    normalised = normalize_audio(signal)
    assert normalised.mean() == pytest.approx(0, abs=1e-4)
    assert normalised.std() == pytest.approx(1, abs=1e-4)


@given(st.floats(-1, 1, width=32), st.integers(1, 2000))
def test_normalize_audio_of_a_constant_is_zero(value, samples):
    assert not normalize_audio(np.full(samples, value, np.float32)).any()


@given(st.integers(0, 50), st.integers(1, 50))
def test_truncate_pad_keeps_the_beginning_and_pads_with_zeros(given_samples, samples):
    signal = np.arange(1, given_samples + 1, dtype=np.float32)
    fitted = truncate_pad(signal, samples=samples)
    kept = min(given_samples, samples)
    assert fitted.shape == (samples,)
    np.testing.assert_array_equal(fitted[:kept], signal[:kept])
    assert not fitted[kept:].any()


def test_mix_down_averages_channels_and_keeps_the_pitch():
    stereo = np.stack([librosa.tone(440, sr=44100, length=44100), np.zeros(44100)], axis=1).astype(np.float32)
    mono = mix_down(stereo, 44100, sample_rate=SAMPLE_RATE)
    assert mono.shape == (SAMPLE_RATE,)
    assert np.abs(np.fft.rfft(mono)).argmax() == 440
    assert np.abs(mono).max() == pytest.approx(0.5, abs=0.02)


def test_every_step_can_be_switched_on(rng):
    settings = load(ROOT / "params.yaml").preprocess
    subtraction = settings.spectral_subtraction.model_copy(update={"enabled": True})
    on = settings.model_copy(update={"spectral_subtraction": subtraction, "preemphasis": 0.97, "normalize_audio": True})
    signal = preprocess(rng.standard_normal((20000, 2)).astype(np.float32), 22050, on)
    assert signal.shape == (48000,)
    assert signal.dtype == np.float32
    assert np.isfinite(signal).all()


def test_an_offset_and_rumble_go_and_a_voice_stays():
    voice = sine(150.0, seconds=2.0)
    offset = voice + 0.05 + sine(5.0, seconds=2.0, amplitude=0.2)
    filtered = highpass(offset, sample_rate=SAMPLE_RATE, cutoff_hz=30.0)
    assert abs(filtered.mean()) < 1e-3
    np.testing.assert_allclose(filtered[8000:].std(), voice.std(), rtol=0.02)
    still = highpass(np.full(1000, 0.05, np.float32), sample_rate=SAMPLE_RATE, cutoff_hz=30.0)
    assert np.abs(still).max() < 1e-6  # it starts settled: a constant makes no click
    np.testing.assert_array_equal(highpass(offset, sample_rate=SAMPLE_RATE, cutoff_hz=0.0), offset)
    with pytest.raises(InputError, match="highpass_hz"):
        highpass(offset, sample_rate=SAMPLE_RATE, cutoff_hz=9000.0)


@pytest.mark.parametrize(
    ("cutoff_hz", "samples"),
    [
        (0.01, 40_000),
        (1.0, 3_000),
        (30.0, 40_000),
        (30.0, 1),
        (300.0, 5_000),
        (4e3, 4_096),
        (7_990.0, 999),
    ],
)
def test_highpass_equals_scipy(cutoff_hz, samples, rng):
    signal = (0.1 * rng.standard_normal(samples) + 0.05).astype(np.float32)
    sections = scipy.signal.butter(2, cutoff_hz, "high", fs=SAMPLE_RATE, output="sos")
    settled = scipy.signal.sosfilt_zi(sections) * signal.mean(dtype=np.float64)
    expected, _ = scipy.signal.sosfilt(sections, signal.astype(np.float64), zi=settled)
    np.testing.assert_allclose(highpass(signal, sample_rate=SAMPLE_RATE, cutoff_hz=cutoff_hz), expected, atol=2e-7)

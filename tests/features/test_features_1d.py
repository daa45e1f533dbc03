import librosa
import numpy as np
import pytest
from helpers import SAMPLE_RATE, sine

from ser.errors import InputError
from ser.features.families import FAMILIES, FrameFeatures, Signals, column_table, feature_names, frame_features
from ser.features.frame_features import energy, entropy_of_energy, mfcc, rmse, zero_crossing_rate
from ser.features.pitch import fundamental_frequency

FRAMES = {"frame_length": 512, "hop_length": 256}
PITCH = {"sample_rate": SAMPLE_RATE, "frame_length": 1024, "hop_length": 256, "fmin_hz": 60.0, "fmax_hz": 500.0}
ALL = {
    "n_fft": 512,
    "hop_length": 256,
    "n_mels": 64,
    "n_mfcc": 20,
    "fmin_hz": 50.0,
    "fmax_hz": 8000.0,
    "sub_frames": 8,
    "pitch_frame_length": 1024,
    "pitch_fmin_hz": 60.0,
    "pitch_fmax_hz": 500.0,
}


def test_energy_of_a_constant_is_its_square_times_the_frame():
    values = energy(np.full(4096, 0.5, np.float32), **FRAMES)
    np.testing.assert_allclose(values[1:-1], 0.25 * 512)
    assert values[0] == pytest.approx(0.25 * 256)  # half of it is padding


def test_rmse_equals_librosa(rng):
    signal = rng.standard_normal((2, 8000)).astype(np.float32)
    np.testing.assert_allclose(rmse(signal, **FRAMES), librosa.feature.rms(y=signal, **FRAMES)[..., 0, :], rtol=1e-5)


def test_zero_crossing_rate_equals_librosa(rng):
    signal = rng.standard_normal((2, 8000)).astype(np.float32)
    signal[:, 1000:2000] = 0
    expected = librosa.feature.zero_crossing_rate(signal, **FRAMES)[..., 0, :]
    np.testing.assert_allclose(zero_crossing_rate(signal, **FRAMES), expected, atol=1e-7)


def test_zero_crossing_rate_of_a_sine_is_twice_its_frequency():
    rate = zero_crossing_rate(sine(1000.0), **FRAMES)
    np.testing.assert_allclose(rate[2:-2], 2 * 1000 / SAMPLE_RATE, atol=2 / 512)


def test_entropy_of_energy_is_full_for_a_constant_and_nil_for_an_impulse():
    constant = entropy_of_energy(np.ones(4096, np.float32), **FRAMES, sub_frames=8)
    np.testing.assert_allclose(constant[1:-1], 3.0, atol=1e-6)  # log2 of 8
    impulse = np.zeros(4096, np.float32)
    impulse[2000] = 1
    assert not entropy_of_energy(impulse, **FRAMES, sub_frames=8).any()


def test_mfcc_equals_librosa(rng):
    log_mel_db = rng.uniform(0, 80, (2, 30, 64)).astype(np.float32)
    expected = librosa.feature.mfcc(S=log_mel_db.swapaxes(-1, -2), n_mfcc=13).swapaxes(-1, -2)
    np.testing.assert_allclose(mfcc(log_mel_db, n_mfcc=13), expected, atol=1e-3)


@pytest.mark.parametrize("frequency_hz", [80.0, 150.0, 220.0, 440.0])
def test_pitch_of_a_harmonic_tone(frequency_hz):
    tone = sum(sine(frequency_hz * k, amplitude=0.3 / k) for k in range(1, 5))
    octaves, harmonicity = fundamental_frequency(tone, **PITCH)
    np.testing.assert_allclose(60 * 2 ** octaves[4:-4], frequency_hz, rtol=0.03)
    assert harmonicity[4:-4].min() > 0.9


def test_noise_has_no_harmonicity(rng):
    noise = rng.standard_normal(16000).astype(np.float32)
    assert fundamental_frequency(noise, **PITCH)[1][4:-4].mean() < 0.5


def test_harmonicity_is_the_autocorrelation_by_its_definition(rng):
    frames = rng.standard_normal((3, 1024)) + sine(150.0, seconds=1.0)[:1024]
    window = np.hanning(1024)

    def normalised(values):
        correlation = np.correlate(values, values, mode="full")[1023:]
        return correlation / correlation[0]

    octaves, harmonicity = fundamental_frequency(frames.astype(np.float32), **PITCH)
    for frame, octave, found in zip(frames, octaves[:, 2], harmonicity[:, 2], strict=True):  # the frame in the middle
        period = round(SAMPLE_RATE / (60 * 2**octave))
        expected = normalised(frame * window)[period] / normalised(window)[period]
        assert found == pytest.approx(expected, abs=1e-5)


def features_of(signals: np.ndarray, **changes) -> np.ndarray:
    return frame_features(signals, sample_rate=SAMPLE_RATE, settings=FrameFeatures(**ALL | changes))


def test_columns_have_their_names(rng):
    features, settings = features_of(rng.standard_normal((2, 8000)).astype(np.float32)), FrameFeatures(**ALL)
    names = feature_names(settings)
    assert features.shape == (2, 1 + 8000 // 256, len(names))
    assert features.dtype == np.float32
    assert len(set(names)) == len(names)
    assert feature_names(settings, ("rmse", "pitch")) == ["rmse", "pitch_octaves", "harmonicity"]
    assert set(FAMILIES) >= {"energy", "entropy_of_energy", "zero_crossing_rate", "rmse", "mfcc"}


def test_digital_silence_is_zero_in_every_column():
    assert not features_of(np.zeros((1, 8000), np.float32)).any()


def test_levels_rise_with_the_signal_and_nothing_else_does_but_the_first_coefficient(rng):
    signal = rng.standard_normal((1, 8000)).astype(np.float32)
    rise = features_of(2 * signal) - features_of(signal)
    for column, row in enumerate(column_table(FrameFeatures(**ALL))):
        expected = 20 * np.log10(2) * (np.sqrt(64) if row["name"] == "mfcc_0" else row["is_level"])
        np.testing.assert_allclose(rise[0, :, column], expected, atol=2e-3, err_msg=row["name"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"n_mfcc": 65}, "n_mfcc"), ({"sub_frames": 1000}, "sub_frames"), ({"pitch_fmin_hz": 20.0}, "Pitch")],
)
def test_impossible_settings_are_refused(changes, message):
    with pytest.raises(InputError, match=message):
        features_of(np.zeros((1, 8000), np.float32), **changes)


def test_frames_behind_the_sound_are_not_computed_and_are_what_they_would_be(rng):
    signals = np.zeros((3, 8000), np.float32)  # the last is silent
    signals[0, :3000], signals[1] = rng.standard_normal(3000), rng.standard_normal(8000)
    given = Signals(signals, SAMPLE_RATE, FrameFeatures(**ALL))
    parts = [family.compute(given) for family in FAMILIES.values()]
    whole = np.concatenate([part if part.ndim == 3 else part[..., None] for part in parts], axis=-1)
    np.testing.assert_allclose(
        frame_features(signals, sample_rate=SAMPLE_RATE, settings=given.settings), whole, atol=1e-5
    )
